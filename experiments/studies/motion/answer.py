"""The answer of the motion experiment: the question, the tested differences, and sentences about them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from selfcorrect.loop.remedies.table import REMEDIES
from selfcorrect.motion.measures.metrics import KEPT_DIVERSITY, Metric, find_metric
from selfcorrect.statistics import mean_interval

from ..arm_curves import ArmCurves
from ..arm_words import describe_policy, describe_treatment
from ..arms import BASELINE, STATIC, ArmSettings
from ..effects import ONE_SEED, Effect, format_headline
from ..outcome import Outcome, Pair
from .correctors.table import corrector_row, is_own

NAMED_DISTANCES = {"energy_ankles": "ankle paths", "fid_ground": "ground contact"}
"""Distances to real motion that the conclusion names, in words. The first one is the independent judge, which shares
nothing with the corrector."""
REALISM = ("energy_ankles", "fid_kinematic", "fid_ground")
JUDGED = (*REALISM, *KEPT_DIVERSITY)
"""Realism and diversity: the first measures that the answer rests on. Runs of earlier versions may lack some."""
FOOT_METRICS = ("slide_m_s", "penetration_mm", "needed_force_bodyweights")
"""Measures of the feet and of the force on the root, judged as higher or lower: less than real motion is not better.
Sliding is measured at any depth, because the published foot skate rises with the depth of the feet."""

ARTEFACTS = {"penetration_mm": "sink {:.0f} mm into the floor", "slide_m_s": "slide at {:.2f} m/s"}
"""What feet do in each measure, with its value."""

MAX_ARMS = 6
"""In the first picture, and side by side below."""
MAX_ANSWERED = 4
"""Pairs that the answer describes separately; more are counted."""


def select_asked_correctors(arms: Iterable[ArmSettings]) -> list[str]:
    """Return the correctors that an experiment asks about: users' own, else physics, else all that were run.

    Controls are asked about only if nothing else was run.
    """
    names = list(dict.fromkeys(arm.corrector for arm in arms if arm.corrector != "none"))
    own_names = [name for name in names if is_own(name)]
    if own_names:
        return own_names
    if "physics" in names:
        return ["physics"]
    return [name for name in names if not corrector_row(name).control] or names


def list_arms(outcome: Outcome) -> list[ArmSettings]:
    """Return the arms of all denoisers that were measured."""
    return [arm for arms in outcome.curves.values() for arm in arms]


def format_question(arms: Iterable[ArmSettings]) -> str:
    """Return the title of an experiment."""
    names = select_asked_correctors(arms)
    if not names:
        return "How fast does a self-consuming motion model collapse without correction?"
    *others, last = names
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"Does {listed} correction keep a self-consuming motion model from collapsing?"


def judge_outcome(outcome: Outcome) -> Outcome:
    """Pair arms with their references, for the answer's measures.

    First come the pairs that the experiment asks about: what each loop loses without correction against training on
    real data only, what the correctors in question change, and what remedies change in the loop with the largest
    synthetic share. Tests of realism and diversity are a family, and tests of the feet another.
    """
    pairs = []
    for denoiser, arms in outcome.curves.items():
        for arm in arms:
            if arm.plain in arms and arm.plain != arm:
                pairs.append(Pair(denoiser, arm, arm.plain))
    loops = _pair_loops(outcome)
    asked = list(loops)
    for corrector in select_asked_correctors(list_arms(outcome)):
        asked += _select_pairs(corrector, pairs)
    for loop in {pair.task: pair for pair in reversed(loops)}.values():
        remedied = [pair for pair in pairs if pair.task == loop.task and pair.plain == loop.arm]
        remedied = [pair for pair in remedied if pair.arm == ArmSettings(loop.arm.policy, remedy=pair.arm.remedy)]
        asked += [pair for pair in remedied if not REMEDIES.row(pair.arm.remedy).control]
    others = [pair for pair in pairs if pair not in asked]
    return replace(outcome, pairs=[*asked, *others], questions=select_questions(outcome), asked_count=len(asked))


def select_questions(outcome: Outcome) -> list[list[Metric]]:
    """Select the measured metrics that answer the question: realism and diversity, and those of the feet."""
    all_curves = [curves for arms in outcome.curves.values() for curves in arms.values()]

    def select_measured(keys: Iterable[str]) -> list[Metric]:
        return [find_metric(key) for key in keys if all(key in curves.values for curves in all_curves)]

    feet = [replace(metric, better="neutral") for metric in select_measured(FOOT_METRICS)]
    diversity = [replace(find_metric(key), better="higher") for key in KEPT_DIVERSITY]  # only less is a loss
    return [[*select_measured(REALISM), *diversity], feet]


def _pair_loops(outcome: Outcome) -> list[Pair]:
    """Pair uncorrected loops with the baseline on real data only, the loop with the largest synthetic share first."""
    pairs = []
    for denoiser, arms in outcome.curves.items():
        loops = [
            arm for arm in arms if arm == ArmSettings(arm.policy) and not arm.is_baseline and arm.kind not in STATIC
        ]
        pairs += [Pair(denoiser, loop, BASELINE) for loop in sorted(loops, key=_share, reverse=True)]
    return pairs


def _select_pairs(corrector: str, pairs: Sequence[Pair]) -> list[Pair]:
    """Select the pairs with only a corrector: those at full strength if there are any, else all."""
    with_corrector = [pair for pair in pairs if pair.arm.corrector == corrector]
    plain = [pair for pair in with_corrector if pair.arm == ArmSettings(pair.arm.policy, corrector, pair.arm.strength)]
    full = [pair for pair in plain if math.isinf(pair.arm.strength)]
    return full or plain or with_corrector


def format_answer(outcome: Outcome) -> str:
    """Return the answer to `format_question`, a sentence a line."""
    if not outcome.asked:
        is_loop = any(not arm.is_baseline for arms in outcome.curves.values() for arm in arms)
        return (
            "No arm was run beside its uncorrected loop: there is nothing to compare."
            if is_loop
            else "Only training on real data was run: there is no loop to judge."
        )
    if outcome.asked_effects[0].change.count == 1:
        return ONE_SEED
    if len(outcome.asked) > MAX_ANSWERED:
        return "\n".join([_describe_loops(outcome), format_headline(_select_corrected_effects(outcome))])
    sentences = []
    unchanged = []
    for pair, effects in zip(outcome.asked, outcome.effects, strict=False):
        sentences += _describe_pair(outcome, pair, effects)
        same = [effect for effect in effects if effect.word == "no clear difference"]
        if same:
            has_intervals = pair.arm.corrector != "none"
            listed = _join([_describe_change(effect) if has_intervals else _name_metric(effect) for effect in same])
            unchanged.append(f"{_name_pair(outcome, pair)} in {listed}")
    if unchanged:
        sentences.append(f"We found no difference {'; '.join(unchanged)}.")
    return "\n".join(sentences)


def conclude(outcome: Outcome) -> list[str]:
    """Say plainly what correctors change in each loop, in artefacts of the feet and in diversity."""
    sentences = []
    for pair, effects in zip(outcome.asked, outcome.effects, strict=False):
        if pair.arm.corrector == "none" or pair.plain.corrector != "none":
            continue
        by_key = {effect.metric.key: effect for effect in effects}
        found = [by_key[key] for key in ARTEFACTS if key in by_key and by_key[key].word == "lower"]
        if not found:
            continue
        generations = found[0].arm.last_generation
        without = _join(
            [ARTEFACTS[effect.metric.key].format(_average_last(effect.reference, effect)) for effect in found]
        )
        corrected = _join([ARTEFACTS[effect.metric.key].format(_average_last(effect.arm, effect)) for effect in found])
        name = _name_pair(outcome, pair)
        sentences.append(
            f"After {generations} generations without correction, feet {without}; {name}, they {corrected}."
        )
        arms = outcome.curves[pair.task]
        sentences += _describe_distances(name, arms, pair)
        sentences += _describe_clean_up(arms, pair)
        if BASELINE in arms and all(_loses_coverage(arms[arm], arms[BASELINE]) for arm in (pair.arm, pair.plain)):
            sentences.append("Neither stops the loss of diversity.")
    return sentences


def _describe_distances(name: str, arms: Mapping[ArmSettings, ArmCurves], pair: Pair) -> list[str]:
    """Compare distances to real motion with those of the uncorrected loop and of the baseline.

    Args:
        name: Name of the corrected loop, such as "with physics".
    """
    sentences = []
    for key, words in NAMED_DISTANCES.items():
        if BASELINE not in arms or any(key not in arms[arm].values for arm in (pair.arm, pair.plain, BASELINE)):
            continue
        of_arms = [arms[arm].last(key) for arm in (pair.arm, pair.plain, BASELINE)]
        corrected, plain, baseline = (f"{values.mean():.{find_metric(key).digits}f}" for values in of_arms)
        change = mean_interval(of_arms[0] - of_arms[2])
        ending = f"it is {baseline}, and we found no difference"
        if change.is_above(0.0) or change.is_below(0.0):
            ending = f"it is {'lower' if change.is_above(0.0) else 'higher'}, {baseline}"
        start = f"{name[0].upper()}{name[1:]}, the distance of {words} to real motion is {corrected}"
        sentences.append(f"{start} instead of {plain}; with real data only, {ending}.")
    return sentences


def _describe_clean_up(arms: Mapping[ArmSettings, ArmCurves], pair: Pair) -> list[str]:
    """State the same measures of the loop with clean-up, which shows what simulation adds."""
    arm = replace(pair.arm, corrector="kinematic")
    if arm == pair.arm or arm not in arms:
        return []
    last = {key: float(values[:, -1].mean()) for key, values in arms[arm].values.items()}
    feet = _join([words.format(last[key]) for key, words in ARTEFACTS.items() if key in last])
    parts = [
        f"of {words} {last[key]:.{find_metric(key).digits}f}" for key, words in NAMED_DISTANCES.items() if key in last
    ]
    distances = f"; the distance {_join(parts)}" if parts else ""
    return [f"With clean-up instead, without simulation, feet {feet}{distances}."]


def _average_last(curves: ArmCurves, effect: Effect) -> float:
    return float(curves.last(effect.metric.key).mean())


def _loses_coverage(curves: ArmCurves, baseline: ArmCurves) -> bool:
    """Return True if the final coverage falls below the baseline."""
    change = mean_interval(curves.last("coverage") - baseline.last("coverage"))
    return change.is_below(0.0)


def _describe_loops(outcome: Outcome) -> str:
    """Describe the uncorrected loops' coverage at the last generation, tested against real data."""
    endings = []
    for pair, effects in zip(outcome.asked, outcome.effects, strict=False):
        if pair.plain != BASELINE:
            continue
        for effect in effects:
            if effect.metric.key == "coverage":
                value = effect.arm.last("coverage").mean()
                endings.append(f"{value:.2f} ({describe_policy(pair.arm)}: {_format_interval(effect)}, {effect.word})")
    real = np.mean([arms[BASELINE].last("coverage").mean() for arms in outcome.curves.values()])
    return f"Without correction, coverage ends at {', '.join(endings)}; the real-data baseline keeps {real:.2f}."


def _select_corrected_effects(outcome: Outcome) -> list[Effect]:
    """Select the effects the answer rests on: those of correctors, or all if there are none."""
    corrected = []
    for pair, effects in zip(outcome.asked, outcome.effects, strict=False):
        if pair.arm.corrector != "none":
            corrected += effects
    return corrected or outcome.asked_effects


def _name_pair(outcome: Outcome, pair: Pair) -> str:
    """Return words such as "with physics"."""
    words = "without correction" if pair.plain == BASELINE else f"with {describe_treatment(pair.arm)}"
    return f"{words} ({outcome.titles[pair.task]})" if len(outcome.curves) > 1 else words


def _describe_pair(outcome: Outcome, pair: Pair, effects: Sequence[Effect]) -> list[str]:
    """Describe what was found of a pair: nothing without findings, counts of seeds where there are too few."""
    shown = [effect for effect in effects if effect.is_found or "seeds" in effect.word]
    if not shown:
        return []
    lead = _name_pair(outcome, pair)
    lead = f"{lead[0].upper()}{lead[1:]}"
    reference = "in the real-data baseline" if pair.plain == BASELINE else "without"
    words = {effect.metric.key: effect.word for effect in effects}
    if pair.plain == BASELINE and all(words[key] == "worse" for key in JUDGED if key in words):
        lead += f", the loop degrades: after {len(effects[0].arm.values[effects[0].metric.key][0]) - 1} generations"
    elif pair.plain != BASELINE and all(words[key] == "better" for key in KEPT_DIVERSITY):
        lead += ", less diversity is lost:"
    else:
        lead += ","
    listed = []
    for keys in (JUDGED, FOOT_METRICS):
        of_question = [effect for effect in shown if effect.metric.key in keys]
        words_of_question = [
            _describe_effect(effect, reference if effect is shown[0] else "") for effect in of_question
        ]
        if words_of_question:
            listed.append(_join(words_of_question))
    measured = [effect.metric for effect in shown if effect.metric.key in outcome.real]
    feet = [metric for metric in measured if metric.key in FOOT_METRICS]
    real = [f"{outcome.real[metric.key].mean():.{metric.digits}f}" for metric in feet]
    closing = f" (real motion: {', '.join(real)})" if real and pair.plain != BASELINE else ""
    return [f"{lead} {'; '.join(listed)}{closing}."]


def _describe_effect(effect: Effect, reference: str) -> str:
    """Describe an effect with its interval, such as "coverage is 0.07 instead of 0.27 (−0.20 [−0.24, −0.16])"."""
    digits = effect.metric.digits
    value = f"{effect.arm.last(effect.metric.key).mean():.{digits}f}"
    reference_value = f"{effect.reference.last(effect.metric.key).mean():.{digits}f}"
    unit = f" {effect.metric.unit.symbol}" if effect.metric.unit.symbol else ""
    than = " ".join(filter(None, (f"instead of {reference_value}", reference)))
    return f"{_name_metric(effect)} is {value}{unit} {than} ({_format_interval(effect)})"


def _describe_change(effect: Effect) -> str:
    """Describe a change that is not significant, although the unadjusted interval beside it may seem to contradict."""
    seems_found = effect.change.is_above(0.0) or effect.change.is_below(0.0)
    remark = "; not significant after Holm's adjustment" if seems_found else ""
    return f"{_name_metric(effect)} ({_format_interval(effect)}{remark})"


def _format_interval(effect: Effect) -> str:
    """Format a change with its interval, or with the number of seeds where nothing is decided."""
    if "seeds" in effect.word:
        return effect.word
    digits = effect.metric.digits
    change = effect.change
    text = f"{change.estimate:+z.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]"
    return text.replace("-", "−")


def _name_metric(effect: Effect) -> str:
    """Return the metric's name within a sentence."""
    name, _, rest = effect.metric.name.partition(", ")
    name = f"{name} ({rest})" if name.endswith("distance") else name
    return name if name.startswith("Fréchet") else f"{name[0].lower()}{name[1:]}"


def _join(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def select_shown_pairs(outcome: Outcome) -> list[Pair]:
    """Return each denoiser's pair with the largest synthetic share.

    Without correctors, each plain loop is paired with itself.
    """
    best: dict[str, Pair] = {}
    corrected = [pair for pair in outcome.asked if pair.arm.corrector != "none"]
    plain = [Pair(name, arm, arm) for name, arms in outcome.curves.items() for arm in arms if arm == arm.plain]
    for pair in corrected or plain:
        best_pair = best.get(pair.task)
        if best_pair is None or _share(pair.arm) > _share(best_pair.arm):
            best[pair.task] = pair
    return list(best.values())


def select_pictured_arms(outcome: Outcome) -> dict[str, list[ArmSettings]]:
    """Select the arms of the first picture: for each denoiser, real data only and the group of the shown pair."""
    arms_by_task = {}
    for pair in select_shown_pairs(outcome):
        group = [arm for arm in outcome.curves[pair.task] if describe_policy(arm) == describe_policy(pair.arm)]
        first = [BASELINE, pair.plain, pair.arm]
        arms_by_task[pair.task] = list(dict.fromkeys([*first, *group]))[:MAX_ARMS]
    return arms_by_task


def _share(arm: ArmSettings) -> float:
    return -1.0 if math.isnan(arm.synthetic_share) else arm.synthetic_share
