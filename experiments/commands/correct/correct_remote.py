"""Correct sets of motions at addresses.

Each parquet file is a job that fetches it, corrects it, and sends the result.

The corrected set has the layout of an output folder of this machine, with a record of each file and a report.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from selfcorrect.core.errors import InputError, JobsError, RunFolderError, SettingError
from selfcorrect.datasets.files.parquet import holds_motions
from selfcorrect.runtime.bugs import describe_error
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.storage.files.digests import compute_file_digest
from selfcorrect.storage.files.places import FileFacts, Place

from ...jobs.machines import describe_mixture
from ...jobs.run import RUNNERS, Job, require_runner, run_jobs
from ...jobs.where import Where
from .correct_file import RECORDS, FileTask, correct_tasks, is_finished, make_task_key
from .file_result import FileResult, read_record
from .options import CorrectionOptions
from .report import REPORT, write_correction_report

_CONNECTIONS = 16
"""Records that are fetched at the same time."""


def correct_remote_set(source: Place, out: Place, options: CorrectionOptions, where: Where) -> list[FileResult]:
    """Correct a remote set, and write the report.

    Corrected files are skipped. Returns the result of each file.

    Raises:
        InputError: There are no sets of motions.
        RunFolderError: The output holds other files.
        SettingError: The output is the set itself, or an option is only for files of this machine.
    """
    if source.address.rstrip("/") == out.address.rstrip("/"):
        raise SettingError(f"{source.address}: motions would be overwritten by their corrections; choose another -o")
    options.refuse(("contacts",), f"works with files of this machine, not with {source.address}")
    require_runner(where)
    options.check_files()
    inputs = source.list_files()
    names = source.list_sets()
    outputs = out.list_files()
    if outputs and not any(name.startswith(f"{RECORDS}/") for name in outputs):
        raise RunFolderError(f"{out.address}: holds other files ({', '.join([*outputs][:3])}); choose another place")
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        tasks = {name: FileTask(Path(name), name, Path(folder)) for name in names}
        recorded = [name for name in names if _record_name(tasks[name]) in outputs]
        results = _fetch_results(out, [tasks[name] for name in recorded])
        for name, result in [*results.items()]:
            if not _is_current(result, inputs[name], outputs.get(name), options):
                del results[name]
        if results:
            print(f"{len(results)} of {len(names)} files are finished already with these settings")
        waiting = [name for name in names if name not in results]
        failed = _run_jobs(source, out, waiting, options, where)
        results |= _fetch_results(out, [tasks[name] for name in waiting if name not in failed])
        _require_records(source, out, [name for name in waiting if name not in results and name not in failed])
        for name, error in failed.items():
            results[name] = FileResult(f"{source.address}/{name}", name, "failed", reason=describe_error(error))
        if not results:
            raise InputError(f"{source.address}: holds no motions")
        ordered = [results[name] for name in names if name in results]
        report = Path(folder, REPORT)
        write_correction_report(report, asdict(options), [result.verdict for result in ordered], ordered)
        out.send(report, REPORT)
    return ordered


def _run_jobs(
    source: Place, out: Place, names: Sequence[str], options: CorrectionOptions, where: Where
) -> Mapping[str, Exception]:
    """Correct files.

    Returns the errors of files whose jobs failed on other machines.
    """
    jobs = [Job(name, correct_remote_file, (source, out, name, options), 1) for name in names]
    try:
        machines = run_jobs(jobs, where, "correct", unit="file", each_alone=not RUNNERS.row(where.chosen).is_local)
    except JobsError as error:
        return error.failed
    if mixture := describe_mixture(machines.values()):
        print(f"selfcorrect: {mixture}", file=sys.stderr)
    return {}


def _fetch_results(out: Place, tasks: Sequence[FileTask]) -> dict[str, FileResult]:
    """Return the results in an output's records, by name."""

    def fetch(task: FileTask) -> FileResult | None:
        return FileResult.load(task.record) if out.fetch(_record_name(task), task.record) else None

    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        results = threads.map(fetch, tasks)
        return {task.name: result for task, result in zip(tasks, results, strict=True) if result is not None}


def _is_current(result: FileResult, source: FileFacts, output: FileFacts | None, options: CorrectionOptions) -> bool:
    """Return whether a record is of this task.

    Input, output and options are compared, files by size and time alone.
    """
    state = result.state
    if result.verdict == "failed" or state.sidecar_digests or state.source_facts != str(source):
        return False
    if state.output_facts != ("" if output is None else str(output)):
        return False
    return state.key == make_task_key(Path(result.name), options, state.source_hash)


def _require_records(source: Place, out: Place, names: Sequence[str]) -> None:
    """Raise InputError for motions without a record."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        path = Path(folder, "set.parquet")
        for name in names:
            if source.fetch(name, path) and holds_motions(path):
                raise InputError(
                    f"{out.address}: lacks the record of {name}, which a job has written; expected that all nodes "
                    "reach this address, with the same credentials (AWS_… and the like)"
                )


def correct_remote_file(source: Place, out: Place, name: str, options: CorrectionOptions, progress: Progress) -> None:
    """Correct a file of a remote set.

    It is corrected among temporary files; the record is sent first.
    """
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        file = FileTask(Path(folder, "in", name), name, Path(folder, "out"))
        source_facts = source.find(name)
        if not source.fetch(name, file.source):
            raise InputError(f"{source.address}/{name}: is missing")
        if out.fetch(_record_name(file), file.record):
            out.fetch(name, file.target)
        if holds_motions(file.source):  # or else it is a table of results
            is_done = is_finished(file, options)
            if not is_done:
                correct_tasks([file], options, silent)
            result = read_record(file.record)
            if not is_done:
                address = f"{source.address}/{name}"
                reason = result.reason.replace(str(file.source), address)
                result = replace(result, source=address, reason=reason)
            _send(out, file, result)  # first, because an output without a record is foreign
            if not file.target.is_file():
                out.remove(name)
            elif not is_done:
                out.send(file.target, name)
            state = replace(
                result.state,
                source_hash=compute_file_digest(file.source),
                source_facts=str(source_facts),
                output_facts=str(out.find(name) or ""),
            )
            _send(out, file, replace(result, state=state))
    progress("generation", 1, 1)


def _send(out: Place, file: FileTask, result: FileResult) -> None:
    result.save(file.record)
    out.send(file.record, _record_name(file))


def _record_name(file: FileTask) -> str:
    return file.record.relative_to(file.out).as_posix()
