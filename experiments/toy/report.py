"""The report of toy loops: one page with the outcome, figures, statements and collapse profiles of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.loop.run import Task
from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader

from ..studies.arms import ArmSettings
from ..studies.claims import Check
from ..studies.outcome import Outcome
from ..studies.report import FinishedRun, Page, Presentation, Section, StudyReport
from ..studies.results import ArmCurves
from ..studies.study import SeedRun, Study
from ..studies.study_rows import collect_curves
from ..studies.summary import format_rows, realised_name
from ..studies.tables import CLAIMS_TEXT, Cell, PageRow, Table, claims_table
from .outcome import Result
from .study import (
    LoadedToy,
    derive_result,
    list_unfinished,
    load_curves,
    load_figures,
    load_run,
    split_arms,
    sum_seconds,
)
from .table import ToyRow

TITLE = "Self-consuming loops at toy scale"
RESULTS = "results.json"
SEEDS = "seeds.csv"
"""A row for each arm and seed: axes, and what the last generation measured."""
NOTES = (
    "Published loops, each held against its prediction. Lines are means over seeds with 95 % bands, dashes are "
    "predictions without fitted constants. A statement holds or fails if the whole interval is on one side.",
)


def present_toys(study: Study[Task], toys: Mapping[str, LoadedToy]) -> Presentation[Mapping[str, Result]]:
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
        make_report=partial(make_report, study, toys),
    )


def _choose_metrics(study: Study[Task], toys: Mapping[str, LoadedToy], root: Path) -> list[Metric]:
    """Return the first quantity of the table, for the page about a run under way; nothing for several toys."""
    toy = next(iter(toys.values())).toy
    first = FolderReader(study.runs(root)[0].first_folder)
    if len(study.tasks) > 1 or first.latest < 0:
        return []
    columns = [column for column in toy.columns if column.key in first.metrics(0)][:1]
    return [Metric(column.key, column.title, "", "neutral", 3, bounds=(-math.inf, math.inf)) for column in columns]


def collect_toys(
    study: Study[Task], toys: Mapping[str, LoadedToy], root: Path, gaps: Sequence[str] = ()
) -> Outcome[Mapping[str, Result]]:
    """Collect the means over replicates of all arms, with arms that are parts of another apart, and draw figures."""
    curves_by_task = collect_curves(study, study.runs(root))
    results = {}
    failures = []
    for name, toy in toys.items():
        for task, source in toy.sources.items():
            if task in curves_by_task and source.bundle.split:
                runs = [run for run in toy.runs(root) if run.task == task]
                curves_by_task[task] = _split_curves(study, toy, runs, curves_by_task[task])
        if list_unfinished(study, toy, root):
            continue
        results[name] = derive_result(study, toy, root)
        try:
            load_figures(toy, results[name], root)
        except Exception as error:  # tables need no figures
            failures.append(f"{name} figures stopped: {error}")
    return Outcome(results, curves_by_task, gaps=[*gaps, *failures])


def _split_curves(
    study: Study[Task], toy: LoadedToy, runs: Sequence[SeedRun], curves: Mapping[ArmSettings, ArmCurves]
) -> dict[ArmSettings, ArmCurves]:
    """Return curves with the parts of an arm, as means over replicates, in the place of a finished arm."""
    bundle = toy.sources[runs[0].task].bundle
    split: dict[ArmSettings, ArmCurves] = {}
    for arm, arm_curves in curves.items():
        parts = split_arms(bundle, arm)
        if parts == [arm] or not all(study.is_done(run, arm) for run in runs):
            split[arm] = arm_curves
            continue
        loaded = [load_run(study, toy, run) for run in runs]
        for part in parts:
            values = {}
            for key in loaded[0][part.title]:
                values[key] = np.stack([curves_of_run[part.title][key].mean(0) for curves_of_run in loaded])
            split[part] = ArmCurves(part.name, "", part.title, values, part.axes)
    return split


def _list_seed_rows(study: Study[Task], toys: Sequence[LoadedToy], root: Path) -> list[dict[str, Any]]:
    """Return a row for each arm and seed with its axes and what its last generation measured."""
    rows: list[dict[str, Any]] = []
    for toy in toys:
        axes = {}
        for task, source in toy.sources.items():
            for arm in study.arms(task):
                for part in split_arms(source.bundle, arm):
                    axes[part.title] = {**part.axes, "real_count": study.tasks[task].real_counts[arm.key]}
        for title, table in load_curves(study, toy, root).items():
            count = max(len(values) for values in table.values())
            values_by_key = {key: np.broadcast_to(values, (count, values.shape[1])) for key, values in table.items()}
            for seed in range(count):
                last = {key: float(values[seed, -1]) for key, values in values_by_key.items()}
                named = {realised_name(key, axes.get(title, {})): value for key, value in last.items()}
                rows.append({"toy": toy.name, "arm": title, "seed": seed, **axes.get(title, {}), **named})
    return rows


def make_report(
    study: Study[Task], toys: Mapping[str, LoadedToy], outcome: Outcome[Mapping[str, Result]], run: FinishedRun
) -> StudyReport:
    """Return the page; results.json has the outcomes beside it."""
    results = outcome.settings
    finished = [toys[name] for name in results]
    toy_seconds = {toy.name: sum_seconds(study, toy, run.root) for toy in finished}
    json_rows = []
    lines = []
    notes = [*NOTES]
    overview = Table("toys", "Loop", ["Source", "Statements that hold", "Seconds"])
    words = "Each loop with its source, and how many of its statements hold."
    sections = [Section("At a glance", words, overview)]
    for toy in finished:
        result = results[toy.name]
        seconds = toy_seconds[toy.name]
        json_rows.append(to_json_row(toy.row, toy.settings, result, seconds))
        lines.append(summarize(toy.name, result.checks, seconds))
        hold_count = sum(check.outcome == "holds" for check in result.checks)
        cells = [toy.row.source, f"{hold_count} of {len(result.checks)}", f"{seconds:.1f}"]
        overview.rows.append(PageRow(toy.name, [*map(Cell, cells)]))
        notes += result.notes
        try:
            figures = load_figures(toy, result, run.root)
        except Exception:  # a gap of the outcome says why
            figures = []
        sections += _make_sections(toy.row, result, figures)
    write_atomically(run.root / RESULTS, json.dumps(to_json(json_rows), indent=1, allow_nan=False) + "\n")
    write_atomically(run.root / SEEDS, format_rows(_list_seed_rows(study, finished, run.root)))
    checks = [check for result in results.values() for check in result.checks]
    page = Page(
        title=TITLE,
        subtitle=run.command,
        answer=f"{sum(check.outcome == 'holds' for check in checks)} of {len(checks)} statements hold.",
        warnings=outcome.gaps,
        sections=sections,
        facts={toy.name: str(toy.settings) for toy in finished},
        notes=notes,
    )
    return StudyReport(page, [*lines, *outcome.gaps], media=[run.root / RESULTS, run.root / SEEDS])


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
