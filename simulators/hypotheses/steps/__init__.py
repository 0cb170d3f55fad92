"""Special cases that are steps between those of the core, a file each.

Each file holds a `CleanupStep` and its row of the table. A file can be deleted; `clean.py` orders the steps by name.
"""
