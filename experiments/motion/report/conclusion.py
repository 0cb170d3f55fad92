"""What a motion experiment asks, and its answer: a sentence, four cards, and a line for each corrector that was run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from selfcorrect.models.diffusion.presets import preset
from selfcorrect.motion.measures.metrics import Metric, metric_of
from selfcorrect.statistics import Interval

from ...reporting import verdict
from ...reporting.cards import card
from ...reporting.results import ArmCurves
from ...reporting.webpage import Card
from ...studies.arms import BASELINE, Arm
from ...studies.outcome import Outcome, Pair
from ...studies.shares import CorrectedLine, corrected_by_share, share_sentences
from ..correctors.table import corrector_row, is_own
from ..settings.experiment import MotionSettings

JUDGED = ("fid_kinematic", "recall")
"""The two measures, one per axis, that the answer rests on; judging more would need stronger evidence for each."""

CARDS = {
    "Realism": "fid_kinematic",
    "Diversity": "recall",
    "Artefacts": "penetration_mm",
    "Feasibility": "unsupported_percent",
}
"""Heading of each card → the key of its metric."""


MotionOutcome: TypeAlias = Outcome[MotionSettings]
MotionPair: TypeAlias = Pair


def correctors_of(settings: MotionSettings) -> list[str]:
    """All correctors of an experiment: users' own first, then built-in ones, controls last."""
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    names = dict.fromkeys(arm.corrector for arm in arms if arm.corrector != "none")
    return sorted(names, key=lambda name: 0 if is_own(name) else 1 + is_control(name))


def is_control(corrector: str) -> bool:
    """Whether a built-in corrector is one that others are held against."""
    return not is_own(corrector) and corrector_row(corrector).control


def asked_correctors(settings: MotionSettings) -> list[str]:
    """What an experiment asks about: users' own correctors; without any physics, or else what was run.

    Controls are asked about where nothing else was run.
    """
    names = correctors_of(settings)
    own = [name for name in names if is_own(name)]
    physics = [name for name in names if name == "physics"]
    return own or physics or [name for name in names if not is_control(name)] or names


def question(settings: MotionSettings) -> str:
    """The title of an experiment."""
    if names := asked_correctors(settings):
        return f"Does {_listed(names)} correction keep a self-consuming motion model from collapsing?"
    return "How fast does a self-consuming motion model collapse without correction?"


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


# --- what is compared ------------------------------------------------------------------------------------------------


def pairs_of(outcome: MotionOutcome) -> list[MotionPair]:
    """All arms with the plain ones that they are compared with; those that the experiment asks about first."""
    pairs = [
        Pair(denoiser, arm, arm.plain)
        for denoiser, arms in outcome.curves.items()
        for arm in arms
        if arm.plain in arms and arm.plain != arm
    ]
    asked = asked_pairs(outcome, pairs)
    return [*asked, *(pair for pair in pairs if pair not in asked)]


def asked_pairs(outcome: MotionOutcome, pairs: Sequence[MotionPair]) -> list[MotionPair]:
    """Those that the answer rests on, in the order of the correctors that the experiment asks about."""
    return [pair for name in asked_correctors(outcome.settings) for pair in _about(name, pairs)]


def _about(corrector: str, pairs: Sequence[MotionPair]) -> list[MotionPair]:
    """Arms with a corrector and nothing else, at full strength if there are any; else all with it."""
    found = [pair for pair in pairs if pair.arm.corrector == corrector]
    bare = [pair for pair in found if pair.arm == Arm(pair.arm.policy, corrector, pair.arm.strength)]
    full = [pair for pair in bare if math.isinf(pair.arm.strength)]
    return full or bare or found


def judged_effects(outcome: MotionOutcome) -> list[list[verdict.Effect]]:
    """The effects of each of `pairs_of`: what the experiment asks about is one family, all others a second."""
    pairs = pairs_of(outcome)
    count = len(asked_pairs(outcome, pairs))
    return [effects for family in (pairs[:count], pairs[count:]) for effects in _judged(outcome, family)]


def _judged(outcome: MotionOutcome, pairs: Sequence[MotionPair]) -> list[list[verdict.Effect]]:
    return outcome.judged(pairs, [metric_of(key) for key in JUDGED])


# --- in words --------------------------------------------------------------------------------------------------------


def answer(outcome: MotionOutcome) -> str:
    """The answer to `question` in one sentence."""
    pairs = asked_pairs(outcome, pairs_of(outcome))
    if not pairs:
        return _uncorrected(outcome)
    if lines := lines_by_share(outcome, asked_alone=True):
        return " ".join(share_sentences(outcome, lines))
    return verdict.headline([effect for effects in _judged(outcome, pairs) for effect in effects])


def lines_by_share(outcome: MotionOutcome, *, asked_alone: bool = False) -> list[CorrectedLine]:
    """Corrected lines against the uncorrected one by synthetic share, what the experiment asks about first."""
    pairs = pairs_of(outcome)
    lines = corrected_by_share(pairs, judged_effects(outcome))
    asked = {(pair.task, pair.arm.line) for pair in asked_pairs(outcome, pairs)}
    return [line for line in lines if not asked_alone or (line.task, line.line) in asked]


def _uncorrected(outcome: MotionOutcome) -> str:
    """What became of the loops of an experiment without correctors."""
    if outcome.settings.seeds == 1:
        return verdict.ONE_SEED
    recall = metric_of("recall")
    told = [
        f"{recall.interval(arms[arm].last('recall')).estimate:.2f} ({arm.group})"
        for arms in outcome.curves.values()
        for arm in arms
        if arm == Arm(arm.policy) and arm != BASELINE
    ]
    real = np.mean([arms[BASELINE].last("recall").mean() for arms in outcome.curves.values()])
    return f"Without correction, recall ends at {', '.join(told)}; training on real data only keeps {real:.2f}."


def details(outcome: MotionOutcome) -> list[str]:
    """A sentence for each pair that the answer rests on, then one for each other corrector."""
    pairs = pairs_of(outcome)
    asked = asked_pairs(outcome, pairs)
    judged = judged_effects(outcome)
    told = [
        verdict.sentence(effects, outcome.curves[pair.task][BASELINE], outcome.settings.generations)
        + _controls(outcome, pair)
        for pair, effects in zip(asked, judged, strict=False)
    ]
    others = [name for name in correctors_of(outcome.settings) if name not in asked_correctors(outcome.settings)]
    return [*told, *(_tally_of(outcome, name, pairs, judged) for name in others)]


def _tally_of(
    outcome: MotionOutcome, corrector: str, pairs: Sequence[MotionPair], judged: Sequence[Sequence[verdict.Effect]]
) -> str:
    about = _about(corrector, pairs)
    effects = [effect for pair, both in zip(pairs, judged, strict=True) if pair in about for effect in both]
    role = "control" if is_control(corrector) else "for comparison"
    return f"{corrector} ({role}) against uncorrected: {verdict.tallies(effects)}."


def _controls(outcome: MotionOutcome, pair: MotionPair) -> str:
    """What controls of the same data policy reach."""
    arms = outcome.curves[pair.task]
    controls = {arm: curves for arm, curves in arms.items() if arm.policy == pair.arm.policy and is_full_control(arm)}
    if not controls:
        return ""
    told = [_best(metric_of(key), list(controls.values())) for key in JUDGED]
    return f" The best control: {'; '.join(told)}."


def is_full_control(arm: Arm) -> bool:
    """Whether an arm is a control at full strength, with nothing else changed."""
    return arm.corrector != "none" and is_control(arm.corrector) and arm == Arm(arm.policy, arm.corrector)


def _best(metric: Metric, controls: Sequence[ArmCurves]) -> str:
    choose = max if metric.better == "higher" else min
    best = choose(controls, key=lambda curves: curves.last(metric.key).mean())
    return f"{metric.title} {best.last(metric.key).mean():.{metric.digits}f} ({best.title})"


# --- the cards -------------------------------------------------------------------------------------------------------


def shown_pairs(outcome: MotionOutcome) -> list[MotionPair]:
    """For each denoiser the pair that the answer rests on with the largest synthetic share.

    Without correctors, each plain loop is a pair with itself.
    """
    best: dict[str, MotionPair] = {}
    plain = [Pair(name, arm, arm) for name, arms in outcome.curves.items() for arm in arms if arm == arm.plain]
    for pair in asked_pairs(outcome, pairs_of(outcome)) or plain:
        known = best.get(pair.task)
        if known is None or _share(pair) > _share(known):
            best[pair.task] = pair
    return list(best.values())


def _share(pair: MotionPair) -> float:
    return -1.0 if math.isnan(pair.arm.synthetic_share) else pair.arm.synthetic_share


def cards(outcome: MotionOutcome) -> list[Card]:
    """One card per heading of `CARDS`: every corrector, uncorrected and real only, with intervals as bars."""
    return [_card(outcome, heading, metric_of(key)) for heading, key in CARDS.items()]


def _card(outcome: MotionOutcome, heading: str, metric: Metric) -> Card:
    by_ratio = lines_by_share(outcome, asked_alone=True)
    asked = asked_pairs(outcome, pairs_of(outcome))
    shown = sorted(asked, key=lambda pair: (pair.task, _share(pair))) if by_ratio else shown_pairs(outcome)
    groups = {
        f"{preset(pair.task).character} denoiser, {pair.arm.group}": dict(
            _measured(outcome, pair, metric, bool(by_ratio))
        )
        for pair in shown
    }
    real = metric.interval(outcome.real[metric.key]) if metric.key in outcome.real else None
    return card(heading, metric, groups, real)


def _measured(outcome: MotionOutcome, pair: MotionPair, metric: Metric, alone: bool) -> Iterator[tuple[str, Interval]]:
    """Labels with intervals; alone: without other correctors."""
    arms = outcome.curves[pair.task]
    others = () if alone else (Arm(pair.arm.policy, corrector) for corrector in correctors_of(outcome.settings))
    labels = {arm: arm.title for arm in (pair.arm, *others, pair.plain)} | {BASELINE: "real data only"}
    for arm, label in labels.items():
        if arm in arms and metric.key in arms[arm].values:
            yield label, metric.interval(arms[arm].last(metric.key))


def terminal_lines(outcome: MotionOutcome) -> list[str]:
    """The answer, and a line for each card: about the first of its groups, or the asked corrector at every ratio."""
    if lines := lines_by_share(outcome, asked_alone=True):
        return [*share_sentences(outcome, lines), *(_line_by_share(card) for card in cards(outcome) if card.groups)]
    return [answer(outcome), *(_line(card) for card in cards(outcome) if card.groups)]


def _line(card: Card) -> str:
    bars = next(iter(card.groups.values()))
    return f"{card.heading:<12}{card.text}: {', '.join(f'{bar.label} {bar.value}' for bar in bars)}"


def _line_by_share(card: Card) -> str:
    """Uncorrected → corrected in each group of a card."""
    told = (
        f"{title.rpartition('denoiser, ')[2]} {' → '.join(bar.value for bar in reversed(bars[:2]))}"
        for title, bars in card.groups.items()
    )
    return f"{card.heading:<12}{card.text}, uncorrected → corrected: {'; '.join(told)}"
