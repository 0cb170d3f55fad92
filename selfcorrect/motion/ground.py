"""Ground described by a person: a level or sloping floor, and boxes.

Boxes stand on the floor, such as the steps of stairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.checks import MAX_SETTING
from ..core.errors import InputError
from ..storage.files.strict_json import read_file_as
from .geometry.rotations import compose, invert, quaternions, rotate, to_matrices
from .geometry.vectors import UP
from .support import level_corners_m

STEEPEST_DEG = 30.0
"""Maximum floor slope, in degrees: the steepest that people walk on."""
DEEPEST_M = 0.25
"""Maximum depth of a standing point below a box's top, in m: the height of a step. A deeper point, such as a hand in a
wall, does not stand on the box."""
MAX_BOXES = 2000
"""Maximum number of boxes."""

_EDGE_M = 1e-6
_SHALLOW_M = 0.03
"""Depth in m up to which a point stands on a top, however near it is to an edge."""


FARTHEST_M = 1e5
"""Maximum coordinate or size, in m, far beyond any scene."""


@dataclass(frozen=True)
class GroundBox:
    """A solid box that people stand on.

    Its sides are perpendicular to the floor, so the box leans if the floor slopes.
    """

    centre_m: tuple[float, ...]
    """Centre (3,) in the world, y up."""
    size_m: tuple[float, ...]
    """Extent (3,) along x, y (up) and z, before any rotation."""
    turn_deg: float = 0.0
    """Rotation about the up axis, in degrees from +z towards +x."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre_m", tuple(self.centre_m))
        object.__setattr__(self, "size_m", tuple(self.size_m))
        for name, values in (("centre_m", self.centre_m), ("size_m", self.size_m)):
            if len(values) != 3 or not (np.abs(values) <= FARTHEST_M).all():
                raise InputError(f"{name} of a box must be three numbers within ±{FARTHEST_M:g}, got {list(values)}")
        if min(self.size_m) <= 0 or not abs(self.turn_deg) <= MAX_SETTING:
            raise InputError(f"a box needs a positive size_m and a turn_deg within ±{MAX_SETTING:g}, got {self}")

    @property
    def top_m(self) -> float:
        """Height of the upper side."""
        return self.centre_m[1] + self.size_m[1] / 2

    def contains(self, points_m: np.ndarray) -> np.ndarray:
        """Return which points (..., 3) stand on the box.

        A point counts if it is above the box, or inside and nearer to the top than to the sides. A point deeper than
        `DEEPEST_M`, such as a toe that touches the riser of a step, is beside the box.
        """
        return _BoxTable.from_boxes([self]).contains_points(points_m)[..., 0]


_PAIRS_AT_ONCE = 1_000_000
"""Number of point-box pairs compared at once. About ten arrays of this size are in memory."""


@dataclass(frozen=True, eq=False)
class _BoxTable:
    """Arrays of B boxes, for comparing points with all of them at once."""

    centres_m: np.ndarray
    """(B, 3)."""
    half_sizes_m: np.ndarray
    """(B, 3) half extents, with a margin for rounding."""
    cosines: np.ndarray
    """(B,) cosines of the rotations about the up axis."""
    sines: np.ndarray
    """(B,) sines of the same rotations."""
    tops_m: np.ndarray
    """(B,) heights of the tops."""

    @classmethod
    def from_boxes(cls, boxes: Sequence[GroundBox]) -> _BoxTable:
        """Make the table of a sequence of boxes."""
        centres_m = np.array([box.centre_m for box in boxes]).reshape(-1, 3)
        sizes_m = np.array([box.size_m for box in boxes]).reshape(-1, 3)
        turns_rad = np.deg2rad([box.turn_deg for box in boxes])
        tops_m = np.array([box.top_m for box in boxes])
        return cls(
            centres_m=centres_m,
            half_sizes_m=sizes_m / 2 + _EDGE_M,
            cosines=np.cos(turns_rad),
            sines=np.sin(turns_rad),
            tops_m=tops_m,
        )

    def find_near(self, points_m: np.ndarray) -> np.ndarray:
        """Return indices of boxes that may lie beneath points (..., 3)."""
        if not len(self.tops_m) or not points_m.size:
            return np.zeros(0, dtype=int)
        level_m = points_m.reshape(-1, 3)[:, [0, 2]]
        reach_m = np.hypot(self.half_sizes_m[:, 0], self.half_sizes_m[:, 2])[:, None] + _EDGE_M
        centres_m = self.centres_m[:, [0, 2]]
        is_beyond = (centres_m + reach_m < np.fmin.reduce(level_m)) | (centres_m - reach_m > np.fmax.reduce(level_m))
        return np.flatnonzero(~is_beyond.any(axis=1))

    def select(self, boxes: np.ndarray) -> _BoxTable:
        """Return the table of the boxes at these indices."""
        return _BoxTable(**{name: values[boxes] for name, values in vars(self).items()})

    def contains_points(self, points_m: np.ndarray) -> np.ndarray:
        """Return whether points (..., 3) stand on each box, (..., B).

        The rule is that of `GroundBox.contains`.
        """
        x, y, z = np.moveaxis(points_m[..., None, :] - self.centres_m, -1, 0)
        half_x, half_y, half_z = self.half_sizes_m.T
        along_x = self.cosines * x - self.sines * z
        along_z = self.sines * x + self.cosines * z
        inside_m = np.minimum(half_x - np.abs(along_x), half_z - np.abs(along_z))
        deep_m = half_y - y
        on_top = deep_m <= np.maximum(inside_m, _SHALLOW_M)
        return np.asarray((inside_m >= 0) & on_top & (deep_m <= np.minimum(2 * half_y, DEEPEST_M)))

    def highest_m(self, points_m: np.ndarray) -> np.ndarray:
        """Return the height (...) of the highest box beneath points (..., 3).

        Where no box is beneath, it is −∞.
        """
        flat_m = points_m.reshape(-1, 3)
        table = self.select(self.find_near(flat_m))
        highest_m = np.full(len(flat_m), -np.inf)
        if len(table.tops_m):
            rows = max(1, _PAIRS_AT_ONCE // len(table.tops_m))
            for start in range(0, len(flat_m), rows):
                part = slice(start, start + rows)
                tops_m = np.where(table.contains_points(flat_m[part]), table.tops_m, -np.inf)
                highest_m[part] = tops_m.max(axis=1)
        return highest_m.reshape(points_m.shape[:-1])


@dataclass(frozen=True)
class Ground:
    """The floor and boxes beneath a motion.

    Coordinates are in the motion's world: metres, y up. `load` reads these fields from JSON.
    """

    boxes: tuple[GroundBox, ...] = ()
    floor_m: float = 0.0
    """Height of the floor at the world's origin, in m."""
    slope_deg: float = 0.0
    """Slope of the floor and of the boxes on it, in degrees."""
    uphill_deg: float = 0.0
    """Uphill heading, in degrees: 0 is +z, 90 is +x."""
    in_floor_frame: bool = False
    """True if y is the floor's normal, so that the world's up direction leans. People who describe a ground leave this
    out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", tuple(self.boxes))
        if not abs(self.floor_m) <= FARTHEST_M:
            raise InputError(f"floor_m must be within ±{FARTHEST_M:g}, got {self.floor_m}")
        if not abs(self.uphill_deg) <= MAX_SETTING:
            raise InputError(f"uphill_deg must be within ±{MAX_SETTING:g}, got {self.uphill_deg}")
        if not abs(self.slope_deg) <= STEEPEST_DEG:
            raise InputError(f"slope_deg must be from {-STEEPEST_DEG:g} to {STEEPEST_DEG:g}, got {self.slope_deg}")
        if len(self.boxes) > MAX_BOXES:
            raise InputError(f"expected at most {MAX_BOXES} boxes, got {len(self.boxes)}")

    @classmethod
    def load(cls, path: str | Path) -> Ground:
        """Read the ground from a JSON file.

        Raises:
            InputError: The file is missing or does not describe a ground.
        """
        return read_file_as(cls, Path(path))

    @cached_property
    def to_floor(self) -> np.ndarray:
        """Quaternion (4,) that rotates the floor's normal to y."""
        heading_rad = np.deg2rad(self.uphill_deg)
        across = np.array([np.cos(heading_rad), 0.0, -np.sin(heading_rad)])
        return quaternions(np.deg2rad(self.slope_deg) * across)

    @property
    def is_level(self) -> bool:
        """True if y is the floor's normal."""
        return self.in_floor_frame or not self.slope_deg

    @property
    def up(self) -> np.ndarray:
        """Up direction (3,) of the world in this ground's frame."""
        return rotate(self.to_floor, UP) if self.in_floor_frame else UP

    @property
    def normal(self) -> np.ndarray:
        """Floor normal (3,) in this ground's frame."""
        return UP if self.in_floor_frame else rotate(invert(self.to_floor), UP)

    def to_floor_frame(self, points_m: np.ndarray) -> np.ndarray:
        """Convert points (..., 3) from the world to the floor's frame."""
        if self.is_level:
            return points_m
        return points_m @ to_matrices(self.to_floor).T

    def orientations_to_floor_frame(self, orientations: np.ndarray) -> np.ndarray:
        """Convert world orientations (..., 4) to the floor's frame."""
        if self.is_level:
            return orientations
        return compose(self.to_floor, orientations)

    def beneath_m(self, points_m: np.ndarray) -> np.ndarray:
        """Return the height (...) of the box or floor beneath points (..., 3).

        Heights are measured along the floor's normal.
        """
        ground = self.in_own_frame
        return np.maximum(ground.floor_m, ground._box_table.highest_m(self.to_floor_frame(points_m)))

    def boxes_near(self, points_m: np.ndarray) -> list[GroundBox]:
        """Return the boxes that may lie beneath points, in their order.

        Points (..., 3) are in the floor's frame.
        """
        return [self.boxes[index] for index in self._box_table.find_near(points_m)]

    @cached_property
    def _box_table(self) -> _BoxTable:
        return _BoxTable.from_boxes(self.boxes)

    def above_m(self, points_m: np.ndarray) -> np.ndarray:
        """Return heights (...) of points (..., 3) above the ground.

        The ground is the box or floor beneath them.
        """
        return self.to_floor_frame(points_m)[..., 1] - self.beneath_m(points_m)

    def standing_on(self, points_m: np.ndarray) -> np.ndarray:
        """Convert points (..., 3) to the floor's frame, above the ground.

        Heights are relative to the box or floor beneath the points.
        """
        standing_m = self.to_floor_frame(points_m).copy()
        standing_m[..., 1] -= self.beneath_m(points_m)
        return standing_m

    @cached_property
    def in_own_frame(self) -> Ground:
        """The same ground in the floor's frame."""
        if self.in_floor_frame:
            return self
        centres_m = [tuple(self.to_floor_frame(np.array(box.centre_m)).tolist()) for box in self.boxes]
        boxes = tuple(replace(box, centre_m=centre_m) for box, centre_m in zip(self.boxes, centres_m, strict=True))
        floor_m = float(self.to_floor_frame(np.array([0.0, self.floor_m, 0.0]))[1])
        return replace(self, boxes=boxes, floor_m=floor_m, in_floor_frame=True)

    def with_lowest_floor(self, lowest_m: float) -> Ground:
        """Return the ground with its lowest floor at y = 0.

        The floor was at `lowest_m`, and the result is in the floor's frame. Boxes whose tops are not above `lowest_m`
        become part of the floor.
        """
        boxes = []
        for box in self.in_own_frame.boxes:
            if box.top_m > lowest_m + _EDGE_M:
                x_m, y_m, z_m = box.centre_m
                boxes.append(replace(box, centre_m=(x_m, y_m - lowest_m, z_m)))
        return replace(self, boxes=tuple(boxes), floor_m=0.0, in_floor_frame=True)

    def slope_m(self, around_m: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the corners (4, 3) of the floor around points (T, 3) in the world.

        A level floor at y = 0 yields nothing.
        """
        if self.slope_deg or self.floor_m:
            points_m = self.to_floor_frame(around_m)
            low_m = points_m.min(0) - 1.0
            high_m = points_m.max(0) + 1.0
            x_m, _, z_m = high_m - low_m
            corners_m = level_corners_m((x_m, z_m), turn_deg=0.0) + (low_m + high_m) / 2
            corners_m[:, 1] = self.in_own_frame.floor_m
            yield corners_m if self.is_level else rotate(invert(self.to_floor), corners_m)

    def tops_m(self) -> Iterator[np.ndarray]:
        """Yield the corners (4, 3) of each box's top."""
        for box in self.boxes:
            x_m, y_m, z_m = box.size_m
            corners_m = level_corners_m((x_m, z_m), box.turn_deg) + np.array([0.0, y_m / 2, 0.0])
            upright_m = corners_m if self.is_level else rotate(invert(self.to_floor), corners_m)
            yield upright_m + box.centre_m
