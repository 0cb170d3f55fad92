"""What keeps standing feet in their places."""

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.simulators.cleanup import foot_lock


def test_swings_are_bridged_smoothly():
    stands = np.zeros((1, 32, 2), dtype=bool)
    stands[0, [3, 4, 24, 25], 0] = True
    anchors_m = np.zeros((1, 32, 2, 3))
    anchors_m[0, 3:5, 0] = 0.02
    anchors_m[0, 24:26, 0] = 0.06
    moves_m = foot_lock.bridge_swings(anchors_m, stands, fps=30.0)
    assert np.allclose(moves_m[0, [3, 4], 0], 0.02)
    assert np.allclose(moves_m[0, [24, 25], 0], 0.06)
    assert (np.diff(moves_m[0, 4:25, 0, 1]) >= 0).all()
    assert np.allclose(moves_m[0, 10:19, 0, 0], 0.0)
    assert (np.abs(np.diff(moves_m[0, :, 0, 0])) < 0.016).all()
    assert np.allclose(moves_m[0, :3, 0, 1], 0.02)
    assert not moves_m[:, :, 1].any()


def test_sunken_toes_are_turned_up_as_far_as_needed():
    normals = np.tile([0.0, np.cos(0.4), np.sin(0.4)], (1, 30, 2, 1))
    below_m = np.full((1, 30, 2), -0.03)
    above_m = np.full((1, 30, 2), 0.03)
    share = foot_lock.share_above(below_m, above_m, normals, fps=30.0)
    assert np.allclose(share, 0.5)
    turned = Rotation.from_quat(foot_lock.flattening_rotations(normals, share)).apply(normals)
    assert np.allclose(np.arccos(turned[..., 1]), 0.2)
    assert not foot_lock.share_above(-below_m, above_m, normals, fps=30.0).any()


def test_feet_of_who_kneels_are_not_laid_flat():
    """They point back beyond the vertical; flat, they would stand beside the knees."""
    back = np.tile([0.0, np.cos(1.7), np.sin(1.7)], (1, 30, 2, 1))
    assert not foot_lock.share_above(np.full((1, 30, 2), -0.03), np.full((1, 30, 2), 0.03), back, fps=30.0).any()


def test_swinging_feet_do_not_drag():
    stands = np.ones((1, 40, 2), dtype=bool)
    stands[0, 10:30, 0] = False
    soles_m = np.zeros((1, 40, 2))
    speed_m_s = np.where(stands, 0.0, 0.5)
    moves_m = foot_lock.lock_feet(soles_m, np.zeros((1, 39, 2, 2)), speed_m_s, stands, fps=30.0)
    assert (moves_m[0, 10:30, 0, 1] > 0.005).all()
    assert moves_m[..., 1].max() < 0.012
    assert np.allclose(moves_m[0, :, 1], 0.0)
