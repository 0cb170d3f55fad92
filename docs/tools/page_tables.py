"""The table of root forces, and tables of all arms and runs."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from claims import join_stage
from evidence import arms_by_name, average_late, change_cell, distances, late_change, mean_cell, real_values
from splits_page import FORCES, LOW_PASS, PHYSICS, read_results
from tables import table_lines

from selfcorrect.experiments.motion.settings import arms_from_config
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.results import MEMORISER, ArmCurves
from selfcorrect.experiments.studies.summary import Summary, format_rows
from selfcorrect.motion.measures.metrics import Metric, find_metric

FORCE = "needed_force_bodyweights"


_TREATMENTS = ("uncorrected", "low-pass", "kinematic", "physics")
_PLAIN = tuple(f"replace+{corrector}" for corrector in ("none", *_TREATMENTS[1:]))
_FORCES = (
    ("MuJoCo follows the motion, small DCT MLP, λ = 1", "ratios-quick-pybullet", "small-dct-mlp", "augment-1"),
    ("the same, fully synthetic", "ratios-quick-pybullet", "small-dct-mlp", "replace"),
    ("the same, patch mixer, fully synthetic", "own-corrector", "patch-mixer", "replace"),
)
"""Judge and network, summary, denoiser and policy of each row of the table of root forces."""
_SPLITS_JUDGE = "inverse dynamics and friction cones, temporal convolutions, λ = 1, ancestral steps"


def forces_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield the lines of the table of the root force that samples and real motion need."""
    metric = find_metric(FORCE)
    rows = []
    for title, name, denoiser, policy in _FORCES:
        curves = arms_by_name(summaries[name], denoiser)
        arms = [arm.replace("replace", policy) for arm in _PLAIN]
        late = [average_late(curves[arm], FORCE) if arm in curves else None for arm in arms]
        values = (real_values(summaries[name], FORCE), *late)
        rows.append([title, "built-in clips", *(_score_cell(column, metric) for column in values)])
    rows += [_recipe_forces(), _split_forces()]
    yield from table_lines(["judge", "windows", "real motion", *_TREATMENTS], rows)


def _recipe_forces() -> list[str]:
    """Return the row of temporal convolutions at λ = 1, means of both splits of the subjects."""
    stage = join_stage(5)
    curves = arms_by_name(stage, "temporal-conv")
    columns = [real_values(stage, FORCE)]
    columns += [average_late(curves[arm.replace("replace", "augment-1")], FORCE) for arm in _PLAIN]
    cells = [f"{np.mean(column):.2f}" for column in columns if column is not None]
    return ["the same, temporal convolutions, λ = 1, ancestral steps ([page](recipe.md))", "CMU, two splits", *cells]


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
    metrics = [find_metric(key) for key in KEYS]
    rows = []
    for name, summary in summaries.items():
        for denoiser in summary.arms:
            rows += [[f"**{name}, {denoiser}**"], *_real_rows(summary, metrics), *_arm_rows(summary, denoiser, metrics)]
    heads = ["", *(metric.title for metric in metrics), f"{metrics[0].name}, change"]
    yield from table_lines(heads, rows)


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


def _arm_rows(summary: Summary, denoiser: str, metrics: Sequence[Metric]) -> Iterator[list[str]]:
    for arm, curves, plain in arms_of(summary, denoiser):
        cells = [cell(curves, metric, summary) for metric in metrics]
        yield [_label(arm), *cells, _change(curves, plain, metrics[0])]


def _real_rows(summary: Summary, metrics: Sequence[Metric]) -> Iterator[list[str]]:
    """Yield what real data score, and below it what a memoriser scores: the training set resampled."""
    real = {metric.key: real_values(summary, metric.key) for metric in metrics}
    memoriser = {metric.key: summary.floors.get(MEMORISER, {}).get(metric.key) for metric in metrics}
    for title, scores in (("*real data*", real), ("*memoriser*", memoriser)):
        if any(values is not None for values in scores.values()):
            yield [title, *(_score_cell(scores[metric.key], metric) for metric in metrics)]


def _score_cell(values: np.ndarray | None, metric: Metric) -> str:
    return "" if values is None else mean_cell(values, metric)


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
    return change_cell(late_change(curves, plain, metric.key), metric.digits)
