"""White noise of joint positions, as pose estimators and generators leave it.

Bones have constant lengths, so noise is what shakes their lengths, however fast the body moves. The fourth differences
of a joint's path show noise and fast motion; the share of noise is that share of their variance which its bones'
lengths have as well.
"""

import numpy as np

from .geometry.vectors import norms
from .geometry.white_noise import noise_level, shrink_noise

MIN_NOISE_M = 0.001
"""Noise per coordinate below which a joint counts as free of it, in m. It is about the error of optical capture."""
_MIN_FRAMES = 12
"""Minimum number of frames that show noise."""
_MIN_LENGTH_RATIO = 3.0
"""Minimum ratio of a bone's length to the noise between its ends. Shorter bones are not measured."""


def measure_position_noise(joints_m: np.ndarray, parents: tuple[int, ...]) -> np.ndarray:
    """Measure the white noise of each joint.

    Args:
        joints_m: (T, J, 3) joint positions, in m.
        parents: J parent indices, −1 for the root, which is first.

    Returns:
        (J,) standard deviations per coordinate, in m. They are 0 if there are too few frames.
    """
    noise_m = np.zeros(len(parents))
    if len(joints_m) < _MIN_FRAMES or len(parents) < 2:
        return noise_m
    above = np.array(parents[1:])
    fast_m = noise_level(joints_m[None], 3)[0]
    lengths_m = norms(joints_m[:, 1:] - joints_m[:, above])
    stretch_m = noise_level(lengths_m[None, ..., None], 1)[0]
    between_m = np.maximum(np.hypot(fast_m[1:], fast_m[above]), 1e-12)
    shares = np.minimum(stretch_m / between_m, 1.0) ** 2
    is_long = lengths_m.mean(axis=0) > _MIN_LENGTH_RATIO * between_m
    if not is_long.any():
        return noise_m
    for joint in range(len(parents)):
        touches = is_long & ((above == joint) | (np.arange(1, len(parents)) == joint))
        noise_m[joint] = fast_m[joint] * np.sqrt(shares[touches if touches.any() else is_long].mean())
    return noise_m


def remove_position_noise(joints_m: np.ndarray, parents: tuple[int, ...], fps: float) -> np.ndarray:
    """Remove white noise from joints that have more than `MIN_NOISE_M`.

    Args:
        joints_m: (T, J, 3) joint positions, in m.
        parents: J parent indices, −1 for the root, which is first.

    Returns:
        (T, J, 3) positions; the same array if no joint is noisy.
    """
    noise_m = measure_position_noise(joints_m, parents)
    is_noisy = noise_m > MIN_NOISE_M
    if not is_noisy.any():
        return joints_m
    scales_m = np.maximum(noise_m, MIN_NOISE_M)[:, None]
    channels = (joints_m / scales_m).reshape(len(joints_m), -1)
    calm_m = shrink_noise(channels, fps).reshape(joints_m.shape) * scales_m
    return np.where(is_noisy[:, None], calm_m, joints_m)
