"""The simulator behind one small interface: build bodies, reset them, step them with joint targets, read their state.

A world simulates N bodies at once, each as if it were alone. Everything here is in the simulator's frame (z up);
`frames` converts. The root's position is that of its centre of mass. A joint's rotation is its link's in the parent's
frame; joint torques and velocities are in the link's own frame. J = L − 1: the root has no joint.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.support import Support

from ..body.curves import NaturalSpline
from ..body.humanoid import Humanoid


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
    def from_frames(cls, root_m: np.ndarray, rotations: np.ndarray, fps: float) -> Self:
        """Root positions (T, N, 3) and rotations (T, N, L, 4) at `fps` frames per second."""
        quaternions = NaturalSpline.from_values(make_continuous(rotations), fps)
        return cls(NaturalSpline.from_values(root_m, fps), quaternions, (len(root_m) - 1) / fps)

    def rotations(self, times_s: np.ndarray) -> np.ndarray:
        """Unit quaternions (S, N, L, 4) at times (S,), which are held within the duration."""
        raw = self.quaternions.evaluate(np.clip(times_s, 0.0, self.seconds))
        return raw / np.linalg.norm(raw, axis=-1, keepdims=True)

    def positions_m(self, times_s: np.ndarray) -> np.ndarray:
        """Root positions (S, N, 3) at times (S,), held within the duration."""
        return self.root_m.evaluate(np.clip(times_s, 0.0, self.seconds))


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


def interpolate_frames(values: np.ndarray, fps: float, times_s: np.ndarray) -> np.ndarray:
    """Values (T, ...) at frames, linearly interpolated at times (S,)."""
    frames = times_s * fps
    before = np.minimum(frames.astype(int), len(values) - 2)
    share = (frames - before).reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[before] + share * values[before + 1]


class RootState(NamedTuple):
    """Where the roots' centres of mass are and how they move: arrays (..., 3), orientations (..., 4)."""

    position_m: np.ndarray
    orientation: np.ndarray
    velocity_m_s: np.ndarray
    angular_velocity_rad_s: np.ndarray


class World(Protocol):
    """N times a floor at height 0, gravity, and one humanoid."""

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        """Put each body into a separate place. All places advance `step_s` seconds per step from now on.

        bodies: N whose trees differ in lengths only; supports: of each, level places that are not there until
        `show` says so.
        """
        ...

    def show(self, body: int, supports: Collection[int]) -> None:
        """Let those of a body's supports be there, and no others; each touches only what it carries.

        A surface keeps away while what it is to carry is below it, and would be pushed down.
        """
        ...

    def drive(
        self, body: Humanoid, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Targets (S, n, J, 4) and torques (S, n, J, 3) that make joints follow a reference of n motions.

        body: one that was built, whose motions they are; times_s: (S,) of the steps; torques_nm: (S, n, J, 3)
        feed-forward joint torques.
        """
        ...

    def reset(self, roots: RootState, rotations: np.ndarray, velocities_rad_s: np.ndarray) -> None:
        """Put all bodies into a state, with nothing left of what happened before: (N, J, 4) and (N, J, 3) of joints."""
        ...

    def step(
        self,
        running: Sequence[int],
        targets: np.ndarray,
        torques_nm: np.ndarray,
        force_n: np.ndarray,
        torque_nm: np.ndarray,
    ) -> None:
        """Advance some of the bodies by one step; the others rest, and keep their state.

        targets (N, J, 4) and torques_nm (N, J, 3) of the joints; force_n (N, 3) at the roots' centres of mass,
        torque_nm (N, 3) on the roots. Rows beyond the last body that is running may be left out.
        """
        ...

    def root(self) -> RootState:
        """State of the N roots."""
        ...

    def rotations(self) -> np.ndarray:
        """Rotations (N, J, 4) of all joints, quaternions xyzw."""
        ...

    def velocities_rad_s(self) -> np.ndarray:
        """Angular velocities (N, J, 3) of all joints."""
        ...

    def positions_m(self, links: Sequence[int]) -> np.ndarray:
        """Where (N, K, 3) the joints of K links (not the root) are."""
        ...

    def loads_n(self) -> np.ndarray:
        """Vertical force (N, L) with which the surroundings bore each link in the last step."""
        ...
