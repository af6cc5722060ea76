"""The stream of a campaign is the seed's, and holds all that members do."""

from collections import Counter

import orjson

from tests.chaos.stream import messages


def test_a_seed_gives_the_same_messages() -> None:
    made = messages(400, members=50, partitions=4, seed=3)
    assert made == messages(400, members=50, partitions=4, seed=3)
    assert made != messages(400, members=50, partitions=4, seed=4)
    assert len(made) == 400


def test_it_holds_all_that_members_do_and_what_goes_astray() -> None:
    made = messages(6_000, members=200, partitions=4, seed=1)
    types: Counter[str] = Counter()
    for message in made:
        try:
            types[orjson.loads(message.value or b"")["type"].split(".")[1]] += 1
        except orjson.JSONDecodeError:
            types["broken"] += 1
    kinds = ("purchase", "return", "review", "share", "engagement", "referral", "member", "adjustment", "transfer")
    assert min(types[kind] for kind in (*kinds, "redemption")) > 10
    assert len(made) - len(set(made)) > 100, "hardly anything comes twice"
    assert sum(message.partition is not None for message in made) > 100, "hardly anything is on a wrong partition"
