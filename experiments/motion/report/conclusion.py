"""What a motion experiment asks, and its answer: a sentence, four cards, and a line for each corrector that was run."""

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
from ...studies.outcome import Judged, Outcome, Pair
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
MotionJudged: TypeAlias = Judged[MotionSettings]


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


def judged(outcome: MotionOutcome) -> MotionJudged:
    """All arms with the plain ones that they are compared with, in the measures that the answer rests on.

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
    return Judged(outcome, [*asked, *others], [metric_of(key) for key in JUDGED], len(asked))


def _about(corrector: str, pairs: Sequence[Pair]) -> list[Pair]:
    """Arms with a corrector and nothing else, at full strength if there are any; else all with it."""
    found = [pair for pair in pairs if pair.arm.corrector == corrector]
    bare = [pair for pair in found if pair.arm == Arm(pair.arm.policy, corrector, pair.arm.strength)]
    full = [pair for pair in bare if math.isinf(pair.arm.strength)]
    return full or bare or found


# --- in words --------------------------------------------------------------------------------------------------------


def answer(found: MotionJudged) -> str:
    """The answer to `question` in one sentence."""
    if not found.asked:
        return _uncorrected(found.outcome)
    if lines := lines_by_share(found, asked_alone=True):
        return " ".join(share_sentences(found.outcome, lines))
    return verdict.headline(found.asked_effects)


def lines_by_share(found: MotionJudged, *, asked_alone: bool = False) -> list[CorrectedLine]:
    """Corrected lines against the uncorrected one by synthetic share, what the experiment asks about first."""
    asked = {(pair.task, pair.arm.line) for pair in found.asked}
    return [line for line in corrected_by_share(found) if not asked_alone or (line.task, line.line) in asked]


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


def details(found: MotionJudged) -> list[str]:
    """A sentence for each pair that the answer rests on, then one for each other corrector."""
    outcome = found.outcome
    told = [
        verdict.sentence(effects, outcome.curves[pair.task][BASELINE], outcome.settings.generations)
        + _controls(outcome, pair)
        for pair, effects in zip(found.asked, found.effects, strict=False)
    ]
    others = [name for name in correctors_of(outcome.settings) if name not in asked_correctors(outcome.settings)]
    return [*told, *(_tally_of(found, name) for name in others)]


def _tally_of(found: MotionJudged, corrector: str) -> str:
    about = _about(corrector, found.pairs)
    effects = [each for pair, both in zip(found.pairs, found.effects, strict=True) if pair in about for each in both]
    role = "control" if is_control(corrector) else "for comparison"
    return f"{corrector} ({role}) against uncorrected: {verdict.tallies(effects)}."


def _controls(outcome: MotionOutcome, pair: Pair) -> str:
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


def shown_pairs(found: MotionJudged) -> list[Pair]:
    """For each denoiser the pair that the answer rests on with the largest synthetic share.

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


def cards(found: MotionJudged) -> list[Card]:
    """One card per heading of `CARDS`: every corrector, uncorrected and real only, with intervals as bars."""
    return [_card(found, heading, metric_of(key)) for heading, key in CARDS.items()]


def _card(found: MotionJudged, heading: str, metric: Metric) -> Card:
    outcome, by_ratio = found.outcome, lines_by_share(found, asked_alone=True)
    shown = sorted(found.asked, key=lambda pair: (pair.task, _share(pair))) if by_ratio else shown_pairs(found)
    groups = {
        f"{preset(pair.task).character} denoiser, {pair.arm.group}": dict(
            _measured(outcome, pair, metric, bool(by_ratio))
        )
        for pair in shown
    }
    real = metric.interval(outcome.real[metric.key]) if metric.key in outcome.real else None
    return card(heading, metric, groups, real)


def _measured(outcome: MotionOutcome, pair: Pair, metric: Metric, alone: bool) -> Iterator[tuple[str, Interval]]:
    """Labels with intervals; alone: without other correctors."""
    arms = outcome.curves[pair.task]
    others = () if alone else (Arm(pair.arm.policy, corrector) for corrector in correctors_of(outcome.settings))
    labels = {arm: arm.title for arm in (pair.arm, *others, pair.plain)} | {BASELINE: "real data only"}
    for arm, label in labels.items():
        if arm in arms and metric.key in arms[arm].values:
            yield label, metric.interval(arms[arm].last(metric.key))


def terminal_lines(found: MotionJudged) -> list[str]:
    """The answer, and a line for each card: about the first of its groups, or the asked corrector at every ratio."""
    shown = [card for card in cards(found) if card.groups]
    if lines := lines_by_share(found, asked_alone=True):
        return [*share_sentences(found.outcome, lines), *map(_line_by_share, shown)]
    return [answer(found), *map(_line, shown)]


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
