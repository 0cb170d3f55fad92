"""How toy loops are shown: one page with the outcome, figures, statements and collapse profiles of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.tracking import Row

from ..reporting.webpage import Cell, Page, PageRow, Section, Table
from ..studies.claims import Check, claims_section
from ..studies.outcome import Outcome
from ..studies.study import SeedRun
from ..studies.view import Told, View
from .result import Result
from .study import ToyStudy
from .table import ToyRow

RESULTS = "results.json"
NOTES = (
    "Published loops, each held against its prediction. Lines are means over seeds with 95 % bands, dashes are "
    "predictions without fitted constants. A statement holds or fails where the whole interval is on one side.",
)


class ToyView(View):
    """Some toys."""

    def __init__(self, study: ToyStudy) -> None:
        self.study: ToyStudy = study
        self.title = "Self-consuming loops at toy scale"

    def judged(self, root: Path) -> Sequence[Metric]:
        """The first quantity of the table, for the page about a run under way; nothing where there are several toys."""
        runs = self.study.runs(root)
        first = FolderReader(runs[0].first_folder)
        (toy, *others) = self.study.toys.values()
        if others or len(toy.bundles) > 1 or first.latest < 0:
            return ()
        shown = [column for column in toy.columns if column.key in first.metrics(0)][:1]
        return [Metric(each.key, each.title, "", "neutral", 3, bounds=(-math.inf, math.inf)) for each in shown]

    def arm_word(self, arm: Any) -> str:
        return arm.title

    def outcome(self, root: Path, gaps: Sequence[str] = ()) -> Outcome[None]:
        return Outcome(None, self.curves(self.study.runs(root)), gaps=gaps)

    def settings(self, outcome: Outcome[None]) -> Mapping[str, Any]:
        seeds = max(run.seed for run in self.study.runs(Path())) + 1
        toys = {name: repr(settings) for name, settings in self.study.own_settings.items()}
        return {"seeds": seeds, "first_seed": 0, "generations": self.study.generations, "toys": toys}

    def told(self, outcome: Outcome[None], root: Path, rows: Sequence[Row], seconds: float, command: str) -> Told:
        """The page; results.json has the outcomes beside it."""
        stopped = {name: self.study.unfinished(name, root) for name in self.study.toys}
        results = {name: self.study.result(name, root) for name, arms in stopped.items() if not arms}
        spent = {name: self.study.seconds(name, root) for name in results}
        settings, rows_of_table = self.study.own_settings, self.study.rows
        kept = [as_json(rows_of_table[name], settings[name], result, spent[name]) for name, result in results.items()]
        write_atomically(root / RESULTS, json.dumps(to_json(kept), indent=1, allow_nan=False) + "\n")
        lines = [summary(name, result.checks, spent[name]) for name, result in results.items()]
        held = [check.outcome == "holds" for result in results.values() for check in result.checks]
        page = Page(
            title=self.title,
            subtitle=command,
            answer=f"{sum(held)} of {len(held)} statements hold.",
            details=[*(f"{name}: {result.reading}" for name, result in results.items()), *_not_reproduced(results)],
            warnings=outcome.gaps,
            sections=[
                _at_a_glance(results, rows_of_table, spent),
                *(
                    each
                    for name, result in results.items()
                    for each in _sections(rows_of_table[name], result, self._figures(name, root))
                ),
            ],
            facts={name: f"{settings[name]}" for name in results},
            notes=(*NOTES, *(note for result in results.values() for note in result.notes)),
        )
        return Told(page, [*lines, *outcome.gaps], media=[root / RESULTS])

    def _figures(self, name: str, root: Path) -> Sequence[str]:
        try:
            return self.study.figures(name, root)
        except Exception:  # the job that drew them has said why, and tables need no figures
            return ()

    # --- Weights & Biases ---

    @property
    def best(self) -> Mapping[str, Literal["min", "max"]]:
        return {}

    def measured(self, runs: Sequence[SeedRun]) -> Sequence[str]:
        rows = [row for run in runs for row in self.rows(run, self.study.arms(run.task)[0])[:1]]
        return [*dict.fromkeys(key for row in rows for key in row if key not in ("task", "arm", "seed", "generation"))]


def as_json(row: ToyRow, settings: Any, result: Result, seconds: float) -> dict[str, Any]:
    """The outcome of a toy in results.json."""
    return {
        "name": row.name,
        "source": row.source,
        "settings": repr(settings),
        "seconds": round(seconds, 2),
        "reading": result.reading,
        "ends": asdict(result.ends),
        "checks": [asdict(check) for check in result.checks],
    }


def summary(name: str, checks: Sequence[Check], seconds: float) -> str:
    """How many statements hold, and which do not."""
    by_outcome = {
        outcome: [check.statement for check in checks if check.outcome == outcome]
        for outcome in ("holds", "fails", "undecided")
    }
    held = len(by_outcome.pop("holds"))
    rest = "".join(f"; {outcome}: {'; '.join(told)}" for outcome, told in by_outcome.items() if told)
    return f"{name}: {held} of {len(checks)} statements hold, {seconds:.1f} s{rest}"


def _not_reproduced(results: Mapping[str, Result]) -> Iterator[str]:
    """A sentence for each published claim that failed here."""
    for name, result in results.items():
        for check in result.checks:
            if not_reproduced(check):
                claimed = f", claimed {check.predicted}" if check.predicted else ""
                yield f"Did not reproduce here: {name}: {check.statement} (measured {check.measured}{claimed})."


def not_reproduced(check: Check) -> bool:
    """Whether a published claim failed here."""
    return check.published and check.outcome == "fails"


def _at_a_glance(results: Mapping[str, Result], rows: Mapping[str, ToyRow], seconds: Mapping[str, float]) -> Section:
    table = Table("toys", "Loop", ["Source", "Statements that hold", "Seconds"])
    for name, result in results.items():
        held = sum(check.outcome == "holds" for check in result.checks)
        cells = [rows[name].source, f"{held} of {len(result.checks)}", f"{seconds[name]:.1f}"]
        table.rows.append(PageRow(name, [*map(Cell, cells)]))
    return Section("At a glance", "Each loop with its source, and how many of its statements hold.", table)


def _sections(row: ToyRow, result: Result, figures: Sequence[str]) -> Iterator[Section]:
    ends = Table(f"{row.name}-ends", result.ends.title, result.ends.columns)
    ends.rows.extend(PageRow(arm, [*map(Cell, cells)]) for arm, cells in result.ends.rows.items())
    yield Section(row.summary, f"{result.reading} Source: {row.source}.", ends, figures)
    yield claims_section(f"{row.name}-checks", f"{row.summary}: predicted and measured", result.checks)
    if result.profiles:
        yield Section(
            f"{row.summary}: model collapse profile",
            "Definitions of collapse in the literature, and which of them each arm meets.",
            _profiles(row.name, result),
        )


def _profiles(name: str, result: Result) -> Table:
    table = Table(f"{name}-profile", "Definition", ["Here", "Measured, 95 % interval", "Rule"])
    for arm, findings in result.profiles.items():
        table.rows.append(PageRow(arm, []))
        for finding in findings:
            measured = "" if finding.measure is None else str(finding.measure)
            table.rows.append(PageRow(finding.definition, [*map(Cell, (finding.status, measured, finding.rule))]))
    return table
