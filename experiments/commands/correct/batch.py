"""Correct many motion files into a folder.

Nothing is overwritten, finished files are skipped, and a report is written.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path, PurePath

from selfcorrect.core.errors import JobsError, SettingError, WorkerError
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.open import explain_no_motions, motion_files
from selfcorrect.runtime.bugs import describe_error
from selfcorrect.storage.files.locks import FolderLock
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers, replacing

from ...jobs.machines import describe_mixture
from ...jobs.run import RUNNERS, Job, run_jobs
from ...jobs.runner_choice import RunnerChoice
from ...jobs.targets import FOREIGN, check_no_link, check_targets, place_of
from ...jobs.where import Where
from .correct_file import FileTask, correct_tasks, is_finished, record_failure
from .file_result import FileResult
from .options import CorrectionOptions
from .report import REPORT, is_report, write_correction_report

FILES_TOGETHER = 64
"""Most files that are corrected together."""
JOBS_PER_WORKER = 4
"""Number of jobs per worker, because some jobs take longer."""
JOBS_ELSEWHERE = 256
"""Most jobs on other machines: each waits in a queue and starts a process."""
JOB_ELSEWHERE_S = 3.0
"""Smallest processor time of a job on another machine, in s: about what the start of its process takes."""
_HERE = RunnerChoice()
_WORKER_START_S = 0.5
"""Processor time for the start of a worker process."""
_FILE_S = 0.03
"""Processor time of a file, however short, by kinematics."""
_BYTE_S = 0.7e-6
"""Processor time of a byte of BVH, by kinematics; physics takes about twice as long."""


def correct_into(
    inputs: Sequence[Path],
    out: Path,
    options: CorrectionOptions,
    workers: int | None = None,
    runner: RunnerChoice = _HERE,
) -> list[FileResult]:
    """Correct motion files into `out`, and write the report.

    Inputs may be folders.

    Args:
        workers: Number of workers; None for as many as this machine has memory and the files have work for.
        runner: Runner of the jobs.

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
        for result in filter(None, (FileResult.load(task.record) for task in tasks)):
            are_whole &= not result.figures.over_time
            results.append(replace(result, figures=replace(result.figures, over_time={})))
        verdicts = [result.verdict for result in results]
        with explain_write_error(report), replacing(place_of(report), overwrite=report.exists()) as temporary:
            loaded = results if are_whole else filter(None, (FileResult.load(task.record) for task in tasks))
            write_correction_report(temporary, asdict(options), verdicts, loaded)
            _check_report(report, tasks)  # another file may have appeared meanwhile
    return results


def make_tasks(inputs: Sequence[Path], out: Path) -> list[FileTask]:
    """Return a task per motion file.

    Files and folders are given. Raises SettingError if a correction would overwrite a file.
    """
    tasks = [FileTask(source, name, out) for source, name in _name_outputs(inputs, out)]
    if not tasks:
        raise explain_no_motions(inputs)
    record_folders = {folder for task in tasks for folder in task.record.parents if out in folder.parents}
    check_no_link(sorted(record_folders))
    for task in tasks:
        if os.path.lexists(task.record) and FileResult.load(task.record) is None:
            raise SettingError(f"{task.record}: is damaged, or not a record of this command; move it away")
    owners = {task.target: task for task in tasks}
    pairs = [(task.source, task.target) for task in tasks]
    advice = "choose another folder with -o, or move it away"
    check_targets(pairs, lambda path: owners[path].has_earlier_output, advice, reason=FOREIGN)
    return list({task.name: task for task in tasks}.values())


def _check_report(report: Path, tasks: Sequence[FileTask]) -> None:
    """Raise SettingError if the report would overwrite a file.

    An earlier report may be replaced.
    """
    if any(report in task.target.parents for task in tasks):
        raise SettingError(f"{report}: the report would overwrite a motion; choose another folder")
    if os.path.lexists(report) and not is_report(report):
        raise SettingError(f"{report}: exists and is not a report of this command; choose another folder")


def _name_outputs(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, str]]:
    """Yield files and names in the output folder.

    An output folder inside an input folder is left out.

    `a.fbx` becomes `a.glb`, or `a.fbx.glb` if an `a.glb` is corrected, too.
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
    """Return the suffix of a corrected file.

    It is the same, or that of another format if the file's cannot be written.
    """
    written = written_suffix(path)
    return path.suffix if written == path.suffix.lower() else written


def _run_jobs(
    tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where, files_per_job: int
) -> None:
    """Correct files, many together.

    If a worker dies or a job fails, the remaining files are corrected one by one.

    On other machines, a file whose job fails alone has failed, and the others are corrected.
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
    """Limit workers to those that are worth their start."""
    if options.is_residual_free:
        return where
    return replace(where, workers=max(1, min(where.workers, int(_estimate_s(tasks) / _WORKER_START_S))))


def _estimate_s(tasks: Sequence[FileTask]) -> float:
    """Estimate the processor time of files, as if BVH."""
    return sum(_FILE_S + _BYTE_S * task.source.stat().st_size for task in tasks if task.source.is_file())


def _count_files_per_job(tasks: Sequence[FileTask], options: CorrectionOptions, where: Where) -> int:
    """Return the number of files in a job.

    Every worker should have several jobs, and other machines not too many.

    Bodies without residual force are simulated separately, and would only wait for each other. A set of motions is
    large enough for a job.
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
