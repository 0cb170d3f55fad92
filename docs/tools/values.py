"""Every measured value of the kept summaries, as rows, as CSV and as tables of all arms and runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

import numpy as np
from evidence import arms_by_name, average_late, mean_cell
from tables import table_lines

from selfcorrect.experiments.motion.settings import arms_from_config
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import METRICS, find_metric
from selfcorrect.statistics import half_life_interval

COLUMNS = ("experiment", "denoiser", "policy", "lambda", "corrector", "strength", "remedy", "sampling", "seed",
           "generation", "metric", "value")  # fmt: skip
"""Columns of results.csv. experiment: summary; lambda: synthetic samples per real one; strength: operator and γ."""

KEYS = tuple(metric.key for metric in METRICS)


def rows(summaries: Mapping[str, Summary]) -> Iterator[tuple[object, ...]]:
    """Yield rows of `COLUMNS` for the last generation of all kept summaries."""
    for name, summary in summaries.items():
        for denoiser in summary.arms:
            for arm, curves, _ in arms_of(summary, denoiser):
                for key in KEYS:
                    for seed, values in enumerate(curves.values.get(key, ())):
                        if np.isfinite(values[-1]):
                            place = summary.first_seed + seed, len(values) - 1, key, f"{values[-1]:.6g}"
                            yield name, denoiser, *_arm_cells(arm), *place


def _arm_cells(arm: ArmSettings) -> tuple[object, ...]:
    policy, _, ratio = arm.policy.partition(":")
    corrector = f"{arm.corrector} (real data too)" if arm.correct_real else arm.corrector
    strength = f"{arm.operator} {arm.strength:g}" if np.isfinite(arm.strength) else "full"
    sampling = " ".join(f"{name}={value:g}" for name, value in arm.sampling.items())
    return policy, ratio, corrector, strength, arm.remedy, sampling


def as_csv(summaries: Mapping[str, Summary]) -> str:
    """Return the values of the last generation as text of comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(summaries))
    return text.getvalue()


def all_arms(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield lines of the site's table of all arms: means over seeds of the later half of the generations."""
    keys = (
        "recall",
        "coverage",
        "penetration_mm",
        "skate_m_s",
        "jerk_m_s3",
        "needed_force_bodyweights",
        "fid_kinematic",
    )
    metrics = [find_metric(key) for key in keys]
    rows = []
    for name, summary in summaries.items():
        for denoiser in summary.arms:
            for arm, curves, _ in arms_of(summary, denoiser):
                means = []
                for metric in metrics:
                    has_values = metric.key in curves.values
                    means.append(mean_cell(average_late(curves, metric.key), metric) if has_values else "")
                rows.append([name, denoiser, arm.title, *means, format_half_life(curves)])
    yield from table_lines(["experiment", "denoiser", "arm", *(metric.title for metric in metrics), "half-life"], rows)


def all_runs(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield lines of the site's table of all runs: the command that repeats a run, and with what it was made."""
    rows = []
    for name, summary in summaries.items():
        record = summary.made
        version = record.get("packages", {}).get("selfcorrect", "")
        hours = f"{record['core_hours']:.2g}"
        rows.append([name, f"`{summary.command}`", hours, record["processor"], record["date"], version])
    yield from table_lines(["experiment", "command", "core-hours", "processor", "date", "version"], rows)


def arms_of(summary: Summary, denoiser: str) -> Iterator[tuple[ArmSettings, ArmCurves, ArmCurves | None]]:
    """Yield each arm, its curves, and those of its plain arm if that is another."""
    curves = arms_by_name(summary, denoiser)
    comparisons = summary.settings["comparisons"]
    comparison = next(comparison for comparison in comparisons if comparison["denoiser"] == denoiser)
    for arm in arms_from_config(comparison):
        yield arm, curves[arm.key], curves.get(arm.plain.key) if arm.plain != arm else None


def format_half_life(curves: ArmCurves) -> str:
    """Return the half-life of coverage in words."""
    coverage = curves.values["coverage"]
    if not (coverage[:, 0] > 0).all():
        return "–"
    middle = half_life_interval(coverage).estimate
    return f"{middle:.1f}" if np.isfinite(middle) else f"> {coverage.shape[1] - 1}"
