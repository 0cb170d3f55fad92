"""Reports draw the right conclusions from known curves, and name correctors in order with their reference."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.arm_words import describe_policy, describe_treatment
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.answer import (
    JUDGED,
    MAX_ARMS,
    NAMED_DISTANCES,
    conclude,
    format_answer,
    format_question,
    judge_outcome,
    select_asked_correctors,
    select_pictured_arms,
    select_shown_pairs,
)
from selfcorrect.experiments.studies.outcome import Outcome
from selfcorrect.experiments.studies.tables import differences_table
from selfcorrect.motion.measures.metrics import EXPLAINED, KEPT_DIVERSITY, MEASURED

OWN = "my.module:fix"
GOOD = 0.2
BAD = 0.8
"""Last values: distances near 0 are good, shares near 1."""


def outcome(*arms: ArmSettings, good: tuple[str, ...] = ()) -> Outcome:
    """Make an outcome of five seeds, in which correctors in `good` keep distance small and coverage large."""
    curves = {arm: curves_of(arm, GOOD if arm.corrector in good or arm == BASELINE else BAD) for arm in arms}
    real = {key: np.full(5, 0.1) for key in KEYS}
    return Outcome({"patch-mixer": curves}, floors={"real": real})


KEYS = (*(metric.key for metric in MEASURED), *EXPLAINED)


def curves_of(arm: ArmSettings, last: float) -> ArmCurves:
    shift = 2 if arm.corrector != "none" else arm != BASELINE  # equal means, and seeds that differ
    apart = np.roll([[0.98], [0.99], [1.0], [1.01], [1.02]], shift, axis=0)
    ends = {key: 1 - last if key in ("within_label_ratio", "recall", "coverage", "precision") else last for key in KEYS}
    return ArmCurves(
        arm.key, describe_policy(arm), describe_treatment(arm), {key: apart * [0.5, end] for key, end in ends.items()}
    )


def arms(*correctors: str, policies: tuple[str, ...] = ("replace",)) -> tuple[ArmSettings, ...]:
    return (BASELINE, *(ArmSettings(policy, corrector) for policy in policies for corrector in ("none", *correctors)))


@pytest.mark.parametrize(
    ("correctors", "asked", "title"),
    [
        (("physics", "kinematic", OWN), [OWN], f"Does {OWN} correction keep"),
        (("kinematic", "physics", "low-pass"), ["physics"], "Does physics correction keep"),
        (("low-pass", "kinematic"), ["kinematic"], "Does kinematic correction keep"),
        (("low-pass",), ["low-pass"], "Does low-pass correction keep"),
        ((), [], "How fast does a self-consuming motion model collapse without correction?"),
    ],
)
def test_title_asks_about_corrector(correctors: tuple, asked: list, title: str):
    assert select_asked_correctors(arms(*correctors)) == asked
    assert title in format_question(arms(*correctors))


@pytest.mark.parametrize("corrector", ["kinematic", "physics", OWN])
def test_single_corrector_is_answered(corrector: str):
    """One sentence states the changes that were found, or else only what is the same."""
    for good in ((), (corrector,)):
        judged = judge_outcome(outcome(*arms(corrector), good=good))
        sentences = format_answer(judged).splitlines()
        changed = [sentence for sentence in sentences if sentence.startswith(f"With {corrector},")]
        assert len(changed) == len(good)
        assert ("coverage" in sentences[-1].partition(f"with {corrector} in ")[2]) == (not good)


def test_degraded_needs_all_metrics():
    loop = ArmSettings("replace")
    measured = outcome(BASELINE, loop)
    assert "degrades" in format_answer(judge_outcome(measured))
    for key in JUDGED:
        values = {**measured.curves["patch-mixer"][loop].values, key: curves_of(loop, GOOD).values[key]}
        curves = {**measured.curves["patch-mixer"], loop: replace(measured.curves["patch-mixer"][loop], values=values)}
        answer = format_answer(judge_outcome(replace(measured, curves={"patch-mixer": curves})))
        assert "degrades" not in answer
        assert "no difference" in answer


def test_diversity_needs_both_metrics():
    arm = ArmSettings("replace", "kinematic")
    measured = outcome(*arms("kinematic"), good=("kinematic",))
    assert "less diversity is lost" in format_answer(judge_outcome(measured))
    curves = measured.curves["patch-mixer"]
    for key in KEPT_DIVERSITY:
        lost = {**curves[arm].values, key: curves_of(ArmSettings("replace"), BAD).values[key]}
        changed = {**curves, arm: replace(curves[arm], values=lost)}
        assert "less diversity is lost" not in format_answer(
            judge_outcome(replace(measured, curves={"patch-mixer": changed}))
        )


def test_sweep_describes_every_loop():
    policies = ("augment:0.25", "augment:1", "augment:4", "replace")
    judged = judge_outcome(outcome(*arms("physics", policies=policies), good=("physics",)))
    loops, counts = format_answer(judged).splitlines()
    for policy in policies:
        assert describe_policy(ArmSettings(policy)) in loops
    assert counts.count("better in 4 of 4") == len(JUDGED)


def test_question_is_own_family():
    verdict = judge_outcome(
        outcome(*arms("kinematic", "low-pass", OWN, policies=("augment:1", "replace")), good=(OWN,))
    )
    assert [pair.arm.corrector for pair in verdict.asked] == ["none", "none", OWN, OWN]
    assert [pair.arm.policy for pair in verdict.asked if pair.plain == BASELINE] == ["replace", "augment:1"]
    realism_and_diversity = [{effect.word for effect in effects[: len(JUDGED)]} for effects in verdict.effects[:4]]
    assert realism_and_diversity == [{"worse"}, {"worse"}, {"better"}, {"better"}]


def test_first_table_stays_small():
    measured = judge_outcome(outcome(*arms("kinematic", "low-pass", OWN, "physics", "anchored", "filter")))
    assert len(differences_table(measured).columns) <= 8
    (pictured,) = select_pictured_arms(measured).values()
    assert len(pictured) <= MAX_ARMS
    assert pictured[0] == BASELINE


def test_largest_share_is_shown():
    measured = judge_outcome(outcome(*arms("physics", policies=("replace", "augment:1")), good=("physics",)))
    assert [pair.arm.policy for pair in select_shown_pairs(measured)] == ["replace"]


def test_conclusion_names_gains_and_losses():
    """Physics halves penetration in every seed, and both loops cover less than the baseline: both are named."""
    plain, physics = ArmSettings("replace"), ArmSettings("replace", "physics")
    measured = outcome(BASELINE, plain, physics)
    curves = measured.curves["patch-mixer"]
    halved = {**curves[physics].values, "penetration_mm": curves[plain].values["penetration_mm"] / 2}
    changed = replace(measured, curves={"patch-mixer": {**curves, physics: replace(curves[physics], values=halved)}})
    sunk, ankles, ground, diversity = conclude(judge_outcome(changed))
    assert "1 mm" in sunk  # 0.8 rounds to 1; half of it to 0
    assert "0 mm" in sunk
    assert "is 0.80 instead of 0.80; with real data only, it is lower, 0.20" in ankles
    assert "ground contact" in ground
    assert "diversity" in diversity
    assert conclude(judge_outcome(measured)) == []


def test_conclusion_compares_with_baseline_and_clean_up():
    """Physics brings ankle paths to the baseline in the mean, and clean-up is named with its values."""
    plain, clean_up, physics = (ArmSettings("replace", corrector) for corrector in ("none", "kinematic", "physics"))
    measured = outcome(BASELINE, plain, clean_up, physics, good=("physics",))
    curves = measured.curves["patch-mixer"]
    sentences = conclude(judge_outcome(measured))
    assert any("ankle paths" in sentence and "we found no difference" in sentence for sentence in sentences)
    (cleaned,) = [sentence for sentence in sentences if "clean-up" in sentence]
    assert "slide at 0.80 m/s" in cleaned
    assert "ankle paths 0.80" in cleaned
    older = {
        arm: replace(of_arm, values={key: of_arm.values[key] for key in KEYS if key not in NAMED_DISTANCES})
        for arm, of_arm in curves.items()
    }
    assert len(conclude(judge_outcome(replace(measured, curves={"patch-mixer": older})))) == len(sentences) - 2


def test_conclusion_omits_kept_diversity():
    plain, physics = ArmSettings("replace"), ArmSettings("replace", "physics")
    judged = judge_outcome(outcome(BASELINE, plain, physics, good=("physics",)))
    sentences = conclude(judged)
    assert sentences
    assert not any("diversity" in sentence for sentence in sentences)


def test_insignificant_interval_is_explained():
    """Holm's adjustment explains why p = 0.03 is significant alone, but not as one of six tests."""
    plain, physics = ArmSettings("replace"), ArmSettings("replace", "physics")
    measured = outcome(BASELINE, plain, physics)
    curves = measured.curves["patch-mixer"]
    before = curves[plain].values["fid_kinematic"]
    lower = before - [[0.0, 0.05], [0.0, 0.2], [0.0, 0.1], [0.0, 0.02], [0.0, 0.15]]
    values = {**curves[physics].values, "fid_kinematic": lower}
    changed = replace(measured, curves={"patch-mixer": {**curves, physics: replace(curves[physics], values=values)}})
    (line,) = [line for line in format_answer(judge_outcome(changed)).splitlines() if "no difference" in line]
    assert line.count("Holm") == 1
