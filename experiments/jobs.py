"""Run the jobs of an experiment in parallel processes, with one progress bar for all and one per process."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from selfcorrect.errors import WorkerError
from selfcorrect.processes import require_workers, start_processes

Progress = Callable[[str, int, int], None]
"""Called with a phase ("train", "sample", "correct", "evaluate", …), steps done, steps in all."""


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Job:
    """A unit of work: `function(*arguments, progress)`, in a process of its own kind, after the job named `after`.

    function must be importable and its arguments picklable.
    """

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    generations: int
    """How much the job adds to the overall bar, one for each call of progress("generation", …)."""
    after: str | None = None


@dataclass(frozen=True)
class _Event:
    process: int
    job: str
    phase: str
    done: int
    total: int


def run_jobs(jobs: Sequence[Job], workers: int, title: str, unit: str = "gen") -> None:
    """Run all jobs, each after the one it waits for, on `workers` processes; results do not depend on `workers`.

    unit: what the overall bar counts. The first exception of a job is raised here after the jobs under way were
    stopped; what is finished stays finished.
    """
    require_workers(workers)
    workers = min(workers, max(len(jobs), 1))
    _use_one_thread()
    total = sum(job.generations for job in jobs)
    if workers == 1:
        with _Bars(total, 1, title, unit) as bars:
            for job in _in_order(jobs):
                job.function(*job.arguments, _reporter(bars.show, job.name))
        return
    events = multiprocessing.get_context("spawn").Queue()
    with (
        _Bars(total, workers, title, unit) as bars,
        _drained(events, bars),
        start_processes(workers, _start_worker, events, os.getpid()) as pool,
    ):
        try:
            _run_when_ready(pool, jobs)
        except BaseException:
            _stop(pool)
            raise


def _use_one_thread() -> None:
    """Here and in every process that starts from here, because sums depend on how many threads share them."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if (torch := sys.modules.get("torch")) is not None:  # not imported where nobody needs it
        torch.set_num_threads(1)


def _in_order(jobs: Sequence[Job]) -> Iterator[Job]:
    """The jobs, each after the one it waits for."""
    done: set[str] = set()
    waiting = list(jobs)
    while waiting:
        ready = [job for job in waiting if job.after is None or job.after in done]
        if not ready:
            raise ValueError(f"job {waiting[0].name} waits for {waiting[0].after}, which is not among the jobs")
        done |= {job.name for job in ready}
        waiting = [job for job in waiting if job.name not in done]
        yield from ready


def _run_when_ready(pool: ProcessPoolExecutor, jobs: Sequence[Job]) -> None:
    waiting = list(_in_order(jobs))
    running: dict[Future[None], str] = {}
    done: set[str] = set()
    while waiting or running:
        for job in [job for job in waiting if job.after is None or job.after in done]:
            waiting.remove(job)
            running[pool.submit(_run_job, job)] = job.name
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            name = running.pop(future)
            try:
                future.result()
            except BrokenProcessPool:
                raise WorkerError(
                    f"a worker process died while {name} ran (killed, or out of memory); the same command continues"
                ) from None
            done.add(name)


def _stop(pool: ProcessPoolExecutor) -> None:
    """Stop at once: what is committed stays, what is under way is done again by the next run."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


_events: Any = None


def _start_worker(events: Any, parent: int) -> None:
    global _events
    _events = events
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    """End this process when its parent is gone, so that a killed run leaves nothing behind that holds its folders."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def _run_job(job: Job) -> None:
    job.function(*job.arguments, _reporter(_events.put, job.name))


def _reporter(send: Callable[[_Event], None], job: str) -> Progress:
    """A progress callback that sends at most ten events a second, and always the last of a phase."""
    last = [0.0]

    def report(phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or phase == "generation" or now - last[0] > 0.1:
            last[0] = now
            send(_Event(os.getpid(), job, phase, done, total))

    return report


@contextmanager
def _drained(events: Any, bars: _Bars) -> Iterator[None]:
    """Show events while the body runs."""

    def drain() -> None:
        while (event := events.get()) is not None:
            bars.show(event)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield
    finally:
        events.put(None)
        thread.join(timeout=5)


class _Bars:
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

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in (*self.by_process.values(), *self.free, self.overall):
            bar.close()

    def show(self, event: _Event) -> None:
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
