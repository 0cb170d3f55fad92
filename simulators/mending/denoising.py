"""White noise of joints and root, told from motion by what all joints do together over a few frames.

A body moves in few ways at a time, smoothly and with its joints in concert, so the windows of a few frames of a motion
lie close to a subspace of few dimensions; noise fills them all. Multichannel singular spectrum analysis (Ghil et al.
2002, "Advanced spectral methods for climatic time series") finds that subspace; for the noise that is left in it, the
singular values are shrunk optimally (Gavish and Donoho 2017, "Optimal shrinkage of singular values").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from selfcorrect.motion.kinematics import continuous
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.curves import whittaker


@dataclass(frozen=True)
class DenoiseSettings:
    """What is taken for white noise; set by hand on CMU clips, clean and with noise added to every joint."""

    noisy_rad: float = 0.02
    """White noise of a body's median joint that is left alone: smoothing would cost real motion."""
    noisy_root_m: float = 0.002
    """Likewise, of its root."""
    noisy_joint_rad: float = 0.04
    """White noise of a single joint of a body without noise: fast joints look noisy a little below."""
    fewest_frames: int = 8
    """Frames that show noise."""
    segment_s: float = 3.0
    """Time within which a body moves in the same few ways."""
    window_s: float = 8 / 30
    """Length of the windows …"""
    longest_window: int = 16
    """… which have so many frames at most."""
    caution: float = 1.1
    """Noise is taken for so much stronger than it is: overlapping windows make its singular values spread."""


DENOISE = DenoiseSettings()
"""The defaults."""


def noise_level(values: np.ndarray) -> np.ndarray:
    """Standard deviation (N, ...) of white noise on smooth curves (N, T, ...), from their median fourth difference."""
    return np.median(np.abs(np.diff(values, 4, axis=1)), axis=1) * 1.4826 / np.sqrt(70.0)


def joint_noise_rad(motions: MotionBatch, settings: DenoiseSettings = DENOISE) -> np.ndarray:
    """(N, J) white noise on each joint's rotation; zero for motions too short to tell."""
    if motions.root_m.shape[1] < settings.fewest_frames:
        return np.zeros((len(motions), len(motions.skeleton)))
    return 2 * np.linalg.norm(noise_level(continuous(motions.rotations, axis=1)), axis=-1)


def noisy(noise_rad: np.ndarray, settings: DenoiseSettings = DENOISE) -> np.ndarray:
    """(N,) whether whole bodies are noisy; noise_rad: (N, J)."""
    return np.median(noise_rad, axis=1) > settings.noisy_rad


def denoise(motions: MotionBatch, noise_rad: np.ndarray, settings: DenoiseSettings = DENOISE) -> MotionBatch:
    """Take the noise (N, J) out of noisy bodies and single noisy joints, and out of noisy root coordinates."""
    rotations, root_m = continuous(motions.rotations, axis=1), motions.root_m.copy()
    if root_m.shape[1] < settings.fewest_frames:
        return motions
    root_noise_m = noise_level(root_m)
    noisy_joints = (noise_rad > settings.noisy_joint_rad) | noisy(noise_rad, settings)[:, None]
    joints, axes = noisy_joints & (noise_rad > 0), root_noise_m > settings.noisy_root_m  # end sites have no noise
    for motion in np.flatnonzero(joints.any(1) | axes.any(1)):
        turning, moving = np.flatnonzero(joints[motion]), np.flatnonzero(axes[motion])
        component_noise = noise_rad[motion, turning] / (2 * np.sqrt(3))
        noise = np.concatenate([np.repeat(component_noise, 4), root_noise_m[motion, moving]])
        values = np.hstack([rotations[motion][:, turning].reshape(len(root_m[motion]), -1), root_m[motion][:, moving]])
        calm = calmed(values / noise, motions.fps, settings) * noise
        rotations[motion][:, turning] = calm[:, : 4 * len(turning)].reshape(len(calm), len(turning), 4)
        root_m[motion][:, moving] = calm[:, 4 * len(turning) :]
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return _smoothed(replace(motions, root_m=root_m, rotations=rotations), noise_rad, settings)


def _smoothed(motions: MotionBatch, noise_rad: np.ndarray, settings: DenoiseSettings) -> MotionBatch:
    """Noisy bodies with those joints smoothed that are noisy still: some models' noise is in concert, too.

    noise_rad: (N, J) noise before anything was taken out, by which joints are smoothed.
    """
    chosen = noisy(noise_rad, settings)
    pace = (motions.fps / 30) ** 4  # second differences shrink with the square of the frame rate
    rotations, root_m = continuous(motions.rotations, axis=1), motions.root_m.copy()
    left_rad, left_m = joint_noise_rad(motions, settings), noise_level(root_m)
    for motion, joint in np.argwhere((left_rad > settings.noisy_joint_rad) & chosen[:, None]):
        smoothness = 0.4 * float(noise_rad[motion, joint] / 0.01) ** 1.5 * pace
        rotations[motion, :, joint] = whittaker(rotations[motion, :, joint], smoothness)
    for motion, axis in np.argwhere((left_m > settings.noisy_root_m) & chosen[:, None]):
        smoothness = float(left_m[motion, axis] / 0.003) ** 1.5 * pace
        root_m[motion, :, axis] = whittaker(root_m[motion, :, axis, None], smoothness)[:, 0]
    rotations[chosen] /= np.linalg.norm(rotations[chosen], axis=-1, keepdims=True)
    return replace(motions, root_m=root_m, rotations=rotations)


def calmed(values: np.ndarray, fps: float, settings: DenoiseSettings = DENOISE) -> np.ndarray:
    """Channels (T, K) with white noise of unit variance taken out; segments of a few seconds are blended."""
    frames, window = (
        round(settings.segment_s * fps),
        int(np.clip(round(settings.window_s * fps), 2, settings.longest_window)),
    )
    if len(values) <= 1.5 * frames:
        return _in_subspace(values, window, settings.caution)
    starts = np.linspace(0, len(values) - frames, int(np.ceil(2 * len(values) / frames)) - 1).round().astype(int)
    share = np.hanning(frames + 2)[1:-1, None]
    calm, total = np.zeros_like(values), np.zeros((len(values), 1))
    for start in starts:
        calm[start : start + frames] += share * _in_subspace(values[start : start + frames], window, settings.caution)
        total[start : start + frames] += share
    return calm / total


def _in_subspace(values: np.ndarray, window: int, caution: float) -> np.ndarray:
    """Channels (T, K) as far as their windows lie in a common subspace."""
    window = min(window, len(values) // 3)
    mean = values.mean(0)
    windows = sliding_window_view(values - mean, window, axis=0)
    rows = windows.reshape(len(windows), -1)
    powers, directions = np.linalg.eigh(rows @ rows.T)
    kept = _kept(np.sqrt(np.maximum(powers, 0.0)), rows.shape, caution)
    shrunk = ((directions * kept) @ (directions.T @ rows)).reshape(windows.shape)
    total, count = np.zeros_like(values), np.zeros((len(values), 1))
    for frame in range(window):
        total[frame : frame + len(windows)] += shrunk[..., frame]
        count[frame : frame + len(windows)] += 1
    return mean + total / count


def _kept(singular: np.ndarray, shape: tuple[int, int], caution: float) -> np.ndarray:
    """Shares of singular values of a matrix of a shape that are signal and not noise of unit variance."""
    small, large = sorted(shape)
    ratio, scaled = small / large, np.maximum(singular, 1e-9) / (caution * np.sqrt(large))
    signal = np.maximum((scaled**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)
    return np.where(scaled > 1 + np.sqrt(ratio), np.sqrt(signal) / scaled**2, 0.0)
