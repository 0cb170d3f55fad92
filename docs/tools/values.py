"""Every measured value of the kept summaries, as rows, as CSV and as a table of all arms."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

import numpy as np
from evidence import judged, mean_cell
from tables import table_lines

from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.motion.measures.metrics import METRICS, find_metric
from selfcorrect.statistics import half_life_interval

COLUMNS = ("experiment", "denoiser", "policy", "lambda", "corrector", "strength", "remedy", "sampling", "seed",
           "generation", "metric", "value")  # fmt: skip
"""Of results.csv. experiment: the kept summary; lambda: synthetic samples per real one; strength: operator and γ."""

KEYS = tuple(metric.key for metric in METRICS)


def rows(summaries: Mapping[str, Summary], *, every_generation: bool = False) -> Iterator[tuple[object, ...]]:
    """Rows of `COLUMNS` for all kept summaries; the last generation alone unless asked for every one."""
    for name, summary in summaries.items():
        for denoiser in summary.arms:
            for arm, curves, _ in arms_of(summary, denoiser):
                for key in KEYS:
                    for seed, values in enumerate(curves.values.get(key, ())):
                        chosen = range(len(values)) if every_generation else (len(values) - 1,)
                        for generation in chosen:
                            if np.isfinite(values[generation]):
                                place = summary.first_seed + seed, generation, key, f"{values[generation]:.6g}"
                                yield name, denoiser, *_arm_cells(arm), *place


def _arm_cells(arm: ArmSettings) -> tuple[object, ...]:
    policy, _, ratio = arm.policy.partition(":")
    corrector = f"{arm.corrector} (real data too)" if arm.correct_real else arm.corrector
    strength = f"{arm.operator} {arm.strength:g}" if np.isfinite(arm.strength) else "full"
    sampling = " ".join(f"{name}={value:g}" for name, value in arm.sampling.items())
    return policy, ratio, corrector, strength, arm.remedy, sampling


def as_csv(summaries: Mapping[str, Summary], *, every_generation: bool = False) -> str:
    """All values as text of comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(summaries, every_generation=every_generation))
    return text.getvalue()


def all_arms(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a table of every arm, which the site has: means over seeds of the later half of the generations."""
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
                means = [
                    mean_cell(judged(curves, each.key), each) if each.key in curves.values else "" for each in metrics
                ]
                rows.append([name, denoiser, arm.label, *means, half_life(curves)])
    yield from table_lines(["experiment", "denoiser", "arm", *(each.title for each in metrics), "half-life"], rows)


def arms_of(summary: Summary, denoiser: str) -> Iterator[tuple[ArmSettings, ArmCurves, ArmCurves | None]]:
    """Arm, its curves, and those of its plain arm where it has one beside itself."""
    curves = {each.name: each for each in summary.arms[denoiser]}
    comparisons = settings_from_config(summary.settings).comparisons
    for arm in next(each for each in comparisons if each.denoiser == denoiser).arms:
        yield arm, curves[arm.name], curves.get(arm.plain.name) if arm.plain != arm else None


def half_life(curves: ArmCurves) -> str:
    """The half-life of coverage in words."""
    coverage = curves.values["coverage"]
    if not (coverage[:, 0] > 0).all():
        return "–"
    middle = half_life_interval(coverage).estimate
    return f"{middle:.1f}" if np.isfinite(middle) else f"> {coverage.shape[1] - 1}"
