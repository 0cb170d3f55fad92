"""Bodies that swing up and down above the floor come back to it; those in flight and on supports stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_motions import made_motion

from selfcorrect.experiments.file_correction.in_python import correct
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.cleanup.cleaning import CleanupState
from selfcorrect.simulators.cleanup.settling import SettleBody


def bouncing(motion: Motion, amplitude_m: float, period_s: float = 0.55, lowered_m: float = 0.0) -> Motion:
    """The motion with a root that swings up and down."""
    times_s = np.arange(len(motion)) / motion.fps
    rise_m = amplitude_m * np.sin(2 * np.pi * times_s / period_s) - lowered_m
    return replace(motion, root_m=motion.root_m + rise_m[:, None] * [0.0, 1.0, 0.0])


def settle(motion: Motion) -> Motion:
    settings = CleanupSettings()
    steps = tuple(settings.enabled_steps)
    state = CleanupState.from_motions(MotionBatch.stack([motion]), steps, settings.mode)
    return SettleBody()(state).motions[0]


@pytest.mark.parametrize("amplitude_m", [0.02, 0.04])
@pytest.mark.parametrize("kind", ["walk", "turn"])
def test_a_walk_that_bounces_floats_no_more_and_loses_no_contact(kind, amplitude_m: float) -> None:
    made = bouncing(made_motion(kind, frames=90), amplitude_m, lowered_m=amplitude_m)
    correction = correct(made, kinematic=True)
    assert correction.after["floating_m"] < correction.before["floating_m"] + 0.012
    assert correction.after["penetration_m"] <= correction.before["penetration_m"]
    assert correction.figures["lost_contacts"] < 0.05


@pytest.mark.parametrize("kind", ["walk", "turn"])
def test_the_root_goes_down_by_the_height_of_the_lowest_sole(kind) -> None:
    made = made_motion(kind, frames=90)
    raised = replace(made, root_m=made.root_m + np.array([0.0, 0.04, 0.0]))
    settled = settle(bouncing(raised, 0.04))
    assert np.abs(settled.root_m - made.root_m).max() < 0.02
    assert np.abs(bouncing(raised, 0.04).root_m - made.root_m).max() > 0.07


@pytest.mark.parametrize("kind", ["walk", "run", "turn", "hop", "idle"])
def test_what_stands_walks_runs_and_hops_is_left(kind) -> None:
    made = made_motion(kind, frames=90)
    np.testing.assert_array_equal(settle(made).root_m, made.root_m)


@pytest.mark.parametrize("height_m", [0.08, 0.3])
def test_who_stands_on_a_step_or_climbs_is_left(height_m: float) -> None:
    made = made_motion("turn", frames=120)
    steps_m = height_m * (np.arange(120) >= 60)
    raised = replace(made, root_m=made.root_m + steps_m[:, None] * [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(settle(raised).root_m, raised.root_m)
