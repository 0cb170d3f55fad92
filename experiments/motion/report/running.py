"""The report of an experiment that is under way: how far it is, and what it has measured so far."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfcorrect.motion.measures.metrics import metric_of
from selfcorrect.storage.files.listings import DIGESTS
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader

from ...jobs.progress_bars import Event
from ...reporting.figures import looks, short_curves
from ...reporting.results import ArmCurves, collect
from ...reporting.webpage import Cell, Page, Picture, Row, Section, Table, render_page
from ..run.seed_runs import SeedRun, seed_runs
from ..settings.arms import Arm
from ..settings.presets import MotionSettings
from .conclusion import JUDGED, question
from .outcome import Outcome, arm_rows

PACE_S = 15.0
"""Seconds between two pages, and after which a browser loads the page again."""


class RunningReport:
    """Writes report.html from the first generation on, for `observe` of jobs; a finished report stays until the next.

    A page that cannot be written is a warning, once.
    """

    def __init__(self, settings: MotionSettings, folder: Path, command: str) -> None:
        self._settings, self._folder, self._command = settings, folder, command
        self._due_s = 0.0
        self._failed = False

    def __call__(self, event: Event) -> None:
        if event.phase != "generation" or self._failed or time.monotonic() < self._due_s:
            return
        try:
            if not (self._folder / DIGESTS).is_file():
                write_running_report(self._settings, self._folder, self._command)
        except Exception as error:
            self._failed = True
            warnings.warn(f"the report of the run under way was not written: {error}", stacklevel=2)
        self._due_s = time.monotonic() + PACE_S


def write_running_report(settings: MotionSettings, folder: Path, command: str) -> None:
    """Write report.html about the generations that are committed; a browser that shows it loads it again and again."""
    progress = read_progress(settings, folder)
    page = Page(
        title=question(settings),
        subtitle=command,
        answer=f"Under way: {progress.done} of {progress.total} generations are done. This page loads itself again.",
        picture=_picture(progress),
        sections=[
            Section("Progress", "Generations done, by seed, and the means of the furthest seeds.", progress.table)
        ],
        refresh_s=int(PACE_S),
    )
    write_atomically(folder / "report.html", render_page(page))


@dataclass(frozen=True)
class Progress:
    """What is committed of an experiment."""

    done: int
    total: int
    """Generations of all arms and seeds, without generation 0."""
    outcome: Outcome
    """The curves of arms with generation 0, each of the seeds that have got furthest."""
    table: Table


def read_progress(settings: MotionSettings, folder: Path) -> Progress:
    """What the run folders of an experiment under way have."""
    runs = seed_runs(settings, folder)
    curves: dict[str, dict[Arm, ArmCurves]] = {}
    table = Table("progress", "Arm", ["Generations", *(metric_of(key).title for key in JUDGED)])
    done = 0
    for comparison in settings.comparisons:
        own = [run for run in runs if run.comparison == comparison]
        curves[comparison.denoiser] = {}
        table.rows.append(Row(f"{comparison.preset.character} ({comparison.denoiser})", []))
        for arm in comparison.arms:
            reached = [_reached(run, arm) for run in own]
            done += sum(max(generation, 0) for generation in reached)
            told = ", ".join("–" if generation < 0 else str(generation) for generation in reached)
            cells = [Cell("") for _ in JUDGED]
            if max(reached) >= 0:
                furthest = [run for run, generation in zip(own, reached, strict=True) if generation == max(reached)]
                found = _curves(furthest, arm)
                curves[comparison.denoiser][arm] = found
                cells = [Cell(f"{found.last(key).mean():.{metric_of(key).digits}f}") for key in JUDGED]
            table.rows.append(Row(arm.label, [Cell(told), *cells]))
    total = settings.generations * sum(len(run.comparison.arms) for run in runs)
    return Progress(done, total, Outcome(settings, curves, {}, {}), table)


def _reached(run: SeedRun, arm: Arm) -> int:
    """The last committed generation of an arm, -1 where there is not even generation 0."""
    return max(FolderReader(run.arm_folder(arm)).latest, FolderReader(run.first_folder).latest)


def _curves(runs: Sequence[SeedRun], arm: Arm) -> ArmCurves:
    return collect([row for run in runs for row in arm_rows(run, arm)], arm.name, arm.group, arm.title)


def _picture(progress: Progress) -> Picture | None:
    """Curves of the judged metrics; None while there is nothing but generation 0."""
    if not progress.done:
        return None
    groups = {
        title: [progress.outcome.curves[denoiser][arm] for arm in arms]
        for denoiser, title, arms in progress.outcome.groups()
    }
    palette = looks([curves.title for arms in groups.values() for curves in arms])
    svg = short_curves(groups, [metric_of(key) for key in JUDGED], {}, palette)
    return Picture(svg, "Generations so far: means over the furthest seeds of each arm, bands their range.")
