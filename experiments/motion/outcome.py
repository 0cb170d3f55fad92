"""All that a finished motion experiment measured, collected from its run folders and judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.experiments.motion.arms import BASELINE, Arm
from selfcorrect.experiments.motion.presets import MotionSettings
from selfcorrect.experiments.motion.quantities import quantity_of
from selfcorrect.experiments.motion.references import CORRECTED_REAL, REAL, read_references
from selfcorrect.experiments.motion.seed_runs import SeedRun, seed_runs
from selfcorrect.experiments.reporting import verdict
from selfcorrect.experiments.reporting.results import ArmCurves, collect
from selfcorrect.models.diffusion.presets import preset
from selfcorrect.storage.folder_store import FolderReader
from selfcorrect.theory import guaranteed_ratio
from selfcorrect.tracking import rows_of

JUDGED = ("fid_kinematic", "recall")
"""The two measures, one per axis, that the verdict rests on; judging more would need stronger evidence for each."""


@dataclass(frozen=True)
class Outcome:
    """Everything measured, arranged: curves of every denoiser's arms, and what real data score."""

    settings: MotionSettings
    curves: Mapping[str, Mapping[Arm, ArmCurves]]
    """Denoiser → arm → curves."""
    real: Mapping[str, np.ndarray]
    """Quantity → (S,) values per seed of real data."""
    corrected_real: Mapping[str, np.ndarray]
    """The same of corrected real data."""

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
    return Outcome(settings, curves, _stack(scores, REAL), _stack(scores, CORRECTED_REAL))


def arm_rows(run: SeedRun, arm: Arm) -> list[dict[str, Any]]:
    """One row per generation of an arm: who it is, its metrics, its timings."""
    store, first = FolderReader(run.arm_folder(arm)), FolderReader(run.first_folder)
    who = {"denoiser": run.comparison.denoiser, "arm": arm.name, "seed": run.seed}
    return [
        {**who, **row, **_seconds((first if row["generation"] == 0 else store).timings(row["generation"]))}
        for row in rows_of(store, first)
    ]


FEWEST_RATIOS = 3
"""Synthetic ratios that make a line."""


def by_ratio(arms: Mapping[Arm, ArmCurves]) -> dict[str, dict[str, ArmCurves]]:
    """Title of corrector and defence → synthetic ratio in words → curves; nothing of those with too few ratios."""
    lines: dict[str, dict[str, ArmCurves]] = {}
    for arm, curves in arms.items():
        if arm.policy == "replace" or arm.policy.startswith("augment"):
            lines.setdefault(arm.title, {})[arm.group] = curves
    return {title: line for title, line in lines.items() if len(line) >= FEWEST_RATIOS}


def guarantees(lines: Mapping[str, Mapping[str, ArmCurves]]) -> dict[str, float]:
    """Words → where on an axis of the ratios of `by_ratio` theory ceases to guarantee stability, at best (κ = 1).

    Nothing where that is beyond the ratios or these are in no order.
    """
    places = dict.fromkeys(place for line in lines.values() for place in line)
    ratios = [float(place.removeprefix("λ = ")) for place in places if place.startswith("λ = ")]
    ends = {"guaranteed at best, uncorrected": guaranteed_ratio(), "corrected": guaranteed_ratio(math.inf)}
    if ratios != sorted(ratios):
        return {}
    return {
        words: float(np.interp(end, ratios, np.arange(len(ratios))))
        for words, end in ends.items()
        if ratios and ratios[0] <= end <= ratios[-1]
    }


def _seconds(timings: Mapping[str, float]) -> dict[str, float]:
    return {f"seconds_{phase}": value for phase, value in timings.items()}


def _stack(scores: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> dict[str, np.ndarray]:
    return {key: np.array([score[name][key] for score in scores]) for key in scores[0][name]}


def _pairs(outcome: Outcome) -> list[tuple[str, Arm, Arm]]:
    """Denoiser, arm, and the plain one it is compared with; those the verdict is about first."""
    pairs = [
        (denoiser, arm, arm.plain)
        for denoiser, arms in outcome.curves.items()
        for arm in arms
        if arm.plain in arms and arm.plain != arm
    ]
    return sorted(pairs, key=lambda pair: not _asked(pair[1]))


def judged_effects(outcome: Outcome) -> list[verdict.Effect]:
    """All effects in the order of `_pairs`: physics is what the experiment asks about, the rest is judged apart."""
    pairs = _pairs(outcome)
    families = ([pair for pair in pairs if _asked(pair[1])], [pair for pair in pairs if not _asked(pair[1])])
    return [effect for family in families for effect in _judge_family(outcome, family)]


def _asked(arm: Arm) -> bool:
    """Whether an arm is one that the verdict is about."""
    return arm == Arm(arm.policy, "physics")


def _judge_family(outcome: Outcome, pairs: Sequence[tuple[str, Arm, Arm]]) -> list[verdict.Effect]:
    curves = [(outcome.curves[name][arm], outcome.curves[name][other]) for name, arm, other in pairs]
    return verdict.effects(curves, [quantity_of(key) for key in JUDGED], outcome.floor)


def verdict_sentences(outcome: Outcome) -> list[str]:
    """The headline, then one sentence for each arm that it is about."""
    pairs = [pair for pair in _pairs(outcome) if _asked(pair[1])]
    judged = _judge_family(outcome, pairs)
    details = [
        verdict.sentence(effects, outcome.curves[denoiser][BASELINE], outcome.settings.generations)
        for (denoiser, _, _), effects in zip(pairs, by_pair(judged), strict=True)
    ]
    return [verdict.headline(judged, "physics"), *details]


def by_pair(judged: Sequence[verdict.Effect]) -> list[Sequence[verdict.Effect]]:
    """The effects of one pair together."""
    return [judged[start : start + len(JUDGED)] for start in range(0, len(judged), len(JUDGED))]
