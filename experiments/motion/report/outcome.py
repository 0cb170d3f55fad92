"""All that a finished motion experiment measured, collected from its run folders and judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.analysis.theory import guaranteed_ratio
from selfcorrect.models.diffusion.presets import preset
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.tracking import rows_of

from ...reporting.figures import ShareLine
from ...reporting.results import ArmCurves, collect
from ..run.feasibility import read_feasibility
from ..run.references import CORRECTED_REAL, REAL, read_references
from ..run.seed_runs import SeedRun, seed_runs
from ..settings.arms import BASELINE, Arm
from ..settings.presets import MotionSettings


@dataclass(frozen=True)
class Outcome:
    """Everything measured, arranged: curves of every denoiser's arms, and what real data score."""

    settings: MotionSettings
    curves: Mapping[str, Mapping[Arm, ArmCurves]]
    """Denoiser → arm → curves."""
    real: Mapping[str, np.ndarray]
    """Metric → (S,) values per seed of real data."""
    corrected_real: Mapping[str, np.ndarray]
    """The same of corrected real data."""
    retrieved: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """What else real data score by their captions: title → metric → (S,)."""

    @property
    def floors(self) -> dict[str, Mapping[str, np.ndarray]]:
        """All that real data score, by title."""
        return {REAL: self.real, CORRECTED_REAL: self.corrected_real, **self.retrieved}

    @property
    def floor(self) -> dict[str, float]:
        """What real data score on average."""
        return {key: float(values.mean()) for key, values in self.real.items()}

    def groups(self) -> Iterator[tuple[str, str, list[Arm]]]:
        """Denoiser, title of a group of arms that share a policy, the arms; the baseline is in every group."""
        for denoiser, arms in self.curves.items():
            for group in dict.fromkeys(arm.group for arm in arms if arm != BASELINE):
                members = [arm for arm in arms if arm == BASELINE or arm.group == group]
                yield denoiser, f"{preset(denoiser).character} ({denoiser}), {group}", members


def read_outcome(settings: MotionSettings, folder: Path) -> Outcome:
    """Collect a finished experiment from its run folders."""
    everywhere = seed_runs(settings, folder)
    curves = {
        comparison.denoiser: {
            arm: collect(
                [row for run in everywhere if run.comparison == comparison for row in arm_rows(run, arm)],
                arm.name,
                f"{comparison.preset.character}, {arm.group}",
                arm.title,
            )
            for arm in comparison.arms
        }
        for comparison in settings.comparisons
    }
    scores = [read_references(run.seed_folder) for run in everywhere if run.comparison == settings.comparisons[0]]
    stacked = {name: _stack(scores, name) for name in scores[0]}
    real, corrected = stacked.pop(REAL), stacked.pop(CORRECTED_REAL)
    return Outcome(settings, curves, real, corrected, stacked)


def arm_rows(run: SeedRun, arm: Arm) -> list[dict[str, Any]]:
    """One row per generation of an arm: who it is, its metrics, its timings.

    All arms share generation 0, whose time only the first of them has, so that times may be added up.
    """
    store, first = FolderReader(run.arm_folder(arm)), FolderReader(run.first_folder)
    who = {"denoiser": run.comparison.denoiser, "arm": arm.name, "seed": run.seed}
    feasibility = read_feasibility(run.arm_folder(arm))
    shared = first.timings(0) if arm == run.comparison.arms[0] else {}
    return [
        {
            **who,
            **row,
            **feasibility.get(row["generation"], {}),
            **_seconds(store.timings(row["generation"]) if row["generation"] else shared),
        }
        for row in rows_of(store, first)
    ]


FEWEST_RATIOS = 3
"""Synthetic ratios that make a line."""


def by_share(arms: Mapping[Arm, ArmCurves], judged: Sequence[str]) -> list[ShareLine]:
    """Lines by synthetic share, from real data only to fully synthetic; none of those with too few ratios.

    judged: the correctors that an experiment asks about.
    """
    lines: dict[str, dict[float, ArmCurves]] = {}
    strong = {Arm(arm.policy, corrector).title for arm in arms for corrector in ("none", *judged)}
    for arm, curves in arms.items():
        if arm.policy.partition(":")[0] in ("replace", "augment"):
            lines.setdefault(arm.title, {})[arm.synthetic_share] = curves
    start = {BASELINE.synthetic_share: arms[BASELINE]} if BASELINE in arms else {}
    return [
        ShareLine(title, start | line, judged=title in strong)
        for title, line in lines.items()
        if len(line) >= FEWEST_RATIOS
    ]


def guarantees() -> dict[str, float]:
    """Words → synthetic share up to which theory guarantees stability at best (κ = 1)."""
    ratios = {"guaranteed at best, uncorrected": guaranteed_ratio(), "corrected": guaranteed_ratio(math.inf)}
    return {words: ratio / (1 + ratio) for words, ratio in ratios.items()}


def _seconds(timings: Mapping[str, float]) -> dict[str, float]:
    return {f"seconds_{phase}": value for phase, value in timings.items()}


def _stack(scores: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> dict[str, np.ndarray]:
    return {key: np.array([score[name][key] for score in scores]) for key in scores[0][name]}
