"""White noise is removed from single curves as far as their spectrum shows."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.white_noise import fit_smoothness, smooth_noise


def _draw_curve(seed: int, bend: float, frames: int = 300) -> np.ndarray:
    """Return a curve (T, 3) whose second differences are white, with this standard deviation."""
    random = np.random.default_rng(seed)
    return np.cumsum(np.cumsum(random.normal(0, bend, (frames, 3)), axis=0), axis=0)


@pytest.mark.parametrize("ratio", [0.1, 10.0, 1e3, 1e5])
def test_known_smoothness_is_found(ratio: float) -> None:
    found = []
    for seed in range(8):
        curve = _draw_curve(seed, 1.0)
        noisy = curve + np.random.default_rng(seed + 100).normal(0, np.sqrt(ratio), curve.shape)
        found.append(fit_smoothness(noisy, 3 * ratio))
    assert np.exp(np.log(found).mean()) == pytest.approx(ratio, rel=0.5)


@pytest.mark.parametrize("noise", [3.0, 30.0, 300.0])
def test_smoothing_is_nearly_optimal(noise: float) -> None:
    """No weight of second differences, chosen with the truth in hand, gives a much smaller error."""
    differences = np.diff(np.eye(80), 2, axis=0)
    matrices = [np.eye(80) + weight * differences.T @ differences for weight in np.logspace(-2, 7, 19)]
    reached = least = 0.0
    for seed in range(8):
        curve = _draw_curve(seed, 1.0, frames=80)
        noisy = curve + np.random.default_rng(seed + 100).normal(0, noise, curve.shape)
        reached += np.square(smooth_noise(noisy, 3 * noise**2, 30.0) - curve).mean() / noise**2
        least += min(np.square(np.linalg.solve(matrix, noisy) - curve).mean() for matrix in matrices) / noise**2
    assert reached < 1.25 * least
    assert reached < 0.5 * 8


def test_fast_segments_keep_their_motion() -> None:
    """Smoothing follows the motion over time: a fast part keeps more of its noise than a slow one."""
    bends = np.repeat([0.001, 1.0], 300)[:, None] * np.random.default_rng(1).normal(size=(600, 3))
    curve = np.cumsum(np.cumsum(bends, axis=0), axis=0)
    noisy = curve + np.random.default_rng(2).normal(0, 1.0, curve.shape)
    errors = np.square(smooth_noise(noisy, 3.0, 30.0) - curve).mean(axis=1)
    assert errors[:200].mean() < 0.1
    assert errors[400:].mean() < 1.0


def test_axes_and_origin_do_not_matter() -> None:
    curve = _draw_curve(5, 0.1) + np.random.default_rng(6).normal(0, 1.0, (300, 3))
    turn = Rotation.from_rotvec([0.3, 1.0, -2.0])
    shift = np.array([5.0, -3.0, 20.0])
    expected = shift + turn.apply(smooth_noise(curve, 3.0, 30.0))
    np.testing.assert_allclose(smooth_noise(shift + turn.apply(curve), 3.0, 30.0), expected, atol=1e-6)


def test_short_curves_stay() -> None:
    curve = np.random.default_rng(1).normal(size=(6, 3))
    np.testing.assert_array_equal(smooth_noise(curve, 1.0, 30.0), curve)
