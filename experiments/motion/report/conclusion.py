"""The question of a motion experiment, its answer in one sentence, and the pairs of arms that it rests on."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from selfcorrect.motion.measures.metrics import find_metric

from ...reporting import verdict
from ...studies.arms import BASELINE, ArmSettings
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


def select_asked_correctors(settings: MotionSettings) -> list[str]:
    """Return the correctors that an experiment asks about: users' own, else physics, else all that were run.

    Controls are asked about only if nothing else was run.
    """
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    names = list(dict.fromkeys(arm.corrector for arm in arms if arm.corrector != "none"))
    own_names = [name for name in names if is_own(name)]
    if own_names:
        return own_names
    if "physics" in names:
        return ["physics"]
    return [name for name in names if not corrector_row(name).control] or names


def format_question(settings: MotionSettings) -> str:
    """Return the title of an experiment."""
    names = select_asked_correctors(settings)
    if not names:
        return "How fast does a self-consuming motion model collapse without correction?"
    *others, last = names
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"Does {listed} correction keep a self-consuming motion model from collapsing?"


def judge_outcome(outcome: MotionOutcome) -> MotionJudged:
    """Pair all arms with the uncorrected ones, for the measures that the answer rests on.

    First come those that the experiment asks about, in the order of their correctors.
    """
    pairs = []
    for denoiser, arms in outcome.curves.items():
        for arm in arms:
            if arm.plain in arms and arm.plain != arm:
                pairs.append(Pair(denoiser, arm, arm.plain))
    asked = []
    for corrector in select_asked_correctors(outcome.settings):
        asked += _select_pairs(corrector, pairs)
    others = [pair for pair in pairs if pair not in asked]
    return Judged(outcome, [*asked, *others], [find_metric(key) for key in JUDGED], len(asked))


def _select_pairs(corrector: str, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with a corrector and nothing else, at full strength if there are any; else all with it."""
    with_corrector = [pair for pair in pairs if pair.arm.corrector == corrector]
    plain = [pair for pair in with_corrector if pair.arm == ArmSettings(pair.arm.policy, corrector, pair.arm.strength)]
    full = [pair for pair in plain if math.isinf(pair.arm.strength)]
    return full or plain or with_corrector


def format_answer(judged: MotionJudged) -> str:
    """Return the answer to `format_question` in one sentence."""
    if not judged.asked:
        return _describe_uncorrected(judged.outcome)
    if lines := lines_by_share(judged, asked_alone=True):
        return describe_by_share(judged.outcome, lines)
    return verdict.headline(judged.asked_effects)


def lines_by_share(judged: MotionJudged, *, asked_alone: bool = False) -> list[CorrectedLine]:
    """Return corrected lines against the uncorrected one by synthetic share; asked_alone: only those asked about."""
    asked = {(pair.task, pair.arm.line) for pair in judged.asked}
    return [line for line in corrected_by_share(judged) if not asked_alone or (line.task, line.line) in asked]


def _describe_uncorrected(outcome: MotionOutcome) -> str:
    """Return a sentence on the recall of an experiment without correctors."""
    if outcome.settings.seeds == 1:
        return verdict.ONE_SEED
    endings = []
    for arms in outcome.curves.values():
        for arm, curves in arms.items():
            if arm == ArmSettings(arm.policy) and arm != BASELINE:
                endings.append(f"{curves.last('recall').mean():.2f} ({arm.group})")
    real = np.mean([arms[BASELINE].last("recall").mean() for arms in outcome.curves.values()])
    return f"Without correction, recall ends at {', '.join(endings)}; training on real data only keeps {real:.2f}."


def select_shown_pairs(judged: MotionJudged) -> list[Pair]:
    """Return for each denoiser the pair with the largest synthetic share that the answer rests on.

    Without correctors, each plain loop is a pair with itself.
    """
    best: dict[str, Pair] = {}
    plain = [Pair(name, arm, arm) for name, arms in judged.outcome.curves.items() for arm in arms if arm == arm.plain]
    for pair in judged.asked or plain:
        best_pair = best.get(pair.task)
        if best_pair is None or _share(pair) > _share(best_pair):
            best[pair.task] = pair
    return list(best.values())


def _share(pair: Pair) -> float:
    return -1.0 if math.isnan(pair.arm.synthetic_share) else pair.arm.synthetic_share
