"""The tests, one folder for each room, so that `tests.contracts` and the like import from the repository's root.

Only this file makes a package; the folders below are namespaces within it and need no file of their own.
"""
