"""What the humanoid is asked to follow: a smooth curve through a motion's frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.interpolate import CubicSpline

from selfcorrect.motion.kinematics import continuous
from selfcorrect.motion.rotations import turns


@dataclass(frozen=True)
class Reference:
    """Natural cubic splines through root positions and (renormalised) quaternions of L links, held at both ends."""

    root_m: CubicSpline
    """Spline to (..., 3)."""
    quaternions: CubicSpline
    """Spline to (..., 4 L)."""
    seconds: float
    """How long they last."""

    @classmethod
    def through(cls, root_m: np.ndarray, rotations: np.ndarray, fps: float) -> Self:
        """Root positions (T, 3) and rotations (T, L, 4) at `fps` frames per second."""
        times_s = np.arange(len(root_m)) / fps
        flat = continuous(rotations).reshape(len(rotations), -1)
        return cls(_natural(times_s, root_m), _natural(times_s, flat), float(times_s[-1]))

    def rotations(self, times_s: np.ndarray) -> np.ndarray:
        """Unit quaternions (S, L, 4) at times (S,), which are held within the duration."""
        raw = self.quaternions(np.clip(times_s, 0.0, self.seconds)).reshape(len(times_s), -1, 4)
        return raw / np.linalg.norm(raw, axis=-1, keepdims=True)

    def positions_m(self, times_s: np.ndarray) -> np.ndarray:
        """Root positions (S, 3) at times (S,), held within the duration."""
        return self.root_m(np.clip(times_s, 0.0, self.seconds))


def _natural(times_s: np.ndarray, values: np.ndarray) -> CubicSpline:
    return CubicSpline(times_s, values, bc_type="natural")


def rotation_velocities(rotations: np.ndarray, step_s: float) -> np.ndarray:
    """Angular velocity (S, ..., 3) from each rotation (S, ..., 4) to the next, in the outer frame; the last is held."""
    rates = turns(rotations) / step_s
    return np.concatenate([rates, rates[-1:]])


def between_frames(values: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Values (T, ...) at frames, linearly interpolated at times (S,)."""
    frames = times_s * fps
    before = np.minimum(frames.astype(int), len(values) - 2)
    share = (frames - before).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[before] + share * values[before + 1]
