"""When feet stand, and how high the floor is."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.body.surface import sole_points
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.observed_ground import ObservedGround
from selfcorrect.simulators.cleanup.drift import StanceEvidence
from selfcorrect.simulators.cleanup.stance import PosedMotions


@pytest.mark.parametrize("raised_m", [-0.05, 0.0, 0.05, 0.1])
def test_the_lowest_of_several_levels_is_found_wherever_the_file_has_its_floor(stand: Motion, raised_m: float) -> None:
    """It is stood on for a moment only, far from y = 0 or near: levels between lead to it."""
    keys = [0, 60, 72, 132, 144, 158, 170, 240]
    levels_m = np.interp(np.arange(240), keys, [0.0, 0.0, -0.12, -0.12, -0.24, -0.24, -0.12, -0.12])
    ahead_m = np.interp(np.arange(240), keys, [0.0, 0.0, 0.4, 0.4, 0.8, 0.8, 1.2, 1.2])
    root_m = stand.root_m[0] + np.stack([0 * ahead_m, raised_m + levels_m, ahead_m], axis=1)
    steps = replace(stand, root_m=root_m, rotations=np.tile(stand.rotations[:1], (len(root_m), 1, 1)))
    posed = PosedMotions.from_motions(MotionBatch.stack([steps]), sole_points(stand.skeleton))
    lowest_m = posed.feet_m[..., 1].min()
    assert ObservedGround(posed.motions[0]).find_height_below_m(posed.feet_m[0], lowest=True) == pytest.approx(
        lowest_m, abs=0.01
    )


def test_points_that_stand_are_found_on_a_floor_that_slides(walk: Motion) -> None:
    """Evidence leaves horizontal motion alone, and a foot that swings is none."""
    sliding = replace(walk, root_m=walk.root_m + np.outer(np.arange(len(walk)) / walk.fps, (0.3, 0.0, 0.0)))
    evidence = []
    for motion in (walk, sliding):
        posed = PosedMotions.from_motions(MotionBatch.stack([motion]), sole_points(motion.skeleton))
        evidence.append(StanceEvidence.from_motion(motion, posed.feet_m[0], np.ones(len(motion), dtype=bool)))
    still, slid = evidence
    assert np.abs(slid.weights - still.weights).mean() < 0.02
    faster_m_s = slid.velocity_m_s - still.velocity_m_s
    np.testing.assert_allclose(faster_m_s, np.broadcast_to((0.3, 0.0), faster_m_s.shape), atol=1e-6)
    assert still.weights.max() > 0.5
    assert still.weights.min() < 0.01
