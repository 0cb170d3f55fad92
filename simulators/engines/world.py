"""The simulator behind one small interface: build bodies, reset them, step them with joint targets, read their state.

A world simulates N bodies at once, each as if it were alone. Everything here is in the simulator's frame (z up);
`frames` converts. The root's position is that of its centre of mass. A joint's rotation is its link's in the parent's
frame; joint torques and velocities are in the link's own frame. J = L − 1: the root has no joint.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from selfcorrect.motion.correction.support import Support
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.planning.reference import Reference


class RootState(NamedTuple):
    """Where the roots' centres of mass are and how they move: arrays (..., 3), orientations (..., 4)."""

    position_m: np.ndarray
    orientation: np.ndarray
    velocity_m_s: np.ndarray
    angular_velocity_rad_s: np.ndarray


class World(Protocol):
    """N times a floor at height 0, gravity, and one humanoid."""

    def build(self, bodies: Sequence[Humanoid], step_s: float, supports: Sequence[Sequence[Support]]) -> None:
        """Put each body into a place of its own, all of which advance `step_s` seconds per step from now on.

        bodies: N whose trees differ in nothing but lengths; supports: of each, level places that are not there until
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
