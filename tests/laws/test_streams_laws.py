"""LAW 6: duplicates change nothing, members do not touch each other, and neither do batches.

The worker's batches over encoded state, and the offline replay over files, must agree to the byte.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loyalty.decisions import Outcome
from loyalty.plan import Programs
from tests.laws.cluster import assert_replayed, assert_same_twice, worked
from tests.laws.worlds import World, examples, pick, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import fact
from workers.batch import Engine
from workers.ndjson import Source
from workers.replay import replay
from workers.replay_files import Files

if TYPE_CHECKING:
    from loyalty.facts import Fact


@given(worlds(), st.data())
@examples(120)
def test_l6_what_came_before_changes_nothing_when_it_comes_again(world: World, data: st.DataObject) -> None:
    """Only what was applied: what was refused left no trace, and may be taken when it comes again."""
    books = Books(world.program, careful=False)
    applied = [event for event in world.events if books.take(event).outcome is Outcome.APPLIED]
    again = Books(world.program, careful=False)
    taken: list[bytes] = []
    for event in applied:
        again.take(event)
        taken.append(event)
        for _ in range(data.draw(st.integers(0, 2))):
            assert again.take(pick(data.draw, taken)).outcome is Outcome.DUPLICATE
    for message in books.messages:
        assert again.take(message).outcome is Outcome.DUPLICATE
    assert again.entries == books.entries
    assert again.balances == books.balances
    assert again.state == books.state


@given(worlds(members=3, referrals=False), st.randoms(use_true_random=False))
@examples(120)
def test_l6_members_do_not_touch_each_other(world: World, randoms: Any) -> None:
    """However the events of members are mixed, each account and its entries are as if it were alone."""
    facts = [fact(event) for event in world.events]
    by_member: dict[str, list[Fact]] = {}
    for each in facts:
        by_member.setdefault(each.member, []).append(each)
    mixed = Books(world.program, careful=False)
    waiting = {member: list(mine) for member, mine in by_member.items()}
    while waiting:
        member = randoms.choice(sorted(waiting))
        mixed.take(waiting[member].pop(0))
        if not waiting[member]:
            del waiting[member]
    for member, mine in by_member.items():
        alone = Books(world.program, careful=False).take_all(mine)
        assert {key: each for key, each in mixed.state.items() if key.split("|")[1] == member} == alone.state
        assert [entry for entry in mixed.entries if entry.member == member] == alone.entries


def _without_clock(values: list[bytes]) -> list[str]:
    """What was said, but for the time at which it was recorded: the only thing that `now` decides here."""
    said = []
    for value in values:
        event = orjson.loads(value)
        del event["data"]["recorded_at"]
        said.append(orjson.dumps(event).decode())
    return sorted(said)


@given(worlds(members=3, late=False, referrals=False), st.data())
@examples(60)
def test_l6_batches_of_any_size_and_replay_agree_to_the_byte(world: World, data: st.DataObject) -> None:
    if not world.events:
        return
    cluster = worked(world, data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "events.ndjson")
        file.write_bytes(b"\n".join(world.events))
        with Files(Path(folder, "out")) as files:
            replay(Engine(Programs([world.program]), partitions=1), lambda: [Source(str(file))], files, lambda _: None)
        for topic in ("ledger", "balances", "tiers"):
            written = Path(folder, "out", f"{topic}.ndjson").read_bytes().splitlines()
            assert _without_clock(cluster.stream(topic)) == _without_clock(written)
        assert Path(folder, "out", "accounts.ndjson").read_bytes() == cluster.accounts()


@given(worlds(members=3, referrals=True), st.data())
@examples(60)
def test_l6_a_replay_of_the_journal_gives_the_same_bytes(world: World, data: st.DataObject) -> None:
    if not world.events:
        return
    assert_replayed(worked(world, data), world)


@given(worlds(members=2))
@examples(40)
def test_l6_the_same_input_twice_changes_nothing(world: World) -> None:
    assert_same_twice(world)
