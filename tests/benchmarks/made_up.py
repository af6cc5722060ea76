"""Small purchases for tests of the benchmarks: the data set itself takes minutes to read."""

import orjson


def purchase(number: int, member: str) -> bytes:
    """One of a dollar and a half and some cents, at second `number`."""
    lines = [{"line_id": "1", "sku": f"S{number}", "category": "bread", "quantity": "1", "amount_minor": 150 + number}]
    data = {"transaction_id": f"t{number}", "store_id": "1", "channel": "store", "currency": "USD", "lines": lines}
    envelope = {"specversion": "1.0", "id": f"t{number}", "source": "/pos", "type": "loyalty.purchase.v1"}
    return orjson.dumps({**envelope, "time": f"2026-01-01T10:00:{number:02}Z", "subject": member, "data": data})
