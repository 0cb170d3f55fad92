"""The table of each page of results: its arms, its runs and its metrics."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from evidence import average_late, change_cell, distances, mean_cell, real_values
from keeping import SUMMARIES
from tables import table_lines
from values import arms_of

from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.results import MEMORISER, ArmCurves
from selfcorrect.experiments.studies.summary import Summary
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
_CORRECTORS = ("none", "physics", "kinematic", "low-pass", "anchored", "anchored-real", "placebo", "filter")
_HELD_OUT = (
    _BASE,
    *(f"{policy}+{corrector}" for policy in ("augment-1", "replace") for corrector in _CORRECTORS),
    "accumulate-1+none",
    "accumulate-1+physics",
)
_FEASIBLE = (_BASE, *(f"replace+{corrector}" for corrector in (*_CORRECTORS, "low-pass-then-physics")))
_BY_N = (_BASE, "replace+none", "replace+physics")
_DCT, _MIXER, _CONV = "dct-mlp", "patch-mixer", "temporal-conv"

TABLES = {
    "demo": PageTable(
        ("coverage", "penetration_mm", "skate_m_s", FORCE),
        (Group("Patch mixer", "demo", _MIXER), Group("DCT MLP", "demo", _DCT)),
    ),
    "held-out": PageTable(
        ("coverage", "penetration_mm", "skate_m_s", "fid_kinematic"),
        (
            Group("DCT MLP", "full-smooth", _DCT, _HELD_OUT),
            Group("Patch mixer", "full-jittery", _MIXER, _HELD_OUT),
        ),
    ),
    "feasibility": PageTable(
        (FORCE, "without_support_percent", "penetration_mm", "skate_m_s"),
        (
            Group("DCT MLP", "full-smooth", _DCT, _FEASIBLE),
            Group("Patch mixer", "full-jittery", _MIXER, _FEASIBLE),
        ),
    ),
    "real-windows": PageTable(
        ("coverage", FORCE),
        (
            *(Group(f"DCT MLP, n = {n}", f"n{n}", _DCT, _BY_N) for n in (64, 128, 256, 1024)),
            *(Group(f"Patch mixer, n = {n}", f"n{n}-jittery", _MIXER, _BY_N) for n in (64, 128, 256, 512)),
        ),
    ),
    "remedies": PageTable(
        ("coverage", FORCE),
        (
            Group("Twenty generations, DCT MLP", "modes", _DCT),
            Group("A quarter renewed, DCT MLP", "renewal", _DCT),
            Group("Published remedies, DCT MLP", "remedies", _DCT),
            Group("Twelve generations, patch mixer", "mixer", _MIXER),
            Group("Held-out subjects, 256 windows, DCT MLP", "cmu", _DCT),
        ),
    ),
    "sampling": PageTable(("coverage", "recall", FORCE, "fid_kinematic"), (Group("DCT MLP", "guidance", _DCT),)),
    "text": PageTable(
        ("r_precision_3", "coverage", "penetration_mm", "fid_kinematic"), (Group("DCT MLP", "text", _DCT),)
    ),
    "strictness": PageTable(
        (FORCE, "coverage", "recall"),
        (
            Group("Fully synthetic, patch mixer", "strictness", _MIXER),
            Group("Fully synthetic, DCT MLP", "strictness", _DCT),
            Group("λ = 1, patch mixer", "strictness-half", _MIXER),
            Group("λ = 1, DCT MLP", "strictness-half", _DCT),
        ),
    ),
    "stages": PageTable(
        (FORCE, "penetration_mm", "skate_m_s", "fid_kinematic"),
        (Group("Patch mixer", "stages-mixer", _MIXER), Group("DCT MLP", "stages-mlp", _DCT)),
    ),
    "generator": PageTable(
        ("recall", "coverage", "jerk_m_s3", FORCE),
        (
            Group("Held-out subjects, DCT MLP", "generator", _DCT),
            Group("Held-out subjects, temporal convolutions", "generator-conv", _CONV),
        ),
    ),
}
"""Page of docs/results → its table."""


def page_table(table: PageTable, summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table, and below it the command, time and version of each run."""
    metrics = [find_metric(key) for key in table.keys]
    rows = [row for group in table.groups for row in _rows(group, summaries[group.summary], metrics)]
    heads = ["", *(metric.title for metric in metrics), f"{metrics[0].name}, change"]
    yield from table_lines(heads, rows)
    yield ""
    for name in dict.fromkeys(group.summary for group in table.groups):
        yield f"* {caption(summaries[name])}"


def _rows(group: Group, summary: Summary, metrics: list[Metric]) -> Iterator[list[str]]:
    yield [f"**{group.title}**"]
    yield from _real_rows(group, summary, metrics)
    for arm, curves, plain in arms_of(summary, group.denoiser):
        if not group.arms or arm.name in group.arms:
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
    return "real data only" if arm == BASELINE else arm.label


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


def caption(summary: Summary) -> str:
    """Return seeds, command, time, machine and version of a run."""
    record = summary.made
    version = record.get("packages", {}).get("selfcorrect", "")
    return (
        f"{summary.seeds} seeds, {summary.generations} generations, {summary.settings['real_count']} training windows: "
        f"`{summary.command}`, {record['core_hours']:.2g} core-hours on {record['processor']}, {record['date']}, "
        f"version {version}."
    )
