"""What an operator edits: settings, topics, programs, and the files of the systems around the worker.

It knows nothing of the rooms that read it.
"""
