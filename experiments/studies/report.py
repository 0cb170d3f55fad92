"""The results of a study as files: report.html, summary.json, metrics as CSV and JSON lines, tables, the W&B run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from selfcorrect.storage.files.digests import check_listing, find_listing, write_listing
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.run_folder import describe_environment
from selfcorrect.storage.runs.tracking import Row, WandbLog, write_rows

from ..reporting.summary import SUMMARY, Summary, machine, write_summary
from ..reporting.tables import write_tables
from ..reporting.webpage import Page, render_page
from .outcome import Comparison, Outcome
from .view import View
from .wandb_runs import study_run

METRICS, REPORT, FIGURES = "metrics.jsonl", "report.html", "figures"


def write_report(
    view: View,
    folder: Path,
    log: WandbLog,
    *,
    command: str = "",
    seconds: float = 0.0,
    failed: Sequence[str] = (),
    kept: bool = True,
) -> Comparison:
    """Write every result of a finished study below `folder`, then their digests.

    Args:
        view: The study and its presentation.
        folder: The run folder.
        log: Log of Weights & Biases.
        command: Command that does it again.
        seconds: Time that the call took.
        failed: A sentence for each arm that stopped early.
        kept: The folder stays after the call.
    """
    earlier_media = media_listed(folder)
    if listing := find_listing(folder):
        listing.unlink()  # of an earlier call: what is written now may differ
    runs = view.study.runs(folder)
    rows = [row for run in runs for arm in view.study.arms(run.task) for row in view.rows(run, arm)]
    outcome = view.outcome(folder, failed)
    summary = _summary(outcome, view.settings(outcome), rows, command)
    write_rows(folder / METRICS, rows)
    write_summary(folder / SUMMARY, summary)
    write_atomically(folder / "metrics.csv", summary.to_csv())
    report = view.make_report(outcome, folder, rows, seconds, command)
    write_atomically(folder / REPORT, render_page(report.page))
    tables = {section.table.id: section.table for section in report.page.sections}
    files = [folder / METRICS, folder / "metrics.csv", folder / REPORT, *write_tables(folder, tables.values())]
    files += write_figures(folder, report.page)
    written = [*files, *report.media]
    for path in earlier_media - {*written}:  # of a study that was extended since
        path.unlink(missing_ok=True)
    write_listing(folder, written)
    log.attempt(lambda: log.log(study_run(view, report, runs, folder, command)))
    return Comparison(
        sentences=report.sentences,
        summary=summary,
        tables=tables,
        folder=folder if kept else None,
        gaps=tuple(outcome.gaps),
        overview=report.overview,
    )


def write_figures(folder: Path, page: Page) -> list[Path]:
    """Write the figures of a page below `folder` as SVG; returns the files."""
    figures = {"answer": page.picture.svg if page.picture else "", "curves": page.curves}
    written = []
    for name, svg in figures.items():
        if svg:
            (folder / FIGURES).mkdir(exist_ok=True)
            written.append(folder / FIGURES / f"{name}.svg")
            write_atomically(written[-1], svg)
    return written


def media_listed(folder: Path) -> set[Path]:
    """The media that an earlier report wrote."""
    listing = find_listing(folder)
    paths = {path for path, _ in check_listing(listing)} if listing else set()
    return {path for path in paths if folder / "samples" in path.parents}


def _summary(outcome: Outcome[Any], settings: Mapping[str, Any], rows: Sequence[Row], command: str) -> Summary:
    hours = sum(seconds_by_phase(rows).values()) / 3600
    origin = {"date": datetime.now(UTC).date().isoformat(), **({"core_hours": round(hours, 3)} if hours else {})}
    arms = {task: tuple(arms.values()) for task, arms in outcome.curves.items()}
    return Summary(command, {**origin, **machine(), **describe_environment()}, settings, arms, outcome.floors)


_PHASES = ("train", "sample", "correct", "trace", "evaluate", "mix", "else")


def seconds_by_phase(rows: Sequence[Row]) -> dict[str, float]:
    """Return the seconds of each phase over all generations, as far as rows have them."""
    return {phase: sum(row.get(f"seconds_{phase}", 0.0) for row in rows) for phase in _PHASES}
