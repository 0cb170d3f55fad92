"""Wall time of a run's phases, and processor time."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

PROCESSOR = "processor"
"""Key of the processor time, listed beside the wall times of phases."""

_other_processes_s = 0.0
"""Processor time of other processes that worked for this one."""


def add_processor_time(seconds: float) -> None:
    """Count another process's processor time."""
    global _other_processes_s
    _other_processes_s += seconds


def processor_time_s() -> float:
    """Return the processor time so far, in s.

    Processes that worked for this one are included.
    """
    return time.process_time() + _other_processes_s


class Stopwatch:
    """Seconds per phase.

    A nested phase does not count for the outer one. Time outside phases counts for "else".
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._phase = "else"
        self._since = time.perf_counter()
        self._processor_since_s = processor_time_s()

    def _switch(self, phase: str) -> str:
        time_s = time.perf_counter()
        previous = self._phase
        self._seconds[previous] += time_s - self._since
        self._phase = phase
        self._since = time_s
        return previous

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def lap(self) -> dict[str, float]:
        """Return wall time per phase, and processor time, since the last lap, in s."""
        self._switch(self._phase)
        processor_s = processor_time_s()
        seconds = {**self._seconds, PROCESSOR: processor_s - self._processor_since_s}
        self._seconds = defaultdict(float)
        self._processor_since_s = processor_s
        return seconds
