"""Faust's agents: one for each input topic, all of them feeding the lane of the partition number.

An agent decides nothing and acknowledges nothing: the lane's batch does, after its commit. So no exception in an
agent can make Faust acknowledge an event that was not written.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import faust
from faust.types import StreamT

from workers.lanes import Acknowledge, Poll

Feed: TypeAlias = Callable[[str, int, Poll, Acknowledge], None]
"""Gives a poll of (topic word, partition) to its lane."""


def declare_agents(app: faust.App, topics: Mapping[str, str], feed: Feed) -> None:
    """Declare the agents of an app. `topics` maps each input word to its full name."""

    def source(word: str) -> Any:
        # "raw": the value is a Poll, nothing for a codec.
        return app.topic(topics[word], key_serializer="raw", value_serializer="raw")

    @app.agent(source("purchases"))
    async def purchases(stream: StreamT[Any]) -> None:
        """Sales and returns."""
        await _feed_from(stream, "purchases", feed)

    @app.agent(source("reviews"))
    async def reviews(stream: StreamT[Any]) -> None:
        """Product reviews."""
        await _feed_from(stream, "reviews", feed)

    @app.agent(source("shares"))
    async def shares(stream: StreamT[Any]) -> None:
        """Shares, own content and check-ins."""
        await _feed_from(stream, "shares", feed)

    @app.agent(source("referrals"))
    async def referrals(stream: StreamT[Any]) -> None:
        """Referrals, keyed by the referee."""
        await _feed_from(stream, "referrals", feed)

    @app.agent(source("members"))
    async def members(stream: StreamT[Any]) -> None:
        """Enrollment, master data and closing."""
        await _feed_from(stream, "members", feed)

    @app.agent(source("engagements"))
    async def engagements(stream: StreamT[Any]) -> None:
        """Challenges and custom activities."""
        await _feed_from(stream, "engagements", feed)

    @app.agent(source("commands"))
    async def commands(stream: StreamT[Any]) -> None:
        """What somebody asks for: adjustments."""
        await _feed_from(stream, "commands", feed)

    @app.agent(source("inbox"))
    async def inbox(stream: StreamT[Any]) -> None:
        """What other partitions send: awards and forwarded events."""
        await _feed_from(stream, "inbox", feed)


async def _feed_from(stream: StreamT[Any], word: str, feed: Feed) -> None:
    # `noack` is missing in Faust's interface, not in its streams.
    async for event in cast("Any", stream).noack().events():
        feed(word, event.message.partition, event.value, event.ack)
