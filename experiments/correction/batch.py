"""Correct many motion files into a folder: nothing overwritten, what is finished not done again, a report."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from math import ceil
from pathlib import Path

from selfcorrect.core.errors import ClusterLostError, InputError, JobsError, RunFolderError, SettingError, WorkerError
from selfcorrect.datasets.files.formats import readable_suffixes, written_suffix
from selfcorrect.datasets.files.motion_file import body_model_of
from selfcorrect.datasets.files.open import motion_files
from selfcorrect.motion.correction.results import Stage
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.evaluate import UNEXPLAINED_BODYWEIGHTS
from selfcorrect.storage.files.locks import FolderLock
from selfcorrect.storage.files.writing import explain_write_error, remove_leftovers, replacing

from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.targets import FOREIGN, check_targets, place_of
from ..jobs.where import Where
from .correct_file import FileTask, correct_files, is_finished
from .options import CorrectionOptions
from .report import FileResult, format_table, is_report, relative_folder, write_report

FILES_TOGETHER = 64
"""Files that are corrected together, at most."""
JOBS_PER_WORKER = 4
CLUSTER_JOBS = 256
"""Jobs that files are shared among, if there are enough: several to a worker, as some take longer than others, and as
many as clusters have cores."""
LISTED = 20
"""Files that the summary names in lines of their own, at most of each kind."""
LINE_WIDTH = 119
"""Longest line of the summary, characters."""


def run_correction_command(
    inputs: Sequence[Path], out: Path, options: CorrectionOptions, report: Path, where: Where, quiet: bool = False
) -> int:
    """Correct motion files, and those in folders, into `out`, print a table, problems first, and write the report.

    quiet: only tables of what was not corrected, if there is any.

    Returns 0 where all were corrected and 1 where some were not. InputError where none could be read.
    """
    results = correct_into(inputs, out, options, report, where)
    return print_results(results, out, options, report, quiet=quiet)


def print_results(
    results: Sequence[FileResult], out: Path | str, options: CorrectionOptions, report: Path | str, *, quiet: bool
) -> int:
    """Print what became of files, problems first.

    Args:
        results: the result of each file.
        out: where the corrected files are.
        options: how they were corrected.
        report: where the report is.
        quiet: leave out the files that were corrected.

    Returns:
        The exit code: 0 where all were corrected, 1 where some were not.

    Raises:
        InputError: none could be read.
    """
    shown = [result for result in sorted(results, key=_rank_verdict) if not (quiet and result.verdict == "accepted")]
    lines, untold = try_optional("no table", lambda: [*format_table(shown), ""] if shown else [], [])
    summary, unsaid = try_optional("no summary", partial(summarize_results, results, out), [])
    engine = [] if options.kinematic else [f"engine: {options.engine}"]
    print(*lines, *summary, *filter(None, (untold, unsaid)), *engine, f"report: {report}", sep="\n")
    if all(result.verdict == "failed" for result in results):
        raise InputError(f"none of the files could be read and worked on; the first: {results[0].reason}")
    return 0 if all(result.verdict == "accepted" and not result.worse for result in results) else 1


def correct_into(
    inputs: Sequence[Path], out: Path, options: CorrectionOptions, report: Path, where: Where
) -> list[FileResult]:
    """Correct motion files, and those in folders, into `out`, and write the report: what became of each."""
    require_runner(where)
    body_model_of(options.reading)  # where that is no body model, nothing begins
    tasks = make_tasks(inputs, out)
    if options.contacts is not None and len(tasks) > 1:
        raise SettingError(f"contacts are of one motion, and there are {len(tasks)} files; correct one with them")
    sets = [task.source for task in tasks if task.source.suffix.lower() == ".parquet"]
    if options.video and sets:
        raise SettingError(f"{sets[0]}: a set of motions is not filmed; leave out video")
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
                write_report(path, relative_folder(out, report), asdict(options), verdicts, loaded)
    return results


def make_tasks(inputs: Sequence[Path], out: Path) -> list[FileTask]:
    """Where the motion files among `inputs`, files and folders, go; ValueError where one would overwrite anything."""
    tasks = [FileTask(source, name, out) for path in inputs for source, name in _name_outputs(path, out)]
    if not tasks:
        raise InputError(
            f"{', '.join(map(str, inputs)) or 'no inputs'}: no motion files ({', '.join(readable_suffixes())}) here"
        )
    for task in tasks:
        if os.path.lexists(task.record) and FileResult.load(task.record) is None:
            raise SettingError(f"{task.record}: is damaged, or no record of this command; move it away")
    outputs = [(task, path) for task in tasks for path in (task.target, task.video)]
    owners = {path: task for task, path in outputs}
    pairs = [(task.source, path) for task, path in outputs]
    advice = "choose another folder with -o, or move it away"
    check_targets(pairs, lambda path: owners[path].wrote_file(path), advice, reason=FOREIGN)
    return list({task.name: task for task in tasks}.values())


def check_report_path(report: Path, tasks: Sequence[FileTask], out: Path) -> None:
    """SettingError where the report would overwrite anything but an earlier one; it may go to a device or a pipe."""
    occupied = {place_of(path) for task in tasks for path in (task.source, task.target, task.video, task.record)}
    place = place_of(report)
    if report.is_dir():
        raise SettingError(f"{report}: the report is a file, this is a folder")
    if place in occupied or any(place in path.parents for path in occupied):
        raise SettingError(f"{report}: the report would overwrite a motion; choose another file")
    if report.is_file() and not is_report(report, out):
        raise SettingError(f"{report}: exists and is no report of this command on {out}; choose another file")
    if os.path.lexists(report) and not report.is_file() and (not report.exists() or place_of(out) in place.parents):
        raise SettingError(f"{report}: is no file that can be replaced; move it away, or choose another one")


@contextmanager
def _open_report(report: Path, out: Path) -> Iterator[Path]:
    """Where the report is written; a device or a pipe stays what it is, and what appeared meanwhile stays, too."""
    if report.exists() and not report.is_file():
        yield report
        return
    with replacing(place_of(report), overwrite=report.exists()) as temporary:
        yield temporary
        if os.path.lexists(report) and not is_report(report, out):
            raise RunFolderError(f"{report}: exists and was not written by this command; move it away")


def _name_outputs(path: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files and their names in the output folder; what that holds below an input folder is no input."""
    if path.is_file():
        yield path, path.with_suffix(_output_suffix(path)).name
        return
    produced = place_of(out) if place_of(path) in place_of(out).parents else None
    for file in motion_files(path):
        if not (produced and place_of(file).is_relative_to(produced)):
            yield file, file.relative_to(path).with_suffix(_output_suffix(file)).as_posix()


def _output_suffix(path: Path) -> str:
    """That of the file, or of what is written for it where its own format is not written."""
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
    return [replace(result, over_time={}) for result in results if result]


def _correct_with_retries(tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where) -> None:
    """Correct files, many together; where a worker dies of that, those that are left one by one."""
    are_sets = any(task.source.suffix == ".parquet" for task in tasks)
    if (share := _count_files_per_job(len(tasks), options, where, are_sets=are_sets)) > 1:
        try:
            return _run_jobs(tasks, out, options, where, share)
        except ClusterLostError:
            raise
        except (JobsError, WorkerError) as error:
            print(f"{error}; now each file alone")
            tasks = [task for task in tasks if not is_finished(task, options)]
    try:
        _run_jobs(tasks, out, options, where, 1)
    except JobsError as error:
        if unwritten := next(
            (failure for failure in error.failed.values() if isinstance(failure, RunFolderError)), None
        ):
            raise unwritten from error
        _record_failures(tasks, error.failed)


def _run_jobs(tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where, share: int) -> None:
    """Correct files in jobs, each of which has a share of them."""
    parts = [tasks[start : start + share] for start in range(0, len(tasks), share)]
    jobs = [Job(_name_job(part), correct_files, (part, options), len(part)) for part in parts]
    run_jobs(jobs, where, "correct", unit="motion", folder=place_of(out))


def _count_files_per_job(count: int, options: CorrectionOptions, where: Where, *, are_sets: bool) -> int:
    """How many of so many files a job has, so that every worker has several jobs. Bodies without residual force are
    simulated one by one, and would only wait for each other; sets of motions are large enough alone.
    """
    if options.is_residual_free or are_sets:
        return 1
    jobs = CLUSTER_JOBS if where.chosen == "ray" else 1 if where.workers == 1 else JOBS_PER_WORKER * where.workers
    return min(FILES_TOGETHER, ceil(count / jobs))


def _name_job(part: Sequence[FileTask]) -> str:
    others = f" and {len(part) - 1} more" if len(part) > 1 else ""
    return f"{part[0].name}{others}"


def _record_failures(tasks: Sequence[FileTask], failed: Mapping[str, Exception]) -> None:
    """Leave a record of motions whose workers died again and again."""
    for task in tasks:
        if (error := failed.get(task.name)) is not None:
            FileResult(str(task.source), task.name, "", "failed", reason=str(error)).save(task.record)


def _rank_verdict(result: FileResult) -> int:
    """The less the worse."""
    return ("failed", "rejected", "partly", "accepted").index(result.verdict)


def _has_unexplained_force(result: FileResult) -> bool:
    return result.residual.get("unexplained_force_bodyweights", 0.0) > UNEXPLAINED_BODYWEIGHTS


def _list_in_line(head: str, texts: Sequence[str], separator: str = ", ") -> str:
    """Return one line of the summary with as many texts as fit, and the number of those that are left out."""
    line = f"{head}: {texts[0]}"
    for index, text in enumerate(texts[1:], start=1):
        more = f"{separator}and {len(texts) - index} more, in the report"
        is_last = index == len(texts) - 1
        if len(line) + len(separator) + len(text) + (0 if is_last else len(more)) > LINE_WIDTH:
            return _cut_line(line, more)
        line += f"{separator}{text}"
    return _cut_line(line)


def _list_by_line(texts: Sequence[str]) -> str:
    """Return a line for each of the first texts; thousands of files have a report."""
    lines = [_cut_line(text) for text in texts[:LISTED]]
    if len(texts) > LISTED:
        lines.append(f"and {len(texts) - LISTED} more, in the report")
    return "\n".join(lines)


def _cut_line(line: str, end: str = "") -> str:
    """Return a line and its end; the line is cut if both are too long, because the report holds all of it."""
    longest = LINE_WIDTH - len(end)
    return line + end if len(line) <= longest else f"{line[: longest - 1]}…{end}"


def summarize_results(results: Sequence[FileResult], out: Path | str) -> list[str]:
    """Return the lines that end a run: how many files were corrected, and which need a look.

    Args:
        results: The result of each file.
        out: Where the corrected files are.

    Returns:
        Lines of at most `LINE_WIDTH` characters, except that of the folder.
    """
    accepted = [result for result in results if result.verdict == "accepted"]
    partly = [result for result in results if result.verdict == "partly"]
    others = [result for result in results if result.verdict in ("rejected", "failed")]
    worse = [result for result in accepted if result.worse]
    lines = [f"{len(accepted) - len(worse)} of {len(results)} motions corrected → {out}"]
    if worse:
        figures = [f"{result.name} ({'; '.join(result.worse)})" for result in worse]
        lines.append(_list_in_line(f"corrected, but worse in some figure ({len(worse)})", figures))
    stages = Counter(result.stage for result in [*accepted, *partly] if result.stage)
    if stages:
        lines.append("what came out: " + ", ".join(f"{stages[stage]} {stage}" for stage in Stage if stages[stage]))
    lines += [_summarize_motions(result) for result in partly]
    pushed = [result.name for result in accepted if _has_unexplained_force(result)]
    if pushed:
        lines.append(_list_in_line(f"unexplained external force; check frame rate or feet ({len(pushed)})", pushed))
    moved = [
        f"{result.name}: {result.large_move_reason}" for result in [*accepted, *partly] if result.large_move_reason
    ]
    if moved:
        lines.append(_list_by_line(moved))
    uncorrected = [f"{result.name}: {result.not_corrected}" for result in results if result.not_corrected]
    if uncorrected:
        lines.append(_list_by_line(uncorrected))
    missed = [f"{result.name}: {result.contacts_missed}" for result in accepted if result.contacts_missed]
    if missed:
        lines.append(_list_by_line(missed))
    failing = [f"{result.name} ({', '.join(result.failed_checks)})" for result in results if result.failed_checks]
    if failing:
        head = f"inputs that fail `selfcorrect check`, see the notes ({len(failing)})"
        lines.append(_list_in_line(head, failing, "; "))
    if others:
        lines.append(_list_in_line(f"not corrected ({len(others)})", [result.name for result in others]))
    raised = [result.name for result in accepted if result.supports]
    if raised:
        lines.append(_list_in_line(f"on steps, seats or the like ({len(raised)})", raised))
    return lines


def _summarize_motions(result: FileResult) -> str:
    """Return the line of a file of which only some motions were corrected."""
    failed = [index for index, motion in enumerate(result.motions) if motion.get("verdict") != "accepted"]
    names = [str(result.motions[index].get("name", "")) for index in failed]
    head = f"{result.name}: {len(failed)} of {len(result.motions)} motions"
    if any(names):
        return _list_in_line(f"{head} not corrected", names)
    return _cut_line(f"{head} stay unchanged: {failed}")
