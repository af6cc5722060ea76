"""The notation of golden ledgers: a case as text that reads as the specification.

    # What it shows.
    given
        a program in YAML (PLAIN of tests/loyalty/books.py for the keys it leaves out), or `program coffee-club`
    and
        a further version, if there is one
    when
    p1  m1  2026-03-02T10:00:00Z  purchase 19.99  A[food]*2=5.00  channel=app  pay:card/house=24.99  @table=terrace
    r1  m1  2026-03-05            return p1 A  B*0=1.00
    a1  m1  2026-03-05            engagement quiz
r1  m1  2026-03-05            redeem mug  quantity=2  sale=p1
r2  m1  2026-03-05            pay p2 of=20.00  amount=5.00  (or points=500, or neither: as much as can be)
c1  m1  2026-03-05            cancelled r1  (or fulfilled, failed)
    p1  m1  2026-03-06            again
    t1  -   2026-12-31            time
    says                what the source of the case claims, written by hand, never by the test
    p1  19 points
    m1  = 19 points
    then                what comes out; rewritten by --update-golden

Each line of `when`: id, member (- for none), time (a bare date is 12:00 UTC), kind, words. A sale's line is
`SKU[category,brand]*quantity=amount` (article in capitals), or an amount alone; `source=` is the sender, and
`arrives=` when it is decided.

Not here: running a case (ledgers.py).
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from loyalty.program import Program
from schemas.currencies import MINOR_DIGITS
from schemas.program_load import load_program
from tests.loyalty.books import program
from tests.loyalty.events import Json, micros, wire

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER.parents[1] / "config" / "programs"
_SECTIONS = ("given", "and", "when", "says", "then")
_LINE = re.compile(
    r"(?P<sku>[^\[*=\s]+)(?:\[(?P<category>[^,\]]*)(?:,(?P<brand>[^\]]*))?\])?(?:\*(?P<quantity>[\d.]+))?"
)
_ADJUSTED = ("currency", "reference", "approved_by", "tier", "earned_at", "ends_at")
_REPORTS = ("cancelled", "fulfilled", "failed")
_WIRE_KINDS = {"transfer": "transfer.requested"}
_KINDS = {"enroll": "enrolled", "update": "updated", "close": "closed"}


class Told(NamedTuple):
    """One event of a case: its bytes (none: time passes), and when it is decided (None: at its own time)."""

    event_id: str
    raw: bytes
    now_us: int | None


class Case(NamedTuple):
    """A golden ledger, read."""

    path: Path
    before_then: str
    programs: tuple[Program, ...]
    events: tuple[Told, ...]
    says: tuple[str, ...]
    then: str


class _Sale(NamedTuple):
    currency: str
    lines: list[Json]


def read(path: Path) -> Case:
    """The case in a file."""
    text = path.read_text("utf-8")
    programs: list[Program] = []
    events: list[Told] = []
    says: list[str] = []
    for section, rows in _sections(text):
        match section:
            case "given" | "and":
                programs.append(_program(rows))
            case "when":
                events = _Story().told(rows)
            case "says":
                says = [row for row in map(_uncommented, rows) if row]
            case _:
                pass
    before, found, then = text.partition("\nthen\n")
    return Case(path, before + "\n" if found else text, tuple(programs), tuple(events), tuple(says), then)


def _sections(text: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for row in text.splitlines():
        if row.rstrip() in _SECTIONS:
            found.append((row.rstrip(), []))
        elif found:
            found[-1][1].append(row)
    return found


def _uncommented(row: str) -> str:
    return row.partition("  #")[0].strip() if not row.startswith("#") else ""


def _program(rows: list[str]) -> Program:
    named = [row.split()[1] for row in rows if row.split()[:1] == ["program"]]
    if named:
        return load_program(PROGRAMS / f"{named[0]}.yaml")
    return program("\n".join(row[4:] for row in rows) + "\n")


class _Story:
    """Reads events, remembering sales (a return names their lines) and bytes (an event may come again)."""

    def __init__(self) -> None:
        self.sales: dict[str, _Sale] = {}
        self.bytes: dict[str, bytes] = {}

    def told(self, rows: list[str]) -> list[Told]:
        return [self._one(row.split()) for row in map(_uncommented, rows) if row]

    def _one(self, words: list[str]) -> Told:
        event_id, member, time, kind, *rest = words
        time = _time(time)
        options = dict(word.split("=", 1) for word in rest if re.match(r"[a-z_]+=", word) and word[0] != "@")
        now_us = micros(_time(options.pop("arrives"))) if "arrives" in options else None
        if kind == "time":
            return Told(event_id, b"", micros(time))
        if kind == "again":
            return Told(event_id, self.bytes[event_id], micros(time) if now_us is None else now_us)
        source = options.pop("source", "/test")
        own = {name: _scalar(value) for name, value in (w[1:].split("=", 1) for w in rest if w[0] == "@")}
        plain = [word for word in rest if "=" not in word or not re.match(r"@|[a-z_]+=", word)]
        wire_kind = "member" if kind in _KINDS else _WIRE_KINDS.get(kind, kind)
        wire_kind = "redemption.requested" if kind in {"redeem", "pay"} else wire_kind
        wire_kind = f"redemption.{kind}" if kind in _REPORTS else wire_kind
        data = self._data(kind, event_id, plain, options, own)
        raw = wire(wire_kind, event_id, None if member == "-" else member, time, data, source)
        self.bytes.setdefault(event_id, raw)
        return Told(event_id, raw, now_us)

    def _data(self, kind: str, event_id: str, plain: list[str], options: dict[str, str], own: Json) -> Json:
        attributes = {"attributes": own} if own else {}
        match kind:
            case "purchase":
                return {**self._purchase(event_id, plain, options), **attributes}
            case "return":
                return {**self._return(event_id, plain, options), **attributes}
            case "review":
                return {
                    "review_id": options.get("review", event_id),
                    "sku": options.get("sku", "A"),
                    "rating": int(options.get("rating", 5)),
                    "text_length": int(options.get("length", 100)),
                    "has_photo": "photo" in plain,
                    "verified_purchase": "verified" in plain,
                    "status": "removed" if "removed" in plain else "published",
                    **attributes,
                }
            case "share":
                return {
                    "share_id": options.get("share", event_id),
                    "network": options.get("network", "instagram"),
                    "content_id": options.get("content", event_id),
                    "kind": plain[0] if plain else "share",
                    **attributes,
                }
            case "engagement":
                return {"activity": plain[0], "activity_id": options.get("activity", event_id), "properties": own}
            case "referral":
                return {
                    "referral_id": options.get("referral", "ref"),
                    "referrer_id": options["by"],
                    "code": options.get("code", "C"),
                    "stage": plain[0],
                    **attributes,
                }
            case "adjustment":
                named = {name: options[name] for name in _ADJUSTED if name in options}
                return {
                    "adjustment_id": options.get("adjustment", event_id),
                    "kind": plain[0],
                    "points": int(plain[1]),
                    "reason": options.get("reason", "asked"),
                    "operator": options.get("operator", "anna"),
                    **{name: _time(text) if name.endswith("_at") else text for name, text in named.items()},
                }
            case "redeem" | "pay":
                return self._redemption(kind, event_id, plain[0], options)
            case "cancelled" | "fulfilled" | "failed":
                reason = {"reason": options.get("reason", "asked")} if kind == "failed" else {}
                return {"redemption_id": plain[0], **reason}
            case "transfer" | "merge" | "household":
                return _between(kind, event_id, plain, options)
            case "enroll" | "update" | "close":
                segments = {"segments": options["segments"].split(",")} if "segments" in options else {}
                birthday = {"birthday": options["birthday"]} if "birthday" in options else {}
                return {"status": _KINDS[kind], **segments, **birthday, **attributes}
            case _:
                raise ValueError(kind)

    def _purchase(self, event_id: str, plain: list[str], options: dict[str, str]) -> Json:
        currency = options.get("currency", "USD")
        lines: list[Json] = []
        tenders: list[Json] = []
        for word in plain:
            what, _, amount = word.rpartition("=")
            minor = _minor(amount, currency)
            if what.startswith("pay:"):
                kind, _, label = what.removeprefix("pay:").partition("/")
                tenders.append({"type": kind, "label": label, "amount_minor": minor})
                continue
            found = _LINE.fullmatch(what or "item")
            if found is None:
                raise ValueError(word)
            made: Json = {"line_id": found["sku"], "sku": found["sku"], "quantity": found["quantity"] or "1"}
            made |= {"category": found["category"]} if found["category"] else {}
            made |= {"brand": found["brand"]} if found["brand"] else {}
            lines.append({**made, "amount_minor": minor})
        self.sales.setdefault(event_id, _Sale(currency, lines))  # what came first stands
        extras = {
            f"{name}_minor": _minor(options[name], currency) for name in ("tax", "shipping", "tip") if name in options
        }
        return {
            "transaction_id": options.get("transaction", event_id),
            "store_id": options.get("store", "S1"),
            "channel": options.get("channel", "store"),
            "currency": currency,
            "lines": lines,
            **({"tenders": tenders} if tenders else {}),
            **extras,
            **({"store_zone": options["zone"]} if "zone" in options else {}),
        }

    def _redemption(self, kind: str, event_id: str, what: str, options: dict[str, str]) -> Json:
        made: Json = {"redemption_id": options.get("redemption", event_id)}
        if kind == "redeem":
            made |= {"reward_id": what, "quantity": int(options.get("quantity", 1))}
            return {**made, "transaction_id": options["sale"]} if "sale" in options else made
        currency = options.get("currency", "USD")
        payment: Json = {"basket_minor": _minor(options["of"], currency), "currency": currency}
        payment |= {"amount_minor": _minor(options["amount"], currency)} if "amount" in options else {}
        payment |= {"points": int(options["points"])} if "points" in options else {}
        return {**made, "transaction_id": what, "payment": payment}

    def _return(self, event_id: str, plain: list[str], options: dict[str, str]) -> Json:
        of, *words = plain
        sale = self.sales.get(of, _Sale("USD", []))
        bought = {each["line_id"]: each for each in sale.lines}
        lines = []
        for word in words or list(bought):
            what, _, amount = word.partition("=")
            sku, _, quantity = what.partition("*")
            whole = bought.get(sku, {"quantity": "1", "amount_minor": 0})
            minor = _minor(amount, sale.currency) if amount else whole["amount_minor"]
            lines.append({"line_id": sku, "quantity": quantity or whole["quantity"], "amount_minor": minor})
        found = {"return_id": options.get("return", event_id), "lines": lines}
        return found if of == "blind" else {**found, "transaction_id": of}


def _time(text: str) -> str:
    return text if "T" in text else f"{text}T12:00:00Z"


def _minor(text: str, currency: str) -> int:
    minor = Decimal(text) * 10 ** MINOR_DIGITS[currency]
    if minor != int(minor):
        raise ValueError(text)
    return int(minor)


def _between(kind: str, event_id: str, plain: list[str], options: dict[str, str]) -> Json:
    """What members ask for that touches another."""
    if kind == "merge":
        return {"merge_id": event_id, "into": plain[0], "operator": "anna"}
    if kind == "household":
        joined = {"status": "joined", "holder": plain[1]} if plain[1:] else {"status": "left"}
        return {"household_id": plain[0], **joined}
    named: Json = {name: options[name] for name in ("currency", "note") if name in options}
    return {"transfer_id": event_id, "to_member": plain[0], "points": int(plain[1]), **named}


def _scalar(text: str) -> str | int | bool:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text
