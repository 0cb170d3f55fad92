"""The question of a motion experiment, its answer in one sentence, and the pairs of arms that it rests on."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from selfcorrect.motion.measures.metrics import find_metric

from ...reporting import verdict
from ...studies.arms import BASELINE, Arm
from ...studies.outcome import Judged, Outcome, Pair
from ...studies.shares import CorrectedLine, corrected_by_share, describe_by_share
from ..correctors.table import corrector_row, is_own
from ..settings.experiment import MotionSettings

JUDGED = ("fid_kinematic", "recall")
"""The two measures, one per axis, that the answer rests on; judging more would need stronger evidence for each."""

PICTURED = ("fid_kinematic", "recall", "penetration_mm", "unsupported_percent")
"""Metrics of the picture by synthetic share: realism, diversity, artefacts and feasibility."""


MotionOutcome: TypeAlias = Outcome[MotionSettings]
MotionJudged: TypeAlias = Judged[MotionSettings]


def correctors_of(settings: MotionSettings) -> list[str]:
    """Return all correctors of an experiment: users' own first, then built-in ones, controls last."""
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    names = dict.fromkeys(arm.corrector for arm in arms if arm.corrector != "none")
    return sorted(names, key=lambda name: 0 if is_own(name) else 1 + is_control(name))


def is_control(corrector: str) -> bool:
    """Return whether a built-in corrector is a control."""
    return not is_own(corrector) and corrector_row(corrector).control


def asked_correctors(settings: MotionSettings) -> list[str]:
    """Return the correctors that an experiment asks about: users' own, else physics, else all that were run.

    Controls are asked about where nothing else was run.
    """
    names = correctors_of(settings)
    own = [name for name in names if is_own(name)]
    physics = [name for name in names if name == "physics"]
    return own or physics or [name for name in names if not is_control(name)] or names


def question(settings: MotionSettings) -> str:
    """Return the title of an experiment."""
    if names := asked_correctors(settings):
        return f"Does {_listed(names)} correction keep a self-consuming motion model from collapsing?"
    return "How fast does a self-consuming motion model collapse without correction?"


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def judged(outcome: MotionOutcome) -> MotionJudged:
    """Pair all arms with the uncorrected ones, for the measures that the answer rests on.

    First come those that the experiment asks about, in the order of their correctors.
    """
    pairs = [
        Pair(denoiser, arm, arm.plain)
        for denoiser, arms in outcome.curves.items()
        for arm in arms
        if arm.plain in arms and arm.plain != arm
    ]
    asked = [pair for name in asked_correctors(outcome.settings) for pair in _about(name, pairs)]
    others = [pair for pair in pairs if pair not in asked]
    return Judged(outcome, [*asked, *others], [find_metric(key) for key in JUDGED], len(asked))


def _about(corrector: str, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with a corrector and nothing else, at full strength if there are any; else all with it."""
    found = [pair for pair in pairs if pair.arm.corrector == corrector]
    bare = [pair for pair in found if pair.arm == Arm(pair.arm.policy, corrector, pair.arm.strength)]
    full = [pair for pair in bare if math.isinf(pair.arm.strength)]
    return full or bare or found


def answer(found: MotionJudged) -> str:
    """Return the answer to `question` in one sentence."""
    if not found.asked:
        return _describe_uncorrected(found.outcome)
    if lines := lines_by_share(found, asked_alone=True):
        return describe_by_share(found.outcome, lines)
    return verdict.headline(found.asked_effects)


def lines_by_share(found: MotionJudged, *, asked_alone: bool = False) -> list[CorrectedLine]:
    """Return corrected lines against the uncorrected one by synthetic share; asked_alone: only those asked about."""
    asked = {(pair.task, pair.arm.line) for pair in found.asked}
    return [line for line in corrected_by_share(found) if not asked_alone or (line.task, line.line) in asked]


def _describe_uncorrected(outcome: MotionOutcome) -> str:
    """Return a sentence on the recall of an experiment without correctors."""
    if outcome.settings.seeds == 1:
        return verdict.ONE_SEED
    endings = []
    for arms in outcome.curves.values():
        for arm, curves in arms.items():
            if arm == Arm(arm.policy) and arm != BASELINE:
                endings.append(f"{curves.last('recall').mean():.2f} ({arm.group})")
    real = np.mean([arms[BASELINE].last("recall").mean() for arms in outcome.curves.values()])
    return f"Without correction, recall ends at {', '.join(endings)}; training on real data only keeps {real:.2f}."


def shown_pairs(found: MotionJudged) -> list[Pair]:
    """Return for each denoiser the pair with the largest synthetic share that the answer rests on.

    Without correctors, each plain loop is a pair with itself.
    """
    best: dict[str, Pair] = {}
    plain = [Pair(name, arm, arm) for name, arms in found.outcome.curves.items() for arm in arms if arm == arm.plain]
    for pair in found.asked or plain:
        known = best.get(pair.task)
        if known is None or _share(pair) > _share(known):
            best[pair.task] = pair
    return list(best.values())


def _share(pair: Pair) -> float:
    return -1.0 if math.isnan(pair.arm.synthetic_share) else pair.arm.synthetic_share
