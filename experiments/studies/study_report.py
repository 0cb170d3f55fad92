"""Write the results of a study to its run folder: page, tables, figures, summary and JSON lines.

While the study is under way, report.html shows the progress.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from selfcorrect.loop.store.run_folder import SUMMARY_FILE
from selfcorrect.loop.store.tracking import write_json_lines
from selfcorrect.runtime.software import describe_environment
from selfcorrect.storage.files.digests import check_listing, find_listing, write_listing
from selfcorrect.storage.files.writing import write_atomically

from ..jobs.machines import count_machines, describe_mixture, read_machines, record_machines
from .arm_curves import ArmCurves
from .arms import ArmSettings
from .effects import tabulate_effects
from .figures import curve_grid
from .outcome import Outcome, make_metric
from .page import Page, Section, made_section, render_page
from .parts import write_parts
from .study import Study, jobs_of, run_arm, run_first_generation
from .study_rows import collect_arm, collect_curves, list_measured, make_rows
from .summary import Summary, machine, write_summary
from .tables import MARKS_LEGEND, Table, format_text, write_tables

METRICS, REPORT, FIGURES = "metrics.jsonl", "report.html", "figures"


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
    """Missing results: arms that failed, and qualities that were not measured. Repeating the call tries these again."""
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
        for name in ("claims", "scores", "pairs"):
            if name in self.tables:
                lines += ["", *format_text(self.tables[name])]
        if "pairs" in self.tables:
            return "\n".join([*lines, "", MARKS_LEGEND])
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
    """Write every result of a finished study below `folder`, the digests last, and return the results.

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
    _record_machines_of_generations(study, folder)
    machines = [machine for of_job in read_machines(folder).values() for machine in of_job]
    if mixture := describe_mixture(machines):
        outcome = replace(outcome, remarks=(*outcome.remarks, mixture))
    rows = [row for run in runs for arm in study.arms(run.task) for row in make_rows(study, run, arm)]
    summary = _make_summary(outcome, page.settings, count_machines(machines))
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
    write_parts(study, folder)
    write_listing(folder, written)
    gaps = (*outcome.gaps, *(section.gap for section in sections if section.gap))
    answers = [line for section in sections if section.style == "answer" for line in section.text.splitlines()]
    return Comparison(
        sentences=[*answers, *gaps],
        summary=summary,
        tables=tables,
        folder=folder if kept else None,
        gaps=gaps,
        differences=tabulate_effects(effect for effects in outcome.effects for effect in effects),
        final=page.list_final(outcome),
    )


def _record_machines_of_generations(study: Study, folder: Path) -> None:
    """Record the machines of all generations, also of jobs that were killed before they ended."""
    recorded = read_machines(folder)
    for job in jobs_of(study, folder):
        if job.function is run_first_generation:
            reader = job.arguments[1].first()
        elif job.function is run_arm and study.keep != "measured":
            reader = job.arguments[1].generations(job.arguments[2])
        else:
            continue
        for used in reader.list_machines():
            if used not in recorded.get(job.name, ()):
                record_machines(folder, {job.name: used})


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


def _make_summary(outcome: Outcome, settings: Mapping[str, object], jobs_by_machine: Mapping[str, int]) -> Summary:
    origin: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat()}
    hours = outcome.find_core_hours()
    if hours is not None:
        origin["core_hours"] = round(hours, 3)
    arms = {task: tuple(arms.values()) for task, arms in outcome.curves.items()}
    made = {**origin, **machine(), **describe_environment()}
    if len(jobs_by_machine) > 1:
        made["jobs_by_machine"] = jobs_by_machine
    return Summary(outcome.command, made, settings, arms, outcome.floors, outcome.floor_of)


# --- a study that is under way ----------------------------------------------------------------------------------------

PACE_S = 15.0
"""Seconds between two pages, and between two loads in a browser."""


class RunningReport:
    """Writes report.html during a run, from the first generation on.

    A finished report stays until the next. A page that cannot be written is a warning, once.
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
    first_count = sum(run.first().latest >= 0 for run in runs)
    done_count = 0
    for task, curves in curves_by_task.items():
        task_runs = [run for run in runs if run.task == task]
        for arm in study.arms(task):
            reached = [max(study.latest(run, arm), run.first().latest) for run in task_runs]
            done_count += sum(min(max(generation, 0), study.tasks[task].generations) for generation in reached)
            if max(reached) >= 0:
                furthest = [run for run, latest in zip(task_runs, reached, strict=True) if latest == max(reached)]
                curves[arm] = collect_arm(study, arm, furthest, whole=False)
    total = sum(1 + study.tasks[run.task].generations * len(study.arms(run.task)) for run in runs)  # as the bar counts
    answer = f"Under way: {first_count + done_count} of {total} generations are done. This page reloads itself."
    sections = [Section(text=answer, id="verdict", style="answer")]
    if done_count and metrics:
        svg = curve_grid(Outcome(curves_by_task, study.titles).columns(), metrics, {})
        words = "Generations so far. Lines are means over the furthest seeds of each arm, and bands are 95 % intervals."
        sections.append(Section(figures=[svg], caption=words))
    sections.append(made_section(command))
    write_atomically(folder / REPORT, render_page(page.title, sections, int(PACE_S)))
