"""Returning freed memory to the system."""

import ctypes


def release_freed_memory() -> None:
    """Return freed memory to the system.

    Only some C libraries (glibc) can do so. Otherwise the process keeps gaps left by short arrays, into which no long
    array fits.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
