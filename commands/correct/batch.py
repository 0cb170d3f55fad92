"""Correct many motion files into a folder and write a report, or one file to another.

Foreign files are never overwritten, and finished files are skipped.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path, PurePath

from selfcorrect.core.errors import DamagedError, JobsError, OtherVersionError, SettingError, WorkerError
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.open import explain_no_motions, motion_files
from selfcorrect.experiments.jobs.input_keys import list_sidecars
from selfcorrect.experiments.jobs.machines import describe_mixture
from selfcorrect.experiments.jobs.run import RUNNERS, Job, run_jobs
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.targets import FOREIGN, check_no_link, check_not_opened, check_targets, place_of
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.runtime.bugs import describe_error
from selfcorrect.storage.files.locks import FolderLock
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers, replacing, scratch_folder

from .batch_report import REPORT, is_report, write_correction_report
from .correct_file import FileTask, correct_tasks, is_finished, record_failure
from .file_result import FileResult, read_record
from .options import CorrectionOptions

FILES_TOGETHER = 64
"""Maximum number of files corrected together."""
JOBS_PER_WORKER = 4
"""Number of jobs per worker. Several balance the load, because some jobs take longer than others."""
JOBS_ELSEWHERE = 256
"""Maximum number of jobs on other machines, where each waits in a queue and starts a process."""
JOB_ELSEWHERE_S = 3.0
"""Minimum processor time of a job on another machine, in s. Starting its process takes about as long."""
_HERE = RunnerChoice()
_WORKER_START_S = 0.5
"""Processor time for starting a worker process, in s."""
_FILE_S = 0.03
"""Processor time per file for kinematic correction, in s."""
_BYTE_S = 0.7e-6
"""Processor time per byte of BVH for kinematic correction, in s; physics takes about twice as long."""


def correct_into(
    inputs: Sequence[Path],
    out: Path,
    options: CorrectionOptions,
    workers: int | None = None,
    runner: RunnerChoice = _HERE,
) -> list[FileResult]:
    """Correct motion files into a folder, and write the report.

    Args:
        inputs: Files and folders.
        out: Output folder.
        options: Options of the correction.
        workers: Number of workers; by default as many as memory allows and as save time.
        runner: Runner of the jobs.

    Returns:
        The result of each file, also of those finished earlier. A file whose record vanished meanwhile is failed.

    Raises:
        InputError: There are no motion files.
        SettingError: Options exclude each other, or a file would be overwritten.
    """
    where = runner.to_where(workers)
    options.check_files()
    tasks = make_tasks(inputs, out)
    if options.contacts is not None and len(tasks) > 1:
        raise SettingError(f"contacts belong to one motion, got {len(tasks)} files")
    report = out / REPORT
    _check_report(report, tasks)
    with explain_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(out)
    with lock:
        remove_leftovers(out, below=True)
        waiting = [task for task in tasks if not is_finished(task, options)]
        if len(waiting) < len(tasks):
            kind = "files" if any(task.source.suffix == ".parquet" for task in tasks) else "motions"
            print(f"{len(tasks) - len(waiting)} of {len(tasks)} {kind} are finished already with these settings")
        if waiting:
            if workers is None and _is_local(where):
                where = limit_workers(where, waiting, options)
            _run_jobs(waiting, out, options, where, _count_files_per_job(waiting, options, where))
        results = []
        are_whole = True
        for result in map(_load_result, tasks):
            simulation = result.figures.simulation
            are_whole &= not simulation.over_time
            figures = replace(result.figures, simulation=replace(simulation, over_time={}))
            results.append(replace(result, figures=figures))
        verdicts = [result.verdict for result in results]
        with explain_write_error(report), replacing(place_of(report), overwrite=report.exists()) as temporary:
            loaded = results if are_whole else map(_load_result, tasks)
            write_correction_report(temporary, asdict(options), verdicts, loaded)
            _check_report(report, tasks)  # another file may have appeared in the meantime
    return results


def _load_result(task: FileTask) -> FileResult:
    """Read the result of a task that was done, so that every file that was asked for is counted."""
    result = FileResult.load(task.record)
    is_there = result is not None and (not result.state.output_hash or task.target.is_file())
    if result is not None and result.name == task.name and is_there:
        return result
    vanished = task.record if result is None or is_there else task.target
    reason = f"{vanished}: vanished or was exchanged while the command ran; run the command again"
    return FileResult(str(task.source), task.name, "failed", reason=reason)


def correct_to_file(
    source: Path,
    target: Path,
    options: CorrectionOptions,
    workers: int | None = None,
    runner: RunnerChoice = _HERE,
    *,
    overwrite: bool = False,
) -> FileResult:
    """Correct a motion file to another file, and leave nothing else.

    Args:
        source: File to correct.
        target: File to write, whose suffix is `written_suffix(source)`.
        options: Options of the correction.
        workers: Number of workers; by default as many as memory allows and as save time.
        runner: Runner of the job.
        overwrite: Whether to replace an existing file.

    Raises:
        SettingError: Options exclude each other, `target` exists and `overwrite` is false, or `target` was read with
            the source, such as another frame or layer.
    """
    where = runner.to_where(workers)
    options.check_files()
    with explain_write_error(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target) as folder:
            task = FileTask(source, target.name, folder)
            if workers is None and _is_local(where):
                where = limit_workers(where, [task], options)
            _run_jobs([task], folder, options, where, 1)
            result = read_record(task.record)
            if result.output:
                check_not_opened(target, list_sidecars(result.state.sidecar_digests, source))
                with replacing(target, overwrite=overwrite) as temporary:
                    shutil.copyfile(task.target, temporary)
    return result


def make_tasks(inputs: Sequence[Path], out: Path) -> list[FileTask]:
    """Make a task for each motion file among files and folders.

    Raises:
        InputError: There are no motion files.
        SettingError: A correction would overwrite a foreign file.
    """
    tasks = [FileTask(source, name, out) for source, name in _name_outputs(inputs, out)]
    if not tasks:
        raise explain_no_motions(inputs)
    record_folders = {folder for task in tasks for folder in task.record.parents if out in folder.parents}
    check_no_link(sorted(record_folders))
    for task in tasks:
        if os.path.lexists(task.record):
            _check_record(task.record)
    owners = {task.target: task for task in tasks}
    pairs = [(task.source, task.target) for task in tasks]
    advice = "choose another folder with -o, or move it away"
    check_targets(pairs, lambda path: owners[path].has_earlier_output, advice, reason=FOREIGN)
    return list({task.name: task for task in tasks}.values())


def _check_record(path: Path) -> None:
    """Raise SettingError if a record cannot be read."""
    try:
        read_record(path)
    except OtherVersionError as error:
        raise SettingError(f"{error}; choose another folder with -o") from error
    except DamagedError as error:
        raise SettingError(f"{path}: is damaged, or not a record of this command; move it away") from error


def _check_report(report: Path, tasks: Sequence[FileTask]) -> None:
    """Raise SettingError if the report would overwrite a file other than an earlier report."""
    if any(report in task.target.parents for task in tasks):
        raise SettingError(f"{report}: the report would overwrite a motion; choose another folder")
    if os.path.lexists(report) and not is_report(report):
        raise SettingError(f"{report}: exists and is not a report of this command; choose another folder")


def _name_outputs(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, str]]:
    """Yield each input file with its name in the output folder.

    `a.fbx` becomes `a.glb`, or `a.fbx.glb` if an `a.glb` is also an input. If the output folder is inside an input
    folder, the files in it are skipped.
    """
    files: list[tuple[Path, PurePath]] = []
    for path in inputs:
        if path.is_file():
            files.append((path, PurePath(path.name)))
            continue
        is_inside = place_of(path) in place_of(out).parents
        for file in motion_files(path):
            if not (is_inside and place_of(file).is_relative_to(place_of(out))):
                files.append((file, file.relative_to(path)))
    names = {name for _, name in files}
    for file, name in files:
        target = name.with_suffix(_output_suffix(file))
        if target != name and target in names:
            target = name.with_name(f"{name.name}{target.suffix}")
        yield file, target.as_posix()


def _output_suffix(path: Path) -> str:
    """Return the suffix of the corrected file, which differs from the input's if its format cannot be written."""
    written = written_suffix(path)
    return path.suffix if written == path.suffix.lower() else written


def _run_jobs(
    tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where, files_per_job: int
) -> None:
    """Run the jobs that correct files.

    If a worker dies or a job fails, the remaining files are corrected one by one. If the job of a single file fails on
    another machine, this file is recorded as failed, and the others continue.
    """
    jobs = []
    for start in range(0, len(tasks), files_per_job):
        job_tasks = tasks[start : start + files_per_job]
        others = f" and {len(job_tasks) - 1} more" if len(job_tasks) > 1 else ""
        jobs.append(Job(f"{job_tasks[0].name}{others}", correct_tasks, (job_tasks, options), len(job_tasks)))
    try:
        each_alone = not _is_local(where)
        machines = run_jobs(jobs, where, "correct", unit="motion", folder=place_of(out), each_alone=each_alone)
        if mixture := describe_mixture(machines.values()):
            print(f"selfcorrect: {mixture}", file=sys.stderr)
    except (WorkerError, JobsError) as error:
        if files_per_job == 1:
            if isinstance(error, WorkerError):
                raise
            for task in tasks:
                if task.name in error.failed:
                    record_failure(task, options, describe_error(error.failed[task.name]))
            return
        print(f"{error}; the remaining files are corrected one by one")
        remaining = [task for task in tasks if not is_finished(task, options)]
        _run_jobs(remaining, out, options, where, 1)


def _is_local(where: Where) -> bool:
    return RUNNERS.row(where.chosen).is_local


def limit_workers(where: Where, tasks: Sequence[FileTask], options: CorrectionOptions) -> Where:
    """Limit the number of workers to those whose start saves time."""
    if options.is_residual_free:
        return where
    return replace(where, workers=max(1, min(where.workers, int(_estimate_s(tasks) / _WORKER_START_S))))


def _estimate_s(tasks: Sequence[FileTask]) -> float:
    """Estimate the processor time of files from their size, as if all were BVH."""
    return sum(_FILE_S + _BYTE_S * task.source.stat().st_size for task in tasks if task.source.is_file())


def _count_files_per_job(tasks: Sequence[FileTask], options: CorrectionOptions, where: Where) -> int:
    """Return the number of files in a job.

    Each worker should get several jobs, but other machines not too many. Without residual force, bodies are simulated
    separately and would only wait for each other, so a worker on this machine gets one file at a time. A set of motions
    (parquet) is large enough to be a job.
    """
    if any(task.source.suffix == ".parquet" for task in tasks):
        return 1
    if options.is_residual_free:
        return 1 if _is_local(where) else ceil(len(tasks) / JOBS_ELSEWHERE)
    if not _is_local(where):
        jobs = min(JOBS_ELSEWHERE, max(1, int(_estimate_s(tasks) / JOB_ELSEWHERE_S)))
        return ceil(len(tasks) / jobs)
    jobs = 1 if where.workers == 1 else JOBS_PER_WORKER * where.workers
    return min(FILES_TOGETHER, ceil(len(tasks) / jobs))
