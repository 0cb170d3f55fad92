"""Run jobs with Slurm.

submitit submits them from a machine that has Slurm's commands and the run folder. Jobs that are ready at the same time
become an array. They report in files of the run folder how they go on and how they ended. A thread of this command
reads these files and calls `squeue`. If the command dies, its jobs continue, and the same command waits for them
instead of submitting them again.

What lies in the run folder is not trusted. Each command writes into a new folder of its own, whose name is a random
token, and its jobs have the token in their names. Jobs are adopted or cancelled only if Slurm lists them under such a
name, and their answers are read as JSON, so that no code in them can run.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cloudpickle
import submitit  # pyright: ignore[reportMissingImports]
from submitit.core.utils import FailedJobError  # pyright: ignore[reportMissingImports]

from selfcorrect.core.errors import DamagedError, LostJobError, NodeError, SettingError
from selfcorrect.runtime.machine import Machine
from selfcorrect.storage.files.digests import compute_digest, read_with_digest, write_with_digest
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.strict_json import parse_json

from ...on_node import TRIES, Losses, RemoteJob, decode_ending, encode_ending
from ...progress_bars import Event
from ...run import Job, Show, Submit
from ...targets import check_no_link
from ...where import Resources, Where

_FOLDER = ".slurm"
"""Subfolder of the run folder with a folder for each command, which holds submissions, logs, reports and answers. The
folder is removed when all jobs have succeeded."""
_TOKEN = re.compile(r"[0-9a-f]{32}")
_JOB_NUMBER = re.compile(r"\d+(_\d+)?")
_JOBS_FILE = "jobs.json"
_PACE_S = 1.0
"""Interval at which jobs are polled, in s."""
_SQUEUE_PACE_S = 5.0
"""Interval between calls of `squeue`, in s. It is long because the controller answers the calls of all users."""
_DELAY_S = 20.0
"""Longest time until a shared file system shows what a job wrote at its end, in s."""
_MAX_TOGETHER = 500
"""Maximum number of jobs in an array; Slurm's default limit is 1000."""
_MINUTES = 240
"""Default time limit of a job, in minutes. A job that reaches the limit continues in another one."""
_WAITING = frozenset(
    ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "REQUEUE_HOLD", "RESIZING", "SUSPENDED", "STOPPED",
     "STAGE_OUT", "SIGNALING", "SPECIAL_EXIT", "REQUEUE_FED", "RESV_DEL_HOLD", "UPDATE_DB", "POWER_UP_NODE")
)  # fmt: skip
"""States of jobs that have not ended."""

_NEVER = frozenset(
    ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "AccountNotAllowed",
     "QOSNotAllowed", "QOSMaxCpuPerJobLimit", "QOSMaxMemoryPerJob", "AssocMaxCpuPerJobLimit", "AssocMaxMemPerJob")
)  # fmt: skip
"""Slurm's reasons for which a job would wait forever."""


@contextmanager
def run_on_slurm(where: Where, folder: Path | None, show: Show) -> Iterator[Submit]:
    """Run jobs in Slurm.

    Options:
        partition, account, qos, constraint: As for `sbatch`.
        minutes: Time limit of a job. A job that reaches the limit continues in another one.
        parallel: Maximum number of jobs of an array that run at the same time.
    """
    for command in ("sbatch", "squeue", "scancel"):
        if shutil.which(command) is None:
            raise SettingError(f"the runner slurm needs {command}, which this machine lacks; use a login node")
    for option in ("minutes", "parallel"):
        _whole_number(where.options, option)
    jobs = _Jobs(folder, where.options, show)
    try:
        yield jobs.submit
    except BaseException:
        jobs.stop()
        raise
    jobs.finish()


@dataclass(frozen=True)
class SlurmWork:
    """The work of a Slurm job, which is queued again after a preemption or at the time limit."""

    remote_job: RemoteJob
    folder: Path
    """Folder of the command that submitted the job."""
    token: str
    """Random name of the job's files."""

    @property
    def reports(self) -> Path:
        """File into which the job writes a line per event."""
        return self.folder / f"{self.token}.jsonl"

    @property
    def answer(self) -> Path:
        """File into which the job writes how it ended."""
        return self.folder / f"{self.token}.json"

    def __call__(self) -> None:
        self.reports.touch()

        def send(event: Event) -> None:
            if event.phase in ("start", "generation"):
                with self.reports.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(event)) + "\n")

        write_with_digest(self.answer, encode_ending(self.remote_job.run(send)))

    def checkpoint(self) -> Any:
        """Return the same work, which continues after the last commit."""
        return submitit.helpers.DelayedSubmission(self)


@dataclass
class _Submitted:
    """A job that was submitted."""

    job: Job
    future: Future[Machine | None]
    work: SlurmWork
    handle: Any
    """submitit's job."""
    read_bytes: int = 0
    """Number of bytes of the reports that were already shown."""
    ended_s: float | None = None
    """Time at which Slurm stopped listing the job as waiting or running; None until then."""


class _Jobs:
    """Running jobs, and the thread that watches them."""

    def __init__(self, folder: Path | None, options: Mapping[str, str], show: Show) -> None:
        self._run_folder = folder
        self._records = (folder or Path.cwd()).absolute() / _FOLDER
        self._records.mkdir(parents=True, exist_ok=True)
        check_no_link([self._records])
        self._token = secrets.token_hex(16)
        self._folder = self._records / self._token
        self._folder.mkdir(mode=0o700)
        self._folders = {self._folder}
        self._options = options
        self._show = show
        self._earlier = self._read_earlier()
        self._registered: dict[str, dict[str, str]] = {}
        self._started: SimpleQueue[tuple[Job, Future[Machine | None]]] = SimpleQueue()
        self._running: list[_Submitted] = []
        self._states: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._asked_s = 0.0
        self._losses = Losses()
        self._is_over = threading.Event()
        self._error: Exception | None = None
        self._attendant = threading.Thread(target=self._attend, daemon=True)
        self._attendant.start()

    def submit(self, job: Job) -> Future[Machine | None]:
        """Start a job."""
        future: Future[Machine | None] = Future()
        self._started.put((job, future))
        if self._error is not None:
            self._fail_all(self._error)
        return future

    def stop(self) -> None:
        """Stop watching, and cancel all jobs."""
        self._is_over.set()
        self._attendant.join()
        self._cancel([self._registered[submitted.job.name] for submitted in self._running])

    def finish(self) -> None:
        """Stop watching after all jobs have ended, cancel those of an earlier command, and remove the records."""
        self._is_over.set()
        self._attendant.join()
        self._cancel([*self._earlier.values()])
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        (self._records / _JOBS_FILE).unlink(missing_ok=True)
        with suppress(OSError):  # which has folders of other commands
            self._records.rmdir()

    def _attend(self) -> None:
        while not self._is_over.wait(_PACE_S):
            try:
                self._submit_waiting()
                self._poll_jobs()
            except Exception as error:
                self._error = error
                self._fail_all(error)
                return

    def _fail_all(self, error: Exception) -> None:
        """Set the error on all jobs, because they are no longer watched."""
        futures = [submitted.future for submitted in self._running]
        with suppress(Empty):
            while True:
                futures.append(self._started.get_nowait()[1])
        for future in futures:
            if not future.done():
                future.set_exception(error)

    # --- submissions

    def _submit_waiting(self) -> None:
        """Submit waiting jobs, except those of an earlier command, as an array for each kind of resources."""
        groups: defaultdict[Resources, list[tuple[Job, Future[Machine | None]]]] = defaultdict(list)
        with suppress(Empty):
            while True:
                job, future = self._started.get_nowait()
                groups[job.resources].append((job, future))
        for resources, jobs in groups.items():
            for start in range(0, len(jobs), _MAX_TOGETHER):
                group = jobs[start : start + _MAX_TOGETHER]
                try:
                    self._submit_group(resources, group)
                except Exception as error:  # fails these jobs only
                    for _, future in group:
                        future.set_exception(error)
        if groups:
            write_with_digest(self._records / _JOBS_FILE, {"jobs": self._registered | self._earlier})

    def _submit_group(self, resources: Resources, jobs: list[tuple[Job, Future[Machine | None]]]) -> None:
        new: list[tuple[Job, Future[Machine | None], SlurmWork, str]] = []
        for job, future in jobs:
            remote_job = RemoteJob.make(job, self._run_folder)
            digest = compute_digest(cloudpickle.dumps(remote_job))
            work = SlurmWork(remote_job, self._folder, secrets.token_hex(16))
            earlier = self._earlier.pop(job.name, None)
            if earlier is not None and earlier["digest"] == digest:
                folder = self._records / earlier["command"]
                work = SlurmWork(remote_job, folder, earlier["token"])
                handle = submitit.SlurmJob(folder=folder, job_id=earlier["id"], tasks=[0])
                self._running.append(_Submitted(job, future, work, handle))
                self._registered[job.name] = earlier
                continue
            if earlier is not None:  # with other settings
                self._cancel([earlier])
            new.append((job, future, work, digest))
        if not new:
            return
        executor = self._make_executor(resources)
        try:
            with executor.batch():
                handles = [executor.submit(work) for _, _, work, _ in new]
        except FailedJobError as error:
            asking = f"{new[0][0].name}, which asks for {resources}"
            raise NodeError(f"Slurm refuses {asking}: {_last_line(error)}") from error
        for (job, future, work, digest), handle in zip(new, handles, strict=True):
            self._running.append(_Submitted(job, future, work, handle))
            entry = {"id": str(handle.job_id), "digest": digest, "command": self._token, "token": work.token}
            self._registered[job.name] = entry

    def _make_executor(self, resources: Resources) -> Any:
        options = self._options
        executor = submitit.SlurmExecutor(self._folder)
        executor.update_parameters(
            job_name=_name_jobs(self._token),
            time=_whole_number(options, "minutes") or _MINUTES,
            partition=options.get("partition"),
            account=options.get("account"),
            qos=options.get("qos"),
            constraint=options.get("constraint"),
            array_parallelism=_whole_number(options, "parallel") or _MAX_TOGETHER,
            cpus_per_task=resources.cores,
            gpus_per_node=ceil(resources.gpus) or None,  # Slurm gives whole GPUs
            mem=f"{ceil(resources.memory_gb * 1000)}M",
            additional_parameters={"requeue": True},  # if a node is lost
            stderr_to_stdout=True,
            use_srun=False,
        )
        return executor

    def _read_earlier(self) -> dict[str, dict[str, str]]:
        """Return the jobs of an earlier command that are still waiting or running, by name."""
        try:
            recorded = read_with_digest(self._records / _JOBS_FILE)["jobs"]
            entries = {name: entry for name, entry in recorded.items() if _is_entry(entry)}
        except (DamagedError, LookupError, AttributeError, TypeError):
            return {}
        self._ask_squeue()
        self._folders |= {self._records / entry["command"] for entry in entries.values()}
        waiting = {name: entry for name, entry in entries.items() if self._states.get(entry["id"]) in _WAITING}
        return {name: entry for name, entry in waiting.items() if self._is_ours(entry)}

    def _is_ours(self, entry: Mapping[str, str]) -> bool:
        """Return whether Slurm lists a job under the name that a command of this run folder gave it."""
        folder = self._records / entry["command"]
        is_there = folder.is_dir() and not folder.is_symlink()
        return is_there and self._names.get(entry["id"]) == _name_jobs(entry["command"])

    # --- what became of them

    def _poll_jobs(self) -> None:
        if time.monotonic() - self._asked_s > _SQUEUE_PACE_S:
            self._ask_squeue()
        for submitted in [*self._running]:
            self._show_reports(submitted)
            if submitted.work.answer.exists():
                self._running.remove(submitted)
                self._settle(submitted)
            elif submitted.handle.paths.result_pickle.exists():  # whose content is not read
                self._running.remove(submitted)
                self._give_up(submitted)
            elif (reason := self._reasons.get(str(submitted.handle.job_id))) in _NEVER:
                self._running.remove(submitted)
                self._cancel([self._registered[submitted.job.name]])
                asking = f"{submitted.job.name}, which asks for {submitted.job.resources}"
                submitted.future.set_exception(NodeError(f"Slurm cannot start {asking}, on any node: {reason}"))
            elif self._has_ended(submitted):
                self._running.remove(submitted)
                self._resubmit_lost(submitted, self._states.get(str(submitted.handle.job_id), "gone"))

    def _ask_squeue(self) -> None:
        """Ask for the states of this user's jobs. If the controller does not answer, it is asked again later."""
        command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%j"]
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            rows = [line.strip().split("|", 3) for line in done.stdout.splitlines()]
            self._states = {row[0]: row[1] for row in rows if len(row) == 4}
            self._reasons = {row[0]: row[2] for row in rows if len(row) == 4}
            self._names = {row[0]: row[3] for row in rows if len(row) == 4}
            self._asked_s = time.monotonic()

    def _has_ended(self, submitted: _Submitted) -> bool:
        """Return whether a job has ended, and so long ago that its output would be visible."""
        state = self._states.get(str(submitted.handle.job_id))
        if state in _WAITING:
            submitted.ended_s = None
            return False
        if submitted.ended_s is None:
            submitted.ended_s = time.monotonic()
        is_certain = state is not None and state != "COMPLETED"
        return self._asked_s - submitted.ended_s > (0 if is_certain else _DELAY_S)

    def _show_reports(self, submitted: _Submitted) -> None:
        path = submitted.work.reports
        if not path.exists():
            return
        content = read_bytes(path)
        complete = content[: content.rfind(b"\n") + 1]
        for line in complete[submitted.read_bytes :].splitlines():
            event = Event(**parse_json(line, "a report of a job"))
            self._losses.note(event)
            self._show(event)
        submitted.read_bytes = len(complete)

    def _settle(self, submitted: _Submitted) -> None:
        try:
            ending = decode_ending(read_with_digest(submitted.work.answer))
        except DamagedError as error:
            submitted.future.set_exception(LostJobError(str(error)))
            return
        if isinstance(ending, Exception):
            submitted.future.set_exception(ending)
        else:
            submitted.future.set_result(ending)

    def _give_up(self, submitted: _Submitted) -> None:
        """Handle a job that ended without an answer: it could not begin, or reached the time limit too often."""
        log = submitted.handle.paths.stdout
        reason = _last_line(read_bytes(log).decode(errors="replace")) if log.is_file() else "it left no log"
        if submitted.work.reports.exists():
            self._resubmit_lost(submitted, reason)
            return
        message = f"job {submitted.handle.job_id} of Slurm failed before it began: {reason}"
        submitted.future.set_exception(LostJobError(message))

    def _resubmit_lost(self, submitted: _Submitted, reason: str) -> None:
        """Resubmit a lost job, unless it was lost too often or cancelled by a user."""
        name = submitted.job.name
        if not reason.startswith("CANCELLED") and self._losses.may_repeat(name):
            self._started.put((submitted.job, submitted.future))
            return
        tries = "" if reason.startswith("CANCELLED") else f" {TRIES} times"
        submitted.future.set_exception(
            LostJobError(f"Slurm ended it{tries} ({reason}); its log is {submitted.handle.paths.stdout}")
        )

    def _cancel(self, entries: list[dict[str, str]]) -> None:
        """Cancel jobs of commands of this run folder. Slurm compares their names."""
        ids_by_name = defaultdict[str, list[str]](list)
        for entry in entries:
            ids_by_name[_name_jobs(entry["command"])].append(entry["id"])
        for name, ids in ids_by_name.items():
            command = ["scancel", "--me", f"--name={name}", *ids]
            subprocess.run(command, capture_output=True, check=False, timeout=60)


def _name_jobs(token: str) -> str:
    return f"selfcorrect-{token}"


def _is_entry(entry: Mapping[str, Any]) -> bool:
    """Return whether a record of a job has the form that this runner writes."""
    tokens = (entry["command"], entry["token"])
    return all(map(_TOKEN.fullmatch, tokens)) and _JOB_NUMBER.fullmatch(entry["id"]) is not None and "digest" in entry


def _whole_number(options: Mapping[str, str], name: str) -> int | None:
    if name not in options:
        return None
    if not options[name].isdigit() or not int(options[name]):
        raise SettingError(f"runner option {name} must be a positive whole number, got {options[name]!r}")
    return int(options[name])


def _last_line(trace: object) -> str:
    lines = str(trace).strip().splitlines()
    return lines[-1][:300] if lines else type(trace).__name__
