"""The topics the worker reads and writes, by word. A cluster knows them behind a prefix.

All of them have the same number of partitions: what belongs to a member lies under one partition number
in every topic, and one worker owns that number.
"""

from typing import Final

INBOX: Final = "inbox"
"""Events for members of another partition: awards, and what came in on a wrong partition."""

INPUTS: Final = ("members", "referrals", "purchases", "reviews", "shares", "engagements", "commands", INBOX)
"""What the worker consumes. The order decides between records of the same millisecond: never change it.

Who somebody is comes before what they did: an enrollment or a sign-up before the purchase of the same moment.
What somebody asks for comes last, so that it finds what was earned at the same moment.
"""

ACCOUNTS: Final = "accounts"
"""The changelog: the state of every account and, in each partition, the positions that it stands at."""

JOURNAL: Final = "journal"
"""What each batch took, in which order and under which `now`: enough to replay it to the byte."""

DEAD_LETTERS: Final = "dead-letters"
"""What could not be decoded or was refused, with its original bytes."""

OUTPUTS: Final = ("ledger", "balances", "tiers", "rewards", "notices", DEAD_LETTERS, ACCOUNTS, JOURNAL)
"""What the worker writes besides the inbox."""

REQUIRED: Final = (*INPUTS, *OUTPUTS)
"""Must exist, with equal numbers of partitions, before a worker starts."""
