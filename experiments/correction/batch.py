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
from .report import FileResult, is_report, table, way_to, write_report

FILES_TOGETHER = 32
"""Files that are corrected together, at most."""
JOBS_PER_WORKER = 4
CLUSTER_JOBS = 256
"""Jobs that files are shared among, if there are enough: several to a worker, as some take longer than others, and as
many as clusters have cores."""
LISTED = 20
"""Files that the summary names of each kind, at most."""


def correct_and_tell(
    inputs: Sequence[Path], out: Path, options: CorrectionOptions, report: Path, where: Where, quiet: bool = False
) -> int:
    """Correct motion files, and those in folders, into `out`, print a table, problems first, and write the report.

    quiet: only tables of what was not corrected, if there is any.

    Returns 0 where all were corrected and 1 where some were not. InputError where none could be read.
    """
    results = correct_into(inputs, out, options, report, where)
    return tell(results, out, options, report, quiet=quiet)


def tell(
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
    shown = [result for result in sorted(results, key=_trouble) if not (quiet and result.verdict == "accepted")]
    lines, untold = try_optional("no table", lambda: [*table(shown), ""] if shown else [], [])
    summary, unsaid = try_optional("no summary", partial(closing, results, out), [])
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
    tasks = tasks_of(inputs, out)
    if options.contacts is not None and len(tasks) > 1:
        raise SettingError(f"contacts are of one motion, and there are {len(tasks)} files; correct one with them")
    sets = [task.source for task in tasks if task.source.suffix.lower() == ".parquet"]
    if options.video and sets:
        raise SettingError(f"{sets[0]}: a set of motions is not filmed; leave out video")
    check_report(report, tasks, out)
    with explain_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(out)
    with lock:
        results = _results(tasks, out, options, where)
        verdicts = [result.verdict for result in results]
        with explain_write_error(report):
            found = filter(None, (FileResult.load(task.record) for task in tasks))
            with _report_file(report, out) as path:
                write_report(path, way_to(out, report), asdict(options), verdicts, found)
    return results


def tasks_of(inputs: Sequence[Path], out: Path) -> list[FileTask]:
    """Where the motion files among `inputs`, files and folders, go; ValueError where one would overwrite anything."""
    tasks = [FileTask(source, name, out) for path in inputs for source, name in _named(path, out)]
    if not tasks:
        raise InputError(
            f"{', '.join(map(str, inputs)) or 'no inputs'}: no motion files ({', '.join(readable_suffixes())}) here"
        )
    for task in tasks:
        if os.path.lexists(task.record) and FileResult.load(task.record) is None:
            raise SettingError(f"{task.record}: is damaged, or no record of this command; move it away")
    made = [(task, path) for task in tasks for path in (task.target, task.video)]
    owners = {path: task for task, path in made}
    pairs = [(task.source, path) for task, path in made]
    advice = "choose another folder with -o, or move it away"
    check_targets(pairs, lambda path: owners[path].owns(path), advice, reason=FOREIGN)
    return list({task.name: task for task in tasks}.values())


def check_report(report: Path, tasks: Sequence[FileTask], out: Path) -> None:
    """SettingError where the report would overwrite anything but an earlier one; it may go to a device or a pipe."""
    made = {place_of(path) for task in tasks for path in (task.source, task.target, task.video, task.record)}
    place = place_of(report)
    if report.is_dir():
        raise SettingError(f"{report}: the report is a file, this is a folder")
    if place in made or any(place in path.parents for path in made):
        raise SettingError(f"{report}: the report would overwrite a motion; choose another file")
    if report.is_file() and not is_report(report, out):
        raise SettingError(f"{report}: exists and is no report of this command on {out}; choose another file")
    if os.path.lexists(report) and not report.is_file() and (not report.exists() or place_of(out) in place.parents):
        raise SettingError(f"{report}: is no file that can be replaced; move it away, or choose another one")


@contextmanager
def _report_file(report: Path, out: Path) -> Iterator[Path]:
    """Where the report is written; a device or a pipe stays what it is, and what appeared meanwhile stays, too."""
    if report.exists() and not report.is_file():
        yield report
        return
    with replacing(place_of(report), overwrite=report.exists()) as temporary:
        yield temporary
        if os.path.lexists(report) and not is_report(report, out):
            raise RunFolderError(f"{report}: exists and was not written by this command; move it away")


def _named(path: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files and their names in the output folder; what that holds below an input folder is no input."""
    if path.is_file():
        yield path, path.with_suffix(_suffix(path)).name
        return
    produced = place_of(out) if place_of(path) in place_of(out).parents else None
    for file in motion_files(path):
        if not (produced and place_of(file).is_relative_to(produced)):
            yield file, file.relative_to(path).with_suffix(_suffix(file)).as_posix()


def _suffix(path: Path) -> str:
    """That of the file, or of what is written for it where its own format is not written."""
    written = written_suffix(path)
    return path.suffix if written == path.suffix.lower() else written


def _results(tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where) -> list[FileResult]:
    remove_leftovers(out, below=True)
    waiting = [task for task in tasks if not is_finished(task, options)]
    if len(waiting) < len(tasks):
        print(f"{len(tasks) - len(waiting)} of {len(tasks)} motions are finished already with these settings")
    if waiting:
        _correct(waiting, out, options, where)
    results = (FileResult.load(task.record) for task in tasks)
    return [replace(result, over_time={}) for result in results if result]


def _correct(tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where) -> None:
    """Correct files, many together; where a worker dies of that, those that are left one by one."""
    are_sets = any(task.source.suffix == ".parquet" for task in tasks)
    if (share := _share(len(tasks), options, where, are_sets=are_sets)) > 1:
        try:
            return _run(tasks, out, options, where, share)
        except ClusterLostError:
            raise
        except (JobsError, WorkerError) as error:
            print(f"{error}; now each file alone")
            tasks = [task for task in tasks if not is_finished(task, options)]
    try:
        _run(tasks, out, options, where, 1)
    except JobsError as error:
        if unwritten := next((one for one in error.failed.values() if isinstance(one, RunFolderError)), None):
            raise unwritten from error
        _record_failures(tasks, error.failed)


def _run(tasks: Sequence[FileTask], out: Path, options: CorrectionOptions, where: Where, share: int) -> None:
    """Correct files in jobs, each of which has a share of them."""
    parts = [tasks[start : start + share] for start in range(0, len(tasks), share)]
    jobs = [Job(_name(part), correct_files, (part, options), len(part)) for part in parts]
    run_jobs(jobs, where, "correct", unit="motion", folder=place_of(out))


def _share(count: int, options: CorrectionOptions, where: Where, *, are_sets: bool) -> int:
    """How many of so many files a job has, so that every worker has several jobs. Bodies without residual force are
    simulated one by one, and would only wait for each other; sets of motions are large enough alone.
    """
    if options.is_residual_free or are_sets:
        return 1
    jobs = CLUSTER_JOBS if where.chosen == "ray" else 1 if where.workers == 1 else JOBS_PER_WORKER * where.workers
    return min(FILES_TOGETHER, ceil(count / jobs))


def _name(part: Sequence[FileTask]) -> str:
    others = f" and {len(part) - 1} more" if len(part) > 1 else ""
    return f"{part[0].name}{others}"


def _record_failures(tasks: Sequence[FileTask], failed: Mapping[str, Exception]) -> None:
    """Leave a record of motions whose workers died again and again."""
    for task in tasks:
        if (error := failed.get(task.name)) is not None:
            FileResult(str(task.source), task.name, "", "failed", reason=str(error)).save(task.record)


def _trouble(result: FileResult) -> int:
    """The less the worse."""
    return ("failed", "rejected", "partly", "accepted").index(result.verdict)


def _unexplained(result: FileResult) -> bool:
    return result.residual.get("unexplained_force_bodyweights", 0.0) > UNEXPLAINED_BODYWEIGHTS


def _shortened(texts: Sequence[str], separator: str = ", ") -> str:
    """The first of them; thousands of files have a report."""
    more = [f"and {len(texts) - LISTED} more, in the report"] if len(texts) > LISTED else []
    return separator.join([*texts[:LISTED], *more])


def closing(results: Sequence[FileResult], out: Path | str) -> list[str]:
    """The lines that end a run: how many were corrected, and which need a look."""
    accepted = [result for result in results if result.verdict == "accepted"]
    partly = [result for result in results if result.verdict == "partly"]
    others = [result for result in results if result.verdict in ("rejected", "failed")]
    worse = [result for result in accepted if result.worse]
    lines = [f"{len(accepted) - len(worse)} of {len(results)} motions corrected → {out}"]
    if worse:
        told = [f"{result.name} ({'; '.join(result.worse)})" for result in worse]
        lines.append(f"corrected, but worse in some figure ({len(worse)}): {_shortened(told)}")
    if stages := Counter(result.stage for result in [*accepted, *partly] if result.stage):
        lines.append("what came out: " + ", ".join(f"{stages[stage]} {stage}" for stage in Stage if stages[stage]))
    for result in partly:
        failed = [index for index, motion in enumerate(result.motions) if motion.get("verdict") != "accepted"]
        names = [str(result.motions[index].get("name", "")) for index in failed]
        outcome = f"not corrected: {_shortened(names)}" if any(names) else f"stay unchanged: {failed}"
        lines.append(f"{result.name}: {len(failed)} of {len(result.motions)} motions {outcome}")
    if pushed := [result.name for result in accepted if _unexplained(result)]:
        lines.append(f"neither floor nor muscles explain how these move ({len(pushed)}): {_shortened(pushed)}")
    if moved := [
        f"{result.name}: {result.large_move_reason}" for result in [*accepted, *partly] if result.large_move_reason
    ]:
        lines.append(_shortened(moved, "\n"))
    if left := [f"{result.name}: {result.not_corrected}" for result in results if result.not_corrected]:
        lines.append(_shortened(left, "\n"))
    if missed := [f"{result.name}: {result.contacts_missed}" for result in accepted if result.contacts_missed]:
        lines.append(_shortened(missed, "\n"))
    if odd := [f"{result.name} ({', '.join(result.failed_checks)})" for result in results if result.failed_checks]:
        lines.append(f"fail these rules of `selfcorrect check`, see the notes ({len(odd)}): {_shortened(odd, '; ')}")
    if others:
        lines.append(f"not corrected ({len(others)}): {_shortened([result.name for result in others])}")
    if raised := [result.name for result in accepted if result.supports]:
        lines.append(f"on steps, seats or the like ({len(raised)}): {_shortened(raised)}")
    return lines
