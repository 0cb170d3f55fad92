"""What the humanoid is asked to follow: a smooth curve through a motion's frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import continuous
from selfcorrect.simulators.body.curves import NaturalSpline


@dataclass(frozen=True)
class Reference:
    """Natural cubic splines through root positions and (renormalised) quaternions of N bodies, held at both ends."""

    root_m: NaturalSpline
    """Spline to (N, 3)."""
    quaternions: NaturalSpline
    """Spline to (N, L, 4)."""
    seconds: float
    """How long they last."""

    @classmethod
    def through(cls, root_m: np.ndarray, rotations: np.ndarray, fps: float) -> Self:
        """Root positions (T, N, 3) and rotations (T, N, L, 4) at `fps` frames per second."""
        quaternions = NaturalSpline.through(continuous(rotations), fps)
        return cls(NaturalSpline.through(root_m, fps), quaternions, (len(root_m) - 1) / fps)

    def rotations(self, times_s: np.ndarray) -> np.ndarray:
        """Unit quaternions (S, N, L, 4) at times (S,), which are held within the duration."""
        raw = self.quaternions.at(np.clip(times_s, 0.0, self.seconds))
        return raw / np.linalg.norm(raw, axis=-1, keepdims=True)

    def positions_m(self, times_s: np.ndarray) -> np.ndarray:
        """Root positions (S, N, 3) at times (S,), held within the duration."""
        return self.root_m.at(np.clip(times_s, 0.0, self.seconds))


def velocities_m_s(positions_m: np.ndarray, step_s: float) -> np.ndarray:
    """Velocities (S, ..., 3) with which points come from each position to the next; the first is that of the second.

    Simulators advance velocities before positions, so what they call the velocity at a step has led there.
    """
    rates = np.diff(positions_m, axis=0) / step_s
    return np.concatenate([rates[:1], rates])


def rotation_velocities(rotations: np.ndarray, step_s: float) -> np.ndarray:
    """The same for angular velocities (S, ..., 3) of rotations (S, ..., 4), in the outer frame."""
    after, before = (Rotation.from_quat(each.reshape(-1, 4)) for each in (rotations[1:], rotations[:-1]))
    rates = (after * before.inv()).as_rotvec().reshape(*rotations[1:].shape[:-1], 3) / step_s
    return np.concatenate([rates[:1], rates])


def between_frames(values: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Values (T, ...) at frames, linearly interpolated at times (S,)."""
    frames = times_s * fps
    before = np.minimum(frames.astype(int), len(values) - 2)
    share = (frames - before).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[before] + share * values[before + 1]
