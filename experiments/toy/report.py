"""The report of toy loops: one page with the outcome, figures, statements and collapse profiles of each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader

from ..studies import figures
from ..studies.claims import Check
from ..studies.outcome import Outcome
from ..studies.report import FinishedRun, Page, Presentation, Section, StudyReport, make_sections
from ..studies.study import Study
from ..studies.study_rows import axes_of, collect_curves
from ..studies.summary import format_rows, realised_name
from ..studies.tables import CLAIMS_TEXT, Cell, PageRow, Table, claims_table
from .outcome import Result
from .study import LoadedToy, derive_result, list_unfinished, load_curves
from .table import ToyRow

TITLE = "Self-consuming loops at toy scale"
RESULTS = "results.json"
SEEDS = "seeds.csv"
"""A row for each arm and seed: axes, and what the last generation measured."""
NOTES = (
    "Published loops, each held against its prediction. Lines are means over seeds with 95 % bands, dashes are "
    "predictions without fitted constants. A statement holds or fails if the whole interval is on one side.",
)


@dataclass(frozen=True)
class FinishedToy:
    """A toy with its outcome."""

    toy: LoadedToy
    result: Result
    figures: Sequence[str]
    """SVG text, empty if the figures could not be drawn."""


def present_toys(study: Study, toys: Mapping[str, LoadedToy]) -> Presentation[Sequence[FinishedToy]]:
    """Return how toys are shown."""
    settings = {
        "seeds": max(run.seed for run in study.seeds) + 1,
        "first_seed": 0,
        "generations": study.generations,
        "toys": {name: repr(toy.settings) for name, toy in toys.items()},
    }
    return Presentation(
        title=TITLE,
        settings=settings,
        choose_metrics=partial(_choose_metrics, study, toys),
        collect=partial(collect_toys, study, toys),
        make_report=partial(make_report, study),
    )


def _choose_metrics(study: Study, toys: Mapping[str, LoadedToy], root: Path) -> list[Metric]:
    """Return the first quantity of the table, for the page about a run under way; nothing for several toys."""
    toy = next(iter(toys.values())).toy
    first = FolderReader(study.runs(root)[0].first_folder)
    if len(study.tasks) > 1 or first.latest < 0:
        return []
    columns = [column for column in toy.columns if column.key in first.metrics(0)][:1]
    return [Metric(column.key, column.title, "", "neutral", 3, bounds=(-math.inf, math.inf)) for column in columns]


def collect_toys(
    study: Study, toys: Mapping[str, LoadedToy], root: Path, gaps: Sequence[str] = ()
) -> Outcome[Sequence[FinishedToy]]:
    """Collect the means over replicates of all arms, and the outcomes of finished toys."""
    finished = []
    failures = []
    for name, toy in toys.items():
        if list_unfinished(study, toy, root):
            continue
        result = derive_result(study, toy, root)
        drawn, failure = try_optional(f"{name} figures stopped", partial(_draw_figures, result), [])
        finished.append(FinishedToy(toy, result, drawn))
        failures += [failure] if failure else []
    return Outcome(finished, collect_curves(study, study.runs(root)), gaps=[*gaps, *failures])


def _draw_figures(result: Result) -> list[str]:
    return [figures.draw(figure) for figure in result.figures]


def _list_seed_rows(study: Study, toys: Sequence[LoadedToy], root: Path) -> list[dict[str, Any]]:
    """Return a row for each arm and seed with its axes and what its last generation measured."""
    rows: list[dict[str, Any]] = []
    for toy in toys:
        axes = {arm.title: axes_of(study, task, arm) for task in toy.sources for arm in study.arms(task)}
        for title, table in load_curves(study, toy, root).items():
            count = max(len(values) for values in table.values())
            values_by_key = {key: np.broadcast_to(values, (count, values.shape[1])) for key, values in table.items()}
            for seed in range(count):
                last = {key: float(values[seed, -1]) for key, values in values_by_key.items()}
                named = {realised_name(key, axes.get(title, {})): value for key, value in last.items()}
                rows.append({"toy": toy.name, "arm": title, "seed": seed, **axes.get(title, {}), **named})
    return rows


def make_report(study: Study, outcome: Outcome[Sequence[FinishedToy]], run: FinishedRun) -> StudyReport:
    """Return the page; results.json has the outcomes beside it."""
    finished = outcome.settings
    sections = [overview_section(finished)]
    for item in finished:
        sections += make_sections(SECTIONS, item)
    json_rows = [to_json_row(item.toy.row, item.toy.settings, item.result) for item in finished]
    write_atomically(run.root / RESULTS, json.dumps(to_json(json_rows), indent=1, allow_nan=False) + "\n")
    seed_rows = _list_seed_rows(study, [item.toy for item in finished], run.root)
    write_atomically(run.root / SEEDS, format_rows(seed_rows))
    page = Page(
        title=TITLE,
        subtitle=run.command,
        answer=f"{count_holding([check for item in finished for check in item.result.checks])} statements hold.",
        warnings=outcome.gaps,
        sections=sections,
        facts={item.toy.name: str(item.toy.settings) for item in finished},
        notes=[*NOTES, *(note for item in finished for note in item.result.notes)],
    )
    lines = [summarize_checks(item.toy.name, item.result.checks) for item in finished]
    return StudyReport(page, [*lines, *outcome.gaps], media=[run.root / RESULTS, run.root / SEEDS])


def to_json_row(row: ToyRow, settings: Any, result: Result) -> dict[str, Any]:
    """Return the outcome of a toy for results.json."""
    return {
        "name": row.name,
        "source": row.source,
        "settings": repr(settings),
        "reading": result.reading,
        "ends": asdict(result.ends),
        "checks": [asdict(check) for check in result.checks],
    }


def count_holding(checks: Sequence[Check]) -> str:
    """Return how many statements hold, such as "3 of 4"."""
    return f"{sum(check.outcome == 'holds' for check in checks)} of {len(checks)}"


def summarize_checks(name: str, checks: Sequence[Check]) -> str:
    """Return a line with how many statements hold, and which do not."""
    line = f"{name}: {count_holding(checks)} statements hold"
    for outcome in ("fails", "undecided"):
        statements = [check.statement for check in checks if check.outcome == outcome]
        if statements:
            line += f"; {outcome}: {'; '.join(statements)}"
    return line


# --- sections ---


def overview_section(finished: Sequence[FinishedToy]) -> Section:
    """Return the sources of all toys, and how many statements hold."""
    table = Table("toys", "Loop", ["Source", "Statements that hold"])
    for item in finished:
        cells = [Cell(item.toy.row.source), Cell(count_holding(item.result.checks))]
        table.rows.append(PageRow(item.toy.name, cells))
    return Section("At a glance", "Each loop with its source, and how many of its statements hold.", table)


def ends_section(item: FinishedToy) -> Section:
    """Return where the arms of a toy ended, with the figures."""
    row = item.toy.row
    ends = item.result.ends
    table = Table(f"{row.name}-ends", ends.title, ends.columns)
    table.rows.extend(PageRow(arm, [*map(Cell, cells)]) for arm, cells in ends.rows.items())
    return Section(row.summary, f"{item.result.reading} Source: {row.source}.", table, item.figures)


def checks_section(item: FinishedToy) -> Section:
    """Return the statements about a toy."""
    row = item.toy.row
    table = claims_table(f"{row.name}-checks", item.result.checks)
    return Section(f"{row.summary}: predicted and measured", CLAIMS_TEXT, table)


def profile_section(item: FinishedToy) -> Section:
    """Return the collapse profiles of a toy's arms."""
    row = item.toy.row
    table = Table(f"{row.name}-profile", "Definition", ["Here", "Measured, 95 % interval", "Rule"])
    for arm, findings in item.result.profiles.items():
        decided = [finding for finding in findings if finding.status != "not measurable"]
        if decided:
            table.rows.append(PageRow(arm, []))
        for finding in decided:
            cells = (finding.status, str(finding.measure), finding.rule)
            table.rows.append(PageRow(finding.definition, [*map(Cell, cells)]))
    words = (
        "Definitions of collapse in the literature, and which of them each arm meets, without those that this run "
        "cannot decide."
    )
    return Section(f"{row.summary}: model collapse profile", words, table)


SECTIONS = (ends_section, checks_section, profile_section)
"""Sections of a toy, each a function of the finished toy."""
