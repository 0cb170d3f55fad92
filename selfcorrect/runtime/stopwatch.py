"""Where the time of a run goes."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds per phase; a nested phase counts for itself alone, and time outside phases for "else"."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._phase = "else"
        self._since = time.perf_counter()

    def _switch(self, phase: str) -> str:
        now = time.perf_counter()
        self._seconds[self._phase] += now - self._since
        left, self._phase, self._since = self._phase, phase, now
        return left

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def lap(self) -> dict[str, float]:
        """Seconds per phase since the last lap."""
        self._switch(self._phase)
        seconds, self._seconds = self._seconds, defaultdict(float)
        return dict(seconds)
