"""Supports as worlds build them, in the simulator's frame: slabs that come and go, holds that hands grip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from selfcorrect.motion.support import Support

from ..body.frames import to_simulator
from ..body.humanoid import Humanoid
from ..contacts.contact_plan import find_carried_links, find_carried_points

Numbers = Sequence[float]

SLAB_M = 0.1
NOWHERE_M = (0.0, 0.0, -100.0)
"""Slabs are so thick, so that limbs swing below them, and are put out of the way when not in use."""

GRIP_N = 1500.0
PULL = 0.1
"""Strength of a hand that holds on, and the share of its way to the hold by which it is drawn there in each frame."""


@dataclass(frozen=True)
class Slab:
    """A box below a level place."""

    half_m: Numbers
    """Half of its extent."""
    centre_m: Numbers
    """Its middle while it is there."""
    top_m: float
    """Height of its upper side."""
    turn_deg: float
    """Its turn about the upward axis."""
    links: tuple[int, ...]
    """What touches it. The joint of the first shows whether what it carries is above it: ankle, knee, elbow or root."""

    @classmethod
    def from_support(cls, body: Humanoid, support: Support) -> Self:
        """The slab that a support is."""
        centre_m = to_simulator(np.array(support.top_m)) - [0.0, 0.0, SLAB_M / 2]
        half_m = [support.size_m[0] / 2, support.size_m[1] / 2, SLAB_M / 2]
        own = support.top_m[1], support.turn_deg
        return cls(half_m, centre_m.tolist(), *own, tuple(find_carried_links(body, support.part)))

    @property
    def orientation(self) -> Numbers:
        """Quaternion xyzw."""
        half_rad = np.deg2rad(self.turn_deg) / 2
        return 0.0, 0.0, float(np.sin(half_rad)), float(np.cos(half_rad))


@dataclass(frozen=True, eq=False)
class Hold:
    """A place that a hand grips."""

    link: int
    """The link that grips it."""
    hand_m: np.ndarray
    """(3,) where on that link, in its frame."""
    place_m: np.ndarray
    """(3,) where the hold is."""

    @classmethod
    def from_support(cls, body: Humanoid, support: Support) -> Self:
        """The hold that a support is."""
        hand = int(find_carried_points(body, support.part).argmax())
        up_m = [0.0, 0.0, body.contact_points.radii_m[hand]]
        link, hand_m = int(body.contact_points.links[hand]), body.contact_points.offsets_m[hand]
        return cls(link, hand_m, to_simulator(np.array(support.top_m)) + up_m)

    def next_hand_position_m(self, hand_m: np.ndarray) -> np.ndarray:
        """Where a hand that holds on at (3,) is a frame later."""
        return hand_m + PULL * (self.place_m - hand_m)


@dataclass(frozen=True, eq=False)
class SupportColliders:
    """All that carries a body beside the floor, by the index of its support."""

    slabs: dict[int, Slab]
    holds: dict[int, Hold]

    @classmethod
    def from_supports(cls, body: Humanoid, supports: Sequence[Support]) -> Self:
        """Those that supports are."""
        grips = {index: support for index, support in enumerate(supports) if support.is_grip}
        slabs = {index: Slab.from_support(body, each) for index, each in enumerate(supports) if index not in grips}
        return cls(slabs, {index: Hold.from_support(body, each) for index, each in grips.items()})

    def __bool__(self) -> bool:
        return bool(self.slabs or self.holds)

    def slab_places_m(self, shown: Collection[int], height_m: Callable[[int], float]) -> Iterator[Numbers]:
        """Where each slab is when those of the supports are shown, from the heights of links.

        A slab keeps away while what it is to carry is below it, and would be pushed down.
        """
        for index, slab in self.slabs.items():
            yield slab.centre_m if index in shown and height_m(slab.links[0]) > slab.top_m else NOWHERE_M


def find_present_supports(supports: Sequence[Support], frames: int) -> list[set[int]]:
    """Which supports are there in each frame, one frame earlier than in use."""
    return [
        {index for index, support in enumerate(supports) if support.first - 1 <= frame <= support.last}
        for frame in range(frames)
    ]
