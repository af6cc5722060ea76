"""What the events of a part have changed can be taken back, and what is kept stays."""

import pytest

from loyalty.account import Head, Record
from workers.overlay import PART_EVENTS, Overlay, parts_of

OLD, NEW, NEWER = (Head("m", enrolled_us) for enrolled_us in (1, 2, 3))


def overlay() -> tuple[Overlay, list[str]]:
    """An overlay over one stored record, and the keys that it has asked for."""
    asked: list[str] = []

    def read(key: str) -> Record | None:
        asked.append(key)
        return OLD if key == "stored" else None

    return Overlay(read), asked


def test_what_is_there_is_read_once() -> None:
    subject, asked = overlay()
    assert [subject.get(key) for key in ("stored", "stored", "none", "none")] == [OLD, OLD, None, None]
    assert asked == ["stored", "none"]


@pytest.mark.parametrize("read_first", [True, False])
@pytest.mark.parametrize(("key", "before"), [("stored", OLD), ("none", None)])
def test_undo_brings_back_what_was_there(key: str, before: Record | None, *, read_first: bool) -> None:
    subject, _ = overlay()
    if read_first:
        subject.get(key)
    subject.write({key: NEW})
    subject.write({key: NEWER})
    assert subject.get(key) is NEWER
    assert subject.changed() == {key: NEWER}
    subject.undo()
    assert subject.get(key) == before
    assert subject.changed() == {}


def test_undo_goes_back_to_the_latest_keep() -> None:
    subject, _ = overlay()
    subject.write({"stored": NEW})
    subject.keep()
    subject.write({"stored": NEWER, "other": NEW})
    subject.undo()
    assert (subject.get("stored"), subject.get("other")) == (NEW, None)
    assert list(subject.records()) == [NEW]


def test_a_deletion_is_a_change() -> None:
    subject, _ = overlay()
    subject.write({"stored": None})
    assert subject.get("stored") is None
    assert subject.changed() == {"stored": None}


def test_what_is_forgotten_is_read_again() -> None:
    subject, asked = overlay()
    subject.write({"stored": NEW})
    subject.keep()
    asked.clear()
    subject.forget("stored")
    assert subject.get("stored") is OLD
    assert asked == ["stored"]


@pytest.mark.parametrize("count", [0, 1, PART_EVENTS, PART_EVENTS + 1, 3 * PART_EVENTS])
def test_parts_hold_every_event_once_in_order(count: int) -> None:
    parts = list(parts_of(range(count)))
    assert [each for part in parts for each in part] == list(range(count))
    assert all(0 < len(part) <= PART_EVENTS for part in parts)
