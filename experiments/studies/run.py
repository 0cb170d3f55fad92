"""Run the unfinished part of a study and write its report."""

import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeAlias

from selfcorrect.core.checks import count_noun
from selfcorrect.core.errors import DamagedError, InUseError, JobsError, RunFolderError
from selfcorrect.loop.store.run_folder import IDENTITIES_FILE, claim_folder
from selfcorrect.loop.store.tracking import MetricRow, WandbLog
from selfcorrect.loop.store.wandb_options import OFF, WandbOptions
from selfcorrect.runtime.bugs import describe_in_a_line
from selfcorrect.runtime.machine import Machine

from ..jobs.identities import IdentityFile
from ..jobs.machines import record_machines
from ..jobs.progress_bars import Event, show_elapsed
from ..jobs.run import Job, require_runner, run_jobs, summarise_names, use_one_thread
from ..jobs.where import Where
from .arms import ArmSettings
from .page import Page
from .parts import find_lost_parts
from .study import SeedRun, Study, jobs_of, run_arm, run_first_generation
from .study_report import REPORT, Comparison, RunningReport, write_report
from .study_rows import make_rows
from .wandb_runs import log_arm, study_run

Observe: TypeAlias = Callable[[MetricRow], object]
"""Function that gets the row of each committed generation from 0 on: task, arm, seed, number, and what was measured."""


def run_study(
    study: Study,
    page: Page,
    folder: Path,
    where: Where,
    *,
    command: str = "",
    accept_changed: bool = False,
    wandb: WandbOptions = OFF,
    observe: Observe | None = None,
    kept: bool = True,
) -> Comparison:
    """Run the unfinished part of a study and write its report.

    An arm that fails does not end the others; it is a gap of the result.

    Args:
        page: Contents of the report.
        command: Command that repeats the study, for the report.
        accept_changed: Resume although code or data were changed.
        wandb: Destination of Weights & Biases.
        observe: Function that gets the row of each committed generation.
        kept: The folder stays after the call.
    """
    use_one_thread()
    require_runner(where)
    jobs = jobs_of(study, folder, accept_changed=accept_changed)  # before the folder records a study that cannot start
    ledger = IdentityFile(folder / IDENTITIES_FILE)
    if unrecorded := ledger.list_unrecorded(study.code):
        study.try_code(unrecorded)
    started = time.monotonic()
    with claim_folder(folder, study.config, study.extends), WandbLog(folder, wandb) as log:
        ledger.record(study.code, accept_changed=accept_changed)
        study.check_folder(folder, accept_changed=accept_changed)
        if study.keep != "measured" and not study.repair and (lost := find_lost_parts(folder)):
            raise DamagedError(f"{lost[0]}; put it back, or --repair runs it again")
        arms = {job.name: (job.arguments[1], job.arguments[2]) for job in jobs if job.function is run_arm}
        running_report = RunningReport(study, page, folder, command)
        observer = _Observer(study, observe)

        def show(event: Event) -> None:
            if event.phase == "generation":
                running_report.update()
            if event.phase in ("start", "generation") and event.job in arms:
                is_last = event.phase == "generation" and event.done == event.total
                log_arm(log, study, *arms[event.job], last=is_last)
                observer(*arms[event.job], event.done)

        def record(name: str, machine: Machine) -> None:
            record_machines(folder, {name: machine})

        if kept:
            print(
                f"Open {folder / REPORT} to watch the run; it shows each generation as soon as it is done.",
                file=sys.stderr,
            )
        failed: Mapping[str, Exception] = {}
        try:
            run_jobs(jobs, where, study.name, folder=folder, observe=show, record=record, each_alone=True)
        except JobsError as error:
            failed = _require_some(jobs, error)
        for run, arm in arms.values():  # what events did not report in time
            log_arm(log, study, run, arm, last=True)
        sentences = [_describe_failure(name, failed[name], jobs) for name in failed]
        seconds = time.monotonic() - started
        done = f"{count_noun(len(failed), 'job')} failed" if failed else "All generations are done"
        with show_elapsed(f"{done}; writing the report") if kept else nullcontext():
            comparison = write_report(
                study, page, folder, command=command, seconds=seconds, failed=sentences, kept=kept
            )
        if kept:
            print(f"{done}; the report is written.", file=sys.stderr)
        log.attempt(lambda: log.log(study_run(study, comparison.final, folder, command)))
    if words := log.words:
        print(f"{words}; --wandb off leaves it out" if command else words)
    return comparison


def _require_some(jobs: list[Job], error: JobsError) -> Mapping[str, Exception]:
    """Return failed jobs' errors by name.

    Raises:
        RunFolderError: A folder belongs to another run.
        Exception: No generation 0 is left for any arm; the first error is raised.
    """
    failed = {job.name: error.failed[job.name] for job in jobs if job.name in error.failed}
    for reason in failed.values():
        if isinstance(reason, RunFolderError) and not isinstance(reason, InUseError):
            raise reason from error
    if all(job.name in failed for job in jobs if job.function is run_first_generation):
        raise next(iter(failed.values())) from error
    return failed


MAX_NAMES = 3
"""Names in a sentence on missing results."""


def _describe_failure(name: str, error: Exception, jobs: Sequence[Job]) -> str:
    """Describe a failed job and what is missing."""
    waiting = [job.name for job in jobs if name in job.after]
    arms = f"; without it are missing: {summarise_names(waiting, MAX_NAMES)}" if waiting else ""
    return f"{name} stopped: {describe_in_a_line(error)}{arms}"


class _Observer:
    """Calls a user's function once with the row of each generation, when the job reports the commit.

    An error of the function is a warning, once, and does not end the run.
    """

    def __init__(self, study: Study, observe: Observe | None) -> None:
        self._study, self._observe = study, observe
        self._counts: Counter[tuple[SeedRun, ArmSettings]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, run: SeedRun, arm: ArmSettings, done: int) -> None:
        """Tell of the generations up to `done`."""
        with self._lock:
            if self._observe is None:
                return
            rows = make_rows(self._study, run, arm)[self._counts[run, arm] : done + 1]
            self._counts[run, arm] += len(rows)
            try:
                for row in rows:
                    self._observe(row)
            except Exception as error:  # whatever a user's function raises, the study goes on
                self._observe = None
                message = f"observe failed and is not called again: {type(error).__name__}: {error}"
                warnings.warn(message, stacklevel=2)
