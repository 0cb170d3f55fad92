"""Tables of the changes by correction at each synthetic ratio, and pooled over the ratios that keep real data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from evidence import arms_by_name, average_late, change_cell, distances, real_values
from tables import table_lines

from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import Metric, find_metric
from selfcorrect.statistics import mean_interval

PARTIAL = ("0.25", "0.5", "0.75", "1", "2", "4")
FULL = "replace"
ROWS = (
    ("coverage", "DCT MLP", "ratios-smooth", "dct-mlp"),
    ("coverage", "patch mixer", "ratios-jittery", "patch-mixer"),
    ("penetration_mm", "DCT MLP", "ratios-smooth", "dct-mlp"),
    ("penetration_mm", "patch mixer", "ratios-jittery", "patch-mixer"),
    ("needed_force_bodyweights", "DCT MLP", "ratios-force", "dct-mlp"),
    ("needed_force_bodyweights", "patch mixer", "ratios-force", "patch-mixer"),
)
"""Metric, denoiser in words, summary, denoiser."""
COLUMNS = (("none", "real"), ("physics", "none"), ("kinematic", "none"), ("low-pass", "none"))
"""Corrector, and what it is compared with: training on real data only, or no correction."""


def shares_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield a section for each metric and denoiser: paired changes by synthetic ratio."""
    heads = ["λ", "uncorrected", "physics", "kinematic clean-up", "low-pass filter"]
    for key, words, name, denoiser in ROWS:
        arms = arms_by_name(summaries[name], denoiser)
        metric = find_metric(key)
        partial = [f"augment-{ratio}" for ratio in PARTIAL if f"augment-{ratio}+none" in arms]
        groups = {**{_ratio_title(policy): [policy] for policy in (*partial, FULL)}, "finite λ, pooled": partial}
        rows = [[title, *_cells(arms, policies, metric)] for title, policies in groups.items()]
        real = real_values(summaries[name], key)
        aim = "" if real is None else f" (real data: {real.mean():.{metric.digits}f})"
        if metric.better == "real" and real is not None:
            for row, policies in zip(rows, groups.values(), strict=True):
                row.append(_nearer(arms, policies, metric, summaries[name]))
        last_head = [] if len(rows[0]) == len(heads) else ["physics, nearer to real by"]
        yield from (f"### {metric.title}, {words}{aim}", "", *table_lines([*heads, *last_head], rows), "")


def _ratio_title(policy: str) -> str:
    return "fully synthetic" if policy == FULL else policy.removeprefix("augment-")


def _cells(arms: Mapping[str, ArmCurves], policies: Sequence[str], metric: Metric) -> Iterator[str]:
    for corrector, reference in COLUMNS:
        pairs = []
        for policy in policies:
            reference_arm = "real+none" if reference == "real" else f"{policy}+{reference}"
            pairs.append((f"{policy}+{corrector}", reference_arm))
        yield change_cell(mean_interval(average_differences(arms, pairs, metric.key)), metric.digits + 1)


def _nearer(arms: Mapping[str, ArmCurves], policies: Sequence[str], metric: Metric, summary: Summary) -> str:
    """Return by how much physics is nearer to the value of real data than no correction, mean over policies."""
    changes = []
    for policy in policies:
        plain = distances(arms[f"{policy}+none"], metric, summary)
        corrected = distances(arms[f"{policy}+physics"], metric, summary)
        if plain is not None and corrected is not None:
            changes.append(plain - corrected)
    return change_cell(mean_interval(np.mean(changes, axis=0)), metric.digits + 1)


def average_differences(arms: Mapping[str, ArmCurves], pairs: Sequence[tuple[str, str]], key: str) -> np.ndarray:
    """Average the differences between two arms over pairs of arms, paired by seed.

    Args:
        arms: Name of each arm → its curves.
        pairs: Names of an arm and of the arm that is subtracted.
        key: Metric.

    Returns:
        Mean difference of each seed (S,).
    """
    differences = [average_late(arms[arm], key) - average_late(arms[reference], key) for arm, reference in pairs]
    return np.mean(differences, axis=0)
