"""Standing feet rest and none sinks; what stands well stays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import made_motion
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.surface import sole_points
from selfcorrect.motion.checks.measure import measure
from selfcorrect.motion.editing.transforms import mirror
from selfcorrect.motion.geometry.rotations import from_euler_angles
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.views import TurnedWorld
from selfcorrect.simulators.core.contact_solve import DRAG_LIMIT_M, solve_contacts
from selfcorrect.simulators.core.stance import PosedMotions
from selfcorrect.simulators.corrector import KinematicCorrector

FRAMES = 60
STANCE = slice(15, 45)
"""Frames in which both feet stand."""


def solve(motion: Motion, standing: np.ndarray | None = None) -> Motion:
    """Solve contacts on a floor at y = 0, with both feet in `STANCE` by default."""
    if standing is None:
        standing = np.zeros((len(motion), 2, 2))
        standing[STANCE] = 1.0
    posed = PosedMotions.from_motions(MotionBatch.stack([motion]), sole_points(motion.skeleton))
    return solve_contacts(posed, np.zeros((1, len(motion), 2)), standing[None])[0]


def standing_body(fps: float = 30.0) -> Motion:
    motion = made_motion("idle", frames=FRAMES)
    still = np.zeros(FRAMES, dtype=int)
    return replace(motion, root_m=motion.root_m[still], rotations=motion.rotations[still], fps=fps)


def slide(motion: Motion, speed_m_s: float, heading_rad: float = 0.0) -> Motion:
    way_m = speed_m_s / motion.fps * np.arange(len(motion))[:, None]
    return replace(motion, root_m=motion.root_m + way_m * np.array([np.sin(heading_rad), 0.0, np.cos(heading_rad)]))


def toes_m(motion: Motion) -> np.ndarray:
    return joint_positions(motion, [motion.skeleton.parts.index(f"{side}_foot") for side in ("left", "right")])


def furthest_in_stance_m(motion: Motion) -> float:
    path_m = toes_m(motion)[STANCE][..., [0, 2]]
    return float(np.linalg.norm(path_m - path_m.mean(axis=0), axis=-1).max())


@settings(max_examples=15, deadline=None, derandomize=True)
@given(speed_m_s=st.floats(0.02, 0.2), heading_rad=st.floats(0.0, 6.3), fps=st.sampled_from([24.0, 30.0, 60.0]))
def test_sliding_feet_rest(speed_m_s: float, heading_rad: float, fps: float) -> None:
    sliding = slide(standing_body(fps), speed_m_s, heading_rad)
    assert furthest_in_stance_m(solve(sliding)) < 0.008


@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("heading_rad", [0.0, 1.0])
def test_feet_that_sway_by_a_centimetre_rest(fps: float, heading_rad: float) -> None:
    body = standing_body(fps)
    sways_m = 0.005 * np.sin(2 * np.pi * np.arange(FRAMES) / (STANCE.stop - STANCE.start))
    heading = np.array([np.sin(heading_rad), 0.0, np.cos(heading_rad)])
    swaying = replace(body, root_m=body.root_m + np.outer(sways_m, heading))
    assert furthest_in_stance_m(solve(swaying)) < 0.3 * furthest_in_stance_m(swaying)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(depth_m=st.floats(0.005, 0.08), heading_rad=st.floats(0.0, 6.3))
def test_sunken_feet_rise(depth_m: float, heading_rad: float) -> None:
    body = standing_body()
    lowest_m = PosedMotions.from_motions(MotionBatch.stack([body]), sole_points(body.skeleton)).feet_m[..., 1].min()
    sunken = replace(body, root_m=body.root_m - [0.0, lowest_m + depth_m, 0.0])
    risen = PosedMotions.from_motions(MotionBatch.stack([solve(sunken)]), sole_points(body.skeleton))
    assert -0.006 < risen.feet_m[..., 1].min() < 0.0


def test_feet_that_stand_well_stay() -> None:
    body = standing_body()
    posed = PosedMotions.from_motions(MotionBatch.stack([body]), sole_points(body.skeleton))
    assert solve_contacts(posed, np.zeros((1, FRAMES, 2)), np.ones((1, FRAMES, 2, 2))) is posed.motions


@pytest.mark.parametrize("slid_m", [2.2, 5.0])
def test_gliding_bodies_glide_on(slid_m: float) -> None:
    """Legs cannot follow a stance that slides by twice the limit from its middle; they would do the splits."""
    gliding = slide(standing_body(), slid_m * 2 * DRAG_LIMIT_M * 30 / (STANCE.stop - STANCE.start))
    np.testing.assert_array_equal(solve(gliding).rotations, gliding.rotations)
    np.testing.assert_array_equal(solve(gliding).root_m, gliding.root_m)


def test_batches_equal_single_motions() -> None:
    long = slide(made_motion("walk", frames=90), 0.1)
    short = long.frames(0, 50)
    batch = MotionBatch.stack([long, short])
    posed = PosedMotions.from_motions(batch, sole_points(long.skeleton))
    together = solve_contacts(posed, np.zeros((2, 90, 2)))
    for index, motion in enumerate((long, short)):
        alone = PosedMotions.from_motions(MotionBatch.stack([motion]), posed.soles)
        single = solve_contacts(alone, np.zeros((1, len(motion), 2)))[0]
        np.testing.assert_array_equal(together[index].rotations, single.rotations)


@pytest.mark.parametrize("change", ["heading", "place", "mirror"])
def test_solve_commutes_with_symmetries(change: str) -> None:
    turn = TurnedWorld(from_euler_angles("Y", np.array([137.0])))
    away_m = np.array([3.0, 0.0, -7.0])
    do, undo = {
        "heading": (turn.view, turn.restore),
        "place": (
            lambda motion: replace(motion, root_m=motion.root_m + away_m),
            lambda motion: replace(motion, root_m=motion.root_m - away_m),
        ),
        "mirror": (mirror, mirror),
    }[change]
    walk = slide(made_motion("walk", frames=FRAMES), 0.1)
    standing = np.zeros((FRAMES, 2, 2))
    standing[5:25, 0], standing[20:40, 1], standing[36:56, 0] = 1.0, 1.0, 1.0
    expected = solve(walk, standing)
    assert np.abs(joint_positions(expected) - joint_positions(walk)).max() > 0.01
    other = solve(do(walk), standing[:, ::-1] if change == "mirror" else standing)
    np.testing.assert_allclose(joint_positions(undo(other)), joint_positions(expected), atol=1e-6)


def test_rolling_feet_leave_the_floor() -> None:
    """Feet that roll by up to 10° dip their edges into the floor that their joints show."""
    motion = made_motion("idle", frames=120)
    times_s = np.arange(len(motion)) / motion.fps
    rotations = motion.rotations.copy()
    for side, phase in (("left", 0.0), ("right", 0.3)):
        ankle = motion.skeleton.parts.index(f"{side}_ankle")
        rolls_deg = 10 * np.sin(2 * np.pi * (0.5 * times_s + phase))
        rolls = Rotation.from_euler("z", rolls_deg[:, None], degrees=True)
        rotations[:, ankle] = (Rotation.from_quat(rotations[:, ankle]) * rolls).as_quat()
    rolling = replace(motion, rotations=rotations)
    (correction,) = KinematicCorrector()([rolling])
    assert measure(rolling).penetration_m > 0.004
    assert correction.after["penetration_m"] < 0.001
