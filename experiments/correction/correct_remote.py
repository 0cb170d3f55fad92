"""Correct sets of motions at addresses: each parquet file is a job that fetches it, corrects it, and sends the result.

The corrected set has what an output folder of this machine has: a record of each file, and a report.
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
from .options import CorrectionOptions
from .report import REPORT, FileResult, write_report

_MARKER = f"{RECORDS}/begun"
"""An empty file by which a place is known as one of ours, also after the first job was killed."""


@dataclass(frozen=True)
class RemoteTask:
    """A set to correct, where the corrected one goes, and how; one of both is at an address."""

    source: str
    out: str
    options: CorrectionOptions

    def __post_init__(self) -> None:
        if self.source.rstrip("/") == self.out.rstrip("/"):
            raise SettingError(f"{self.source}: motions would be overwritten by their corrections; choose another -o")
        self.options.refuse(("video", "contacts"), f"is for files of this machine, and {self.source} is none")


def correct_remote_set(task: RemoteTask, where: Where) -> list[FileResult]:
    """Correct those files of a set that are not corrected yet, and write the report.

    Args:
        task: the set.
        where: processes of this machine, or a cluster.

    Returns:
        The result of each file, by name.

    Raises:
        InputError: there are no sets of motions.
        RunFolderError: the output holds other files.
    """
    require_runner(where)
    names = [name for name in Place(task.source).list_names() if Path(name).suffix == ".parquet"]
    if not names:
        raise InputError(f"{task.source}: no sets of motions are here; `selfcorrect data shard` makes them")
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
            raise InputError(f"{task.source}: no sets of motions are here; `selfcorrect data shard` makes them")
        verdicts = [result.verdict for result in results]
        write_report(scratch / REPORT, ".", asdict(task.options), verdicts, results)
        out.send(scratch / REPORT, REPORT)
    return results


def correct_remote_file(task: RemoteTask, name: str, progress: Progress) -> None:
    """Correct one file of a set, unless its record shows that this was done with the same settings."""
    _correct_remote_file(task, name)
    progress("generation", 1, 1)


def _correct_remote_file(task: RemoteTask, name: str) -> None:
    source = Place(task.source)
    out = Place(task.out)
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        scratch = Path(folder)
        file = FileTask(scratch / "in" / name, name, scratch / "out")
        if not source.fetch(name, file.source):
            raise InputError(f"{task.source}/{name}: has gone")
        if not holds_motions(file.source):  # a table of results
            return
        earlier = _fetch_result(out, name, scratch)
        if earlier is not None and earlier.verdict != "failed" and out.has(name) == bool(earlier.output):
            is_current = earlier.key == make_task_key(file.source, task.options)
            if is_current:
                return
        correct_files([file], task.options, lambda *_: None)
        result = FileResult.load(file.record)
        if result is None:
            raise DamagedError(f"{task.out}/{name}: its record is not what was written; correct it again")
        renamed_reason = result.reason.replace(str(file.source), f"{task.source}/{name}")
        replace(result, source=f"{task.source}/{name}", reason=renamed_reason).save(file.record)
        if file.target.is_file():
            out.send(file.target, name)
        else:
            out.remove(name)
        out.send(file.record, file.record.relative_to(file.out).as_posix())


def _fetch_result(out: Place, name: str, scratch: Path) -> FileResult | None:
    """Return the result in the record of a file; None for a missing or damaged one."""
    record = FileTask(Path(name), name, Path(".")).record.as_posix()
    path = scratch / "record.json"
    return FileResult.load(path) if out.fetch(record, path) else None
