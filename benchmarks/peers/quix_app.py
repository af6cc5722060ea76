"""The same decisions with Quix Streams as its documentation teaches them: a stateful function, and a branch each topic.

The function gets the message and the state of its key, and answers with what follows; each branch sends its part to a
topic. State as bytes (`State.get_bytes`), which its documentation names for values that bring their own encoding. All
settings are the defaults, with a checkpoint every five seconds, except the guarantee, which is the first argument:
`at-least-once` or `exactly-once`; a second, the interval between checkpoints in seconds, may follow after a colon.
"""

import sys
import time
from functools import partial

from quixstreams import Application, State

from benchmarks.baskets import programs_named
from benchmarks.peers.job import Job, Meter
from benchmarks.peers.one_event import decided_event
from loyalty.plan import Programs

OUTPUTS = ("ledger", "balances", "tiers")


def decided(programs: Programs, value: bytes, state: State) -> dict[str, list[bytes]]:
    """One event: read its records, decide, write what changed, answer what follows by topic."""

    def get(key: bytes) -> bytes | None:
        found: bytes | None = state.get_bytes(key.decode())
        return found

    writes, messages = decided_event(programs, value, get, time.time_ns() // 1_000)
    for key, record in writes:
        state.set_bytes(key.decode(), record)
    follows: dict[str, list[bytes]] = {word: [] for word in OUTPUTS}
    for word, _, message in messages:
        follows[word].append(message)  # Everything goes out under the key that came in: the member.
    return follows


def build(guarantee: str, interval_seconds: float, job: Job) -> Application:
    """The application with its branches."""
    meter = Meter(job)
    app = Application(
        broker_address=job.bootstrap,
        consumer_group=f"{job.prefix}quix",
        auto_offset_reset="earliest",
        processing_guarantee=guarantee,
        commit_interval=interval_seconds,
        state_dir=job.directory / "state",
        on_message_processed=lambda _topic, _partition, _offset: meter.took(),
        loglevel="WARNING",
    )
    purchases = app.topic(f"{job.prefix}purchases", value_deserializer="bytes")
    follows = app.dataframe(purchases).apply(partial(decided, programs_named(job.program)), stateful=True)
    for word in OUTPUTS:
        topic = app.topic(f"{job.prefix}{word}", value_serializer="bytes")
        follows.apply(lambda by_topic, word=word: by_topic[word], expand=True).to_topic(topic)
    return app


def main() -> None:
    """Run until the parent ends it."""
    guarantee, _, interval = sys.argv[1].partition(":")
    build(guarantee, float(interval or 5.0), Job.from_arguments(sys.argv[2:])).run()


if __name__ == "__main__":
    main()
