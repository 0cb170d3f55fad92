"""The HTML report of a study.

The same results are written as tables, figures and JSON lines. A page is a list of sections that a `Page` makes of the
outcome. While a study is under way, report.html shows the progress.
"""

import re
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import jinja2
import numpy as np
from markupsafe import Markup, escape

from selfcorrect.loop.store.folder_store import FolderReader
from selfcorrect.loop.store.run_folder import SUMMARY_FILE
from selfcorrect.loop.store.tracking import write_json_lines
from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.motion.pictures.player import SCENE_MARK
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER
from selfcorrect.runtime.software import describe_environment
from selfcorrect.runtime.stopwatch import PROCESSOR
from selfcorrect.storage.files.digests import check_listing, find_listing, write_listing
from selfcorrect.storage.files.writing import write_atomically

from ..jobs.machines import count_machines, describe_mixture, read_machines
from . import verdict
from .arms import ArmSettings
from .claims import Check
from .figures import curve_grid
from .outcome import Outcome, make_metric
from .results import ArmCurves
from .study import Study
from .study_rows import collect_arm, collect_curves, list_measured, make_rows
from .summary import Summary, machine, write_summary
from .tables import (
    BELOW_MEANS,
    CLAIMS_TEXT,
    MARKS_LEGEND,
    Table,
    claims_table,
    differences_table,
    format_text,
    write_tables,
)

_TEMPLATE = Path(__file__).with_name("report.html")
METRICS, REPORT, FIGURES = "metrics.jsonl", "report.html", "figures"


@dataclass(frozen=True)
class PageClip:
    """Motions that the player shows.

    Their form is that of `player.scene_of`, with the words to choose motions by.
    """

    caption: str
    scene: str


@dataclass(frozen=True)
class Section:
    """Section of a page; figures hold SVG text, everything else is plain text."""

    title: str = ""
    text: str = ""
    """Sentences above the contents, a paragraph a line."""
    table: Table | None = None
    figures: Sequence[str] = ()
    caption: str = ""
    """Words below table and figures."""
    scenes: Sequence[PageClip] = ()
    """Clips that are shown side by side, all at once."""
    clips: Mapping[str, Sequence[PageClip]] = field(default_factory=dict)
    """Clips that one player shows one after another, by heading."""
    facts: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    """Name of the figure's file, "" for no file."""
    style: Literal["plain", "answer", "warning", "folded"] = "plain"
    files: Sequence[Path] = ()
    """Files that were written beside the page."""
    gap: str = ""
    """Sentence about missing results, "" if none is missing."""

    @property
    def has_contents(self) -> bool:
        """Return False for a section with an empty table."""
        return self.table is None or bool(self.table.rows and self.table.columns)


@dataclass(frozen=True, kw_only=True)
class Page(ABC):
    """Contents of a study's page, which stays in the process that runs the study."""

    title: str
    """Question of the study."""
    settings: Mapping[str, object]
    """Settings in the summary, as JSON values."""
    early: Sequence[str] = ()
    """Keys of the metrics on the page of a run under way, by default of all that generation 0 measured."""

    @abstractmethod
    def show(self, study: Study, outcome: Outcome) -> Sequence[Section]:
        """Return the sections, the answer first."""

    def judge(self, study: Study, measured: Outcome) -> Outcome:
        """Add real data's scores, and compare the pairs."""
        return measured

    def list_final(self, outcome: Outcome) -> Mapping[str, float]:
        """Return the figures of the last generation, at which sweeps of W&B aim."""
        return {}


def render_page(title: str, sections: Sequence[Section], refresh_s: int | None = None) -> str:
    """Render a page as HTML.

    Motions and their player are included.

    Args:
        refresh_s: Seconds after which a browser loads a page again that is not final.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["mark_code"] = _mark_code
    player = {
        "page": PLAYER.read_text(encoding="utf-8").replace("{{ title }}", "Motions"),
        "mark": SCENE_MARK,
        "scenes": [clip.scene for section in sections for clips in section.clips.values() for clip in clips],
        "side_by_side": [clip.scene for section in sections for clip in section.scenes],
    }
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, sections=sections, refresh_s=refresh_s, player=player)


def _mark_code(text: str) -> Markup:
    """Mark up what stands between backticks as code in HTML."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


# --- sections that several studies have -------------------------------------------------------------------------------


def answer_sections(outcome: Outcome, answer: str) -> list[Section]:
    """Return the answer and reservations, such as missing results."""
    warnings_beside = [Section(text=sentence, style="warning") for sentence in (*outcome.gaps, *outcome.remarks)]
    return [Section(text=answer, id="verdict", style="answer"), *warnings_beside]


def difference_section(outcome: Outcome, text: str) -> Section:
    """Return the section with the means of all arms and their paired differences from the references."""
    return Section(
        "Differences",
        table=differences_table(outcome),
        caption=f"{MARKS_LEGEND} {BELOW_MEANS} {text} {verdict.JUDGEMENT}",
    )


CURVES_TEXT = (
    "Lines are means over seeds, and bands are 95 % intervals; if there are two seeds, both are thin lines. A dotted "
    "line is the score of real data that no model was trained on, which no model can be expected to beat. Measures use "
    "the raw samples of each generation: a corrector changes what the next model is trained on, not what is measured."
)


def curves_section(outcome: Outcome, metrics: Sequence[Metric]) -> Section:
    """Return the curves of all arms over generations."""
    svg = curve_grid(outcome.columns(), metrics, outcome.levels)
    return Section("All curves", CURVES_TEXT, figures=[svg], id="curves", style="folded")


def claims_section(title: str, id: str, checks: Sequence[Check]) -> Section:
    """Return statements with what was predicted and measured."""
    return table_section(title, CLAIMS_TEXT, claims_table(id, checks))


def table_section(title: str, text: str, table: Table) -> Section:
    """Return a folded section with a table."""
    return Section(title, text, table, style="folded")


def closing_sections(study: Study, outcome: Outcome, facts: Mapping[str, str], notes: Sequence[str]) -> list[Section]:
    """Return the closing sections: how the study was run, and how to read the page."""
    seeds = list(dict.fromkeys(run.seed for run in study.seeds))
    counts = {"Seeds": f"{len(seeds)}, from {seeds[0]}", "Generations": str(study.generations)}
    made = Section("How it was made", facts={"Command": outcome.command, **counts, **facts})
    return [made, Section("How to read this", "\n".join(notes))]


# --- a finished study -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Results of a comparison."""

    sentences: Sequence[str]
    """The headline, and a sentence for everything that is missing."""
    summary: Summary
    """All curves and what real data score, as `read_summary` reads from the run folder."""
    tables: Mapping[str, Table]
    """Tables of the report by name; `tables/` in the run folder has CSV files. The table "differences" has the means of
    the last generation, marked as better or worse."""
    folder: Path | None
    """The run folder, None where none was kept."""
    gaps: Sequence[str] = ()
    """Missing results: arms that failed, and qualities that were not measured. The same call tries again."""
    differences: Sequence[Mapping[str, str | float]] = ()
    """Rows for a frame, one per arm with a reference and judged quality: the paired difference at the last generation
    with a separate 95 % interval, and the p-value that is adjusted for the family of tests."""
    final: Mapping[str, float] = field(default_factory=dict)
    """Figures of the last generation, the aims of sweeps of W&B."""

    def to_frame(self) -> Any:
        """Return a table with a row per task, arm, seed and generation, as in `Summary.to_frame`."""
        return self.summary.to_frame()

    def __str__(self) -> str:
        lines = list(self.sentences)
        if "claims" in self.tables:
            lines += ["", *format_text(self.tables["claims"])]
        if "differences" in self.tables:
            lines += ["", *format_text(self.tables["differences"], intervals=False), "", MARKS_LEGEND]
        return "\n".join(lines)


def write_report(
    study: Study,
    page: Page,
    folder: Path,
    *,
    command: str = "",
    seconds: float = 0.0,
    failed: Sequence[str] = (),
    kept: bool = True,
) -> Comparison:
    """Write every result of a finished study.

    Files lie below `folder`; the digests are written last. Returns the results.

    Args:
        command: Command that repeats the study.
        seconds: Time that the call took.
        failed: A sentence for each arm that stopped early.
        kept: The folder stays after the call.
    """
    earlier_media = _list_media(folder)
    if listing := find_listing(folder):
        listing.unlink()  # from an earlier call; the files may differ now
    runs = study.runs(folder)
    curves = collect_curves(study, runs)
    measured = Outcome(curves, titles=study.titles, gaps=failed, folder=folder, command=command, seconds=seconds)
    outcome = page.judge(study, measured)
    machines = [machine for of_job in read_machines(folder).values() for machine in of_job]
    if mixture := describe_mixture(machines):
        outcome = replace(outcome, remarks=(*outcome.remarks, mixture))
    rows = [row for run in runs for arm in study.arms(run.task) for row in make_rows(study, run, arm)]
    summary = _summary(outcome, page.settings, count_machines(machines))
    write_json_lines(folder / METRICS, rows)
    write_summary(folder / SUMMARY_FILE, summary)
    write_atomically(folder / "metrics.csv", summary.to_csv())
    sections = [section for section in page.show(study, outcome) if section.has_contents]
    write_atomically(folder / REPORT, render_page(page.title, sections))
    tables = {section.table.id: section.table for section in sections if section.table is not None}
    files = [folder / METRICS, folder / "metrics.csv", folder / REPORT, *write_tables(folder, tables.values())]
    files += _write_figures(folder, sections)
    written = [*files, *(file for section in sections for file in section.files)]
    for path in earlier_media - {*written}:  # of a study that was extended since
        path.unlink(missing_ok=True)
    write_listing(folder, written)
    gaps = (*outcome.gaps, *(section.gap for section in sections if section.gap))
    answers = [line for section in sections if section.style == "answer" for line in section.text.splitlines()]
    return Comparison(
        sentences=[*answers, *gaps],
        summary=summary,
        tables=tables,
        folder=folder if kept else None,
        gaps=gaps,
        differences=verdict.tabulate(effect for effects in outcome.effects for effect in effects),
        final=page.list_final(outcome),
    )


def _write_figures(folder: Path, sections: Sequence[Section]) -> list[Path]:
    """Write figures of sections with an id as SVG, and return the files."""
    written = []
    for section in sections:
        for svg in section.figures if section.id else ():
            (folder / FIGURES).mkdir(exist_ok=True)
            written.append(folder / FIGURES / f"{section.id}.svg")
            write_atomically(written[-1], svg)
    return written


def _list_media(folder: Path) -> set[Path]:
    """The media that an earlier report wrote."""
    listing = find_listing(folder)
    paths = {path for path, _ in check_listing(listing)} if listing else set()
    return {path for path in paths if folder / "samples" in path.parents}


def _summary(outcome: Outcome, settings: Mapping[str, object], jobs_by_machine: Mapping[str, int]) -> Summary:
    origin: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat()}
    hours = find_core_hours(outcome.curves)
    if hours is not None:
        origin["core_hours"] = round(hours, 3)
    arms = {task: tuple(arms.values()) for task, arms in outcome.curves.items()}
    made = {**origin, **machine(), **describe_environment()}
    if len(jobs_by_machine) > 1:
        made["jobs_by_machine"] = jobs_by_machine
    return Summary(outcome.command, made, settings, arms, outcome.floors, outcome.floor_of)


def seconds_by_phase(curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]) -> dict[str, float]:
    """Return each phase's total seconds over all arms, seeds and generations, as far as recorded."""
    spent_s: dict[str, float] = {}
    for phase in ("train", "sample", "correct", "trace", "evaluate", "mix", "else"):
        seconds = [arm.values.get(f"seconds_{phase}", 0.0) for arms in curves.values() for arm in arms.values()]
        spent_s[phase] = sum(float(np.nansum(values)) for values in seconds)
    return spent_s


def find_core_hours(curves: Mapping[str, Mapping[ArmSettings, ArmCurves]]) -> float | None:
    """Return the processor hours of all generations, None if some generation did not record the time."""
    total_s = 0.0
    for arm in [arm for arms in curves.values() for arm in arms.values()]:
        processor_s = arm.values.get(f"seconds_{PROCESSOR}")
        if processor_s is None or (np.isnan(processor_s) & ~np.isnan(arm.values["seconds_else"])).any():
            return None
        total_s += float(np.nansum(processor_s))
    return total_s / 3600


# --- a study that is under way ----------------------------------------------------------------------------------------

PACE_S = 15.0
"""Seconds between two pages, and between two loads in a browser."""


class RunningReport:
    """Writes report.html during a run.

    It is written from the first generation on; a finished report stays until the next. A page that cannot be written is
    a warning, once.
    """

    def __init__(self, study: Study, page: Page, folder: Path, command: str) -> None:
        self._study, self._page = study, page
        self._folder, self._command = folder, command
        self._due_s = 0.0
        self._failed = False

    def update(self) -> None:
        """Write the page if the interval has passed and there is no finished report."""
        if self._failed or time.monotonic() < self._due_s:
            return
        try:
            if find_listing(self._folder) is None:
                _write_running_report(self._study, self._page, self._folder, self._command)
        except Exception as error:
            self._failed = True
            warnings.warn(f"the report of the run under way was not written: {error}", stacklevel=2)
        self._due_s = time.monotonic() + PACE_S


def _write_running_report(study: Study, page: Page, folder: Path, command: str) -> None:
    """Write report.html about committed generations; a browser reloads the page again and again."""
    runs = study.runs(folder)
    measured = list_measured(study, folder)
    metrics = [make_metric(key) for key in page.early or measured if key in measured]
    curves_by_task: dict[str, dict[ArmSettings, ArmCurves]] = {task: {} for task in study.tasks}
    done_count = 0
    for task, curves in curves_by_task.items():
        task_runs = [run for run in runs if run.task == task]
        for arm in study.arms(task):
            reached = [max(study.latest(run, arm), FolderReader(run.first_folder).latest) for run in task_runs]
            done_count += sum(min(max(generation, 0), study.tasks[task].generations) for generation in reached)
            if max(reached) >= 0:
                furthest = [run for run, latest in zip(task_runs, reached, strict=True) if latest == max(reached)]
                curves[arm] = collect_arm(study, arm, furthest, whole=False)
    total = sum(study.tasks[run.task].generations * len(study.arms(run.task)) for run in runs)
    answer = f"Under way: {done_count} of {total} generations are done. This page reloads itself."
    sections = [Section(text=answer, id="verdict", style="answer")]
    if done_count and metrics:
        svg = curve_grid(Outcome(curves_by_task, study.titles).columns(), metrics, {})
        words = "Generations so far. Lines are means over the furthest seeds of each arm, and bands are 95 % intervals."
        sections.append(Section(figures=[svg], caption=words))
    sections.append(Section("How it was made", facts={"Command": command}))
    write_atomically(folder / REPORT, render_page(page.title, sections, int(PACE_S)))
