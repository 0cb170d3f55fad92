"""The report of toy loops: one page with the outcome, figures, statements and collapse profiles of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.tracking import Row

from ..studies.arms import ArmSettings
from ..studies.claims import Check
from ..studies.outcome import Outcome
from ..studies.report import Page, Section, StudyReport, View
from ..studies.results import ArmCurves
from ..studies.summary import format_rows, realised_name
from ..studies.tables import CLAIMS_TEXT, Cell, PageRow, Table, claims_table
from .outcome import Result
from .study import ToyRun, ToyStudy
from .table import ToyRow

RESULTS = "results.json"
SEEDS = "seeds.csv"
"""A row for each arm and seed: axes, and what the last generation measured."""
NOTES = (
    "Published loops, each held against its prediction. Lines are means over seeds with 95 % bands, dashes are "
    "predictions without fitted constants. A statement holds or fails if the whole interval is on one side.",
)


class ToyView(View):
    """Some toys."""

    def __init__(self, study: ToyStudy) -> None:
        self.study: ToyStudy = study
        self.title = "Self-consuming loops at toy scale"

    def select_metrics(self, root: Path) -> Sequence[Metric]:
        """Return the first quantity of the table, for the page about a run under way; nothing for several toys."""
        toys = list(self.study.toys.values())
        first = FolderReader(self.study.runs(root)[0].first_folder)
        if len(toys) > 1 or len(toys[0].bundles) > 1 or first.latest < 0:
            return ()
        columns = [column for column in toys[0].columns if column.key in first.metrics(0)][:1]
        return [Metric(column.key, column.title, "", "neutral", 3, bounds=(-math.inf, math.inf)) for column in columns]

    def arm_word(self, arm: Any) -> str:
        return arm.title

    def outcome(self, root: Path, gaps: Sequence[str] = ()) -> Outcome[None]:
        """Collect the means over replicates of all arms, with arms that are parts of another apart."""
        runs = self.study.runs(root)
        curves: dict[str, dict[ArmSettings, ArmCurves]] = {}
        for task, arms in self.curves(runs).items():
            curves[task] = {}
            task_runs = [run for run in runs if run.task == task]
            for arm, arm_curves in arms.items():
                parts = self.study.split_arms(task, arm)
                is_done = all(self.study.is_done(run, arm) for run in task_runs)
                if parts == [arm] or not is_done:
                    curves[task][arm] = arm_curves
                else:
                    curves[task] |= self._average_parts(task_runs, parts)
        return Outcome(None, curves, gaps=gaps)

    def _average_parts(self, runs: Sequence[ToyRun], parts: Sequence[ArmSettings]) -> dict[ArmSettings, ArmCurves]:
        """Return the means over replicates of arms that are parts of another."""
        loaded = [self.study.load_run(run) for run in runs]
        curves = {}
        for part in parts:
            values = {}
            for key in loaded[0][part.title]:
                values[key] = np.stack([curves_of_run[part.title][key].mean(0) for curves_of_run in loaded])
            curves[part] = ArmCurves(part.name, self.group(runs[0].task, part), part.title, values, part.axes)
        return curves

    def real_count(self, task: str, arm: ArmSettings) -> int:
        return self.study.real_count(task, arm)

    def _seed_rows(self, root: Path, toys: Sequence[str]) -> list[dict[str, Any]]:
        """Return a row for each arm and seed with its axes and what its last generation measured."""
        rows: list[dict[str, Any]] = []
        for toy in toys:
            axes = {}
            for task in dict.fromkeys(run.task for run in self.study.runs(root) if run.toy == toy):
                for arm in self.study.arms(task):
                    for part in self.study.split_arms(task, arm):
                        axes[part.title] = {**part.axes, "real_count": self.study.real_count(task, arm)}
            for title, table in self.study.load_curves(toy, root).items():
                count = max(len(values) for values in table.values())
                values_by_key = {
                    key: np.broadcast_to(values, (count, values.shape[1])) for key, values in table.items()
                }
                for seed in range(count):
                    last = {key: float(values[seed, -1]) for key, values in values_by_key.items()}
                    named = {realised_name(key, axes.get(title, {})): value for key, value in last.items()}
                    rows.append({"toy": toy, "arm": title, "seed": seed, **axes.get(title, {}), **named})
        return rows

    def settings(self, outcome: Outcome[None]) -> Mapping[str, Any]:
        seeds = max(run.seed for run in self.study.runs(Path())) + 1
        toys = {name: repr(settings) for name, settings in self.study.own_settings.items()}
        return {"seeds": seeds, "first_seed": 0, "generations": self.study.generations, "toys": toys}

    def make_report(
        self, outcome: Outcome[None], root: Path, rows: Sequence[Row], seconds: float, command: str
    ) -> StudyReport:
        """Return the page; results.json has the outcomes beside it."""
        toys = [name for name in self.study.toys if not self.study.list_unfinished(name, root)]
        results = {name: self.study.derive_result(name, root) for name in toys}
        toy_seconds = {name: self.study.sum_seconds(name, root) for name in toys}
        settings = self.study.own_settings
        json_rows = []
        lines = []
        notes = [*NOTES]
        overview = Table("toys", "Loop", ["Source", "Statements that hold", "Seconds"])
        words = "Each loop with its source, and how many of its statements hold."
        sections = [Section("At a glance", words, overview)]
        for name, result in results.items():
            row = self.study.rows[name]
            json_rows.append(to_json_row(row, settings[name], result, toy_seconds[name]))
            lines.append(summarize(name, result.checks, toy_seconds[name]))
            hold_count = sum(check.outcome == "holds" for check in result.checks)
            cells = [row.source, f"{hold_count} of {len(result.checks)}", f"{toy_seconds[name]:.1f}"]
            overview.rows.append(PageRow(name, [*map(Cell, cells)]))
            notes += result.notes
            try:
                figures = self.study.load_figures(name, root)
            except Exception:  # the job that drew them has said why, and tables need no figures
                figures = []
            sections += _make_sections(row, result, figures)
        write_atomically(root / RESULTS, json.dumps(to_json(json_rows), indent=1, allow_nan=False) + "\n")
        write_atomically(root / SEEDS, format_rows(self._seed_rows(root, toys)))
        checks = [check for result in results.values() for check in result.checks]
        page = Page(
            title=self.title,
            subtitle=command,
            answer=f"{sum(check.outcome == 'holds' for check in checks)} of {len(checks)} statements hold.",
            warnings=outcome.gaps,
            sections=sections,
            facts={name: str(settings[name]) for name in toys},
            notes=notes,
        )
        return StudyReport(page, [*lines, *outcome.gaps], media=[root / RESULTS, root / SEEDS])


def to_json_row(row: ToyRow, settings: Any, result: Result, seconds: float) -> dict[str, Any]:
    """Return the outcome of a toy for results.json.

    Args:
        row: Name and source of the toy.
        seconds: Time that its phases took together.
    """
    return {
        "name": row.name,
        "source": row.source,
        "settings": repr(settings),
        "seconds": round(seconds, 2),
        "reading": result.reading,
        "ends": asdict(result.ends),
        "checks": [asdict(check) for check in result.checks],
    }


def summarize(name: str, checks: Sequence[Check], seconds: float) -> str:
    """Return a line with how many statements hold, and which do not.

    Args:
        seconds: Time that its phases took together.
    """
    hold_count = sum(check.outcome == "holds" for check in checks)
    line = f"{name}: {hold_count} of {len(checks)} statements hold, {seconds:.1f} s"
    for outcome in ("fails", "undecided"):
        statements = [check.statement for check in checks if check.outcome == outcome]
        if statements:
            line += f"; {outcome}: {'; '.join(statements)}"
    return line


def _make_sections(row: ToyRow, result: Result, figures: Sequence[str]) -> Iterator[Section]:
    ends = Table(f"{row.name}-ends", result.ends.title, result.ends.columns)
    ends.rows.extend(PageRow(arm, [*map(Cell, cells)]) for arm, cells in result.ends.rows.items())
    yield Section(row.summary, f"{result.reading} Source: {row.source}.", ends, figures)
    checks = claims_table(f"{row.name}-checks", result.checks)
    yield Section(f"{row.summary}: predicted and measured", CLAIMS_TEXT, checks)
    profiles = _tabulate_profiles(row.name, result)
    if profiles.rows:
        yield Section(
            f"{row.summary}: model collapse profile",
            "Definitions of collapse in the literature, and which of them each arm meets, without those that this run "
            "cannot decide.",
            profiles,
        )


def _tabulate_profiles(name: str, result: Result) -> Table:
    table = Table(f"{name}-profile", "Definition", ["Here", "Measured, 95 % interval", "Rule"])
    for arm, findings in result.profiles.items():
        decided = [finding for finding in findings if finding.status != "not measurable"]
        if decided:
            table.rows.append(PageRow(arm, []))
        for finding in decided:
            cells = (finding.status, str(finding.measure), finding.rule)
            table.rows.append(PageRow(finding.definition, [*map(Cell, cells)]))
    return table
