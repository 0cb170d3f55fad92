"""Show the progress of jobs on a terminal: a bar for all jobs, and one for each running job."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from selfcorrect.runtime.progress import Progress

PROGRESS = "SELFCORRECT_PROGRESS"
"""Environment variable that is set to "always" by programs that read the bars without a terminal."""
_PACE_S = 0.1
"""Shortest time between events of a phase, in s."""
_TICK_S = 1.0
"""Interval at which the elapsed time is refreshed, in s."""


@dataclass(frozen=True)
class Event:
    """The progress of a job in a phase, which can be sent between processes."""

    job: str
    phase: str
    done: int
    total: int


def reporter(send: Callable[[Event], None], job: str) -> Progress:
    """Return a progress callback that sends at most one event per `_PACE_S`, but always the last one of a phase."""
    latest_s = 0.0

    def report(phase: str, done_count: int, total: int) -> None:
        nonlocal latest_s
        time_s = time.monotonic()
        if done_count >= total or phase == "generation" or time_s - latest_s > _PACE_S:
            latest_s = time_s
            send(Event(job, phase, done_count, total))

    return report


def _is_live() -> bool:
    return sys.stderr.isatty() or os.environ.get(PROGRESS) == "always"


@contextmanager
def show_elapsed(title: str) -> Iterator[None]:
    """Show a title with the elapsed time, or only the title without a terminal."""
    if not _is_live():
        print(title, file=sys.stderr)
        yield
        return
    is_done = threading.Event()
    with tqdm(desc=title, bar_format="{desc} [{elapsed}]", leave=False, dynamic_ncols=True) as bar:

        def tick() -> None:
            while not is_done.wait(_TICK_S):
                bar.refresh()

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            is_done.set()
            ticker.join()


class Bars:
    """A bar for all generations, with the remaining time, and bars for up to `rows` jobs."""

    def __init__(self, total: int, rows: int, title: str, unit: str) -> None:
        is_live = _is_live()
        self._pace_s = 0.2 if is_live else 30.0
        self.overall = tqdm(
            total=total, desc=title, unit=unit, position=0, mininterval=self._pace_s, smoothing=0, dynamic_ncols=True
        )
        self._free_rows = [*range(1, rows + 1)] if is_live else []
        self.by_job: dict[str, tqdm] = {}
        self._generations: defaultdict[str, set[int]] = defaultdict(set)
        self._kept: dict[str, int] = {}
        """Last generation of an earlier call, by job."""

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in (*self.by_job.values(), self.overall):
            bar.close()

    def show(self, event: Event) -> None:
        """Advance the bars. A generation counts once, even if a restarted job reports it again."""
        if event.phase == "generation":
            if event.done not in self._generations[event.job]:
                self._generations[event.job].add(event.done)
                if event.done == 0:
                    self._count_first()
                else:
                    self._advance(is_kept=event.done <= self._kept.get(event.job, -1))
            return
        if event.phase == "start":
            self._kept[event.job] = event.done
        title = f"{event.job}: {event.phase}"
        if event.job not in self.by_job:
            if not self._free_rows:
                return
            self.by_job[event.job] = tqdm(
                total=event.total,
                desc=title,
                position=self._free_rows.pop(0),
                leave=False,
                mininterval=self._pace_s,
                dynamic_ncols=True,
            )
        bar = self.by_job[event.job]
        if (bar.desc, bar.total) != (title, event.total) or event.done < bar.n:
            bar.reset(total=event.total)
            bar.set_description_str(title, refresh=False)
        bar.update(event.done - bar.n)

    def _advance(self, *, is_kept: bool) -> None:
        """Count a generation. Those kept from earlier calls do not affect the speed."""
        if not is_kept:
            self.overall.update()
            return
        self.overall.initial += 1
        self.overall.n += 1
        self.overall.last_print_n += 1
        self.overall.refresh()

    def _count_first(self) -> None:
        """Count a generation 0, which trains longer than later ones and therefore does not affect the speed."""
        if self.overall.n > self.overall.initial:
            self._advance(is_kept=True)
            return
        done_count = self.overall.n + 1
        overall: Any = self.overall
        overall.start_t = overall.last_print_t = overall._time()  # like `reset`, which would show 0 first
        self.overall.n = self.overall.initial = self.overall.last_print_n = done_count
        self.overall.refresh()

    def finish(self, job: str) -> None:
        """Free the row of a job."""
        if (bar := self.by_job.pop(job, None)) is not None:
            self._free_rows = sorted([*self._free_rows, -bar.pos])
            bar.close()

    def write(self, sentence: str) -> None:
        """Print a line above the bars."""
        self.overall.write(sentence, file=sys.stderr)
