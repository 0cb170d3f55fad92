"""Correct many motion files into a folder: nothing overwritten, what is finished not done again, a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path

from selfcorrect.datasets.files.formats import is_motion_file, readable_suffixes, written_suffix
from selfcorrect.datasets.files.motion_file import body_model_of
from selfcorrect.errors import ClusterLostError, InputError, JobsError, SettingError, WorkerError
from selfcorrect.experiments.correction.correct_file import FileTask, Settings, correct_files, is_finished
from selfcorrect.experiments.correction.report import Result, is_report, table, write_report
from selfcorrect.experiments.jobs import Job, require_runner, run_jobs
from selfcorrect.experiments.targets import check_targets, place_of
from selfcorrect.experiments.where import Where
from selfcorrect.simulators.judge import UNEXPLAINED_BODYWEIGHTS
from selfcorrect.storage.files import remove_leftovers
from selfcorrect.storage.run_folder import FolderLock, explain_write_error

FILES_TOGETHER = 32
"""Files that are corrected together, at most."""
JOBS_PER_WORKER = 4
CLUSTER_JOBS = 256
"""Jobs that files are shared among, if there are enough: several to a worker, as some take longer than others, and as
many as clusters have cores."""
TOLD = 20
"""Files that the summary names of each kind, at most."""


def correct_and_tell(
    inputs: Sequence[Path], out: Path, settings: Settings, report: Path, where: Where, quiet: bool = False
) -> int:
    """Correct motion files, and those in folders, into `out`, print a table, problems first, and write the report.

    quiet: only tables of what was not corrected, if there is any.

    Returns 0 where all were corrected and 1 where some were not. InputError where none could be read.
    """
    results = correct_into(inputs, out, settings, report, where)
    shown = [result for result in sorted(results, key=_trouble) if not (quiet and result.verdict == "accepted")]
    lines = [*table(shown), ""] if shown else []
    print(*lines, *closing(results, out), f"report: {report}", sep="\n")
    if all(result.verdict == "failed" for result in results):
        raise InputError("none of the files could be read")
    return 0 if all(result.verdict == "accepted" for result in results) else 1


def correct_into(inputs: Sequence[Path], out: Path, settings: Settings, report: Path, where: Where) -> list[Result]:
    """Correct motion files, and those in folders, into `out`, and write the report: what became of each."""
    require_runner(where)
    body_model_of(settings.reading)  # where that is no body model, nothing begins
    tasks = tasks_of(inputs, out)
    check_report(report, tasks)
    with explain_write_error(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(out)
    with lock:
        results = _results(tasks, out, settings, where)
        told = {**asdict(settings), "kinematic": settings.strength is None}
        verdicts = [result.verdict for result in results]
        with explain_write_error(report):
            write_report(report, told, verdicts, filter(None, (Result.load(task.record) for task in tasks)))
    return results


def tasks_of(inputs: Sequence[Path], out: Path) -> list[FileTask]:
    """Where the motion files among `inputs`, files and folders, go; ValueError where one would overwrite anything."""
    tasks = [FileTask(source, name, out) for path in inputs for source, name in _named(path, out)]
    if not tasks:
        raise InputError(
            f"{', '.join(map(str, inputs)) or 'no inputs'}: no motion files ({', '.join(readable_suffixes())}) here"
        )
    recorded = {path for task in tasks if task.record.exists() for path in (task.target, task.video)}
    pairs = [(task.source, path) for task in tasks for path in (task.target, task.video)]
    check_targets(pairs, recorded.__contains__, "choose another folder with -o, or correct them one by one")
    return list({task.name: task for task in tasks}.values())


def check_report(report: Path, tasks: Sequence[FileTask]) -> None:
    """SettingError where the report would overwrite anything but an earlier one; it may go to a device or a pipe."""
    if report.is_dir():
        raise SettingError(f"{report}: the report is a file, this is a folder")
    if place_of(report) in {place_of(path) for task in tasks for path in (task.source, task.target, task.video)}:
        raise SettingError(f"{report}: the report would overwrite a motion; choose another file")
    if report.is_file() and not is_report(report):
        raise SettingError(f"{report}: exists and is no report of this command; choose another file")


def _named(path: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files and their names in the output folder; what that holds below an input folder is no input."""
    if path.is_file():
        yield path, path.with_suffix(_suffix(path)).name
        return
    produced = place_of(out) if place_of(path) in place_of(out).parents else None
    for file in sorted(path.rglob("*")):
        if file.is_file() and is_motion_file(file) and not (produced and place_of(file).is_relative_to(produced)):
            yield file, file.relative_to(path).with_suffix(_suffix(file)).as_posix()


def _suffix(path: Path) -> str:
    """That of the file, or of what is written for it where its own format is not written."""
    written = written_suffix(path)
    return path.suffix if written == path.suffix.lower() else written


def _results(tasks: Sequence[FileTask], out: Path, settings: Settings, where: Where) -> list[Result]:
    remove_leftovers(out, below=True)
    waiting = [task for task in tasks if not is_finished(task, settings)]
    if len(waiting) < len(tasks):
        print(f"{len(tasks) - len(waiting)} of {len(tasks)} motions are finished already with these settings")
    if waiting:
        _correct(waiting, out, settings, where)
    results = (Result.load(task.record) for task in tasks)
    return [replace(result, over_time={}) for result in results if result]


def _correct(tasks: Sequence[FileTask], out: Path, settings: Settings, where: Where) -> None:
    """Correct files, many together; where a worker dies of that, those that are left one by one."""
    if (share := _share(len(tasks), settings, where)) > 1:
        try:
            return _run(tasks, out, settings, where, share)
        except ClusterLostError:
            raise
        except (JobsError, WorkerError) as error:
            print(f"{error}; now each file alone")
            tasks = [task for task in tasks if not is_finished(task, settings)]
    try:
        _run(tasks, out, settings, where, 1)
    except JobsError as error:
        _record_failures(tasks, error.failed)


def _run(tasks: Sequence[FileTask], out: Path, settings: Settings, where: Where, share: int) -> None:
    """Correct files in jobs, each of which has a share of them."""
    parts = [tasks[start : start + share] for start in range(0, len(tasks), share)]
    jobs = [Job(_name(part), correct_files, (part, settings), len(part)) for part in parts]
    run_jobs(jobs, where, "correct", unit="motion", folder=place_of(out))


def _share(count: int, settings: Settings, where: Where) -> int:
    """How many of so many files a job has, so that every worker has several jobs; bodies without help are simulated
    one by one, and would only wait for each other.
    """
    if settings.unaided:
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
            Result(str(task.source), task.name, "", "failed", reason=str(error)).save(task.record)


def _trouble(result: Result) -> int:
    """The less the worse."""
    return ("failed", "rejected", "partly", "accepted").index(result.verdict)


def _unexplained(result: Result) -> bool:
    return result.help.get("unexplained_force_bodyweights", 0.0) > UNEXPLAINED_BODYWEIGHTS


def _told(texts: Sequence[str], separator: str = ", ") -> str:
    """The first of them; thousands of files have a report."""
    more = [f"and {len(texts) - TOLD} more, in the report"] if len(texts) > TOLD else []
    return separator.join([*texts[:TOLD], *more])


def closing(results: Sequence[Result], out: Path) -> list[str]:
    """The lines that end a run: how many were corrected, and which need a look."""
    accepted = [result for result in results if result.verdict == "accepted"]
    partly = [result for result in results if result.verdict == "partly"]
    others = [result for result in results if result.verdict in ("rejected", "failed")]
    lines = [f"{len(accepted)} of {len(results)} motions corrected → {out}"]
    for result in partly:
        left = [index for index, motion in enumerate(result.motions) if motion["verdict"] != "accepted"]
        lines.append(f"{result.name}: {len(left)} of {len(result.motions)} motions stay as they came: {left}")
    if pushed := [result.name for result in accepted if _unexplained(result)]:
        lines.append(f"neither floor nor muscles explain how these move ({len(pushed)}): {_told(pushed)}")
    if moved := [f"{result.name}: {result.moved_because}" for result in results if result.moved_because]:
        lines.append(_told(moved, "\n"))
    if odd := [f"{result.name} ({', '.join(result.odd)})" for result in results if result.odd]:
        lines.append(f"odd by these rules of `selfcorrect check`, see the notes ({len(odd)}): {_told(odd, '; ')}")
    if others:
        lines.append(f"not corrected ({len(others)}): {_told([result.name for result in others])}")
    if raised := [result.name for result in accepted if result.supports]:
        lines.append(f"on steps, seats or the like ({len(raised)}): {_told(raised)}")
    return lines
