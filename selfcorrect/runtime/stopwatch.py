"""Time of the phases of a run."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds per phase; a nested phase counts only for itself, and time outside phases for "else"."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._phase = "else"
        self._since = time.perf_counter()

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
        """Return the seconds per phase since the last lap."""
        self._switch(self._phase)
        seconds = self._seconds
        self._seconds = defaultdict(float)
        return dict(seconds)
