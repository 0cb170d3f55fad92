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


def test_a_long_stance_does_not_unlock_the_short_stances_beside() -> None:
    """On a floor that drifts, each stance slides as far as it lasts; where both feet stand, the longer slide counts."""
    stands = np.zeros((1, 100, 2), dtype=bool)
    stands[0, 5:15, 0] = stands[0, 20:90, 1] = stands[0, 60:70, 0] = True
    drift_m = np.arange(100)[None, :, None] * np.array([0.008, 0.0, 0.006])
    slides_m = foot_lock.furthest_in_stance_m(drift_m, stands)
    np.testing.assert_allclose(slides_m[0, 5:15], 0.09)
    np.testing.assert_allclose(slides_m[0, 20:90], 0.69)
    assert not slides_m[0, [0, 17, 95]].any()
    shares = foot_lock.lock_share(slides_m[0])
    np.testing.assert_allclose(shares[5:15], 1.0)
    assert 0.0 < shares[60] < 0.5
