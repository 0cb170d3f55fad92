"""Correct many motion files into a folder: nothing is overwritten, finished files are skipped, a report is written."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from math import ceil
from pathlib import Path, PurePath

from selfcorrect.core.errors import ClusterLostError, InputError, JobsError, RunFolderError, SettingError, WorkerError
from selfcorrect.datasets.files.formats import readable_suffixes, written_suffix
from selfcorrect.datasets.files.open import motion_files
from selfcorrect.motion.corrector_interface.results import Stage
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.evaluate import UNEXPLAINED_BODYWEIGHTS
from selfcorrect.storage.files.locks import FolderLock
from selfcorrect.storage.files.writing import explain_write_error, is_stream, remove_leftovers, replacing

from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.targets import FOREIGN, check_no_link, check_targets, place_of
from ..jobs.where import Where
from .correct_file import FileTask, correct_tasks, is_finished, record_failure
from .file_result import FileResult
from .options import CorrectionOptions
from .report import format_table, is_report, relative_folder, write_correction_report
from .verdict import WRITTEN

FILES_TOGETHER = 64
"""Most files that are corrected together."""
JOBS_PER_WORKER = 4
"""Number of jobs per worker, because some jobs take longer."""
CLUSTER_JOBS = 256
"""Number of jobs on a cluster: as many as clusters have cores."""
LISTED = 20
"""Most files of a kind that get a line in the summary."""
LINE_WIDTH = 119
"""Longest line of the summary, characters."""
_VERDICTS = ("failed", "rejected", "partly", "unchanged", "accepted")
"""Verdicts from worst to best."""


def print_results(
    results: Sequence[FileResult], out: Path | str, options: CorrectionOptions, report: Path | str, *, quiet: bool
) -> int:
    """Print the results of files, problems first.

    Args:
        out: Folder of the corrected files.
        quiet: Leave out the files that were corrected.

    Returns:
        The exit code: 0 if all were corrected or needed no correction, 1 if some were not or became worse.

    Raises:
        InputError: None of the files could be read.
    """
    shown = sorted(results, key=lambda result: _VERDICTS.index(result.verdict))
    if quiet:
        shown = [result for result in shown if result.verdict not in ("accepted", "unchanged")]
    table, table_note = try_optional("no table", partial(format_table, shown), [])
    summary, summary_note = try_optional("no summary", partial(summarize_results, results, out), [])
    lines = [*table, ""] if table else []
    lines += [*summary, *filter(None, (table_note, summary_note))]
    if not options.kinematic:
        lines.append(f"engine: {options.engine}")
    print(*lines, f"report: {report}", sep="\n")
    if all(result.verdict == "failed" for result in results):
        raise InputError(f"none of the files could be read and worked on; the first: {results[0].reason}")
    is_done = [result.verdict in ("accepted", "unchanged") for result in results]
    has_faults = any(result.worse or result.remaining_faults for result in results)
    return 0 if all(is_done) and not has_faults else 1


def correct_into(
    inputs: Sequence[Path], out: Path, options: CorrectionOptions, report: Path, where: Where
) -> list[FileResult]:
    """Correct motion files, also in folders, into `out`, and write the report.

    Args:
        where: Place and number of workers.

    Returns:
        The result of each file.

    Raises:
        InputError: There are no motion files.
        SettingError: Options exclude each other, or a file would be overwritten.
    """
    require_runner(where)
    options.check_files()
    tasks = make_tasks(inputs, out)
    if options.contacts is not None and len(tasks) > 1:
        raise SettingError(f"contacts belong to one motion, got {len(tasks)} files")
    check_report_path(report, tasks, out)
    with explain_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(out)
    with lock:
        results = _load_or_correct(tasks, out, options, where)
        verdicts = [result.verdict for result in results]
        with explain_write_error(report):
            loaded = filter(None, (FileResult.load(task.record) for task in tasks))
            with _open_report(report, out) as path:
                write_correction_report(path, relative_folder(out, report), asdict(options), verdicts, loaded)
    return results


def make_tasks(inputs: Sequence[Path], out: Path) -> list[FileTask]:
    """Return a task for each motion file among files and folders; SettingError if a correction would overwrite a
    file.
    """
    tasks = [FileTask(source, name, out) for source, name in _name_outputs(inputs, out)]
    if not tasks:
        names = ", ".join(map(str, inputs)) or "no inputs"
        raise InputError(f"{names}: no motion files ({', '.join(readable_suffixes())}) found")
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


def check_report_path(report: Path, tasks: Sequence[FileTask], out: Path) -> None:
    """Check that the report overwrites only an earlier report; it may go to a device or a pipe.

    Raises:
        SettingError: A file would be overwritten, or the path is a folder.
    """
    occupied = {place_of(path) for task in tasks for path in (task.source, task.target, task.record)}
    place = place_of(report)
    if report.is_dir():
        raise SettingError(f"{report}: is a folder; the report must be a file")
    if place in occupied or any(place in path.parents for path in occupied):
        raise SettingError(f"{report}: the report would overwrite a motion; choose another file")
    if is_stream(report) and place_of(out) not in place.parents:
        return
    if os.path.lexists(report) and not is_report(report, out):
        raise SettingError(f"{report}: exists and is not a report of this command on {out}; choose another file")


@contextmanager
def _open_report(report: Path, out: Path) -> Iterator[Path]:
    """Yield the file to write; the report replaces it, but no device, pipe, or file that appeared meanwhile."""
    if is_stream(report):
        yield report
        return
    with replacing(place_of(report), overwrite=report.exists()) as temporary:
        yield temporary
        if os.path.lexists(report) and not is_report(report, out):
            raise RunFolderError(f"{report}: exists and was not written by this command; move it away")


def _name_outputs(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, str]]:
    """Yield files and their names in the output folder, which is left out if it is inside an input folder.

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
    """Return the suffix of a file's correction: its own, or the suffix of another format if its own cannot be
    written.
    """
    written = written_suffix(path)
    return path.suffix if written == path.suffix.lower() else written


def _load_or_correct(
    tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where
) -> list[FileResult]:
    remove_leftovers(out, below=True)
    waiting = [task for task in tasks if not is_finished(task, options)]
    if len(waiting) < len(tasks):
        print(f"{len(tasks) - len(waiting)} of {len(tasks)} motions are finished already with these settings")
    if waiting:
        _correct_with_retries(waiting, out, options, where)
    results = (FileResult.load(task.record) for task in tasks)
    return [replace(result, figures=replace(result.figures, over_time={})) for result in results if result]


def _correct_with_retries(tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where) -> None:
    """Correct files, many together; if a worker dies, correct the remaining files separately and record files that fail
    again.
    """
    files_per_job = _count_files_per_job(tasks, options, where)
    if files_per_job > 1:
        try:
            return _run_jobs(tasks, out, options, where, files_per_job)
        except ClusterLostError:
            raise
        except (JobsError, WorkerError) as error:
            print(f"{error}; the remaining files are corrected one by one")
            tasks = [task for task in tasks if not is_finished(task, options)]
    try:
        _run_jobs(tasks, out, options, where, 1)
    except JobsError as error:
        for failure in error.failed.values():
            if isinstance(failure, RunFolderError):
                raise failure from error
        for task in tasks:
            if (failure := error.failed.get(task.name)) is not None:
                record_failure(task, str(failure))


def _run_jobs(
    tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where, files_per_job: int
) -> None:
    jobs = []
    for start in range(0, len(tasks), files_per_job):
        job_tasks = tasks[start : start + files_per_job]
        others = f" and {len(job_tasks) - 1} more" if len(job_tasks) > 1 else ""
        jobs.append(Job(f"{job_tasks[0].name}{others}", correct_tasks, (job_tasks, options), len(job_tasks)))
    where = replace(where, modules=("selfcorrect.simulators.corrector",))
    run_jobs(jobs, where, "correct", unit="motion", folder=place_of(out))


def _count_files_per_job(tasks: Sequence[FileTask], options: CorrectionOptions, where: Where) -> int:
    """Return the number of files in a job, so that every worker has several jobs.

    Bodies without residual force are simulated separately, and would only wait for each other. A set of motions is
    large enough for a job.
    """
    if options.is_residual_free or any(task.source.suffix == ".parquet" for task in tasks):
        return 1
    if where.chosen == "ray":
        jobs = CLUSTER_JOBS
    elif where.workers == 1:
        jobs = 1
    else:
        jobs = JOBS_PER_WORKER * where.workers
    return min(FILES_TOGETHER, ceil(len(tasks) / jobs))


def _list_in_line(head: str, texts: Sequence[str], separator: str = ", ") -> str:
    """Return a line of the summary with as many texts as fit, and the number of texts that are left out."""
    line = f"{head}: {texts[0]}"
    for index, text in enumerate(texts[1:], start=1):
        more = f"{separator}and {len(texts) - index} more, in the report"
        is_last = index == len(texts) - 1
        if len(line) + len(separator) + len(text) + (0 if is_last else len(more)) > LINE_WIDTH:
            return _cut_line(line, more)
        line += f"{separator}{text}"
    return _cut_line(line)


def _list_counted(head: str, texts: Sequence[str], separator: str = ", ") -> list[str]:
    """Return a line of the summary with the number of texts in its head; no line without texts."""
    return [_list_in_line(f"{head} ({len(texts)})", texts, separator)] if texts else []


def _list_by_line(texts: Sequence[str]) -> list[str]:
    """Return a line for each of the first texts; thousands of files have a report."""
    more = [f"and {len(texts) - LISTED} more, in the report"] if len(texts) > LISTED else []
    return [*map(_cut_line, texts[:LISTED]), *more]


def _cut_line(line: str, end: str = "") -> str:
    """Return a line and its end; the line is cut if both are too long, because the report holds all of it."""
    longest = LINE_WIDTH - len(end)
    return line + end if len(line) <= longest else f"{line[: longest - 1]}…{end}"


def summarize_results(results: Sequence[FileResult], out: Path | str) -> list[str]:
    """Return the lines that end a run: how many files were corrected, and which need a look.

    Args:
        out: Where the corrected files are.

    Returns:
        Lines of at most `LINE_WIDTH` characters, except that of the folder.
    """
    accepted = [result for result in results if result.verdict == "accepted"]
    partly = [result for result in results if result.verdict == "partly"]
    others = [result for result in results if result.verdict in ("rejected", "failed")]
    worse = [result for result in accepted if result.worse]
    unchanged = [result for result in results if result.verdict == "unchanged"]
    unchanged_count = f", {len(unchanged)} unchanged" if unchanged else ""
    lines = [f"{len(accepted) - len(worse)} of {len(results)} motions corrected{unchanged_count} → {out}"]
    faulty = [
        f"{result.name} ({'; '.join(result.remaining_faults)})" for result in unchanged if result.remaining_faults
    ]
    lines += _list_counted("unchanged, but faults remain", faulty)
    figures = [f"{result.name} ({'; '.join(result.worse)})" for result in worse]
    lines += _list_counted("corrected, but worse in some figure", figures)
    scenes = [result.name for result in [*accepted, *partly] if result.figures.in_scene]
    lines += _list_counted("followed in a scene, so figures are not compared with the input's", scenes)
    stages = Counter(result.stage for result in [*accepted, *unchanged, *partly] if result.stage)
    if stages:
        counts = [f"{stages[stage]} {stage}" for stage in Stage if stages[stage]]
        lines.append(f"what came out: {', '.join(counts)}")
    lines += [_summarize_motions(result) for result in partly]
    pushed = []
    for result in accepted:
        if result.figures.residual.get("unexplained_force_bodyweights", 0.0) > UNEXPLAINED_BODYWEIGHTS:
            pushed.append(result.name)
    lines += _list_counted("unexplained external force; check frame rate or feet", pushed)
    remarks = [
        [(result.name, result.figures.large_move_reason) for result in [*accepted, *partly]],
        [(result.name, result.figures.not_corrected) for result in results],
        [(result.name, result.figures.contacts_missed) for result in accepted],
    ]
    for kind in remarks:
        lines += _list_by_line([f"{name}: {remark}" for name, remark in kind if remark])
    failing = []
    for result in results:
        if result.content.failed_checks:
            failing.append(f"{result.name} ({', '.join(result.content.failed_checks)})")
    lines += _list_counted("inputs that fail `selfcorrect check`, see the notes", failing, "; ")
    lines += _list_counted("not corrected", [result.shown_name for result in others])
    kept = [result.name for result in others if result.output == "earlier"]
    lines += _list_counted("files of earlier settings or inputs, kept", kept)
    raised = [result.name for result in accepted if result.figures.supports]
    return lines + _list_counted("on steps, seats or the like", raised)


def _summarize_motions(result: FileResult) -> str:
    """Return the line of a file of which only some motions were corrected."""
    failed = [index for index, motion in enumerate(result.motions) if motion.get("verdict") not in WRITTEN]
    names = [str(result.motions[index].get("name", "")) for index in failed]
    head = f"{result.name}: {len(failed)} of {len(result.motions)} motions"
    if any(names):
        return _list_in_line(f"{head} not corrected", names)
    return _cut_line(f"{head} stay unchanged: {failed}")
