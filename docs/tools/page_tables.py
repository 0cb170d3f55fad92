"""The table of each page of results, and tables of all arms and runs."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from claims import join_stage
from evidence import arms_by_name, average_late, change_cell, distances, mean_cell, real_values
from splits_page import FORCES, LOW_PASS, PHYSICS, read_results
from tables import SUMMARIES, table_lines

from selfcorrect.experiments.motion.settings import arms_from_config
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.results import MEMORISER, ArmCurves
from selfcorrect.experiments.studies.summary import Summary, format_rows
from selfcorrect.motion.measures.metrics import Metric, find_metric
from selfcorrect.statistics import mean_interval

FORCE = "needed_force_bodyweights"
MEMORISERS = SUMMARIES / "memorisers.csv"
"""Scores of training windows drawn with replacement, of runs that did not measure them (docs/results/index.md)."""


@dataclass(frozen=True)
class Group:
    """Rows of a table: arms of one denoiser of one run."""

    title: str
    summary: str
    denoiser: str
    arms: tuple[str, ...] = ()
    """Their names in the summary; all where none is named."""


@dataclass(frozen=True)
class PageTable:
    """A table of groups."""

    keys: tuple[str, ...]
    """Metrics of its columns; the last column is the paired change of the first of them."""
    groups: tuple[Group, ...]


_BASE = "real+none"
_MIXED = tuple(f"augment-1+{corrector}" for corrector in ("none", "physics", "kinematic", "low-pass"))
_REPLACED = ("none", "physics", "kinematic", "low-pass", "anchored", "anchored-real", "random-perturbation", "filter")
_CONTROLS = (_BASE, *_MIXED, *(f"replace+{corrector}" for corrector in _REPLACED), "replace+low-pass-then-physics")
_DCT, _MIXER = "dct-mlp", "patch-mixer"

TABLES = {
    "controls": PageTable(
        (FORCE, "penetration_mm", "skate_m_s", "fid_kinematic", "coverage"),
        (
            Group("DCT MLP", "full-smooth", _DCT, _CONTROLS),
            Group("Patch mixer", "full-jittery", _MIXER, _CONTROLS),
        ),
    ),
    "remedies": PageTable(
        ("coverage", FORCE),
        (
            Group("Twenty generations, DCT MLP", "modes", _DCT),
            Group("A quarter renewed, DCT MLP", "renewal", _DCT),
            Group("Published remedies, DCT MLP", "remedies", _DCT),
        ),
    ),
}
"""Name in the mark of a page → its table; the site lists all other arms with their runs."""

_TREATMENTS = ("uncorrected", "low-pass", "kinematic", "physics")
_PLAIN = tuple(f"replace+{corrector}" for corrector in ("none", *_TREATMENTS[1:]))
_HALF_STRENGTH = tuple(f"replace+{corrector}+lineages+interpolation-1" for corrector in _TREATMENTS[1:])
_FORCES = (
    ("MuJoCo follows the motion, DCT MLP", "CMU, nine held-out subjects", "full-smooth", _DCT, _PLAIN),
    ("the same, patch mixer", "the same", "full-jittery", _MIXER, _PLAIN),
    ("the same, DCT MLP ([page](remedies.md))", "built-in clips", "modes", _DCT, _PLAIN),
    (
        "the same with `lineages`, corrected at half strength",
        "built-in clips",
        "modes",
        _DCT,
        ("replace+none+lineages", *_HALF_STRENGTH),
    ),
)
"""Judge and network, windows, summary, denoiser and arms of each row of the table of root forces."""
_SPLITS_JUDGE = "inverse dynamics and friction cones, temporal convolutions, λ = 1"


def forces_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table of the root force that fully synthetic samples and real motion need."""
    metric = find_metric(FORCE)
    rows = []
    for title, windows, name, denoiser, arms in _FORCES:
        curves = arms_by_name(summaries[name], denoiser)
        late = [average_late(curves[arm], FORCE) if arm in curves else None for arm in arms]
        values = (real_values(summaries[name], FORCE), *late)
        rows.append([title, windows, *(_score_cell(column, metric) for column in values)])
    rows += [_recipe_forces(), _split_forces()]
    yield from table_lines(["judge", "windows", "real motion", *_TREATMENTS], rows)


def _recipe_forces() -> list[str]:
    """Return the row of temporal convolutions at λ = 1, means of both splits of the subjects."""
    stage = join_stage(5)
    curves = arms_by_name(stage, "temporal-conv")
    columns = [real_values(stage, FORCE)]
    columns += [average_late(curves[arm.replace("replace", "augment-1")], FORCE) for arm in _PLAIN]
    cells = [f"{np.mean(column):.2f}" for column in columns if column is not None]
    return ["the same, temporal convolutions, λ = 1 ([page](recipe.md))", "CMU, two splits", *cells]


def _split_forces() -> list[str]:
    """Return the row of inverse dynamics: ranges over the splits of the subjects."""
    splits = read_results(FORCES)
    columns = [[split["real"] for split in splits]]
    columns += [[split["force"][arm] for split in splits] for arm in (LOW_PASS, PHYSICS)]
    real, low_pass, physics = (f"{min(column):.2f} to {max(column):.2f}" for column in columns)
    title = f"{_SPLITS_JUDGE} ([page](recipe.md#eight-splits-is-the-force-nearer))"
    return [title, "CMU, eight splits", real, "", low_pass, "", physics]


KEYS = ("recall", "coverage", "penetration_mm", "skate_m_s", "jerk_m_s3", FORCE, "fid_kinematic")
"""Metrics of the table of all arms."""


def all_arms(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the site's table of all arms."""
    groups = [Group(f"{name}, {task}", name, task) for name, summary in summaries.items() for task in summary.arms]
    yield from page_table(PageTable(KEYS, tuple(groups)), summaries)


def all_runs(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield lines of the site's table of all runs: the command that repeats a run, and with what it was made."""
    rows = []
    for name, summary in summaries.items():
        record = summary.made
        version = record.get("packages", {}).get("selfcorrect", "")
        hours = f"{record['core_hours']:.2g}"
        rows.append([name, f"`{summary.command}`", hours, record["processor"], record["date"], version])
    yield from table_lines(["experiment", "command", "core-hours", "processor", "date", "version"], rows)


def as_csv(summaries: Mapping[str, Summary]) -> str:
    """Return a row for the last generation of every arm and seed of all kept summaries, as comma-separated values."""
    rows = []
    for name, summary in summaries.items():
        rows += [{"experiment": name, **row} for row in summary.rows() if row["generation"] == summary.generations]
    return format_rows(rows)


def arms_of(summary: Summary, denoiser: str) -> Iterator[tuple[ArmSettings, ArmCurves, ArmCurves | None]]:
    """Yield each arm, its curves, and those of its plain arm if that is another."""
    curves = arms_by_name(summary, denoiser)
    comparisons = summary.settings["comparisons"]
    comparison = next(comparison for comparison in comparisons if comparison["denoiser"] == denoiser)
    for arm in arms_from_config(comparison):
        yield arm, curves[arm.key], curves.get(arm.plain.key) if arm.plain != arm else None


def page_table(table: PageTable, summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table."""
    metrics = [find_metric(key) for key in table.keys]
    rows = [row for group in table.groups for row in _rows(group, summaries[group.summary], metrics)]
    heads = ["", *(metric.title for metric in metrics), f"{metrics[0].name}, change"]
    yield from table_lines(heads, rows)


def _rows(group: Group, summary: Summary, metrics: list[Metric]) -> Iterator[list[str]]:
    yield [f"**{group.title}**"]
    yield from _real_rows(group, summary, metrics)
    for arm, curves, plain in arms_of(summary, group.denoiser):
        if not group.arms or arm.key in group.arms:
            yield [
                _label(arm),
                *(cell(curves, metric, summary) for metric in metrics),
                _change(curves, plain, metrics[0]),
            ]


def _real_rows(group: Group, summary: Summary, metrics: list[Metric]) -> Iterator[list[str]]:
    """Yield what real data score, and below it what a memoriser scores: the training set resampled."""
    real = {metric.key: real_values(summary, metric.key) for metric in metrics}
    memoriser = {metric.key: _memoriser_values(group.summary, summary, metric.key) for metric in metrics}
    for title, scores in (("*real data*", real), ("*memoriser*", memoriser)):
        if any(values is not None for values in scores.values()):
            yield [title, *(_score_cell(scores[metric.key], metric) for metric in metrics)]


def _score_cell(values: np.ndarray | None, metric: Metric) -> str:
    return "" if values is None else mean_cell(values, metric)


def _memoriser_values(name: str, summary: Summary, key: str) -> np.ndarray | None:
    """Return the scores of a memoriser (S,), as the run measured them or from the file; None without either."""
    measured = summary.floors.get(MEMORISER, {}).get(key)
    return _read_memorisers().get((name, key)) if measured is None else measured


@cache
def _read_memorisers() -> dict[tuple[str, str], np.ndarray]:
    """Return the file of memorisers as summary and metric → (S,)."""
    values: dict[tuple[str, str], list[float]] = {}
    if MEMORISERS.is_file():
        with MEMORISERS.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values.setdefault((row["summary"], row["metric"]), []).append(float(row["value"]))
    return {place: np.array(seeds) for place, seeds in values.items()}


def _label(arm: ArmSettings) -> str:
    return "real data only" if arm == BASELINE else arm.title


def cell(curves: ArmCurves, metric: Metric, summary: Summary) -> str:
    """Return the mean ± half of its interval, and in brackets the mean distance to real data if that is the aim."""
    if metric.key not in curves.values:
        return ""
    real_distances = distances(curves, metric, summary) if metric.better == "real" else None
    brackets = "" if real_distances is None else f" ({float(np.mean(real_distances)):.{metric.digits}f})"
    return mean_cell(average_late(curves, metric.key), metric) + brackets


def _change(curves: ArmCurves, plain: ArmCurves | None, metric: Metric) -> str:
    if plain is None or not {metric.key} <= curves.values.keys() & plain.values.keys():
        return ""
    return change_cell(mean_interval(average_late(curves, metric.key) - average_late(plain, metric.key)), metric.digits)
