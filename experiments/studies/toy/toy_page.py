"""What stands on the page of toy loops: outcome, figures, statements and collapse profiles of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.runtime.bugs import try_optional
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import write_atomically

from .. import figures
from ..outcome import Outcome
from ..page import Page, Section, answer_sections, claims_section, made_section, notes_section, table_section
from ..study import Study
from ..study_rows import axes_of
from ..summary import format_rows, realised_name
from ..tables import Cell, PageRow, Table
from .result import Result
from .study import LoadedToy, derive_result, is_toy_finished, load_curves

TITLE = "Self-consuming loops at toy scale"
RESULTS = "results.json"
SEEDS = "seeds.csv"
"""A row for each arm and seed: axes, and what the last generation measured."""
TOY_NOTES = (
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
    gap: str
    """A sentence if they could not be drawn."""


@dataclass(frozen=True, kw_only=True)
class ToyPage(Page):
    """The page of toys."""

    toys: Mapping[str, LoadedToy]

    def show(self, study: Study, outcome: Outcome) -> list[Section]:
        """Return the page; results.json and seeds.csv beside it have the outcomes."""
        finished = []
        for name, toy in self.toys.items():
            if not is_toy_finished(study, toy, outcome.folder):
                continue
            result = derive_result(study, toy, outcome.folder)
            drawn, gap = try_optional(f"{name} figures stopped", partial(list, map(figures.draw, result.figures)), [])
            finished.append(FinishedToy(toy, result, drawn, gap))
        answer = "\n".join(f"{item.toy.name}: {item.result.reading}" for item in finished)
        sections = answer_sections(outcome, answer)
        for item in finished:
            title = f"{item.toy.title}: predicted and measured"
            checks = claims_section(title, f"{item.toy.name}-checks", item.result.checks)
            sections += [ends_section(item), checks, profile_section(item)]
        settings = {item.toy.name: str(item.toy.settings) for item in finished}
        notes = [*TOY_NOTES, *(note for item in finished for note in item.result.notes)]
        files = _write_results(study, finished, outcome.folder)
        return [*sections, made_section(outcome.command, settings, files), notes_section(notes)]


def make_toy_page(toys: Mapping[str, LoadedToy], study: Study) -> ToyPage:
    """Return what is shown of toys."""
    return ToyPage(
        title=TITLE,
        settings={
            "seeds": max(run.seed for run in study.seeds) + 1,
            "first_seed": 0,
            "generations": study.generations,
            "toys": {name: repr(toy.settings) for name, toy in toys.items()},
        },
        early=[column.key for toy in toys.values() for column in toy.toy.columns[:1]],
        toys=toys,
    )


def _list_seed_rows(study: Study, toys: Sequence[LoadedToy], root: Path) -> list[dict[str, Any]]:
    """List a row per arm and seed, with the axes and what its last generation measured."""
    rows: list[dict[str, Any]] = []
    for toy in toys:
        axes = {arm.key: axes_of(study, task, arm) for task in toy.sources for arm in study.arms(task)}
        for title, table in load_curves(study, toy, root).items():
            count = max(len(values) for values in table.values())
            values_by_key = {key: np.broadcast_to(values, (count, values.shape[1])) for key, values in table.items()}
            for seed in range(count):
                last = {key: float(values[seed, -1]) for key, values in values_by_key.items()}
                named = {realised_name(key, axes.get(title, {})): value for key, value in last.items()}
                rows.append({"toy": toy.name, "arm": title, "seed": seed, **axes.get(title, {}), **named})
    return rows


def _write_results(study: Study, finished: Sequence[FinishedToy], folder: Path) -> list[Path]:
    """Write the outcomes of toys, with a row for each of their seeds, and return the files."""
    json_rows = [to_json_row(item.toy, item.result) for item in finished]
    write_atomically(folder / RESULTS, json.dumps(to_json(json_rows), indent=1, allow_nan=False) + "\n")
    seed_rows = _list_seed_rows(study, [item.toy for item in finished], folder)
    write_atomically(folder / SEEDS, format_rows(seed_rows))
    return [folder / RESULTS, folder / SEEDS]


def to_json_row(toy: LoadedToy, result: Result) -> dict[str, Any]:
    """Return the outcome of a toy for results.json."""
    return {
        "name": toy.name,
        "source": toy.toy.source,
        "settings": repr(toy.settings),
        "reading": result.reading,
        "ends": asdict(result.ends),
        "checks": [asdict(check) for check in result.checks],
    }


def ends_section(item: FinishedToy) -> Section:
    """Return the section that says where a toy's arms ended, with the figures."""
    toy = item.toy
    ends = item.result.ends
    table = Table(f"{toy.name}-ends", ends.title, ends.columns)
    table.rows.extend(PageRow(arm, [*map(Cell, cells)]) for arm, cells in ends.rows.items())
    source = f"Source: {toy.toy.source}." if toy.toy.source else ""
    return Section(toy.title, "\n".join(filter(None, (source, item.gap))), table, item.figures, gap=item.gap)


def profile_section(item: FinishedToy) -> Section:
    """Return the collapse profiles of a toy's arms."""
    table = Table(f"{item.toy.name}-profile", "Definition", ["Here", "Measured, 95 % interval", "Rule"])
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
    return table_section(f"{item.toy.title}: model collapse profile", words, table)
