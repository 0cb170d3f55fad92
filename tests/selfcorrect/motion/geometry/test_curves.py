"""Splines through frames."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from selfcorrect.motion.geometry.curves import NaturalSpline, smooth_gaussian, smooth_whittaker, thirds_to_frames


@pytest.mark.parametrize("count", [4, 50])
def test_splines_match_scipy(count):
    values = np.random.default_rng(0).normal(size=(count, 5, 2))
    fps = 30.0
    spline = NaturalSpline.from_values(values, fps)
    scipy_spline = CubicSpline(np.arange(count) / fps, values, bc_type="natural")
    times_s = np.append(np.linspace(0, (count - 1) / fps, 101), np.arange(count) / fps)
    np.testing.assert_allclose(spline.evaluate(times_s), scipy_spline(times_s), atol=1e-12)
    np.testing.assert_allclose(spline.curvature, scipy_spline(np.arange(count) / fps, 2), atol=1e-8)


def test_spline_ignores_company():
    values = np.random.default_rng(1).normal(size=(40, 70))
    together = NaturalSpline.from_values(values, 30.0)
    for column in (0, 33, 69):
        assert np.array_equal(
            NaturalSpline.from_values(values[:, [column]], 30.0).curvature[:, 0], together.curvature[:, column]
        )


def test_smoothing_matches_scipy_bits():
    draw = np.random.default_rng(2)
    values = draw.normal(size=(2, 30, 3))
    for frames in (0.5, 4.5, 12.0):
        expected = gaussian_filter1d(values, frames, axis=1, mode="nearest")
        assert np.array_equal(smooth_gaussian(values, frames), expected)
    assert np.array_equal(thirds_to_frames(values), np.pad(values, ((0, 0), (1, 2), (0, 0)), mode="edge"))


def test_whittaker_solves_least_squares():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(12, 2))
    weights = generator.uniform(0.1, 2.0, 12)
    second = np.diff(np.eye(12), 2, axis=0)
    expected = np.linalg.solve(np.diag(weights) + 5.0 * second.T @ second, weights[:, None] * values)
    assert np.allclose(smooth_whittaker(values, 5.0, weights), expected)
