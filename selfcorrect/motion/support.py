"""Supports: what carries a body besides the floor.

A support carries a body part for some frames. Steps, rungs, seats and bars to grip are supports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .skeleton import Skeleton

MAX_SUPPORT_DISTANCE_M = 0.08
"""Maximum distance of a point from its support, in m. A heel beyond the edge of a step is further off."""

CARRIED_PARTS = {
    "left foot": ("left_ankle", "left_foot"),
    "right foot": ("right_ankle", "right_foot"),
    "seat": ("pelvis", "left_hip", "right_hip"),
    "pelvis": ("pelvis",),
    "left thigh": ("left_hip",),
    "right thigh": ("right_hip",),
    "left knee": ("left_knee",),
    "right knee": ("right_knee",),
    "back": ("spine1", "spine2", "spine3"),
    "left hand": ("left_wrist",),
    "right hand": ("right_wrist",),
    "left grip": ("left_wrist",),
    "right grip": ("right_wrist",),
}
"""Parts that a support can carry, with their joints. The sole or the surface around these joints rests on the support,
except that a grip holds a hand from any side."""


def level_corners_m(size_m: tuple[float, float], turn_deg: float) -> np.ndarray:
    """Return the corners (4, 3) of a level rectangle around the origin.

    Args:
        size_m: Extent along x and z, before the rotation.
        turn_deg: Rotation about y, in degrees from +z towards +x.
    """
    x_m = size_m[0] * np.array([-0.5, 0.5, 0.5, -0.5])
    z_m = size_m[1] * np.array([-0.5, -0.5, 0.5, 0.5])
    cosine = np.cos(np.deg2rad(turn_deg))
    sine = np.sin(np.deg2rad(turn_deg))
    return np.stack([cosine * x_m + sine * z_m, np.zeros(4), cosine * z_m - sine * x_m], axis=-1)


@dataclass(frozen=True)
class Support:
    """A level surface or a grip that carries a part in some frames.

    The part is carried from frame `first` to frame `last`, inclusive.
    """

    part: str
    """One of `CARRIED_PARTS`."""
    top_m: tuple[float, float, float]
    """Centre (3,) of the surface in the world, y up."""
    size_m: tuple[float, float]
    """Extent along x and z, before the rotation."""
    first: int
    last: int
    turn_deg: float = 0.0
    """Rotation about the vertical, in degrees from +z towards +x."""

    @property
    def corners_m(self) -> np.ndarray:
        """Corners (4, 3) of the surface in the world."""
        return level_corners_m((self.size_m[0], self.size_m[1]), self.turn_deg) + self.top_m

    @property
    def middle(self) -> int:
        """Middle frame."""
        return (self.first + self.last) // 2

    @property
    def is_grip(self) -> bool:
        """True if a hand grips the support, false if a part rests on it."""
        return self.part.endswith("grip")

    def shift(self, shift_m: Sequence[float] | np.ndarray, frames: int = 0) -> Support:
        """Return the support moved by `shift_m` (3,) and delayed by `frames`."""
        x, y, z = np.add(self.top_m, shift_m).tolist()
        return replace(self, top_m=(x, y, z), first=self.first + frames, last=self.last + frames)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Supports, ground and treadmill of a motion.

    They are in the world of the file, as far as they could be inferred.
    """

    supports: tuple[Support, ...] = ()
    """Steps, seats and holds."""
    ground_m: float | None = None
    """Height of the lowest ground, in m, or None if nothing but the feet shows it."""
    belt_m: np.ndarray | None = None
    """Path (T, 3) that a treadmill has moved since frame 0, or None. The body stays in place on it."""


def ground_heights_m(skeleton: Skeleton, supports: Sequence[Support], frames: int) -> np.ndarray:
    """Return the ground height below each joint, (T, J) in m.

    It is the height of the support that carries the joint, or 0 for the floor.
    """
    ground_m = np.zeros((frames, len(skeleton)))
    for support in supports:
        if support.is_grip:
            continue
        joints = [joint for part in CARRIED_PARTS[support.part] if (joint := skeleton.joint(part)) is not None]
        ground_m[support.first : support.last + 1, joints] = support.top_m[1]
    return ground_m


def ground_of_feet_m(supports: Sequence[Support], frames: int) -> np.ndarray:
    """Return ground heights (T, 2) below the feet, left first, in m."""
    ground_m = np.zeros((frames, 2))
    for support in supports:
        if support.part.endswith("foot"):
            ground_m[support.first : support.last + 1, int(support.part.startswith("right"))] = support.top_m[1]
    return ground_m


def gripping(supports: Sequence[Support], frames: int) -> np.ndarray:
    """Return in which frames (T,) a hand grips something."""
    grips = np.zeros(frames, dtype=bool)
    for support in supports:
        grips[support.first : support.last + 1] |= support.is_grip
    return grips
