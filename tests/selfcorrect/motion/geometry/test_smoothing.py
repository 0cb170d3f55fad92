"""The filters of `scipy.signal` are the oracle."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import savgol_coeffs, savgol_filter

from selfcorrect.motion.geometry.smoothing import parabola_weights, smooth_parabolic


@pytest.mark.parametrize(("frames", "window"), [(5, 3), (5, 5), (40, 5), (40, 9), (31, 31)])
def test_parabolas_give_the_bits_of_scipy(frames, window):
    values = np.random.default_rng(frames).normal(size=(frames, 2, 3))
    np.testing.assert_array_equal(smooth_parabolic(values, window), savgol_filter(values, window, 2, axis=0))
    velocities = savgol_filter(values, window, 2, deriv=1, delta=1 / 29.97, axis=0)
    np.testing.assert_array_equal(smooth_parabolic(values, window, 29.97), velocities)
    np.testing.assert_array_equal(parabola_weights(window), savgol_coeffs(window, 2))


def test_correcting_does_not_wait_for_the_slowest_parts_of_scipy():
    program = "import sys, selfcorrect.simulators.corrector; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
