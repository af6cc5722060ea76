"""What every test may ask for: a broker and a topic prefix of its own.

Invariants:
  C1 a test that asks for `kafka` carries the marker of that name, so `-m "not kafka"` never starts a broker
  C2 no silent skip: a broker that cannot be had is a failure with a sentence
  C3 no test judges extension modules that were compiled from other sources than those beside them
  C4 property tests draw the same examples in every run; LOYALTY_TEST_EXPLORE=1 lets them wander
"""

import os
import uuid
import zoneinfo
from collections.abc import Iterator

import hypothesis
import pytest

from workers.compiled import StaleBuildError, engine
from workers.local_kafka import LocalKafka

zoneinfo.reset_tzpath(())  # As the commands do: the zones of the pinned package.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("explore", max_examples=2_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("explore" if os.environ.get("LOYALTY_TEST_EXPLORE") else "repeatable")


LEFT_SOCKETS = "ignore:unclosed <socket:ResourceWarning"
"""Brokers are killed in these tests, and a client of kafka-python, which has a thread of its own, may then leave a
socket to the collector: seen in two of some dozen runs, each time named in whatever test was under way. Fast tests stay
strict."""


def pytest_configure() -> None:
    """Ends the run when extension modules are stale (C3)."""
    try:
        engine()
    except StaleBuildError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header() -> str:
    """Says how the engine runs."""
    return f"engine: {engine()}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a broker (C1), before `-m` chooses."""
    for item in items:
        if "kafka" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")
        if item.get_closest_marker("kafka") is not None:
            item.add_marker(pytest.mark.filterwarnings(LEFT_SOCKETS))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real cluster: LOYALTY_TEST_KAFKA if set, else one broker for each process of the run."""
    running = os.environ.get("LOYALTY_TEST_KAFKA")
    if running:
        yield running
        return
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture
def prefix() -> str:
    """A topic prefix that no other test has: fresh topics on a broker that many tests share."""
    return f"t{uuid.uuid4().hex[:12]}."
