"""Correct sets of motions at addresses. Each parquet file is a job that fetches it, corrects it, and sends the result.

The corrected set has the layout of an output folder of this machine, with a record of each file and a report.
"""

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from selfcorrect.core.errors import InputError, RunFolderError, SettingError
from selfcorrect.datasets.files.parquet import holds_motions
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.storage.files.places import Place

from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.where import Where
from .correct_file import RECORDS, FileTask, correct_tasks, is_finished
from .file_result import FileResult, read_record
from .options import CorrectionOptions
from .report import REPORT, write_report


@dataclass(frozen=True)
class RemoteTask:
    """A set to correct, the place of the corrected set, and the options; one of the places is at an address."""

    source: str
    out: str
    options: CorrectionOptions

    def __post_init__(self) -> None:
        if self.source.rstrip("/") == self.out.rstrip("/"):
            raise SettingError(f"{self.source}: motions would be overwritten by their corrections; choose another -o")
        self.options.refuse(("contacts",), f"is only for files of this machine, not for {self.source}")


def correct_remote_set(task: RemoteTask, where: Where) -> list[FileResult]:
    """Correct those files of a set that are not corrected yet, write the report, and return the result of each file.

    Raises:
        InputError: There are no sets of motions.
        RunFolderError: The output holds other files.
    """
    require_runner(where)
    task.options.check_files()
    out = Place(task.out)
    names = Place(task.source).list_sets()
    existing = out.list_names()
    if existing and not any(name.startswith(f"{RECORDS}/") for name in existing):
        raise RunFolderError(f"{task.out}: holds other files ({', '.join(existing[:3])}); choose another place")
    run_jobs([Job(name, correct_remote_file, (task, name), 1) for name in names], where, "correct", unit="file")
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        results = []
        for name in names:
            file = FileTask(Path(name), name, Path(folder))
            if out.fetch(_record_name(file), file.record) and (result := FileResult.load(file.record)):
                results.append(result)
        if not results:
            raise InputError(f"{task.source}: holds no motions")
        report = Path(folder, REPORT)
        write_report(report, ".", asdict(task.options), [result.verdict for result in results], results)
        out.send(report, REPORT)
    return results


def correct_remote_file(task: RemoteTask, name: str, progress: Progress) -> None:
    """Correct a file of a set among temporary files, beside a copy of its earlier result, and send the new result."""
    out = Place(task.out)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        file = FileTask(Path(folder, "in", name), name, Path(folder, "out"))
        if not Place(task.source).fetch(name, file.source):
            raise InputError(f"{task.source}/{name}: is missing")
        if holds_motions(file.source):  # or else it is a table of results
            if out.fetch(_record_name(file), file.record):
                out.fetch(name, file.target)
            _correct_copy(task, file, out)
    progress("generation", 1, 1)


def _correct_copy(task: RemoteTask, file: FileTask, out: Place) -> None:
    """Correct the copy of a file, unless an earlier result is whole; send the record first, then the output."""
    is_done = is_finished(file, task.options)
    if not is_done:
        correct_tasks([file], task.options, silent)
        address = f"{task.source}/{file.name}"
        result = read_record(file.record)
        replace(result, source=address, reason=result.reason.replace(str(file.source), address)).save(file.record)
    out.send(file.record, _record_name(file))
    if file.target.is_file() and not is_done:
        out.send(file.target, file.name)
    elif not file.target.is_file():
        out.remove(file.name)


def _record_name(file: FileTask) -> str:
    return file.record.relative_to(file.out).as_posix()
