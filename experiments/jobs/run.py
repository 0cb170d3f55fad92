"""Run the jobs of an experiment in the order of their dependencies, on the machines of a runner.

A job is idempotent: its results go to a folder of its own, completely or not at all, and existing results are skipped.
The run folder therefore holds the whole state of a run, and the runner only decides where jobs run.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from threadpoolctl import threadpool_limits

from selfcorrect.core.errors import JobsError, NodeError, SettingError, WorkerError
from selfcorrect.runtime.bugs import describe_in_a_line, internal_error_traceback, note_location
from selfcorrect.runtime.machine import Machine, find_machine
from selfcorrect.runtime.processes import limit_threads, process_context, start_processes, stop_processes
from selfcorrect.runtime.registry import Registry, describe_unknown, load_members
from selfcorrect.runtime.supervision import forbid_exit

from .progress_bars import Bars, Event, reporter
from .runner_row import RunnerRow
from .where import ONE_CORE, RESOURCE_OPTIONS, Resources, Where

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


@dataclass(frozen=True)
class Job:
    """A unit of work `function(*arguments, progress)`, with an importable function and picklable arguments."""

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    generations: int
    """Number of generations that the job adds to the overall bar, one for each call of progress("generation", …)."""
    after: tuple[str, ...] = ()
    """Names of the jobs that must finish first."""
    resources: Resources = ONE_CORE
    """Resources that the job needs on other machines."""


Submit: TypeAlias = Callable[[Job], "Future[Machine | None]"]
Show: TypeAlias = Callable[[Event], None]
Runner: TypeAlias = Callable[[Where, Path | None, Show], AbstractContextManager[Submit]]
"""Function of (where, folder into which all jobs write, show) that returns a context, whose value starts a job.

Jobs report their progress to `show` (see `reporter`). The result of a job's future is the machine, or None if the
machine is unknown or the job had nothing to do. If an error leaves the context, running jobs are stopped."""


RUNNERS = Registry(
    "runner",
    [
        RunnerRow("here", f"{__name__}:run_sequentially", "Job by job, in this process.", is_local=True, options=()),
        RunnerRow(
            "processes",
            f"{__name__}:processes",
            "Several jobs at once, in processes of this machine.",
            is_local=True,
            options=(),
        ),
        *load_members("selfcorrect.experiments.jobs.runners", RunnerRow),
    ],
    group="selfcorrect.runners",
    row_type=RunnerRow,
)
"""Known runners: those of this machine, and a folder in `runners` for each cluster. Each entry refers to a `Runner`."""


def run_jobs(
    jobs: Sequence[Job],
    where: Where,
    title: str,
    *,
    unit: str = "gen",
    folder: Path | None = None,
    observe: Show = lambda event: None,
    record: Callable[[str, Machine], object] = lambda name, machine: None,
    each_alone: bool = False,
) -> dict[str, Machine]:
    """Run all jobs in the order of their dependencies.

    Results do not depend on where jobs run. If a job fails, finished work is kept.

    Args:
        jobs: Jobs to run.
        where: Runner and number of workers.
        title: Title of the overall progress bar.
        unit: Unit of the overall progress bar.
        folder: Folder into which all jobs write, and which other machines must reach.
        observe: Called with the progress of all jobs, from any thread.
        record: Called with the name and the machine of each job that had something to do, as soon as it ends.
        each_alone: Whether a failed job ends only the jobs that depend on it.

    Returns:
        The machine, as far as it is known, of each job that had something to do, by job name.

    Raises:
        JobsError: `each_alone` is true and jobs failed; raised after all other jobs are done. If `each_alone` is false,
            the exception of the first failed job is raised at once.
    """
    workers = min(where.workers, max(len(jobs), 1))
    modules = {job.function.__module__ for job in jobs}
    where = replace(where, workers=workers, threads=where.workers // workers, modules=tuple(sorted(modules)))
    require_runner(where)
    start: Runner = RUNNERS.load(where.chosen)
    jobs = [replace(job, resources=job.resources.change(where.options)) for job in jobs]
    use_one_thread()
    total = sum(job.generations for job in jobs)
    with Bars(total, where.workers, title, unit) as bars:

        def show(event: Event) -> None:
            bars.show(event)
            observe(event)

        with start(where, folder, show) as submit:
            return _Schedule(jobs, submit, RUNNERS.row(where.chosen), where.workers, bars, record, each_alone).run()


def require_runner(where: Where) -> None:
    """Raise SettingError for an unknown runner or option, or a missing package."""
    RUNNERS.load(where.chosen)
    row = RUNNERS.row(where.chosen)
    if row.options is not None:
        known = [*row.options, *(() if row.is_local else sorted(RESOURCE_OPTIONS))]
        for name in where.options:
            if not known:
                raise SettingError(f"the runner {where.chosen} takes no options, got {name!r}; choose another --runner")
            if name not in known:
                raise SettingError(describe_unknown(f"option of the runner {where.chosen}", name, known))
    ONE_CORE.change(where.options)


def do_job(job: Job, send: Show, threads: int) -> Machine | None:
    """Run a job in this process.

    Args:
        job: Job to run.
        send: Called with the progress.
        threads: Number of cores that the job may use.

    Returns:
        The machine, or None if the job found everything done.
    """
    report = reporter(send, job.name)
    kept = -1
    has_worked = False

    def progress(phase: str, done_count: int, total: int) -> None:
        nonlocal kept, has_worked
        if phase == "start":
            kept = done_count
        else:
            has_worked |= phase != "generation" or done_count > kept
        report(phase, done_count, total)

    with limit_threads(threads), forbid_exit(job.name):
        try:
            job.function(*job.arguments, progress)
        except Exception as error:
            note_location(error)
            raise
    return find_machine() if has_worked else None


def use_one_thread() -> None:
    """Use one thread here and in all child processes, because sums depend on the number of threads."""
    os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    threadpool_limits(1)  # for loaded libraries, which do not read the environment again
    torch = sys.modules.get("torch")
    if torch is not None:  # not imported only for this
        torch.set_num_threads(1)


class _Schedule:
    """The waiting, running and failed jobs."""

    def __init__(
        self,
        jobs: Sequence[Job],
        submit: Submit,
        runner: RunnerRow,
        workers: int,
        bars: Bars,
        record: Callable[[str, Machine], object],
        each_alone: bool,
    ) -> None:
        self._record = record
        self._jobs = {job.name: job for job in jobs}
        assert len(self._jobs) == len(jobs), "job names must be unique"
        assert all(name in self._jobs for job in jobs for name in job.after), "a job waits for no job"
        self._graph = TopologicalSorter({job.name: job.after for job in jobs})
        self._path_lengths = _measure_paths(self._jobs)
        self._submit = submit
        self._capacity = workers if runner.is_local else len(jobs)
        self._bars = bars
        self._each_alone = each_alone
        self._waiting: list[str] = []
        self._running: dict[Future[Machine | None], str] = {}
        self._machines: dict[str, Machine] = {}
        self._given_up: dict[str, Exception] = {}

    def run(self) -> dict[str, Machine]:
        self._graph.prepare()
        while (ready := self._graph.get_ready()) or self._waiting or self._running:
            self._waiting = sorted([*self._waiting, *ready], key=self._path_lengths.__getitem__, reverse=True)
            while self._waiting and len(self._running) < self._capacity:
                name = self._waiting.pop(0)
                self._running[self._submit(self._jobs[name])] = name
            finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in finished:
                self._settle(self._running.pop(future), future)
        if self._given_up:
            raise jobs_error(self._given_up, len(self._jobs), self._machines)
        return self._machines

    def _settle(self, name: str, future: Future[Machine | None]) -> None:
        try:
            machine = future.result()
        except BrokenExecutor:
            message = f"a worker process died while {name} ran (killed, or out of memory); the same command continues"
            self._fail(name, WorkerError(message))
        except Exception as error:
            self._fail(name, error)
        else:
            if machine is not None:
                self._machines[name] = machine
                self._record(name, machine)
            self._bars.finish(name)
            self._graph.done(name)

    def _fail(self, name: str, error: Exception) -> None:
        """Give up a failed job, or raise its error to end all jobs."""
        if not self._each_alone or isinstance(error, WorkerError | NodeError):
            raise error
        self._bars.write(f"{name} failed: {describe_in_a_line(error)}")
        self._bars.finish(name)
        self._given_up[name] = error


def _measure_paths(jobs: Mapping[str, Job]) -> dict[str, int]:
    """Return the largest number of generations from each job on along its dependents. Long paths start first."""
    lengths = {name: job.generations for name, job in jobs.items()}
    order = [*TopologicalSorter({name: job.after for name, job in jobs.items()}).static_order()]
    for name in reversed(order):
        for earlier in jobs[name].after:
            lengths[earlier] = max(lengths[earlier], jobs[earlier].generations + lengths[name])
    return lengths


def summarise_names(names: Sequence[str], most: int) -> str:
    """List the first names, and count the others."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def jobs_error(failed: Mapping[str, Exception], count: int, machines: Mapping[str, Machine]) -> JobsError:
    """Make the error to raise for failed jobs after all others are done.

    Args:
        failed: Errors of the failed jobs, by name.
        count: Number of all jobs.
        machines: Machines of the finished jobs, by name.
    """
    names_by_reason = dict[str, list[str]]()
    for name, error in failed.items():
        names_by_reason.setdefault(describe_in_a_line(error), []).append(name)
    reasons = [f"  {summarise_names(names, 1)}: {reason}" for reason, names in names_by_reason.items()]
    message = "\n".join(
        [
            f"{len(failed)} of {count} jobs failed and were given up, with the jobs that wait for them; "
            "finished work is kept, and the same command continues",
            *reasons,
        ]
    )
    bugs = [getattr(error, "bug", "") or internal_error_traceback(error) for error in failed.values()]
    return JobsError(message, failed, "".join(bugs), machines)


@contextmanager
def run_sequentially(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Run each job in this process as soon as it is submitted."""

    def submit(job: Job) -> Future[Machine | None]:
        finished: Future[Machine | None] = Future()
        try:
            finished.set_result(do_job(job, show, where.threads))
        except Exception as error:  # the schedule decides which jobs it ends
            finished.set_exception(error)
        return finished

    yield submit


@contextmanager
def processes(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Run jobs on this machine in one process per worker; all of them end when this process ends."""
    events = process_context().Queue()
    pool = start_processes(where.workers, _start_worker, events, where.threads, modules=where.modules)
    with _drain(events, show), pool:
        try:
            yield lambda job: pool.submit(_run_job, job)
        except BaseException:
            stop_processes(pool)  # the next run repeats what was not committed
            raise


_events: Queue[Event] | None = None
_threads: int = 1


def _start_worker(events: Queue[Event], threads: int) -> None:
    global _events, _threads
    _events = events
    _threads = threads
    use_one_thread()  # the fork server may have loaded libraries with more threads


def _run_job(job: Job) -> Machine | None:
    assert _events is not None
    return do_job(job, _events.put, _threads)


_BACKLOG_S = 5.0
"""Time to show remaining events after all jobs are done, in s."""


@contextmanager
def _drain(events: Queue[Event | None], show: Show) -> Iterator[None]:
    """Show events while the body runs, and drop a long backlog at the end."""
    shown = threading.Lock()
    is_over = threading.Event()

    def drain() -> None:
        while (event := events.get()) is not None:
            with shown:
                if not is_over.is_set():
                    show(event)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield
    finally:
        events.put(None)
        thread.join(timeout=_BACKLOG_S)
        is_over.set()
        with shown:  # waits until the current event is shown
            pass
        thread.join(timeout=1)
