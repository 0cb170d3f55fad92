"""When feet stand, and how high the floor is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.surface import sole_points
from selfcorrect.motion.measures.contacts import floor_height_m, height_of_floor_m
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.levelling import LevelFloor, estimate_floor_height, estimate_floor_heights_m
from selfcorrect.simulators.cleanup.stance import PosedMotions, collect_stance_evidence, detect_stances


def test_short_gaps_in_stances_close_and_short_stances_go():
    height_m = np.zeros((1, 20, 2))
    speed_m_s = np.ones((1, 20, 2))
    speed_m_s[0, 2:8, 0] = 0.0
    speed_m_s[0, 4, 0] = 1.0
    speed_m_s[0, 12:14, 0] = 0.0
    stands = detect_stances(height_m, speed_m_s, fps=30.0)
    assert np.flatnonzero(stands[0, :, 0]).tolist() == list(range(2, 8))
    assert not stands[..., 1].any()


def test_toes_that_dip_do_not_raise_the_body():
    """Toes of either foot in turn go through the floor; the floor is where the feet stand flat."""
    soles_m = np.tile([0.0, 0.0], (60, 1))
    soles_m[:20, 0] = -0.05
    soles_m[30:50, 1] = -0.05
    flat = soles_m == 0.0
    assert estimate_floor_height(soles_m, np.zeros((60, 2)), flat, LevelFloor()) == 0.0
    assert estimate_floor_height(soles_m, np.zeros((60, 2)), np.zeros((60, 2), dtype=bool), LevelFloor()) == -0.05


def test_a_raised_motion_is_lowered_by_as_much_and_one_on_the_floor_is_left(stand: Motion, walk: Motion) -> None:
    for motion in (stand, walk):
        level = replace(motion, root_m=motion.root_m - np.array([0.0, floor_height_m(motion), 0.0]))
        raised = replace(level, root_m=level.root_m + np.array([0.0, 0.1, 0.0]))
        low_m = estimate_floor_heights_m(
            PosedMotions.from_motions(MotionBatch.stack([level]), sole_points(level.skeleton)),
            LevelFloor(),
            lowest=False,
        )[0]
        high_m = estimate_floor_heights_m(
            PosedMotions.from_motions(MotionBatch.stack([raised]), sole_points(raised.skeleton)),
            LevelFloor(),
            lowest=False,
        )[0]
        assert abs(low_m) < 0.01
        assert high_m == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("raised_m", [-0.05, 0.0, 0.05, 0.1])
def test_the_lowest_of_several_levels_is_found_wherever_the_file_has_its_floor(stand: Motion, raised_m: float) -> None:
    """It is stood on for a moment only, far from y = 0 or near: levels between lead to it."""
    levels_m = np.repeat([0.0, -0.12, -0.24, -0.12], [60, 60, 14, 60])
    root_m = stand.root_m[0] + (raised_m + levels_m)[:, None] * (0.0, 1.0, 0.0)
    steps = replace(stand, root_m=root_m, rotations=np.tile(stand.rotations[:1], (len(root_m), 1, 1)))
    posed = PosedMotions.from_motions(MotionBatch.stack([steps]), sole_points(stand.skeleton))
    lowest_m = posed.feet_m[..., 1].min()
    assert estimate_floor_heights_m(posed, LevelFloor(), lowest=True)[0] == pytest.approx(lowest_m, abs=0.01)


@pytest.mark.parametrize("pitch_deg", [0.0, 6.0, 12.0])
def test_no_body_is_lowered_into_the_ground(stand: Motion, pitch_deg: float) -> None:
    """Feet that point down by a little count as flat: their balls are high, and their tips touch."""
    rotations = stand.rotations.copy()
    for side in ("left", "right"):
        ankle = stand.skeleton.joint(f"{side}_ankle")
        pitch = Rotation.from_euler("x", pitch_deg, degrees=True)
        rotations[:, ankle] = (Rotation.from_quat(rotations[:, ankle]) * pitch).as_quat()
    with_soles = replace(stand.skeleton, soles_m=(0.025, 0.025))
    pitched = MotionBatch.stack([replace(stand, skeleton=with_soles, rotations=rotations)])
    posed = PosedMotions.from_motions(pitched, sole_points(with_soles))
    up_m = np.array([0.0, 0.05 - posed.feet_m[..., 1].min(), 0.0])
    posed = posed.shift(np.broadcast_to(up_m, pitched.root_m.shape))
    down_m = estimate_floor_heights_m(posed, LevelFloor(), lowest=False)[0]
    assert 0.03 < down_m < 0.051


def test_a_floor_that_few_still_feet_show_is_where_feet_are_low() -> None:
    lowest_m = np.stack([np.linspace(0.0, 1.0, 101), np.full(101, 2.0)], axis=1)
    still = np.zeros((101, 2), dtype=bool)
    assert height_of_floor_m(lowest_m, still, fewest_frames=5) == pytest.approx(0.2)
    still[40:45] = True
    assert height_of_floor_m(lowest_m, still, fewest_frames=5) == pytest.approx(0.416)


def test_points_that_stand_are_found_on_a_floor_that_slides(walk: Motion) -> None:
    """Cues leave horizontal motion alone, and a foot that swings is no evidence."""
    sliding = replace(walk, root_m=walk.root_m + np.outer(np.arange(len(walk)) / walk.fps, (1.0, 0.0, 0.0)))
    weights = []
    for motion in (walk, sliding):
        posed = PosedMotions.from_motions(MotionBatch.stack([motion]), sole_points(motion.skeleton))
        joints = [motion.skeleton.joint(f"{side}_ankle") for side in ("left", "right")]
        upright = np.ones(len(motion) - 1, dtype=bool)
        weights.append(
            collect_stance_evidence(posed.feet_m[0], posed.orientations[0][:, joints], upright, motion.fps).weights
        )
    np.testing.assert_allclose(weights[0], weights[1])
    assert weights[0].max() > 0.5
    assert weights[0].min() < 0.01
