"""Run the jobs of an experiment, each after the one it waits for, wherever a runner takes them.

A job is idempotent: it leaves what it makes in separate folders, whole or not at all, and does nothing again that is
there. So a run folder is all that is known of a run, and a runner only decides where its jobs run.
"""

import multiprocessing
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeAlias

from threadpoolctl import threadpool_limits

from selfcorrect.core.errors import ClusterLostError, JobsError, WorkerError
from selfcorrect.runtime.bugs import internal_error_traceback
from selfcorrect.runtime.processes import limit_threads, start_processes, stop_processes
from selfcorrect.runtime.registry import Registry, Row

from .progress_bars import Bars, Event, reporter
from .where import Where


@dataclass(frozen=True)
class Job:
    """A unit of work: `function(*arguments, progress)`, after all jobs named in `after`.

    function must be importable and its arguments picklable.
    """

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    generations: int
    """Generations that the job adds to the overall bar, one for each call of progress("generation", …)."""
    after: tuple[str, ...] = ()


Submit: TypeAlias = Callable[[Job], "Future[None]"]
Show: TypeAlias = Callable[[Event], None]
Runner: TypeAlias = Callable[[Where, Path | None, Show], AbstractContextManager[Submit]]
"""(where, the folder that all jobs write into, show) → a context whose value starts a job. Jobs report their progress
to `show` (see `reporter`). When an error leaves the context, jobs under way are stopped."""


@dataclass(frozen=True)
class RunnerRow(Row):
    """A runner."""

    tries: int = 1
    """Number of times that a job may fail at the same place before the rest goes on without it; with 1, the first
    failure ends all."""


RUNNERS = Registry(
    "runner",
    [
        RunnerRow("here", f"{__name__}:run_sequentially", "One job after the other, in this process."),
        RunnerRow("processes", f"{__name__}:processes", "Several jobs at once, in processes of this machine."),
        RunnerRow(
            "ray",
            "selfcorrect.experiments.jobs.ray_cluster:ray_cluster",
            "On a Ray cluster (docs/scale.md).",
            "ray",
            tries=3,
        ),
    ],
    group="selfcorrect.runners",
    row_type=RunnerRow,
)
"""Each leads to a `Runner`."""


def run_jobs(
    jobs: Sequence[Job],
    where: Where,
    title: str,
    *,
    unit: str = "gen",
    folder: Path | None = None,
    observe: Show = lambda event: None,
    each_alone: bool = False,
) -> None:
    """Run all jobs, each after those it waits for; results do not depend on where.

    unit: what the overall bar counts; folder: into which all jobs write, which a cluster has to reach; observe: called
    with the progress of all jobs, from any thread; each_alone: a job that fails ends only those that wait for it.
    Where a job is tried once, its exception is raised here after the jobs under way were stopped; otherwise JobsError
    names those that failed after all others were done. What is finished stays finished.
    """
    workers = min(where.workers, max(len(jobs), 1))
    where = replace(where, workers=workers, threads=where.workers // workers)
    start: Runner = RUNNERS.load(where.chosen)
    use_one_thread()
    total = sum(job.generations for job in jobs)
    with Bars(total, where.workers, title, unit) as bars:

        def show(event: Event) -> None:
            bars.show(event)
            observe(event)

        with start(where, folder, show) as submit:
            _Schedule(jobs, submit, RUNNERS.row(where.chosen).tries, bars, each_alone).run()


def require_runner(where: Where) -> None:
    """SettingError where jobs cannot run: an unknown runner, a missing extra, a cluster that does not answer."""
    RUNNERS.load(where.chosen)
    if where.cluster.cluster:
        from .ray_cluster import require_reachable

        require_reachable(where.cluster.cluster)


def use_one_thread() -> None:
    """Here and in every process that starts from here, because sums depend on how many threads share them."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    threadpool_limits(1)  # of libraries that are loaded already, which read the environment no more
    if (torch := sys.modules.get("torch")) is not None:  # not imported where nobody needs it
        torch.set_num_threads(1)


class _Schedule:
    """The jobs that are not done yet, and what became of the others."""

    def __init__(self, jobs: Sequence[Job], submit: Submit, tries: int, bars: Bars, each_alone: bool) -> None:
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) < len(jobs):
            doubled, _ = Counter(job.name for job in jobs).most_common(1)[0]
            raise ValueError(f"two jobs are both named {doubled}")
        for job in jobs:
            if unknown := [name for name in job.after if name not in self._jobs]:
                raise ValueError(f"job {job.name} waits for {unknown[0]}, which is not among the jobs")
        self._graph = TopologicalSorter({job.name: job.after for job in jobs})
        self._submit, self._tries, self._bars, self._each_alone = submit, tries, bars, each_alone
        self._running: dict[Future[None], str] = {}
        self._failures: Counter[tuple[str, int]] = Counter()
        self._given_up: dict[str, Exception] = {}

    def run(self) -> None:
        self._graph.prepare()
        while (ready := self._graph.get_ready()) or self._running:
            for name in ready:
                self._start(name)
            finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in finished:
                self._settle(self._running.pop(future), future)
        if self._given_up:
            raise jobs_error(self._given_up, len(self._jobs), self._tries)

    def _start(self, name: str) -> None:
        self._running[self._submit(self._jobs[name])] = name

    def _settle(self, name: str, future: Future[None]) -> None:
        try:
            future.result()
        except Exception as error:
            self._fail(name, _worker_error(name, error))
        else:
            self._bars.finish(name)
            self._graph.done(name)

    def _fail(self, name: str, error: Exception) -> None:
        """Try again, as often as it takes while the job gets further."""
        ends_all = self._tries == 1 and (not self._each_alone or isinstance(error, WorkerError))
        if ends_all or isinstance(error, ClusterLostError):
            raise error
        place = name, self._bars.count_generations(name)
        self._failures[place] += 1
        count = self._failures[place]
        self._bars.tell(f"{name} failed ({count} of {self._tries} tries): {_sentence(error)}")
        if count < self._tries:
            self._start(name)
        else:
            self._bars.finish(name)
            self._given_up[name] = error


def _worker_error(name: str, error: Exception) -> Exception:
    if not isinstance(error, BrokenExecutor):
        return error
    return WorkerError(f"a worker process died while {name} ran (killed, or out of memory); the same command continues")


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__


def jobs_error(failed: Mapping[str, Exception], count: int, tries: int) -> JobsError:
    """Return the error for failed jobs, to be raised after everything else is done."""
    named = "; ".join(f"{name}: {_sentence(error)}" for name, error in failed.items())
    times = f" {tries} times" if tries > 1 else ""
    message = f"{len(failed)} of {count} jobs failed{times} and were given up ({named}), with those that wait for them"
    bugs = [getattr(error, "bug", "") or internal_error_traceback(error) for error in failed.values()]
    return JobsError(f"{message}; what is finished is kept, and the same command does the rest", failed, "".join(bugs))


# --- runners ---------------------------------------------------------------------------------------------------------


@contextmanager
def run_sequentially(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Runs each job at once, in this process."""

    def submit(job: Job) -> Future[None]:
        finished: Future[None] = Future()
        try:
            with limit_threads(where.threads):
                job.function(*job.arguments, reporter(show, job.name))
        except Exception as error:  # the schedule decides what it ends
            finished.set_exception(error)
        else:
            finished.set_result(None)
        return finished

    yield submit


@contextmanager
def processes(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Runs jobs in as many processes of this machine as there are workers, which end with this one."""
    events = multiprocessing.get_context("spawn").Queue()
    with _drain(events, show), start_processes(where.workers, _start_worker, events, where.threads) as pool:
        try:
            yield lambda job: pool.submit(_run_job, job)
        except BaseException:
            stop_processes(pool)  # what is committed stays, what is under way is done again by the next run
            raise


_events: Any = None
_threads: int = 1


def _start_worker(events: Any, threads: int) -> None:
    global _events, _threads
    _events = events
    _threads = threads


def _run_job(job: Job) -> None:
    with limit_threads(_threads):
        job.function(*job.arguments, reporter(_events.put, job.name))


@contextmanager
def _drain(events: Any, show: Show) -> Iterator[None]:
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
