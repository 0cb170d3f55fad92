"""Correct sets of motions at addresses. Each parquet file is a job that fetches it, corrects it, and sends the result.

The corrected set has the layout of an output folder of this machine, with a record of each file and a report.
"""

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from selfcorrect.core.errors import DamagedError, InputError, RunFolderError, SettingError
from selfcorrect.datasets.files.parquet import holds_motions
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.places import Place

from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.where import Where
from .correct_file import RECORDS, FileTask, correct_files, make_task_key
from .file_result import FileResult
from .options import CorrectionOptions
from .report import REPORT, write_report

_MARKER = f"{RECORDS}/begun"
"""An empty file that marks an output of this command, also if the first job was killed."""


@dataclass(frozen=True)
class RemoteTask:
    """A set to correct, the place of the corrected set, and the options; one of the places is at an address."""

    source: str
    out: str
    options: CorrectionOptions

    def __post_init__(self) -> None:
        if self.source.rstrip("/") == self.out.rstrip("/"):
            raise SettingError(f"{self.source}: motions would be overwritten by their corrections; choose another -o")
        self.options.refuse(("video", "contacts"), f"is only for files of this machine, not for {self.source}")


def correct_remote_set(task: RemoteTask, where: Where) -> list[FileResult]:
    """Correct those files of a set that are not corrected yet, and write the report.

    Args:
        task: The set, the output and the options.
        where: Processes of this machine, or a cluster.

    Returns:
        The result of each file, by name.

    Raises:
        InputError: There are no sets of motions.
        RunFolderError: The output holds other files.
    """
    require_runner(where)
    task.options.check_files()
    no_sets = InputError(f"{task.source}: no sets of motions are here; `selfcorrect data shard` makes them")
    names = [name for name in Place(task.source).list_names() if Path(name).suffix == ".parquet"]
    if not names:
        raise no_sets
    out = Place(task.out)
    if not out.has(_MARKER):
        if existing := out.list_names():
            raise RunFolderError(f"{task.out}: holds other files ({', '.join(existing[:3])}); choose another place")
        with tempfile.NamedTemporaryFile() as empty:
            out.send(Path(empty.name), _MARKER)
    jobs = [Job(name, correct_remote_file, (task, name), 1) for name in names]
    run_jobs(jobs, where, "correct", unit="file")
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        scratch = Path(folder)
        results = [result for name in names if (result := _fetch_result(out, name, scratch))]
        if not results:
            raise no_sets
        verdicts = [result.verdict for result in results]
        write_report(scratch / REPORT, ".", asdict(task.options), verdicts, results)
        out.send(scratch / REPORT, REPORT)
    return results


def correct_remote_file(task: RemoteTask, name: str, progress: Progress) -> None:
    """Correct a file of a set, unless its record shows that this was done with the same settings.

    Args:
        task: The set, the output and the options.
        name: Name of the file in the set.
        progress: Called when the file is done.
    """
    _correct_remote_file(task, name)
    progress("generation", 1, 1)


def _correct_remote_file(task: RemoteTask, name: str) -> None:
    source = Place(task.source)
    out = Place(task.out)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        scratch = Path(folder)
        file = FileTask(scratch / "in" / name, name, scratch / "out")
        if not source.fetch(name, file.source):
            raise InputError(f"{task.source}/{name}: is missing")
        if not holds_motions(file.source):  # a table of results
            return
        earlier = _fetch_result(out, name, scratch)
        key = make_task_key(file.source, task.options)
        if earlier is not None and _is_result_of(earlier, key, out, name):
            return
        if earlier is not None and earlier.kept is not None and _is_result_of(earlier.kept, key, out, name):
            earlier.kept.save(file.record)
            out.send(file.record, file.record.relative_to(file.out).as_posix())
            return
        correct_files([file], task.options, lambda *_: None)
        result = FileResult.load(file.record)
        if result is None:
            raise DamagedError(f"{task.out}/{name}: its record is damaged; correct it again")
        address = f"{task.source}/{name}"
        result = replace(result, source=address, reason=result.reason.replace(str(file.source), address))
        if file.target.is_file():
            out.send(file.target, name)
        elif earlier is not None and out.has(name):
            result = result.keep_files_of(earlier, earlier.state.output_hash)
        if not result.output:
            out.remove(name)
        result.save(file.record)
        out.send(file.record, file.record.relative_to(file.out).as_posix())


def _is_result_of(result: FileResult, key: str, out: Place, name: str) -> bool:
    """Return whether a result has a key, and its file is there."""
    return result.verdict != "failed" and result.state.key == key and out.has(name) == bool(result.output)


def _fetch_result(out: Place, name: str, scratch: Path) -> FileResult | None:
    """Return the result in the record of a file; None for a missing or damaged one."""
    record = FileTask(Path(name), name, Path(".")).record.as_posix()
    path = scratch / "record.json"
    return FileResult.load(path) if out.fetch(record, path) else None
