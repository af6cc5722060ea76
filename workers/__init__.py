"""The shell around the engine: Kafka, Faust, state, metrics and the command line.

Everything that waits, reads a clock or touches a disk is here. Importing any module of it starts nothing.
"""
