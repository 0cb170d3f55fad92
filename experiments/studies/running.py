"""The report of a study that is under way: how far it is, and what it has measured so far."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.digests import find_listing
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader

from ..jobs.progress_bars import Event
from ..reporting.figures import short_curves
from ..reporting.results import ArmCurves
from ..reporting.webpage import Cell, Page, PageRow, Picture, Section, Table, render_page
from .outcome import Outcome
from .report import REPORT
from .view import View

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
        picture=_picture(progress),
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


def _picture(progress: Progress) -> Picture | None:
    """Curves of the judged metrics; None while there is nothing but generation 0, and where nothing is judged."""
    if not progress.done or not progress.judged:
        return None
    svg = short_curves(progress.outcome.columns(), progress.judged, {})
    return Picture(svg, "Generations so far: means over the furthest seeds of each arm, bands their 95 % intervals.")
