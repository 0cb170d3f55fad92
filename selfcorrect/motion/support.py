"""Supports: what carries a body besides the floor.

They carry it for a while, such as steps, rungs, seats, and bars to grip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .skeleton import Skeleton

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
"""Parts that a support can carry, with joints. The joints' surface or soles rest on it; grips hold a hand from any
side."""


def level_corners_m(size_m: tuple[float, float], turn_deg: float) -> np.ndarray:
    """Return the corners (4, 3) of a level rectangle.

    It lies around the origin, with an extent along x and z, and is turned about y.
    """
    x_m = size_m[0] * np.array([-0.5, 0.5, 0.5, -0.5])
    z_m = size_m[1] * np.array([-0.5, -0.5, 0.5, 0.5])
    cosine = np.cos(np.deg2rad(turn_deg))
    sine = np.sin(np.deg2rad(turn_deg))
    return np.stack([cosine * x_m + sine * z_m, np.zeros(4), cosine * z_m - sine * x_m], axis=-1)


@dataclass(frozen=True)
class Support:
    """A surface or hold that supports a part.

    The surface is level. It carries the part from frame `first` to frame `last`.
    """

    part: str
    """One of `CARRIED_PARTS`."""
    top_m: tuple[float, float, float]
    """Middle (3,) of the surface, world, y up."""
    size_m: tuple[float, float]
    """Extent along x and z."""
    first: int
    last: int
    turn_deg: float = 0.0
    """Rotation about the vertical, in degrees from +z towards +x."""

    @property
    def corners_m(self) -> np.ndarray:
        """(4, 3) corners of the surface, world."""
        return level_corners_m((self.size_m[0], self.size_m[1]), self.turn_deg) + self.top_m

    @property
    def middle(self) -> int:
        """Middle frame."""
        return (self.first + self.last) // 2

    @property
    def is_grip(self) -> bool:
        """True if a hand grips it.

        Otherwise a part rests on it.
        """
        return self.part.endswith("grip")

    def shift(self, shift_m: Sequence[float] | np.ndarray, frames: int = 0) -> Support:
        """Return the support shifted by `shift_m` (3,), `frames` later."""
        x, y, z = np.add(self.top_m, shift_m).tolist()
        return replace(self, top_m=(x, y, z), first=self.first + frames, last=self.last + frames)


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Supports, ground and treadmill of a motion.

    The file's world has them, as far as they were inferred.
    """

    supports: tuple[Support, ...] = ()
    """Steps, seats and holds."""
    ground_m: float | None = None
    """Height of the lowest ground, in m; None if only the feet show it, and no supports do."""
    belt_m: np.ndarray | None = None
    """(T, 3) path of a treadmill, or None. The body stays in place on it; the path is since frame 0."""


def ground_heights_m(skeleton: Skeleton, supports: Sequence[Support], frames: int) -> np.ndarray:
    """Return the ground height below each joint.

    It is the height of the joint's support, or 0 for the floor.

    Returns:
        (T, J) heights, metres.
    """
    ground_m = np.zeros((frames, len(skeleton)))
    for support in supports:
        if support.is_grip:
            continue
        joints = [joint for part in CARRIED_PARTS[support.part] if (joint := skeleton.joint(part)) is not None]
        ground_m[support.first : support.last + 1, joints] = support.top_m[1]
    return ground_m


def ground_of_feet_m(supports: Sequence[Support], frames: int) -> np.ndarray:
    """Return ground heights (T, 2) beneath the feet.

    The left foot comes first.
    """
    ground_m = np.zeros((frames, 2))
    for support in supports:
        if support.part.endswith("foot"):
            ground_m[support.first : support.last + 1, int(support.part.startswith("right"))] = support.top_m[1]
    return ground_m


def gripping(supports: Sequence[Support], frames: int) -> np.ndarray:
    """(T,) bool, true while a hand grips something."""
    grips = np.zeros(frames, dtype=bool)
    for support in supports:
        grips[support.first : support.last + 1] |= support.is_grip
    return grips
