"""The results of a study as files: report.html, summary.json, metrics as CSV and JSON lines, tables, the W&B run.

While a study is under way, report.html has its progress.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.digests import check_listing, find_listing, write_listing
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import describe_environment
from selfcorrect.storage.runs.tracking import Row, WandbLog, write_rows

from ..jobs.progress_bars import Event
from ..reporting.figures import short_curves
from ..reporting.results import ArmCurves
from ..reporting.summary import SUMMARY, Summary, machine, write_summary
from ..reporting.tables import write_tables
from ..reporting.webpage import Cell, Page, PageRow, Picture, Section, Table, render_page
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


# --- a study that is under way ----------------------------------------------------------------------------------------

PACE_S = 15.0
"""Seconds between two pages, and after which a browser loads the page again."""


class RunningReport:
    """Writes report.html from the first generation on, for `observe` of jobs; a finished report stays until the next.

    A page that cannot be written is a warning, once.
    """

    def __init__(self, view: View, folder: Path, command: str) -> None:
        self._view, self._folder, self._command = view, folder, command
        self._due_s = 0.0
        self._failed = False

    def __call__(self, event: Event) -> None:
        if event.phase != "generation" or self._failed or time.monotonic() < self._due_s:
            return
        try:
            if find_listing(self._folder) is None:
                write_running_report(self._view, self._folder, self._command)
        except Exception as error:
            self._failed = True
            warnings.warn(f"the report of the run under way was not written: {error}", stacklevel=2)
        self._due_s = time.monotonic() + PACE_S


def write_running_report(view: View, folder: Path, command: str) -> None:
    """Write report.html about the generations that are committed; a browser that shows it loads it again and again.

    Args:
        view: The study and its presentation.
        folder: The run folder.
        command: Command that does it again.
    """
    progress = read_progress(view, folder)
    page = Page(
        title=view.title,
        subtitle=command,
        answer=f"Under way: {progress.done} of {progress.total} generations are done. This page loads itself again.",
        picture=_draw_progress(progress),
        sections=[
            Section("Progress", "Generations done, by seed, and the means of the furthest seeds.", progress.table)
        ],
        refresh_s=int(PACE_S),
    )
    write_atomically(folder / REPORT, render_page(page))


@dataclass(frozen=True)
class Progress:
    """Committed generations of a study."""

    done: int
    total: int
    """Generations of all arms and seeds, without generation 0."""
    outcome: Outcome[Any]
    """The curves of arms with generation 0, each of the seeds that have got furthest."""
    judged: Sequence[Metric]
    table: Table


def read_progress(view: View, folder: Path) -> Progress:
    """Return the progress of a study under way, from its run folders."""
    study = view.study
    runs = view.study.runs(folder)
    judged = view.select_metrics(folder)
    curves_by_task: dict[str, dict[Any, ArmCurves]] = {task: {} for task in dict.fromkeys(run.task for run in runs)}
    outcome = Outcome(None, curves_by_task, titles=view.titles())
    table = Table("progress", "Arm", ["Generations", *(metric.title for metric in judged)])
    done_count = 0
    for task, curves in curves_by_task.items():
        task_runs = [run for run in runs if run.task == task]
        table.rows.extend([PageRow(title, [])] if (title := outcome.titles.get(task, task)) else [])
        for arm in study.arms(task):
            reached = [max(study.latest(run, arm), FolderReader(run.first_folder).latest) for run in task_runs]
            done_count += sum(min(max(generation, 0), study.generations_of(task)) for generation in reached)
            reached_text = ", ".join("–" if generation < 0 else str(generation) for generation in reached)
            cells = [Cell("") for _ in judged]
            if judged and max(reached) >= 0:
                furthest = [
                    run for run, generation in zip(task_runs, reached, strict=True) if generation == max(reached)
                ]
                arm_curves = view.curves_of(arm, furthest, whole=False)
                curves[arm] = arm_curves
                cells = [Cell(f"{arm_curves.last(metric.key).mean():.{metric.digits}f}") for metric in judged]
            table.rows.append(PageRow(arm.label, [Cell(reached_text), *cells]))
    total = sum(study.generations_of(run.task) * len(study.arms(run.task)) for run in runs)
    return Progress(done_count, total, outcome, judged, table)


def _draw_progress(progress: Progress) -> Picture | None:
    """Curves of the judged metrics; None while there is nothing but generation 0, and where nothing is judged."""
    if not progress.done or not progress.judged:
        return None
    svg = short_curves(progress.outcome.columns(), progress.judged, {})
    return Picture(svg, "Generations so far: means over the furthest seeds of each arm, bands their 95 % intervals.")
