"""Arms by the share of synthetic samples that they train on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from selfcorrect.analysis.theory import guaranteed_ratio

from ..reporting.figures import ShareLine
from ..reporting.results import ArmCurves
from .outcome import A

FEWEST_RATIOS = 3
"""Synthetic ratios that make a line."""


def by_share(arms: Mapping[A, ArmCurves], judged: Collection[str]) -> list[ShareLine]:
    """Lines by synthetic share, from real data only to fully synthetic; none of those with too few ratios.

    judged: the lines that a study asks about.
    """
    lines: dict[str, dict[float, ArmCurves]] = {}
    for arm, curves in arms.items():
        if arm.line:
            lines.setdefault(arm.line, {})[arm.axes["synthetic_share"]] = curves
    baseline = baseline_of(arms)
    start = {} if baseline is None else {0.0: baseline}
    return [
        ShareLine(title, start | line, judged=title in judged)
        for title, line in lines.items()
        if len(line) >= FEWEST_RATIOS
    ]


def baseline_of(arms: Mapping[A, ArmCurves]) -> ArmCurves | None:
    """The curves of the first arm that trains on real data alone."""
    return next((curves for arm, curves in arms.items() if arm.is_baseline), None)


def guarantees() -> dict[str, float]:
    """Words → synthetic share up to which theory guarantees stability at best (κ = 1)."""
    ratios = {"guaranteed at best, uncorrected": guaranteed_ratio(), "corrected": guaranteed_ratio(math.inf)}
    return {words: ratio / (1 + ratio) for words, ratio in ratios.items()}
