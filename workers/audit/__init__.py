"""The proof that the books add up: what the engine published and what it holds, compared record by record.

    findings.py    what must hold, and where it does not        ids.py        each id once, in bounded memory
    held.py        what an account holds, in sums               causes.py     ledger and balances, cause by cause
    published.py   output records, read without mercy           walk.py       one partition, from end to end
    folder.py      the files of a replay                        topics.py     the topics of a live system
    part.py        what both of them answer                     sums.py       what is added up
    run.py         all partitions, and the totals

Invariants:
  A1 nothing here asks the engine, its counters or its journal: every figure is summed from records
  A2 memory holds sums for the members of one partition, one batch of causes, and a bounded part of the ids; never the
     ledger
  A3 an engine at work gives no difference: only what all topics have is compared (topics.py)
  A4 what is new in the engine is audited by general rules: an account of the books that nobody has told this about, a
     kind of record among the accounts, another output topic
"""
