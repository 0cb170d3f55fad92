"""Soles are fitted to stances, and what of them is held."""

import numpy as np

from selfcorrect.motion.body.surface import sole_points
from selfcorrect.simulators.body.soles import fit_soles, lowest_corner_velocities, stance_velocities


def test_soles_are_fitted_to_flat_stances(adult):
    soles = sole_points(adult)
    heights_m = np.tile(np.repeat([0.0, 0.012, 0.004], 2), (20, 2, 1))
    fitted = fit_soles(soles, heights_m, np.ones((20, 2), dtype=bool), 30.0)
    lowered_m = (soles.offsets_m - fitted.offsets_m)[:, 1]
    assert np.allclose(lowered_m, np.tile(np.repeat([0.0, 0.012, 0.004], 2), 2))
    assert fit_soles(soles, heights_m, np.zeros((20, 2), dtype=bool), 30.0) is soles


def test_of_soles_that_are_known_the_ball_stays(adult):
    """What hovers there is an error of the floor; heel and tip come to its height, from above or from below."""
    soles = sole_points(adult)
    heights_m = np.tile(np.repeat([0.02, 0.012, 0.004], 2), (20, 2, 1))
    fitted = fit_soles(soles, heights_m, np.ones((20, 2), dtype=bool), 30.0, ball_known=True)
    lowered_m = (soles.offsets_m - fitted.offsets_m)[:, 1]
    assert np.allclose(lowered_m, np.tile(np.repeat([0.008, 0.0, -0.008], 2), 2))


def test_the_ball_of_a_foot_that_rolls_is_held_and_not_its_tip():
    """The tip of the stiff sole is lowest and slides back while the ball, a centimetre higher, stands still."""
    feet_m = np.zeros((1, 10, 2, 6, 3))
    feet_m[..., :2, 1] = 0.1
    feet_m[..., 2:4, 1] = 0.01
    feet_m[..., 4:, 2] = -0.01 * np.arange(10)[:, None, None]
    assert np.abs(lowest_corner_velocities(feet_m, 30.0)[..., 1]).min() > 0.2
    assert np.abs(stance_velocities(feet_m, 30.0)[..., 1]).max() < 0.05


def test_the_corner_that_stands_is_held_and_not_a_slow_one_high_above():
    feet_m = np.zeros((1, 10, 2, 6, 3))
    feet_m[..., :4, 1] = 0.1
    feet_m[..., 4:, 2] = 0.003 * np.arange(10)[:, None, None]
    assert np.allclose(stance_velocities(feet_m, 30.0)[..., 1], 0.09, atol=0.01)
