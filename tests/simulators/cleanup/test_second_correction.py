"""Corrections come to rest: feet that stand well are left where they are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_contacts import standing_speeds_m_s

from selfcorrect.motion.body.surface import sole_corners_m
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector

from ...made_motions import Kind, made_motion
from ...made_rigs import base_walk

STANDING_KINDS: tuple[Kind, ...] = ("walk", "turn", "idle")
MOST_MOVED_M = 0.0003


def shake(motion: Motion, slide_m: float, sink_m: float, seed: int = 0) -> Motion:
    """Return the motion with a root that swings over the floor and sinks, at its own rate for each seed."""
    rate_hz = np.random.default_rng(seed).uniform(0.3, 0.8)
    times_s = np.arange(len(motion)) / motion.fps
    swing = np.sin(2 * np.pi * rate_hz * times_s)
    shift_m = np.stack([slide_m * swing, -sink_m * swing**2, 0.5 * slide_m * swing], axis=1)
    return replace(motion, root_m=motion.root_m + shift_m)


def correct(motion: Motion) -> Motion:
    (correction,) = KinematicCorrector()([motion])
    assert correction.accepted
    return correction.motion


def mean_move_m(first: Motion, second: Motion) -> float:
    return float(np.linalg.norm(joint_positions(second) - joint_positions(first), axis=-1).mean())


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(STANDING_KINDS),
    height_m=st.floats(-0.08, 0.08),
    slide_m=st.floats(0.0, 0.04),
    sink_m=st.floats(0.0, 0.02),
    seed=st.integers(0, 9),
)
def test_a_motion_corrected_twice_stays_as_it_is(
    kind: Kind, height_m: float, slide_m: float, sink_m: float, seed: int
) -> None:
    motion = shake(made_motion(kind, frames=90), slide_m, sink_m, seed)
    raised = replace(motion, root_m=motion.root_m + np.array([0.0, height_m, 0.0]))
    second = correct(correct(raised))
    assert mean_move_m(second, correct(second)) < MOST_MOVED_M


@pytest.mark.parametrize("slide_m", [0.02, 0.05])
def test_feet_that_slide_after_a_correction_are_planted_again(slide_m: float) -> None:
    first = correct(made_motion("idle", frames=90))
    again = shake(first, slide_m, 0.0)
    assert mean_move_m(again, correct(again)) > 10 * MOST_MOVED_M


def shift_for_a_moment(motion: Motion, direction: tuple[float, float, float]) -> Motion:
    """Return the motion with a root that goes away and comes back within 20 frames in its middle."""
    size = np.zeros(len(motion))
    middle = len(motion) // 2
    size[middle - 10 : middle + 10] = np.sin(np.pi * np.arange(20) / 20) ** 2
    return replace(motion, root_m=motion.root_m + size[:, None] * np.array(direction))


def test_poses_held_at_both_ends_do_not_keep_feet_from_being_planted() -> None:
    """Their feet stand perfectly still, which says nothing about the motion in between."""
    walk = base_walk()
    frames = np.clip(np.arange(-60, len(walk) + 60), 0, len(walk) - 1)
    held = replace(walk, root_m=walk.root_m[frames], rotations=walk.rotations[frames])
    assert mean_move_m(held, correct(held)) > 10 * MOST_MOVED_M


@pytest.mark.parametrize("kind", ["walk", "idle"])
def test_one_slide_in_a_long_motion_is_repaired(kind: Kind) -> None:
    """Means over the whole motion hardly show it."""
    sound = correct(made_motion(kind, frames=1500))
    spoiled = shift_for_a_moment(sound, (0.06, 0.0, 0.0))
    around = (sound, spoiled, correct(spoiled))
    _, spoiled_m_s, repaired_m_s = standing_speeds_m_s(*[motion.frames(730, 770) for motion in around])
    assert repaired_m_s < 0.5 * spoiled_m_s


@pytest.mark.parametrize("kind", ["walk", "turn", "idle"])
def test_one_dip_in_a_long_motion_is_repaired(kind: Kind) -> None:
    spoiled = shift_for_a_moment(correct(made_motion(kind, frames=600)), (0.0, -0.06, 0.0))
    lowest_m = [float(sole_corners_m(motion)[..., 1].min()) for motion in (spoiled, correct(spoiled))]
    assert lowest_m[1] > 0.3 * lowest_m[0]
