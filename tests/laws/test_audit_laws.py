"""LAW 1, seen from outside: whatever the engine does, an audit of what it leaves behind finds nothing."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.between import between_worlds
from tests.laws.cluster import Cluster, worked, worked_as_time_passes
from tests.laws.worlds import World, examples, worlds
from tests.workers.audit.parts import audited, recorded
from workers.audit.folder import FolderPart
from workers.audit.run import audit
from workers.replay_files import STREAMS


def audit_of_files(cluster: Cluster) -> list[str]:
    """The same as files, one partition after the other, as a replay of a journal writes them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for word in STREAMS:
            outs = sorted((out for out in cluster.outputs if out.topic == word), key=lambda out: out.partition)
            (folder / f"{word}.ndjson").write_bytes(b"".join((out.value or b"") + b"\n" for out in outs))
        (folder / "accounts.ndjson").write_bytes(cluster.accounts())
        return [str(each) for each in audit([FolderPart(folder)]).findings.differences]


@given(worlds(members=3), st.data())
@examples(60)
def test_l1_an_audit_finds_nothing(world: World, data: st.DataObject) -> None:
    cluster = worked(world, data)
    assert [str(each) for each in audited(*recorded(cluster)).findings.differences] == []
    assert audit_of_files(cluster) == []


@given(worlds(members=2, lives=True), st.data())
@examples(80)
def test_l1_an_audit_finds_nothing_when_points_wait_and_end(world: World, data: st.DataObject) -> None:
    cluster = worked_as_time_passes(world, data)
    assert [str(each) for each in audited(*recorded(cluster)).findings.differences] == []
    assert audit_of_files(cluster) == []


@given(between_worlds(lives=True), st.data())
@examples(60)
def test_l1_an_audit_finds_nothing_when_members_give_and_are_merged(world: World, data: st.DataObject) -> None:
    cluster = worked_as_time_passes(world, data)
    assert [str(each) for each in audited(*recorded(cluster)).findings.differences] == []
    assert audit_of_files(cluster) == []
