"""The speed benchmark measures its program, not itself."""

import sys

import pytest

from benchmarks.speed import measure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")

MEGABYTES = 200


def test_peak_memory_is_that_of_the_program() -> None:
    parents = bytearray(MEGABYTES * 10**6)
    _, empty_mb = measure("")
    _, filled_mb = measure(f"bytearray({MEGABYTES} * 10**6)\n")
    assert empty_mb < len(parents) / 2e6
    assert filled_mb - empty_mb == pytest.approx(MEGABYTES, rel=0.05)


def test_processor_time_is_that_of_the_program() -> None:
    empty_s, _ = measure("")
    busy_s, _ = measure("import time\nwhile time.process_time() < 0.5:\n    pass\n")
    assert 0.4 < busy_s - empty_s < 1.0
