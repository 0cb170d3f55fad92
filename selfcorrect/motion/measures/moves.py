"""How far a correction moves joints."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..geometry.vectors import median, norms
from ..kinematics import joint_positions
from ..motion import SLAB, Motion

UNCHANGED_M = 0.001
"""Maximum distance that a joint moves in an unchanged motion, in m."""


@dataclass(frozen=True, eq=False)
class JointMoves:
    """Distances by which a correction moves joints."""

    by_joint_m: np.ndarray
    """(J,) mean over all frames."""
    furthest_m: float
    furthest_frame: int
    furthest_joint: int
    """Index of the joint that moved furthest, in that frame."""
    raised_m: float
    """Median height by which the root was raised."""

    @classmethod
    def from_motions(cls, before: Motion, after: Motion) -> Self:
        """Measure the moves between two motions with the same joints and frames."""
        total_m = np.zeros(len(before.skeleton))
        furthest = (-1.0, 0, 0)
        for start in range(0, len(before), SLAB):
            before_m = joint_positions(before.frames(start, start + SLAB))
            moved_m = norms(joint_positions(after.frames(start, start + SLAB)) - before_m)
            total_m += moved_m.sum(axis=0)
            frame, joint = np.unravel_index(moved_m.argmax(), moved_m.shape)
            furthest = max(furthest, (float(moved_m.max()), int(start + frame), int(joint)))
        raised_m = float(median((after.root_m - before.root_m)[:, 1]))
        return cls(total_m / len(before), *furthest, raised_m)

    @property
    def moved_m(self) -> float:
        """Mean over joints and frames."""
        return float(self.by_joint_m.mean())

    @property
    def figures(self) -> dict[str, float]:
        """The figures of the whole body, by name."""
        return {"moved_m": self.moved_m, "furthest_m": self.furthest_m, "raised_m": self.raised_m}
