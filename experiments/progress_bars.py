"""Progress of jobs on a terminal: one bar for all, and one per process that works on them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tqdm import tqdm

Progress = Callable[[str, int, int], None]
"""Called with a phase ("train", "sample", "correct", "evaluate", …), steps done, steps in all."""


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Event:
    """How far a process is with a phase of a job. It travels between processes."""

    process: int
    job: str
    phase: str
    done: int
    total: int


def reporter(send: Callable[[Event], None], job: str) -> Progress:
    """A progress callback that sends at most ten events a second, and always the last of a phase."""
    last = [0.0]

    def report(phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or phase == "generation" or now - last[0] > 0.1:
            last[0] = now
            send(Event(os.getpid(), job, phase, done, total))

    return report


class Bars:
    """One bar over all generations with the time left, and below it one per process: job, phase, steps."""

    def __init__(self, total: int, processes: int, title: str, unit: str) -> None:
        pace = 0.2 if sys.stderr.isatty() else 30.0
        self.overall = tqdm(total=total, desc=title, unit=unit, position=0, mininterval=pace, dynamic_ncols=True)
        self.free = [
            tqdm(position=row, leave=False, mininterval=pace, dynamic_ncols=True, disable=not sys.stderr.isatty())
            for row in range(1, processes + 1)
        ]
        self.by_process: dict[int, tqdm] = {}
        self.shown: dict[int, tuple[str, int, int]] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in (*self.by_process.values(), *self.free, self.overall):
            bar.close()

    def show(self, event: Event) -> None:
        """Move the bars on."""
        if event.phase == "generation":
            self.overall.update()
            return
        if event.process not in self.by_process:
            if not self.free:
                return
            self.by_process[event.process] = self.free.pop(0)
        bar = self.by_process[event.process]
        label, total, done = self.shown.get(event.process, ("", 0, 0))
        if (label, total) != (f"{event.job}: {event.phase}", event.total) or event.done < done:
            label, done = f"{event.job}: {event.phase}", 0
            bar.reset(total=event.total)
            bar.set_description_str(label, refresh=False)
        bar.update(event.done - done)
        self.shown[event.process] = label, event.total, event.done
