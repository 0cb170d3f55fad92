"""The simulator behind one small interface: build a body, reset it, step it with joint targets, read its state.

Everything here is in the simulator's frame (z up); `frames` converts. The root's position is that of its centre of
mass. A joint's rotation is its link's in the parent's frame; joint torques and velocities are in the link's own frame.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from selfcorrect.motion.correction.support import Support
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.body.vectors import Numbers
from selfcorrect.simulators.planning.reference import Reference

PerJoint = list[list[float]]
"""Three or four numbers for each joint; the root has none."""


class RootState(NamedTuple):
    """Where the root's centre of mass is and how it moves."""

    position_m: Numbers
    orientation: Numbers
    velocity_m_s: Numbers
    angular_velocity_rad_s: Numbers


class World(Protocol):
    """A floor at height 0, gravity, and one humanoid."""

    def build(self, body: Humanoid, step_s: float, supports: Sequence[Support] = ()) -> None:
        """Put a body into the world, which advances `step_s` seconds per step from now on.

        supports: level places that are not there until `show` says so.
        """
        ...

    def show(self, supports: Collection[int]) -> None:
        """Let those of the supports be there, and no others; each touches only what it carries.

        A surface keeps away while what it is to carry is below it, and would be pushed down.
        """
        ...

    def drive(self, reference: Reference, times_s: np.ndarray, torques_nm: np.ndarray) -> tuple[list, list]:
        """Targets and torques, per step and joint, that make the joints follow the reference from times (S,) on.

        torques_nm: (S, L − 1, 3) feed-forward joint torques.
        """
        ...

    def reset(self, root: RootState, rotations: PerJoint, velocities_rad_s: PerJoint) -> None:
        """Put the body into a state, with nothing left of what happened before."""
        ...

    def step(self, targets: PerJoint, torques_nm: PerJoint, force_n: Numbers, torque_nm: Numbers) -> None:
        """Advance one step, with a force at the root's centre of mass and a torque on the root."""
        ...

    def root(self) -> RootState:
        """State of the root."""
        ...

    def rotations(self) -> list[Numbers]:
        """Rotations of all joints, quaternions xyzw."""
        ...

    def positions_m(self, links: Sequence[int]) -> list[Numbers]:
        """Where the joints of some links (not the root) are."""
        ...

    def loads_n(self) -> list[float]:
        """Vertical force with which the surroundings bore each link in the last step."""
        ...
