"""Runs a study, or what is left of it in its run folder, and writes its report."""

import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from selfcorrect.core.errors import JobsError, RunFolderError
from selfcorrect.storage.runs.run_folder import IDENTITIES_FILE, claim_folder
from selfcorrect.storage.runs.tracking import OFF, WandbLog, WandbTarget

from ..jobs.identities import IdentityFile
from ..jobs.progress_bars import Event
from ..jobs.run import Job, require_runner, run_jobs, use_one_thread
from ..jobs.where import Where
from .jobs import jobs_of, run_arm, run_first_generation
from .report import REPORT, Comparison, RunningReport, View, write_report
from .wandb_runs import LiveRuns, study_run

Observe: TypeAlias = Callable[[Mapping[str, Any]], object]
"""Function that gets the row of each committed generation from 0 on: task, arm, seed, number, and what was measured."""


def run_study(
    view: View,
    folder: Path,
    where: Where,
    *,
    command: str = "",
    accept_changed: bool = False,
    wandb: WandbTarget = OFF,
    observe: Observe | None = None,
    kept: bool = True,
) -> Comparison:
    """Run a study, or what is left of it in its run folder, and write its report.

    Mistakes in settings, data or code of users are raised before anything is written. If the study isolates its arms,
    one that fails ends no other and is a gap of the result.

    Args:
        command: Command that does it again, for the report.
        accept_changed: Resume although code or data were changed.
        wandb: Destination of Weights & Biases.
        observe: Function that gets the row of each committed generation.
        kept: The folder stays after the call.
    """
    study = view.study
    use_one_thread()  # before an evaluation is fitted, which jobs in this process share
    require_runner(where)
    study.check(folder, on_cluster=bool(where.cluster.cluster))
    identities = study.identities()
    ledger = IdentityFile(folder / IDENTITIES_FILE, study.accept)
    identities = {**identities, **study.try_out(ledger.list_unrecorded(identities))}
    started = time.monotonic()
    with claim_folder(folder, study.config(), study.extends), WandbLog(folder, wandb) as log:
        ledger.record(identities, accept_changed=accept_changed)
        study.begin(ledger, accept_changed=accept_changed)
        jobs = jobs_of(study, folder, accept_changed=accept_changed)
        live = LiveRuns(log, jobs, view)
        running = RunningReport(view, folder, command)
        watched = [running, live, *([] if observe is None else [_Observer(jobs, view, observe)])]

        def show(event: Event) -> None:
            for observer in watched:
                observer(event)

        if kept:
            print(f"{folder / REPORT} shows the run from its first generation on", file=sys.stderr)
            if view.opening:
                print(view.opening, file=sys.stderr)
        failed = _run_all(jobs, where, study.title, folder, show, each_alone=study.each_alone)
        live.complete()
        sentences = [_describe_failure(name, failed[name], jobs) for name in failed]
        seconds = time.monotonic() - started
        report, comparison = write_report(view, folder, command=command, seconds=seconds, failed=sentences, kept=kept)
        if kept:
            print("all generations are done; the report is written", file=sys.stderr)
        log.attempt(lambda: log.log(study_run(view, report, study.runs(folder), folder, command)))
    if words := log.words:
        print(f"{words}; --wandb off leaves it out" if command else words)
    return comparison


def _run_all(
    jobs: list[Job], where: Where, title: str, folder: Path, observe: Callable[[Event], None], *, each_alone: bool
) -> Mapping[str, Exception]:
    """Run all jobs and return the errors of those that failed, by name.

    Raises that of a folder that belongs to another run, and the first where no generation 0 is left for any arm.
    """
    try:
        run_jobs(jobs, where, title, folder=folder, observe=observe, each_alone=each_alone)
    except JobsError as error:
        if not each_alone:
            raise
        failed = {job.name: error.failed[job.name] for job in jobs if job.name in error.failed}
        for reason in failed.values():
            if isinstance(reason, RunFolderError):
                raise reason from error
        if all(job.name in failed for job in jobs if job.function is run_first_generation):
            raise next(iter(failed.values())) from error
        return failed
    return {}


def _describe_failure(name: str, error: Exception, jobs: Sequence[Job]) -> str:
    """Return a sentence for a job that failed, with what is missing because of it."""
    waiting = [job.name for job in jobs if name in job.after]
    arms = "" if not waiting else f"; without it are missing: {', '.join(waiting)}"
    return f"{name} stopped: {error}{arms}"


class _Observer:
    """Calls a user's function with the row of each generation when its job reports that it is committed, once.

    What it raises is a warning, once, and ends no run.
    """

    def __init__(self, jobs: list[Job], view: View, observe: Observe) -> None:
        self._view, self._observe = view, observe
        self._arms = {job.name: job.arguments[1:] for job in jobs if job.function is run_arm}
        self._seen: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self._failed = False

    def __call__(self, event: Event) -> None:
        if event.phase not in ("start", "generation") or event.job not in self._arms:
            return
        with self._lock:
            for row in self._view.rows(*self._arms[event.job])[: event.done + 1]:
                if (place := (event.job, row["generation"])) not in self._seen and not self._failed:
                    self._seen.add(place)
                    self._tell(row)

    def _tell(self, row: Mapping[str, Any]) -> None:
        try:
            self._observe(row)
        except Exception as error:  # whatever a user's function raises, the study goes on
            self._failed = True
            message = f"observe failed and is not called again: {type(error).__name__}: {error}"
            warnings.warn(message, stacklevel=2)
