"""Correct sets of motions at addresses. Each parquet file is a job that fetches it, corrects it, and sends the result.

The corrected set has the layout of an output folder of this machine, with a record of each file and a report.
"""

import tempfile
from dataclasses import asdict, replace
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
from .report import REPORT, write_correction_report


def correct_remote_set(source: Place, out: Place, options: CorrectionOptions, where: Where) -> list[FileResult]:
    """Correct those files of a set that are not corrected yet, write the report, and return the result of each file.

    Raises:
        InputError: There are no sets of motions.
        RunFolderError: The output holds other files.
        SettingError: The output is the set itself, or an option is only for files of this machine.
    """
    if source.address.rstrip("/") == out.address.rstrip("/"):
        raise SettingError(f"{source.address}: motions would be overwritten by their corrections; choose another -o")
    options.refuse(("contacts",), f"is only for files of this machine, not for {source.address}")
    require_runner(where)
    options.check_files()
    names = source.list_sets()
    existing = out.list_names()
    if existing and not any(name.startswith(f"{RECORDS}/") for name in existing):
        raise RunFolderError(f"{out.address}: holds other files ({', '.join(existing[:3])}); choose another place")
    jobs = [Job(name, correct_remote_file, (source, out, name, options), 1) for name in names]
    run_jobs(jobs, where, "correct", unit="file")
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        results = []
        for name in names:
            file = FileTask(Path(name), name, Path(folder))
            if out.fetch(_record_name(file), file.record) and (result := FileResult.load(file.record)):
                results.append(result)
        if not results:
            raise InputError(f"{source.address}: holds no motions")
        report = Path(folder, REPORT)
        write_correction_report(report, asdict(options), [result.verdict for result in results], results)
        out.send(report, REPORT)
    return results


def correct_remote_file(source: Place, out: Place, name: str, options: CorrectionOptions, progress: Progress) -> None:
    """Correct a file of a set, unless an earlier result is whole, among temporary files; send the record first."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        file = FileTask(Path(folder, "in", name), name, Path(folder, "out"))
        if not source.fetch(name, file.source):
            raise InputError(f"{source.address}/{name}: is missing")
        if out.fetch(_record_name(file), file.record):
            out.fetch(name, file.target)
        if holds_motions(file.source):  # or else it is a table of results
            is_done = is_finished(file, options)
            if not is_done:
                correct_tasks([file], options, silent)
                address = f"{source.address}/{name}"
                result = read_record(file.record)
                reason = result.reason.replace(str(file.source), address)
                replace(result, source=address, reason=reason).save(file.record)
            out.send(file.record, _record_name(file))
            if not file.target.is_file():
                out.remove(name)
            elif not is_done:
                out.send(file.target, name)
    progress("generation", 1, 1)


def _record_name(file: FileTask) -> str:
    return file.record.relative_to(file.out).as_posix()
