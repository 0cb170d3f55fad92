"""Freed memory, given back to the system."""

import ctypes


def release_freed_memory() -> None:
    """Give freed memory back to the system, if the C library can (glibc).

    Otherwise gaps that short arrays have left stay with the process, and no long array fits into a gap.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
