"""Filters and banded systems against SciPy's."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.signal import savgol_coeffs, savgol_filter

from selfcorrect.motion.geometry import compiled, filters
from selfcorrect.motion.geometry.smoothing import parabola_weights, smooth_parabolic

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 3))
MODES = st.sampled_from(["nearest", "reflect"])


@given(SHAPES, st.integers(1, 60), MODES, st.integers(0, 2), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_windows_match_scipy(shape, size, mode, axis, seed):
    values = np.random.default_rng(seed).normal(size=shape).round(1)  # some are equal
    for name in ("maximum_filter1d", "minimum_filter1d", "uniform_filter1d"):
        expected = getattr(ndimage, name)(values, size, axis, mode=mode)
        np.testing.assert_array_equal(getattr(filters, name)(values, size, axis, mode=mode), expected, name)
    window = [1, 1, 1]
    window[axis] = min(size, shape[axis])
    expected = ndimage.median_filter(values, size=window, mode=mode)
    np.testing.assert_array_equal(filters.median_filter1d(values, window[axis], axis, mode), expected)
    for sigma in (0.3, size / 4):
        expected = ndimage.gaussian_filter1d(values, sigma, axis, mode=mode)
        np.testing.assert_array_equal(filters.gaussian_filter1d(values, sigma, axis, mode=mode), expected)
    for weights in (values[0, 0], np.arange(-2.0, 3.0), [0.2, -0.5, 0.4]):
        if len(weights) % 2:
            expected = ndimage.correlate1d(values, weights, axis, mode="constant")
            np.testing.assert_array_equal(filters.correlate1d(values, weights, axis), expected)


@given(SHAPES, st.integers(1, 50), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_runs_match_scipy(shape, size, seed):
    is_set = np.random.default_rng(seed).random(shape) < 0.7
    window = np.ones((1, size, 1))
    result = filters.remove_short_runs(is_set, size, 1)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, ndimage.binary_opening(is_set, window))


def test_window_origin_shifts():
    heights = np.random.default_rng(1).normal(size=30)
    for size in (4, 5):
        for origin in ((size - 1) // 2, -(size // 2)):
            options = {"origin": origin, "mode": "constant", "cval": np.inf}
            expected = ndimage.minimum_filter1d(heights, size, **options)
            np.testing.assert_array_equal(filters.minimum_filter1d(heights, size, **options), expected)


@given(st.integers(1, 60), st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_banded_systems_are_solved(frames, bands, seed):
    generator = np.random.default_rng(seed)
    upper = generator.normal(size=(min(bands, frames), frames))
    upper[-1] = 2 * bands + np.abs(upper[-1])
    right = generator.normal(size=(frames, 2, 3))
    expected = scipy.linalg.solveh_banded(upper, right.reshape(frames, 6)).reshape(right.shape)
    np.testing.assert_allclose(filters.solve_banded(upper, right), expected, rtol=0, atol=1e-13)
    upper[-1, frames // 2] = -1
    with pytest.raises(np.linalg.LinAlgError, match="minor"):
        filters.solve_banded(upper, right)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 99), st.booleans())
@example(1, 2, 0, False)
@settings(max_examples=40, deadline=None)
def test_systems_stored_by_rows_are_solved(size: int, kept: int, seed: int, is_compiled: bool) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(size, kept))
    rows[:, 0] = 2 * kept + np.abs(rows[:, 0])
    matrix = np.zeros((size, size))
    for row, place in np.ndindex(size, kept):
        if row + place < size:
            matrix[row, row + place] = matrix[row + place, row] = rows[row, place]
    right = generator.normal(size=size)
    with pytest.MonkeyPatch.context() as patch:
        if not is_compiled:
            patch.setattr(compiled, "KERNELS", None)
        solution = filters.solve_banded_rows(rows.copy(), right)
        np.testing.assert_allclose(solution, np.linalg.solve(matrix, right), rtol=0, atol=1e-12)
        rows[size // 2, 0] = -1
        with pytest.raises(np.linalg.LinAlgError, match="minor"):
            filters.solve_banded_rows(rows, right)


@pytest.mark.skipif(compiled.KERNELS is None, reason="the kernels are not compiled here")
def test_solver_equals_scipy(monkeypatch: pytest.MonkeyPatch):
    bands = np.stack([np.full(30, 0.5), np.full(30, 2.0)])
    right = np.random.default_rng(2).normal(size=(30, 2, 2))
    solution = filters.solve_banded(bands, right)
    monkeypatch.setattr(compiled, "KERNELS", None)
    np.testing.assert_allclose(filters.solve_banded(bands, right), solution, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("frames", "window"), [(5, 3), (5, 5), (40, 5), (40, 9), (31, 31)])
def test_parabolas_are_those_of_scipy(frames, window):
    """Parabolas agree with SciPy's up to rounding.

    The order in which sums are taken differs between versions of SciPy.
    """
    values = np.random.default_rng(frames).normal(size=(frames, 2, 3))
    expected = savgol_filter(values, window, 2, axis=0)
    np.testing.assert_allclose(smooth_parabolic(values, window), expected, rtol=0, atol=1e-13)
    velocities = savgol_filter(values, window, 2, deriv=1, delta=1 / 29.97, axis=0)
    np.testing.assert_allclose(smooth_parabolic(values, window, 29.97), velocities, rtol=0, atol=1e-12)
    np.testing.assert_allclose(parabola_weights(window), savgol_coeffs(window, 2), rtol=0, atol=1e-14)
