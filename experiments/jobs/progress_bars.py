"""Progress of jobs on a terminal: a bar for all, and a bar for each job under way."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from tqdm import tqdm

from selfcorrect.runtime.progress import Progress

PROGRESS = "SELFCORRECT_PROGRESS"
"""Environment variable that is "always" where a program reads the bars that otherwise a terminal shows."""
_PACE_S = 0.1
"""Shortest time between events of a phase."""


@dataclass(frozen=True)
class Event:
    """Progress of a job in a phase. Events travel between processes."""

    job: str
    phase: str
    done: int
    total: int


def reporter(send: Callable[[Event], None], job: str) -> Progress:
    """Return a progress callback that sends at most an event per `_PACE_S`, and always the last of a phase."""
    latest_s = 0.0

    def report(phase: str, done_count: int, total: int) -> None:
        nonlocal latest_s
        time_s = time.monotonic()
        if done_count >= total or phase == "generation" or time_s - latest_s > _PACE_S:
            latest_s = time_s
            send(Event(job, phase, done_count, total))

    return report


class Bars:
    """A bar over all generations with the time left, and below it a bar for each running job, `rows` at most."""

    def __init__(self, total: int, rows: int, title: str, unit: str) -> None:
        live = sys.stderr.isatty() or os.environ.get(PROGRESS) == "always"
        pace = 0.2 if live else 30.0
        self.overall = tqdm(
            total=total, desc=title, unit=unit, position=0, mininterval=pace, smoothing=0, dynamic_ncols=True
        )
        free_rows = range(1, rows + 1 if live else 1)
        self.free = [tqdm(position=row, leave=False, mininterval=pace, dynamic_ncols=True) for row in free_rows]
        self.by_job: dict[str, tqdm] = {}
        self._generations: defaultdict[str, set[int]] = defaultdict(set)
        self._kept: dict[str, int] = {}
        """The last generation of an earlier call, by job."""

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in (*self.by_job.values(), *self.free, self.overall):
            bar.close()

    def show(self, event: Event) -> None:
        """Move the bars on; a generation that a job reports twice, because it was started twice, counts once."""
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
        if event.job not in self.by_job:
            if not self.free:
                return
            self.by_job[event.job] = self.free.pop(0)
        bar = self.by_job[event.job]
        title = f"{event.job}: {event.phase}"
        if (bar.desc, bar.total) != (title, event.total) or event.done < bar.n:
            bar.reset(total=event.total)
            bar.set_description_str(title, refresh=False)
        bar.update(event.done - bar.n)

    def _advance(self, *, is_kept: bool) -> None:
        """Count a generation; generations of earlier calls are done, and no part of the speed."""
        if not is_kept:
            self.overall.update()
            return
        self.overall.initial += 1
        self.overall.n += 1
        self.overall.last_print_n += 1
        self.overall.refresh()

    def _count_first(self) -> None:
        """Count a generation 0, which trains longer than later generations and says nothing about later speed."""
        if self.overall.n > self.overall.initial:
            self._advance(is_kept=True)
            return
        done_count = self.overall.n + 1
        self.overall.initial = 0  # the bar that `reset` shows has no negative speed
        self.overall.reset(total=self.overall.total)
        self.overall.n = self.overall.initial = self.overall.last_print_n = done_count
        self.overall.refresh()

    def finish(self, job: str) -> None:
        """Free the row of a job."""
        if (bar := self.by_job.pop(job, None)) is not None:
            self.free.append(bar)

    def write(self, sentence: str) -> None:
        """Print a line above the bars."""
        self.overall.write(sentence, file=sys.stderr)
