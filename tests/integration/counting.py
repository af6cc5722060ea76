"""A stand-in for the domain: adds up amounts for each member. All around it is real.

It keeps what the delivery has to prove: a running balance (wrong if anything is lost, doubled or reordered within a
member), one ledger record for each event, dead letters with headers, and a message to another partition.
"""

from collections.abc import Mapping, Sequence

import orjson

from workers.batch import BatchResult, StateReader
from workers.counts import Counts
from workers.records import Out, Record
from workers.store.port import ACCOUNT_KEY

INVALID = b"not json"


class CountingDecider:
    """Decides {"id", "amount"} events. `versions` is what the worker claims to hold of programs."""

    def __init__(self, versions: Mapping[str, tuple[str, int]]) -> None:
        self._versions = versions

    @property
    def versions(self) -> Mapping[str, tuple[str, int]]:
        return self._versions

    def start_after(self, _: int, /) -> int | None:
        return None

    def decide_batch(self, partition: int, records: Sequence[Record], state: StateReader, now_us: int) -> BatchResult:
        result = BatchResult([], {}, Counts())
        for record in records:
            if record.value == INVALID:
                headers = (("__loyalty.errors.code", b"invalid"), ("__loyalty.errors.offset", b"%d" % record.offset))
                result.outputs.append(Out("dead-letters", partition, record.key, record.value, headers))
                result.counts.dead_letters["invalid"] += 1
                continue
            self._add(partition, record, state, now_us, result)
        return result

    @staticmethod
    def _add(partition: int, record: Record, state: StateReader, now_us: int, result: BatchResult) -> None:
        member = record.key or b""
        key = ACCOUNT_KEY + member
        event = orjson.loads(record.value or b"{}")
        account = orjson.loads(result.writes.get(key) or state.get(key) or b'{"balance":0,"events":0}')
        account = {"balance": account["balance"] + event["amount"], "events": account["events"] + 1}
        result.writes[key] = orjson.dumps(account)
        entry = {
            "id": event["id"],
            "member": member.decode(),
            "amount": event["amount"],
            "topic": record.topic,
            "offset": record.offset,
            "now_us": now_us,
            **account,
        }
        result.outputs.append(Out("ledger", partition, member, orjson.dumps(entry)))
        if "send_to" in event:  # To another partition, as an award travels.
            gift = orjson.dumps({"id": f"{event['id']}-gift", "amount": 1})
            result.outputs.append(Out("inbox", event["send_to"], f"friend-{event['send_to']}".encode(), gift))
        result.counts.events["counted", "applied"] += 1
