"""Freed memory leaves the process."""

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.runtime.heap import give_back_freed_memory

BLOCK = 100_000  # bytes, below what the C library asks the system for separately


def own_mb() -> float:
    (line,) = [text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"
)
def test_holes_in_the_heap_go_back_to_the_system():
    blocks = [np.ones(BLOCK, dtype=np.uint8) for _ in range(2_000)]
    live_blocks = blocks[::20]  # so that what is freed is holes
    del blocks
    before = own_mb()
    give_back_freed_memory()
    assert before - own_mb() > 100
    assert all(block.all() for block in live_blocks)


def test_nothing_happens_without_glibc(monkeypatch: pytest.MonkeyPatch):
    from selfcorrect.runtime import heap

    heap._trim.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    give_back_freed_memory()
    heap._trim.cache_clear()
