"""The books read back, for people: how points came about, what a member has, what a month moved.

    sources.py     records of a folder or of topics        kinds.py       what each account of the program stands for
    names.py       a program's words and decimals          month.py       the month report
    trace.py       entries about one id, and what followed account.py     a member as of a moment
    narration.py   an entry in plain words                 moments.py     times as a person writes them

Invariants:
  B1 nothing here writes anything, and nothing but sources.py reads anything: the rest are functions of entries
  B2 memory holds sums, or what belongs to one member; never the ledger
  B3 a kind of entry, an account or a step that nobody has told these modules about is shown under its own name
"""
