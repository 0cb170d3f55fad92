"""Rules of physics: a walk needs no help, and what no floor could move is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.checks import check_physics
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.feasibility import residual_of_contacts


def shaken(motion: Motion, amplitude_m: float) -> Motion:
    times_s = np.arange(len(motion)) / motion.fps
    swing_m = amplitude_m * np.sin(15 * times_s)[:, None] * np.array([1.0, 0.0, 0.0])
    return replace(motion, root_m=motion.root_m + swing_m)


def test_a_real_walk_breaks_no_rule_of_physics(walk: Motion) -> None:
    assert check_physics(walk, RuleChoice()) == []


def test_a_body_that_is_shaken_needs_help_and_the_more_the_more_it_is_shaken(walk: Motion) -> None:
    assert [finding.code for finding in check_physics(shaken(walk, 0.12), RuleChoice())] == ["X2"]
    together = MotionBatch.stack([shaken(walk, size) for size in (0.0, 0.06, 0.12)])
    needed = residual_of_contacts(together, CleanupSettings()).mean_force_bodyweights.tolist()
    assert needed == sorted(needed)


def test_rules_that_were_not_chosen_are_not_measured(walk: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfcorrect.simulators.checks.residual_of_contacts", None)
    assert check_physics(walk, RuleChoice(("F",))) == []
    assert check_physics(walk.frames(0, 5), RuleChoice()) == []
