"""Freed memory goes back to the system, so that a loop of a thousand generations takes as much as one of ten."""

import ctypes
import functools
import sys
from collections.abc import Callable


def give_back_freed_memory() -> None:
    """Have the C library return its free pages; a call takes milliseconds.

    Unasked, glibc does so only at the end of its heap, and frees too little there. Blocks that grow with the training
    set leave holes behind that the next ones do not fit. Where another library has no such call, nothing happens.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "malloc_trim", lambda kept_bytes: None)
