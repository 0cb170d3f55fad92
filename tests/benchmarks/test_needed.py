"""Faults that are planted in windows, and what they add to the root force."""

import numpy as np
import pytest

from benchmarks.needed import GLIDE_M_S, HOVER_M, _faults, glides, hovers, low_passed
from selfcorrect.motion.motion import Motion


def test_faults_move_the_root_alone_and_the_filter_leaves_them(walk: Motion) -> None:
    (glided,), (hovered,) = glides([walk]), hovers([walk])
    assert (glided.root_m - walk.root_m)[-1] == pytest.approx([GLIDE_M_S * walk.seconds, 0.0, 0.0])
    np.testing.assert_allclose(hovered.root_m - walk.root_m, np.tile([0.0, HOVER_M, 0.0], (len(walk), 1)), atol=1e-12)
    (smooth,), (both,) = low_passed([walk]), low_passed([hovered])
    assert np.linalg.norm(smooth.rotations, axis=-1) == pytest.approx(1.0)
    np.testing.assert_allclose(both.root_m - smooth.root_m, hovered.root_m - walk.root_m, atol=1e-3)


def test_a_fault_is_compared_with_the_same_windows_without_it() -> None:
    forces = {
        "real windows": np.array([0.1, 0.2, 0.3]),
        "low-pass": np.array([0.0, 0.1, 0.2]),
        "gliding": np.array([0.6, 0.7, 0.8]),
        "gliding, low-pass": np.array([0.2, 0.3, 0.4]),
    }
    assert list(_faults(forces)) == [
        "gliding minus real windows: +0.50 [+0.50, +0.50]",
        "gliding, low-pass minus low-pass: +0.20 [+0.20, +0.20]",
    ]
