"""Run the jobs of an experiment, each after the one it waits for, wherever a runner takes them.

A job is idempotent: it leaves what it makes in folders of its own, whole or not at all, and does nothing again that is
there. So a run folder is all that is known of a run, and a runner only decides where its jobs run.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from threadpoolctl import threadpool_limits

from selfcorrect.errors import WorkerError
from selfcorrect.experiments.progress_bars import Bars, Event, reporter
from selfcorrect.processes import require_workers, start_processes
from selfcorrect.registry import Registry, Row


@dataclass(frozen=True)
class Job:
    """A unit of work: `function(*arguments, progress)`, after the job named `after`.

    function must be importable and its arguments picklable.
    """

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    generations: int
    """How much the job adds to the overall bar, one for each call of progress("generation", …)."""
    after: str | None = None


Submit: TypeAlias = Callable[[Job], "Future[None]"]
Show: TypeAlias = Callable[[Event], None]
Runner: TypeAlias = Callable[[int, Show], AbstractContextManager[Submit]]
"""(workers, show) → a context whose value starts a job. Jobs report their progress to `show` (see `reporter`). When an
error leaves the context, jobs under way are stopped."""

RUNNERS = Registry(
    "runner",
    [
        Row("here", f"{__name__}:here", "One job after the other, in this process."),
        Row("processes", f"{__name__}:processes", "Several jobs at once, in processes of this machine."),
    ],
    group="selfcorrect.runners",
)
"""Each leads to a `Runner`."""


def run_jobs(jobs: Sequence[Job], workers: int, title: str, unit: str = "gen", runner: str = "") -> None:
    """Run all jobs, each after the one it waits for, `workers` at once; results depend on neither workers nor runner.

    unit: what the overall bar counts; runner: a name in `RUNNERS`, by default processes for more than one worker. The
    first exception of a job is raised here after the jobs under way were stopped; what is finished stays finished.
    """
    require_workers(workers)
    workers = min(workers, max(len(jobs), 1))
    start: Runner = RUNNERS.load(runner or ("here" if workers == 1 else "processes"))
    _use_one_thread()
    total = sum(job.generations for job in jobs)
    with Bars(total, workers, title, unit) as bars, start(workers, bars.show) as submit:
        _run_when_ready(submit, jobs)


def _use_one_thread() -> None:
    """Here and in every process that starts from here, because sums depend on how many threads share them."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    threadpool_limits(1)  # of libraries that are loaded already, which read the environment no more
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


def _run_when_ready(submit: Submit, jobs: Sequence[Job]) -> None:
    waiting = list(_in_order(jobs))
    running: dict[Future[None], str] = {}
    done: set[str] = set()
    while waiting or running:
        for job in [job for job in waiting if job.after is None or job.after in done]:
            waiting.remove(job)
            running[submit(job)] = job.name
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            name = running.pop(future)
            try:
                future.result()
            except BrokenExecutor:
                raise WorkerError(
                    f"a worker process died while {name} ran (killed, or out of memory); the same command continues"
                ) from None
            done.add(name)


# --- runners ---------------------------------------------------------------------------------------------------------


@contextmanager
def here(workers: int, show: Show) -> Iterator[Submit]:
    """Runs each job at once, in this process."""

    def submit(job: Job) -> Future[None]:
        job.function(*job.arguments, reporter(show, job.name))
        finished: Future[None] = Future()
        finished.set_result(None)
        return finished

    yield submit


@contextmanager
def processes(workers: int, show: Show) -> Iterator[Submit]:
    """Runs jobs in so many processes of this machine, which end with this one."""
    events = multiprocessing.get_context("spawn").Queue()
    with _drained(events, show), start_processes(workers, _start_worker, events) as pool:
        try:
            yield lambda job: pool.submit(_run_job, job)
        except BaseException:
            _stop(pool)
            raise


def _stop(pool: ProcessPoolExecutor) -> None:
    """Stop at once: what is committed stays, what is under way is done again by the next run."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


_events: Any = None


def _start_worker(events: Any) -> None:
    global _events
    _events = events


def _run_job(job: Job) -> None:
    job.function(*job.arguments, reporter(_events.put, job.name))


@contextmanager
def _drained(events: Any, show: Show) -> Iterator[None]:
    """Show events while the body runs."""

    def drain() -> None:
        while (event := events.get()) is not None:
            show(event)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield
    finally:
        events.put(None)
        thread.join(timeout=5)
