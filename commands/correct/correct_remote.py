"""Correct remote datasets: sets of motions at an address.

Each parquet file is a job, which fetches the file, corrects it and sends the result. The corrected set has the layout
of a local output folder, with a record of each file and a report.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from selfcorrect.core.errors import InputError, JobsError, RunFolderError, SettingError
from selfcorrect.datasets.files.parquet import holds_motions
from selfcorrect.experiments.jobs.machines import describe_mixture
from selfcorrect.experiments.jobs.run import RUNNERS, Job, require_runner, run_jobs
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.runtime.bugs import describe_error
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.storage.files.digests import compute_file_digest
from selfcorrect.storage.files.places import FileFacts, Place

from .batch_report import REPORT, write_correction_report
from .correct_file import RECORDS, FileTask, correct_tasks, is_finished, make_task_key
from .file_result import FileResult, read_record
from .options import CorrectionOptions

_CONNECTIONS = 16
"""Number of records fetched at the same time."""


def correct_remote_set(source: Place, out: Place, options: CorrectionOptions, where: Where) -> list[FileResult]:
    """Correct a remote set of motions, and write the report. Finished files are skipped.

    Returns:
        The result of each file.

    Raises:
        InputError: There are no motions at the address.
        RunFolderError: The output address holds other files.
        SettingError: The output is the set itself, or an option is only for local files.
    """
    if source.address.rstrip("/") == out.address.rstrip("/"):
        raise SettingError(f"{source.address}: corrections would overwrite their inputs; choose another -o")
    options.refuse(("contacts",), f"works only with local files, not with {source.address}")
    require_runner(where)
    options.check_files()
    inputs = source.list_files()
    names = source.list_sets()
    outputs = out.list_files()
    if outputs and not any(name.startswith(f"{RECORDS}/") for name in outputs):
        raise RunFolderError(f"{out.address}: holds other files ({', '.join([*outputs][:3])}); choose another folder")
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
            raise InputError(f"{source.address}: expected motions, got none")
        ordered = [results[name] for name in names if name in results]
        report = Path(folder, REPORT)
        write_correction_report(report, asdict(options), [result.verdict for result in ordered], ordered)
        out.send(report, REPORT)
    return ordered


def _run_jobs(
    source: Place, out: Place, names: Sequence[str], options: CorrectionOptions, where: Where
) -> Mapping[str, Exception]:
    """Run the jobs of files, and return the errors of those that failed on other machines."""
    jobs = [Job(name, correct_remote_file, (source, out, name, options), 1) for name in names]
    try:
        machines = run_jobs(jobs, where, "correct", unit="file", each_alone=not RUNNERS.row(where.chosen).is_local)
    except JobsError as error:
        return error.failed
    if mixture := describe_mixture(machines.values()):
        print(f"selfcorrect: {mixture}", file=sys.stderr)
    return {}


def _fetch_results(out: Place, tasks: Sequence[FileTask]) -> dict[str, FileResult]:
    """Fetch the results in the output's records, by file name."""

    def fetch(task: FileTask) -> FileResult | None:
        return FileResult.load(task.record) if out.fetch(_record_name(task), task.record) else None

    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        results = threads.map(fetch, tasks)
        return {task.name: result for task, result in zip(tasks, results, strict=True) if result is not None}


def _is_current(result: FileResult, source: FileFacts, output: FileFacts | None, options: CorrectionOptions) -> bool:
    """Return whether a result belongs to this input, output and options.

    Files are compared by size and time only.
    """
    state = result.state
    if result.verdict == "failed" or state.sidecar_digests or state.source_facts != str(source):
        return False
    if state.output_facts != ("" if output is None else str(output)):
        return False
    return state.key == make_task_key(Path(result.name), options, state.source_hash)


def _require_records(source: Place, out: Place, names: Sequence[str]) -> None:
    """Raise InputError if the job of a file with motions left no record."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        path = Path(folder, "set.parquet")
        for name in names:
            if source.fetch(name, path) and holds_motions(path):
                raise InputError(
                    f"{out.address}: the record of {name} is missing although its job has written it. Check that all "
                    "nodes reach this address with the same credentials (such as AWS_…)"
                )


def correct_remote_file(source: Place, out: Place, name: str, options: CorrectionOptions, progress: Progress) -> None:
    """Fetch a file of a remote set, correct it in a temporary folder, and send its record and then the result."""
    with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
        file = FileTask(Path(folder, "in", name), name, Path(folder, "out"))
        source_facts = source.find(name)
        if not source.fetch(name, file.source):
            raise InputError(f"{source.address}/{name}: is missing")
        if out.fetch(_record_name(file), file.record):
            out.fetch(name, file.target)
        if holds_motions(file.source):  # otherwise it is a table of results
            is_done = is_finished(file, options)
            if not is_done:
                correct_tasks([file], options, silent)
            result = read_record(file.record)
            if not is_done:
                address = f"{source.address}/{name}"
                reason = result.reason.replace(str(file.source), address)
                result = replace(result, source=address, reason=reason)
            _send(out, file, result)  # before the output, because an output without a record is foreign
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
