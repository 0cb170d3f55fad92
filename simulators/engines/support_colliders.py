"""Colliders of supports, in the simulator's frame.

Slabs appear and vanish, and hands grip holds.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from selfcorrect.motion.support import Support

from ..body.contact_points import find_carried_links, find_carried_points
from ..body.humanoid import Humanoid
from .simulator_frame import to_simulator

Numbers = Sequence[float]

SLAB_M = 0.1
"""Slab thickness, in m. Slabs are thin, so that limbs can swing below them."""

HIDDEN_POSITION_M = (0.0, 0.0, -100.0)
"""Position of hidden slabs."""

MAX_GRIP_N = 1500.0
"""Maximum force of a gripping hand, in N."""

PULL_SHARE = 0.1
"""Share of the remaining distance to its hold by which a gripping hand is pulled in each frame."""


@dataclass(frozen=True)
class Slab:
    """A box with a level support as its upper side."""

    half_m: Numbers
    """Half extents of the box."""
    centre_m: Numbers
    """Centre of the box when it is shown."""
    top_m: float
    """Height of the upper side."""
    turn_deg: float
    """Rotation about the vertical axis."""
    links: tuple[int, ...]
    """Links that can touch the slab. They count as above it if the joint of the first (ankle, knee, elbow or root)
    is."""

    @classmethod
    def from_support(cls, body: Humanoid, support: Support) -> Self:
        """Make the slab of a support."""
        centre_m = to_simulator(np.array(support.top_m)) - [0.0, 0.0, SLAB_M / 2]
        return cls(
            half_m=[support.size_m[0] / 2, support.size_m[1] / 2, SLAB_M / 2],
            centre_m=centre_m.tolist(),
            top_m=support.top_m[1],
            turn_deg=support.turn_deg,
            links=tuple(find_carried_links(body, support.part)),
        )

    @property
    def orientation(self) -> Numbers:
        """Quaternion xyzw."""
        half_rad = np.deg2rad(self.turn_deg) / 2
        return 0.0, 0.0, float(np.sin(half_rad)), float(np.cos(half_rad))


@dataclass(frozen=True, eq=False)
class Hold:
    """A point that a hand can grip."""

    link: int
    """The link that grips the hold."""
    hand_m: np.ndarray
    """(3,) gripping point in the link's frame."""
    position_m: np.ndarray
    """(3,) position of the hold."""

    @classmethod
    def from_support(cls, body: Humanoid, support: Support) -> Self:
        """Make the hold of a support."""
        points = body.contact_points
        hand = int(find_carried_points(body, support.part).argmax())
        up_m = [0.0, 0.0, points.radii_m[hand]]
        return cls(
            link=int(points.links[hand]),
            hand_m=points.offsets_m[hand],
            position_m=to_simulator(np.array(support.top_m)) + up_m,
        )

    def next_hand_position_m(self, hand_m: np.ndarray) -> np.ndarray:
        """Return where a gripping hand, now at (3,), is one frame later."""
        return hand_m + PULL_SHARE * (self.position_m - hand_m)


@dataclass(frozen=True, eq=False)
class SupportColliders:
    """Colliders of a body's supports, by the support's index."""

    slabs: dict[int, Slab]
    holds: dict[int, Hold]

    @classmethod
    def from_supports(cls, body: Humanoid, supports: Sequence[Support]) -> Self:
        """Make the colliders of a body's supports."""
        slabs = {}
        holds = {}
        for index, support in enumerate(supports):
            if support.is_grip:
                holds[index] = Hold.from_support(body, support)
            else:
                slabs[index] = Slab.from_support(body, support)
        return cls(slabs, holds)

    def __bool__(self) -> bool:
        return bool(self.slabs or self.holds)

    def slab_positions_m(self, shown: Collection[int], height_m: Callable[[int], float]) -> Iterator[Numbers]:
        """Yield the current position of each slab.

        A slab stays hidden while the link that it carries is below, because it would push the link down.

        Args:
            shown: Indices of the supports to show.
            height_m: Function that returns the height of a link.
        """
        for index, slab in self.slabs.items():
            yield slab.centre_m if index in shown and height_m(slab.links[0]) > slab.top_m else HIDDEN_POSITION_M


def find_present_supports(supports: Sequence[Support], frames: int) -> list[set[int]]:
    """Find the indices of supports present in each frame.

    Supports are present from the frame before their first use on.
    """
    present = [set[int]() for _ in range(frames)]
    for index, support in enumerate(supports):
        for frame in range(max(0, support.first - 1), min(support.last + 1, frames)):
            present[frame].add(index)
    return present
