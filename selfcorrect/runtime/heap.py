"""Return freed memory to the system, so that a loop of a thousand generations takes as much as one of ten."""

import ctypes
import functools
import sys
from collections.abc import Callable


def give_back_freed_memory() -> None:
    """Make the C library return its free pages, which takes milliseconds; other libraries than glibc do nothing.

    Unasked, glibc does so only at the end of its heap. Blocks that grow with the training set leave holes into which
    the next blocks do not fit.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, "malloc_trim", lambda padding: None)
