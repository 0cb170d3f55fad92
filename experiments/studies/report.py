"""The report of a study: one HTML page, and the same results as tables, figures, JSON lines and a W&B run.

A `Presentation` says what a study's page has; there is one for comparisons, one for motion experiments and one for
toys. While a study is under way, report.html has its progress.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import jinja2

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.motion.pictures.player import SCENE_MARK
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER
from selfcorrect.storage.files.digests import check_listing, find_listing, write_listing
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.run_folder import SUMMARY_FILE, describe_environment
from selfcorrect.storage.runs.tracking import MetricRow, write_json_lines

from ..jobs.progress_bars import Event
from .arms import ArmSettings
from .figures import Picture, curve_grid
from .outcome import CorrectedLine, Outcome
from .results import ArmCurves
from .study import SeedRun, Study
from .study_rows import collect_arm, make_rows
from .summary import Summary, machine, write_summary
from .tables import MARKS_LEGEND, Cell, PageRow, Table, format_text, share_table, write_tables
from .verdict import JUDGEMENT, ONE_SEED

TEMPLATE = Path(__file__).with_name("report.html")
S = TypeVar("S")


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph of how to read it, a table."""

    title: str
    text: str
    table: Table
    figures: Sequence[str] = ()
    """SVG text below the table."""


def share_section(outcome: Outcome[Any], lines: Sequence[CorrectedLine]) -> Section:
    """Return a section about corrected against uncorrected arms at every synthetic ratio."""
    text = (
        "Each corrected arm beside the same arm without correction, at the last generation: the corrected mean with "
        f"its 95 % interval, then the paired difference. {JUDGEMENT}"
    )
    return Section("Corrected against uncorrected, by synthetic ratio", text, share_table(outcome, lines))


@dataclass(frozen=True)
class PageClip:
    """Motions that the player shows, as `player.scene_of` gives them, and the words to choose them by."""

    caption: str
    scene: str


@dataclass(frozen=True)
class Page:
    """The contents of a report: SVG text in pictures and curves, everything else plain text."""

    title: str
    subtitle: str
    answer: str
    """Sentences, one a line."""
    picture: Picture | None = None
    warnings: Sequence[str] = ()
    curves: str = ""
    sections: Sequence[Section] = ()
    clips: Mapping[str, Sequence[PageClip]] = field(default_factory=dict)
    """Clips that one player shows one after another, by heading."""
    scenes: Sequence[PageClip] = ()
    """Clips that are shown side by side, all at once."""
    overview: Table | None = None
    """Table of at most six columns below the picture; all others are folded."""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    refresh_s: int | None = None
    """Seconds after which a browser loads a page again that is not final."""


def render_page(page: Page) -> str:
    """The page as HTML text, motions and their player included."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    scenes = [clip.scene for clips in page.clips.values() for clip in clips]
    player = {
        "page": PLAYER.read_text(encoding="utf-8").replace("{{ title }}", "Motions"),
        "mark": SCENE_MARK,
        "scenes": scenes,
        "side_by_side": [clip.scene for clip in page.scenes],
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        page=page, player=player, legend=MARKS_LEGEND
    )


@dataclass(frozen=True)
class StudyReport:
    """Report of a study: page, verdict and tables."""

    page: Page
    sentences: Sequence[str]
    """The verdict: a headline, and what stands below it on a terminal."""
    overview: Table | None = None
    """Table of arms and judged metrics for a terminal."""
    media: Sequence[Path] = ()
    """Files that the page has beside it."""
    tables: Mapping[str, Sequence[MetricRow]] = field(default_factory=dict)
    """Further tables for W&B, by name."""
    summary: Mapping[str, float] = field(default_factory=dict)
    """Final figures, which sweeps of W&B aim at."""
    differences: Sequence[Mapping[str, str | float]] = ()
    """Rows of `verdict.tabulate`."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run folder, and how the call went that finished it."""

    root: Path
    rows: Sequence[MetricRow]
    """Rows of all arms of the study."""
    seconds: float = 0.0
    """Seconds that the call took."""
    command: str = ""
    """Command that does the study again."""


@dataclass(frozen=True)
class Presentation(Generic[S]):
    """Title, settings and sections of a study's page. A presentation stays in the process that runs the study."""

    title: str
    """Question of the study."""
    settings: Mapping[str, Any]
    """Settings in the summary, as JSON values."""
    choose_metrics: Callable[[Path], Sequence[Metric]]
    """Run folder → the metrics that the verdict rests on, as far as they are known there."""
    collect: Callable[[Path, Sequence[str]], Outcome[S]]
    """(run folder, sentences about missing results) → the results of a finished study."""
    make_report: Callable[[Outcome[S], FinishedRun], StudyReport]
    tags: Callable[[SeedRun, ArmSettings], Sequence[str]] = lambda run, arm: (run.task, arm.title)
    """Words by which the W&B runs of an arm can be filtered."""
    opening: str = ""
    """Line that is printed when a run begins."""


def make_sections(rows: Sequence[Callable[[S], Section]], results: S) -> list[Section]:
    """Return the sections that have something to show."""
    sections = [make_section(results) for make_section in rows]
    return [section for section in sections if section.table.rows and section.table.columns]


def list_warnings(study: Study, outcome: Outcome[Any], answer: str) -> list[str]:
    """Return missing results, and that one seed proves nothing, unless the answer says it."""
    is_single = len({run.seed for run in study.seeds}) == 1
    return [*outcome.gaps, *([ONE_SEED] if is_single and answer != ONE_SEED else [])]


def count_facts(study: Study) -> dict[str, str]:
    """Return seeds and generations, as facts of a page."""
    seeds = list(dict.fromkeys(run.seed for run in study.seeds))
    return {"Seeds": f"{len(seeds)}, from {seeds[0]}", "Generations": str(study.generations)}


@dataclass(frozen=True)
class Comparison:
    """Results of a comparison."""

    sentences: Sequence[str]
    """The headline, and a sentence for everything that is missing."""
    summary: Summary
    """All curves and what real data score, as `read_summary` reads them from the run folder."""
    tables: Mapping[str, Table]
    """Those of the report, by their names; `tables/` in the run folder has them as CSV and LaTeX."""
    folder: Path | None
    """The run folder, None where none was kept."""
    gaps: Sequence[str] = ()
    """Missing results: arms that failed, and qualities that were not measured. The same call tries again."""

    overview: Table | None = None
    """Mean of each arm and judged metric at the last generation, marked by how it compares; printed by `str`."""
    differences: Sequence[Mapping[str, str | float]] = ()
    """Rows for a frame, one per arm with a reference and judged quality: the paired difference at the last generation
    with its own 95 % interval, and the p-value that is adjusted for the family of tests."""

    def to_frame(self) -> Any:
        """A row per task, arm, seed and generation, as `Summary.to_frame`."""
        return self.summary.to_frame()

    def __str__(self) -> str:
        lines = list(self.sentences)
        if "claims" in self.tables:
            lines += ["", *format_text(self.tables["claims"])]
        if self.overview is not None:
            lines += ["", *format_text(self.overview, intervals=False), "", MARKS_LEGEND]
        return "\n".join(lines)


METRICS, REPORT, FIGURES = "metrics.jsonl", "report.html", "figures"


def write_report(
    study: Study,
    presentation: Presentation[Any],
    folder: Path,
    *,
    command: str = "",
    seconds: float = 0.0,
    failed: Sequence[str] = (),
    kept: bool = True,
) -> tuple[StudyReport, Comparison]:
    """Write every result of a finished study below `folder`, then their digests; return the report and its results.

    Args:
        command: Command that does it again.
        seconds: Time that the call took.
        failed: A sentence for each arm that stopped early.
        kept: The folder stays after the call.
    """
    earlier_media = _list_media(folder)
    if listing := find_listing(folder):
        listing.unlink()  # of an earlier call: what is written now may differ
    rows = [row for run in study.runs(folder) for arm in study.arms(run.task) for row in make_rows(study, run, arm)]
    outcome = presentation.collect(folder, failed)
    summary = _summary(outcome, presentation.settings, rows, command)
    write_json_lines(folder / METRICS, rows)
    write_summary(folder / SUMMARY_FILE, summary)
    write_atomically(folder / "metrics.csv", summary.to_csv())
    report = presentation.make_report(outcome, FinishedRun(folder, rows, seconds, command))
    write_atomically(folder / REPORT, render_page(report.page))
    tables = {section.table.id: section.table for section in report.page.sections}
    files = [folder / METRICS, folder / "metrics.csv", folder / REPORT, *write_tables(folder, tables.values())]
    files += _write_figures(folder, report.page)
    written = [*files, *report.media]
    for path in earlier_media - {*written}:  # of a study that was extended since
        path.unlink(missing_ok=True)
    write_listing(folder, written)
    comparison = Comparison(
        sentences=report.sentences,
        summary=summary,
        tables=tables,
        folder=folder if kept else None,
        gaps=tuple(outcome.gaps),
        overview=report.overview,
        differences=report.differences,
    )
    return report, comparison


def _write_figures(folder: Path, page: Page) -> list[Path]:
    """Write the figures of a page below `folder` as SVG; returns the files."""
    figures = {"answer": page.picture.svg if page.picture else "", "curves": page.curves}
    written = []
    for name, svg in figures.items():
        if svg:
            (folder / FIGURES).mkdir(exist_ok=True)
            written.append(folder / FIGURES / f"{name}.svg")
            write_atomically(written[-1], svg)
    return written


def _list_media(folder: Path) -> set[Path]:
    """The media that an earlier report wrote."""
    listing = find_listing(folder)
    paths = {path for path, _ in check_listing(listing)} if listing else set()
    return {path for path in paths if folder / "samples" in path.parents}


def _summary(outcome: Outcome[Any], settings: Mapping[str, Any], rows: Sequence[MetricRow], command: str) -> Summary:
    hours = sum(seconds_by_phase(rows).values()) / 3600
    origin = {"date": datetime.now(UTC).date().isoformat(), **({"core_hours": round(hours, 3)} if hours else {})}
    arms = {task: tuple(arms.values()) for task, arms in outcome.curves.items()}
    return Summary(command, {**origin, **machine(), **describe_environment()}, settings, arms, outcome.floors)


_PHASES = ("train", "sample", "correct", "trace", "evaluate", "mix", "else")


def seconds_by_phase(rows: Sequence[MetricRow]) -> dict[str, float]:
    """Return the seconds of each phase over all generations, as far as rows have them."""
    return {phase: sum(row.get(f"seconds_{phase}", 0.0) for row in rows) for phase in _PHASES}


# --- a study that is under way ----------------------------------------------------------------------------------------

PACE_S = 15.0
"""Seconds between two pages, and after which a browser loads the page again."""


class RunningReport:
    """Writes report.html from the first generation on, for `observe` of jobs; a finished report stays until the next.

    A page that cannot be written is a warning, once.
    """

    def __init__(self, study: Study, presentation: Presentation[Any], folder: Path, command: str) -> None:
        self._study, self._presentation = study, presentation
        self._folder, self._command = folder, command
        self._due_s = 0.0
        self._failed = False

    def __call__(self, event: Event) -> None:
        if event.phase != "generation" or self._failed or time.monotonic() < self._due_s:
            return
        try:
            if find_listing(self._folder) is None:
                write_running_report(self._study, self._presentation, self._folder, self._command)
        except Exception as error:
            self._failed = True
            warnings.warn(f"the report of the run under way was not written: {error}", stacklevel=2)
        self._due_s = time.monotonic() + PACE_S


def write_running_report(study: Study, presentation: Presentation[Any], folder: Path, command: str) -> None:
    """Write report.html about the generations that are committed; a browser that shows it loads it again and again.

    Args:
        command: Command that does it again.
    """
    runs = study.runs(folder)
    judged = presentation.choose_metrics(folder)
    curves_by_task: dict[str, dict[Any, ArmCurves]] = {task: {} for task in dict.fromkeys(run.task for run in runs)}
    outcome = Outcome(None, curves_by_task, titles=study.titles)
    table = Table("progress", "Arm", ["Generations", *(metric.title for metric in judged)])
    done_count = 0
    for task, curves in curves_by_task.items():
        task_runs = [run for run in runs if run.task == task]
        if title := outcome.titles.get(task, task):
            table.rows.append(PageRow(title, []))
        for arm in study.arms(task):
            reached = [max(study.latest(run, arm), FolderReader(run.first_folder).latest) for run in task_runs]
            done_count += sum(min(max(generation, 0), study.tasks[task].generations) for generation in reached)
            cells = [Cell(", ".join("–" if generation < 0 else str(generation) for generation in reached))]
            if judged and max(reached) >= 0:
                furthest = [run for run, latest in zip(task_runs, reached, strict=True) if latest == max(reached)]
                curves[arm] = collect_arm(study, arm, furthest, whole=False)
                cells += [Cell(f"{curves[arm].last(metric.key).mean():.{metric.digits}f}") for metric in judged]
            else:
                cells += [Cell("") for _ in judged]
            table.rows.append(PageRow(arm.label, cells))
    picture = None
    if done_count and judged:
        words = "Generations so far: means over the furthest seeds of each arm, bands their 95 % intervals."
        picture = Picture(curve_grid(outcome.columns(), judged, {}), words)
    total = sum(study.tasks[run.task].generations * len(study.arms(run.task)) for run in runs)
    page = Page(
        title=presentation.title,
        subtitle=command,
        answer=f"Under way: {done_count} of {total} generations are done. This page loads itself again.",
        picture=picture,
        sections=[Section("Progress", "Generations done, by seed, and the means of the furthest seeds.", table)],
        refresh_s=int(PACE_S),
    )
    write_atomically(folder / REPORT, render_page(page))
