"""Ground that people describe: a floor, level or sloping, and boxes on it, such as the steps of stairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..core.errors import InputError
from ..storage.files.strict_json import read_file_as
from .support import level_corners_m

STEEPEST_DEG = 30.0
"""Steeper floors are none that people walk on."""
DEEPEST_M = 0.25
"""What is deeper inside a box than a step is high does not stand on it: a hand in a wall."""
MOST_BOXES = 2000

_EDGE_M = 1e-6
_SHALLOW_M = 0.03
"""What is no deeper than this below a top stands on it, however near to an edge."""


FARTHEST_M = 1e5
"""Bound of places and sizes, beyond any scene."""
MOST_DEG = 1e6
"""Bound of angles, which may be any number of turns."""


@dataclass(frozen=True)
class GroundBox:
    """A solid box on whose top people stand; it stands upright on the floor's slope."""

    centre_m: tuple[float, ...]
    """(3,) its middle, world, y up."""
    size_m: tuple[float, ...]
    """(3,) its extent along x, y (up) and z before it is turned."""
    turn_deg: float = 0.0
    """Turn about the upward axis, from +z towards +x."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre_m", tuple(self.centre_m))
        object.__setattr__(self, "size_m", tuple(self.size_m))
        for name, values in (("centre_m", self.centre_m), ("size_m", self.size_m)):
            if len(values) != 3 or not (np.abs(values) <= FARTHEST_M).all():
                raise InputError(f"{name} of a box must be three numbers within ±{FARTHEST_M:g}, got {list(values)}")
        if min(self.size_m) <= 0 or not abs(self.turn_deg) <= MOST_DEG:
            raise InputError(f"a box needs a positive size_m and a turn_deg within ±{MOST_DEG:g}, got {self}")

    @property
    def top_m(self) -> float:
        """Height of its upper side."""
        return self.centre_m[1] + self.size_m[1] / 2

    def holds(self, points_m: np.ndarray) -> np.ndarray:
        """(...) whether points (..., 3) are over it, or in it and nearer to its top than to its sides.

        Those that are deeper than `DEEPEST_M` are beside it, as are toes that touch the riser of a step.
        """
        x, y, z = np.moveaxis(points_m - np.array(self.centre_m), -1, 0)
        cosine, sine = np.cos(np.deg2rad(self.turn_deg)), np.sin(np.deg2rad(self.turn_deg))
        half_x, half_y, half_z = (half_m + _EDGE_M for half_m in np.array(self.size_m) / 2)
        inside_m = np.minimum(half_x - np.abs(cosine * x - sine * z), half_z - np.abs(sine * x + cosine * z))
        deep_m = half_y - y
        on_top = deep_m <= np.maximum(inside_m, _SHALLOW_M)
        return (inside_m >= 0) & on_top & (deep_m <= min(2 * half_y, DEEPEST_M))


@dataclass(frozen=True)
class Ground:
    """What carries a motion, in its world: metres, y up. `load` reads it from JSON with these fields."""

    boxes: tuple[GroundBox, ...] = ()
    floor_m: float = 0.0
    """Height of the floor below the world's origin."""
    slope_deg: float = 0.0
    """Slope of the floor, and of the boxes on it."""
    uphill_deg: float = 0.0
    """Heading towards which the floor rises: 0 is +z, 90 is +x."""
    in_floor_frame: bool = False
    """Whether y is the floor's normal here, and what is up leans; people leave this out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", tuple(self.boxes))
        if not abs(self.floor_m) <= FARTHEST_M:
            raise InputError(f"floor_m must be within ±{FARTHEST_M:g}, got {self.floor_m}")
        if not abs(self.uphill_deg) <= MOST_DEG:
            raise InputError(f"uphill_deg must be within ±{MOST_DEG:g}, got {self.uphill_deg}")
        if not abs(self.slope_deg) <= STEEPEST_DEG:
            raise InputError(f"slope_deg must be from {-STEEPEST_DEG:g} to {STEEPEST_DEG:g}, got {self.slope_deg}")
        if len(self.boxes) > MOST_BOXES:
            raise InputError(f"expected at most {MOST_BOXES} boxes, got {len(self.boxes)}")

    @classmethod
    def load(cls, path: str | Path) -> Ground:
        """That of a JSON file; InputError where it is none."""
        return read_file_as(cls, Path(path))

    @cached_property
    def to_floor(self) -> Rotation:
        """Turns the world so that y is the floor's normal."""
        if not self.slope_deg:
            return Rotation.identity()
        heading_rad = np.deg2rad(self.uphill_deg)
        across = np.array([np.cos(heading_rad), 0.0, -np.sin(heading_rad)])
        return Rotation.from_rotvec(np.deg2rad(self.slope_deg) * across)

    @property
    def is_level(self) -> bool:
        """Whether y is the floor's normal, where motions on this ground are seen."""
        return self.in_floor_frame or not self.slope_deg

    @property
    def up(self) -> np.ndarray:
        """(3,) what is up, where motions on this ground are seen."""
        up = np.array([0.0, 1.0, 0.0])
        return self.to_floor.apply(up) if self.in_floor_frame else up

    @property
    def normal(self) -> np.ndarray:
        """(3,) the floor's normal, likewise."""
        normal = np.array([0.0, 1.0, 0.0])
        return normal if self.in_floor_frame else self.to_floor.inv().apply(normal)

    def seen(self, points_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) in the floor's frame."""
        if self.is_level:
            return points_m
        return points_m @ self.to_floor.as_matrix().T

    def seen_turned(self, orientations: np.ndarray) -> np.ndarray:
        """World orientations (..., 4) in the floor's frame."""
        if self.is_level:
            return orientations
        return (self.to_floor * Rotation.from_quat(orientations)).as_quat()

    def beneath_m(self, points_m: np.ndarray) -> np.ndarray:
        """Heights (...) of what is beneath points (..., 3), box or floor, along the floor's normal."""
        seen_m, ground = self.seen(points_m), self.of_floor
        beneath_m = np.full(seen_m.shape[:-1], ground.floor_m)
        for box in ground.boxes:
            np.maximum(beneath_m, box.top_m, out=beneath_m, where=box.holds(seen_m))
        return beneath_m

    def above_m(self, points_m: np.ndarray) -> np.ndarray:
        """Heights (...) of points (..., 3) above that."""
        return self.seen(points_m)[..., 1] - self.beneath_m(points_m)

    def standing_on(self, points_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) in the floor's frame, with those heights."""
        seen_m = self.seen(points_m).copy()
        seen_m[..., 1] -= self.beneath_m(points_m)
        return seen_m

    @cached_property
    def of_floor(self) -> Ground:
        """The same ground in its floor's frame."""
        if self.in_floor_frame:
            return self
        centres_m = [tuple(self.seen(np.array(box.centre_m)).tolist()) for box in self.boxes]
        boxes = tuple(replace(box, centre_m=own_m) for box, own_m in zip(self.boxes, centres_m, strict=True))
        floor_m = float(self.seen(np.array([0.0, self.floor_m, 0.0]))[1])
        return replace(self, boxes=boxes, floor_m=floor_m, in_floor_frame=True)

    def raised_from(self, lowest_m: float) -> Ground:
        """The same ground in the floor's frame, where what is at `lowest_m` and below becomes a floor at y = 0."""
        boxes = (box for box in self.of_floor.boxes if box.top_m > lowest_m + _EDGE_M)
        lowered = (
            replace(box, centre_m=(box.centre_m[0], box.centre_m[1] - lowest_m, box.centre_m[2])) for box in boxes
        )
        return replace(self, boxes=tuple(lowered), floor_m=0.0, in_floor_frame=True)

    def slope_m(self, around_m: np.ndarray) -> Iterator[np.ndarray]:
        """The corners (4, 3) of the floor around points (T, 3), world, where it is not level at y = 0."""
        if self.slope_deg or self.floor_m:
            seen_m = self.seen(around_m)
            low_m, high_m = seen_m.min(0) - 1.0, seen_m.max(0) + 1.0
            corners_m = level_corners_m((high_m[0] - low_m[0], high_m[2] - low_m[2]), 0.0) + (low_m + high_m) / 2
            corners_m[:, 1] = self.of_floor.floor_m
            yield corners_m if self.is_level else self.to_floor.inv().apply(corners_m)

    def tops_m(self) -> Iterator[np.ndarray]:
        """The corners (4, 3) of each box's upper side, world."""
        upright = Rotation.identity() if self.is_level else self.to_floor.inv()
        for box in self.boxes:
            x_m, y_m, z_m = box.size_m
            corners_m = level_corners_m((x_m, z_m), box.turn_deg) + np.array([0.0, y_m / 2, 0.0])
            yield upright.apply(corners_m) + box.centre_m
