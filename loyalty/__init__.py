"""The domain: what members did, what it is worth, and the books that prove it.

Pure: no I/O, no clock, no randomness, no Kafka. It knows the standard library and the CEL library only.
Read in this order: facts, program, account, decisions, decide.
"""
