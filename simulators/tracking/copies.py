"""Copies of a body that follow one motion side by side: their states between windows, and what they did in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from selfcorrect.motion.geometry.rotations import composed, inverted, rotation_vectors

from ..engines.world import RootState, World
from .balance import TOUCH_M, Memory, Nudges
from .control_sequence import ReferenceTrajectory


@dataclass(frozen=True, eq=False)
class Copies:
    """N copies of a body between windows: their state, and what continues with them."""

    root: RootState
    rotations: np.ndarray
    """(N, J, 4)."""
    velocities_rad_s: np.ndarray
    """(N, J, 3)."""
    memory: Memory
    nudges: Nudges

    @classmethod
    def at_start(cls, trajectory: ReferenceTrajectory, step_s: float) -> Self:
        """One, on its trajectory and moving with it."""
        now, then = trajectory.controls.rotations
        joints = now.shape[1]
        return cls(
            root=trajectory.controls.goal(0),
            rotations=now,
            velocities_rad_s=rotation_vectors(composed(inverted(now), then)) / step_s,
            memory=Memory.fresh(trajectory.body),
            nudges=Nudges(
                np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 2, 2)), np.zeros((1, joints, 3)), np.full(1, TOUCH_M)
            ),
        )

    def __len__(self) -> int:
        return len(self.rotations)

    def taken(self, copies: np.ndarray) -> Self:
        """Some of them, or some several times."""
        root = RootState(*(each[copies] for each in self.root))
        own = (self.rotations[copies], self.velocities_rad_s[copies], self.memory.taken(copies))
        return type(self)(root, *own, self.nudges.taken(copies))

    def ended(self, world: World) -> Self:
        """They in the state of the bodies of a world."""
        root = RootState(*(each.copy() for each in world.root()))
        return replace(
            self, root=root, rotations=world.rotations().copy(), velocities_rad_s=world.velocities_rad_s().copy()
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        root = RootState(*(np.concatenate(each) for each in zip(*(part.root for part in parts), strict=True)))
        rotations, velocities_rad_s = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("rotations", "velocities_rad_s")
        )
        memory = Memory.joined([part.memory for part in parts])
        return cls(root, rotations, velocities_rad_s, memory, Nudges.joined([part.nudges for part in parts]))


@dataclass(frozen=True, eq=False)
class Poses:
    """What N copies did in F frames, what bore their links in the step before each, and the residual wrench since."""

    centre_m: np.ndarray
    orientations: np.ndarray
    rotations: np.ndarray
    loads_n: np.ndarray
    wrench: np.ndarray
    """(F, N, steps, 6) in the steps from the frame before; zero but where help is allowed."""

    @classmethod
    def now(cls, world: World, wrench: np.ndarray) -> Self:
        """Those of a world, one frame; wrench: (N, steps, 6)."""
        root = world.root()
        poses = (root.position_m, root.orientation, world.rotations(), world.loads_n(), wrench)
        return cls(*(each[None].copy() for each in poses))

    @classmethod
    def joined(cls, parts: Sequence[Self], axis: int = 0) -> Self:
        """One after the other in time (axis 0), or side by side (1)."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis=axis) for name in names))

    def taken(self, copies: np.ndarray) -> Self:
        """Those of some copies."""
        return type(self)(*(getattr(self, field.name)[:, copies] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Reached:
    """Copies at the end of a window, and how they got there."""

    copies: Copies
    parents: np.ndarray
    """(N,) which copy of the window before each continues."""
    poses: Poses
    """Those of the window's frames."""
    costs: np.ndarray
    """(N,) how badly they do, infinite where they are lost."""

    def best(self, count: int) -> Self:
        """The best of them, best first; fewer where fewer are not lost."""
        best = np.argsort(self.costs, kind="stable")[:count]
        return self.taken(best[np.isfinite(self.costs[best])])

    def taken(self, some: np.ndarray) -> Self:
        """Some of them."""
        return type(self)(self.copies.taken(some), self.parents[some], self.poses.taken(some), self.costs[some])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All of them."""
        return cls(
            Copies.joined([part.copies for part in parts]),
            np.concatenate([part.parents for part in parts]),
            Poses.joined([part.poses for part in parts], axis=1),
            np.concatenate([part.costs for part in parts]),
        )


def ancestry(reached: Sequence[Reached], copy: int) -> Poses:
    """What one copy that was reached last did since the start."""
    parts: list[Poses] = []
    for each in reversed(reached):
        parts.append(each.poses.taken(np.array([copy])))
        copy = int(each.parents[copy])
    return Poses.joined(parts[::-1])
