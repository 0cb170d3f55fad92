"""The filters of `scipy.signal` are the oracle."""

import numpy as np
import pytest
from scipy.signal import savgol_coeffs, savgol_filter

from selfcorrect.motion.geometry.smoothing import parabola_weights, smooth_parabolic


@pytest.mark.parametrize(("frames", "window"), [(5, 3), (5, 5), (40, 5), (40, 9), (31, 31)])
def test_parabolas_are_those_of_scipy(frames, window):
    """Up to the order in which sums are taken, which differs between versions of SciPy."""
    values = np.random.default_rng(frames).normal(size=(frames, 2, 3))
    expected = savgol_filter(values, window, 2, axis=0)
    np.testing.assert_allclose(smooth_parabolic(values, window), expected, rtol=0, atol=1e-13)
    velocities = savgol_filter(values, window, 2, deriv=1, delta=1 / 29.97, axis=0)
    np.testing.assert_allclose(smooth_parabolic(values, window, 29.97), velocities, rtol=0, atol=1e-12)
    np.testing.assert_allclose(parabola_weights(window), savgol_coeffs(window, 2), rtol=0, atol=1e-14)
