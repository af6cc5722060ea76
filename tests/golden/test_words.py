"""Golden narrations: a story in the notation of golden ledgers, and what `loyalty explain` says of each of its events.

The entries go through their bytes first, as the command reads them.
"""

from pathlib import Path

import pytest

from loyalty.due import TYPE as DUE
from schemas.encode import encode_entry
from schemas.readback import read_entry
from tests.golden.notation import FOLDER, Case, read
from tests.loyalty.books import Books
from workers.books.names import Names
from workers.books.narration import told
from workers.books.trace import Trace

STORIES = sorted((FOLDER / "words").glob("*.words"))


def narrated(case: Case) -> str:
    books = Books(*case.programs)
    for event in case.events:
        if event.raw:
            books.take(event.raw, event.now_us)
        elif event.now_us is not None:
            books.pass_time(event.now_us)
    records = [encode_entry(entry) for entry in books.entries]
    lines: list[str] = []
    said: set[str] = set()
    by_time = [entry.entry_id for entry in books.entries if entry.cause.type == DUE]
    for event_id in [*dict.fromkeys(event.event_id for event in case.events), *by_time]:
        trace = Trace(event_id)
        for record in records:
            if trace.may_concern(record):
                trace.take(read_entry(record))
        for followed in trace.found:
            if followed.entry.entry_id in said:
                continue  # A return is also about its purchase.
            said.add(followed.entry.entry_id)
            lines += told(followed, Names(case.programs))
            lines.append("")
    return "".join(f"{line}\n" for line in lines[:-1])


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_narration(path: Path, *, update_golden: bool) -> None:
    case = read(path)
    text = narrated(case)
    assert text, "a story without entries says nothing"
    if update_golden:
        path.write_text(f"{case.before_then}then\n{text}", "utf-8")
    else:
        assert text == case.then, "differs: pytest tests/golden --update-golden, and review the diff"
