"""Speeds along the floor ignore heights and the belt."""

import numpy as np
import pytest

from selfcorrect.motion.geometry.floor_speeds import floor_speeds_between_m_s, floor_speeds_m_s


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("measure", [floor_speeds_m_s, floor_speeds_between_m_s])
def test_steady_slide_has_one_speed(measure, axis: int) -> None:
    times_s = np.arange(6) / 30.0
    heights_m = np.sin(9 * times_s)
    path_m = np.stack([3.0 * times_s, heights_m, -4.0 * times_s], axis=-1)
    points_m = np.stack([path_m, path_m], axis=1 - axis)
    np.testing.assert_allclose(measure(points_m, 30.0, axis=axis), 5.0)
    np.testing.assert_allclose(measure(points_m, 30.0, axis=axis, belt_m_s=np.array([3.0, -4.0])), 0.0, atol=1e-12)


def test_single_frame_does_not_slide() -> None:
    assert floor_speeds_m_s(np.ones((1, 2, 3)), 30.0).tolist() == [[0.0, 0.0]]
    assert floor_speeds_between_m_s(np.ones((1, 2, 3)), 30.0).shape == (0, 2)
