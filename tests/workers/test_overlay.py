"""The overlay over committed state: what was written is seen, and can be taken back as if it had never been."""

from loyalty.account import Head
from workers.overlay import Overlay

STORED = {"m|a": Head("a", 1)}
NEW = Head("new", 2)


def test_what_was_written_is_seen_and_kept() -> None:
    overlay = Overlay(STORED.get)
    overlay.write({"m|a": NEW, "m|b": NEW})
    assert overlay.changed() == {"m|a": NEW, "m|b": NEW}
    overlay.keep()
    assert overlay.changed() == {}
    assert overlay.get("m|a") is NEW


def test_undo_brings_back_what_was_stored_also_if_it_was_never_read() -> None:
    overlay = Overlay(STORED.get)
    overlay.write({"m|a": NEW, "m|b": NEW})
    overlay.undo()
    assert overlay.get("m|a") is STORED["m|a"]
    assert overlay.get("m|b") is None


def test_undo_goes_back_to_the_latest_keep() -> None:
    overlay = Overlay(STORED.get)
    overlay.write({"m|a": NEW})
    overlay.keep()
    overlay.write({"m|a": None})
    overlay.write({"m|a": Head("other", 3)})
    overlay.undo()
    assert overlay.get("m|a") is NEW
