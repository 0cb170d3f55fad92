"""Corrected arms against uncorrected ones at each synthetic ratio."""

from dataclasses import replace

import numpy as np
import pytest
from two_modes import own_task

import selfcorrect as sc
from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.figures import by_share
from selfcorrect.experiments.studies.outcome import Outcome, Pair, list_effects_by_share
from selfcorrect.motion.measures.metrics import Metric

ERROR = Metric("error", "error", "", "lower", 2)
POLICIES = {0.2: "augment:0.25", 0.5: "augment:1", 0.8: "augment:4", 1.0: "replace"}
SHARES = (*POLICIES,)


def outcome_of(gains: dict[float, float]) -> Outcome:
    """Make ten seeds in which correction lowers the error by known gains, by share."""
    noise = np.random.default_rng(0).normal(0, 0.1, 10)

    def curves(arm: ArmSettings, gain: float) -> ArmCurves:
        level = 1 + arm.synthetic_share - gain + (0.01 * noise[::-1] if gain else noise * 0)
        return ArmCurves(arm.key, "", arm.key, {"error": np.stack([np.ones(10), level + noise], axis=1)})

    plain = {ArmSettings(policy): 0.0 for policy in POLICIES.values()}
    fixed = {ArmSettings(policy, "fixed"): gains[share] for share, policy in POLICIES.items()}
    arms = {arm: curves(arm, gain) for arm, gain in {BASELINE: 0.0, **plain, **fixed}.items()}
    pairs = [Pair("task", arm, arm.plain) for arm in fixed]
    return Outcome({"task": arms}, pairs=pairs, questions=[[ERROR]])


def test_effects_by_share() -> None:
    outcome = outcome_of({0.2: 0.0, 0.5: 0.3, 0.8: 0.3, 1.0: -0.6})
    words = [effect.word for effect in list_effects_by_share(outcome)]
    assert words == ["undecided", "better", "better", "worse"]
    baseline = Pair("task", ArmSettings("replace"), BASELINE)
    assert list_effects_by_share(replace(outcome, pairs=[baseline, *outcome.pairs[:2]])) == []


def test_lines_begin_at_baseline() -> None:
    outcome = outcome_of(dict.fromkeys(SHARES, 0.3))
    by_title = by_share(outcome.curves["task"])
    assert all(line[0].name == BASELINE.key for line in by_title.values())
    lines = {title: sorted(line) for title, line in by_title.items()}
    assert lines == {title: pytest.approx([0, *SHARES]) for title in ("uncorrected", "fixed")}


def wider(samples: sc.Samples) -> sc.Samples:
    return samples.with_values(3 * samples.values)


def test_own_models_show_shares(tmp_path) -> None:
    policies = [sc.Augment(0.5), sc.Augment(2.0), sc.Replace()]
    loops = [sc.Arm(policy, 2) for policy in policies]
    arms = [sc.Arm(sc.RealOnly(), 2), *loops, *(replace(loop, correction=sc.Correction(wider)) for loop in loops)]
    comparison = sc.compare(own_task, arms, seeds=5, workers=1, out=tmp_path, better={"spread": "lower"})
    assert "worse in 3 of" in comparison.sentences[0]
    page = (tmp_path / "report.html").read_text()
    assert "λ, synthetic samples per real one" in page
    assert comparison.sentences[0] in page
    assert "\nreplace+wider " in str(comparison)
