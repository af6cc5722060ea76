"""The offline run: order of events, awards after their cause, what is written, and what cannot be read."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from loyalty.plan import Programs
from tests.loyalty.books import BASE, program
from tests.loyalty.events import back, engagement, fact, purchase, referral, wire
from workers.batch import Engine
from workers.ndjson import InputError, Source
from workers.replay import Summary, replay
from workers.replay_files import STREAMS, Files
from workers.topic_words import INPUTS

FRIENDS = BASE.replace("}}]", "}}, {id: friends, on: referral, give: {referrer: 200, referee: 100}}]")


class Ran:
    """A replay of some files in a folder of its own."""

    def __init__(self, folder: Path, *files: Sequence[bytes], text: str = BASE, packed: bool = False) -> None:
        self.paths = []
        for number, events in enumerate(files):
            path = folder / f"{number}.ndjson{'.gz' if packed else ''}"
            raw = b"\n".join(events)
            path.write_bytes(gzip.compress(raw) if packed else raw)
            self.paths.append(path)
        self.folder = folder / "out"
        self.told: list[int] = []
        with Files(self.folder) as out:
            self.summary: Summary = replay(
                Engine(Programs([program(text)]), partitions=1),
                lambda: [Source(str(path)) for path in self.paths],
                out,
                lambda sources: self.told.append(len(sources)),
            )

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in (self.folder / f"{name}.ndjson").read_bytes().splitlines()]

    def causes(self) -> list[str]:
        return [line["data"]["cause"]["id"] for line in self.lines("ledger")]


def _at(second: int) -> str:
    return f"2026-03-02T12:00:{second:02d}Z"


def test_files_are_merged_by_time(tmp_path: Path) -> None:
    ran = Ran(
        tmp_path,
        [purchase("a", 100, time=_at(1)), purchase("c", 100, time=_at(3))],
        [purchase("b", 100, time=_at(2)), purchase("d", 100, time=_at(4))],
    )
    assert ran.causes() == ["a", "b", "c", "d"]
    assert ran.told == [2]


def test_files_out_of_order_are_sorted_and_nothing_is_written_twice(tmp_path: Path) -> None:
    ran = Ran(
        tmp_path, [purchase("b", 100, time=_at(2)), purchase("a", 100, time=_at(1))], [purchase("c", 100, time=_at(3))]
    )
    assert ran.causes() == ["a", "b", "c"]
    assert ran.summary.points == {"points": 3}
    assert [line["data"]["sequence"] for line in ran.lines("balances")] == [1, 2, 3]


@pytest.mark.parametrize("out_of_order", [False, True], ids=["merged", "sorted"])
def test_at_one_instant_topics_have_their_order_then_files_and_lines(tmp_path: Path, *, out_of_order: bool) -> None:
    """Whether the files had to be sorted or not: something else that is late somewhere must not change it."""
    same, later = _at(1), [purchase("y", 100, time=_at(3)), purchase("x", 100, time=_at(2))]
    quiz = "{id: quiz, on: engagement, give: {points: 1}}"
    ran = Ran(
        tmp_path,
        [engagement("e", time=same), purchase("p", 100, time=same), purchase("q", 100, time=same)],
        [purchase("o", 100, time=same)],
        later if out_of_order else later[::-1],
        text=BASE.replace("}}]", "}}, " + quiz + "]"),
    )
    assert INPUTS.index("purchases") < INPUTS.index("engagements")
    assert ran.causes() == ["p", "q", "o", "e", "x", "y"]


def test_an_award_follows_right_after_its_cause(tmp_path: Path) -> None:
    events = [
        purchase("a", 100, member="m2", time=_at(1)),
        referral("f", "m2", time=_at(2), stage="qualified"),
        purchase("b", 100, member="m2", time=_at(3)),
    ]
    ran = Ran(tmp_path, events, text=FRIENDS)
    assert ran.causes() == ["a", "f", "f", "b"]
    assert [(account["member"], account["balances"]) for account in ran.lines("accounts")] == [
        ("m1", {"points": {"available": 100, "pending": 0}}),
        ("m2", {"points": {"available": 202, "pending": 0}}),
    ]


def test_packed_files_give_the_same(tmp_path: Path) -> None:
    events = [purchase("a", 1999), back("r", "a", [("1", "1", 1999)])]
    for folder in ("plain", "packed"):
        (tmp_path / folder).mkdir()
    plain, packed = Ran(tmp_path / "plain", events), Ran(tmp_path / "packed", events, packed=True)
    for name in (*STREAMS, "accounts"):
        if name != "dead-letters":
            assert packed.lines(name) == plain.lines(name)
    assert plain.summary.points == {"points": 0}


def test_what_is_refused_says_where_it_stood(tmp_path: Path) -> None:
    ran = Ran(
        tmp_path, [purchase("a", 100, time=_at(1)), b"{broken", b"", back("r", "a", [("2", "1", 1)], time=_at(2))]
    )
    assert [(each["file"], each["line"], each["code"]) for each in ran.lines("dead-letters")] == [
        (str(ran.paths[0]), 2, "not_json"),
        (str(ran.paths[0]), 4, "returned_more_than_bought"),
    ]
    assert ran.lines("dead-letters")[0]["value"] == "{broken"
    assert ran.summary.dead_letters == {"not_json": 1, "returned_more_than_bought": 1}
    assert ran.summary.outcomes == {"applied": 1, "dead_letter": 2}


def test_a_return_that_waited_in_vain_is_written_anew_and_can_be_sent_again(tmp_path: Path) -> None:
    early = back("r", "late", [("1", "0.5", 40)], time=_at(1))
    ran = Ran(tmp_path, [early, purchase("a", 100, time="2027-01-01T00:00:00Z")])
    (dead,) = ran.lines("dead-letters")
    assert (dead["file"], dead["line"], dead["stage"], dead["code"]) == ("", 0, "decide", "unknown_purchase")
    assert fact(dead["value"].encode()) == fact(early)
    assert ran.summary.dead_letters == {"unknown_purchase": 1}


def test_anonymous_sales_are_counted(tmp_path: Path) -> None:
    raw = wire("purchase", "a", None, _at(1), orjson.loads(purchase("a", 100))["data"])
    ran = Ran(tmp_path, [raw, engagement("e", time=_at(2))])
    assert ran.summary.outcomes == {"anonymous": 1, "applied": 1}
    assert (ran.summary.events, ran.summary.members) == (2, 1)


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    Ran(tmp_path, [purchase("a", 100), b"{"])
    ran = Ran(tmp_path, [purchase("b", 200)])
    assert (ran.causes(), ran.lines("dead-letters")) == (["b"], [])


def test_an_empty_file_gives_empty_streams(tmp_path: Path) -> None:
    ran = Ran(tmp_path, [])
    assert ran.summary.events == 0
    assert all(ran.lines(name) == [] for name in (*STREAMS, "accounts"))


def test_a_file_that_is_not_there_is_an_error_of_input(tmp_path: Path) -> None:
    with Files(tmp_path / "out") as out, pytest.raises(InputError, match=r"gone\.ndjson"):
        replay(
            Engine(Programs([program()]), partitions=1),
            lambda: [Source(str(tmp_path / "gone.ndjson"))],
            out,
            lambda _: None,
        )


def test_the_recorded_time_is_the_events_own(tmp_path: Path) -> None:
    (line,) = Ran(tmp_path, [purchase("a", 100, time="2017-01-01T06:53:26-05:00")]).lines("ledger")
    assert line["time"] == line["data"]["recorded_at"] == "2017-01-01T11:53:26Z"
