"""Accounts as lines for people: nothing that an account can hold makes them fail."""

import json

from loyalty.account import Head
from loyalty.tiers import Sums
from workers.accounts import account_lines


def test_a_sum_of_any_size_is_written() -> None:
    head = Head("m", 0, qualifying={"spend|lifetime": Sums(10**30)})
    (line,) = account_lines([head])
    assert json.loads(line)["qualifying"] == {"spend|lifetime": 10**30}
