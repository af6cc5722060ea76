"""The commands of `loyalty`, one module each.

A module exposes `register(app)`, which adds its commands, and imports what they need only when they run.
Topics and records go through kafka-python here; aiokafka and Faust belong to the worker.
"""
