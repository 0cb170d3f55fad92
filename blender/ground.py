# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe the ground as rays from above see it, in a file for the program. This module does not need Blender.

Rays fall on a grid around the body's path, from the height of the body, so that ceilings do not count. They meet any
triangle, whichever way it faces. One plane is fitted to what they meet. If it explains everything, the ground is this
plane. Otherwise flat tops along it, such as treads, become boxes with their exact edges, and all else, such as terrain,
becomes a box for each cell of the grid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .exchange import ExchangeError
from .placement import Placement

_REACH_M = 0.6
"""Maximum distance from the path at which the ground is sampled, in m: half a long step."""
_CELL_M = 0.1
"""Size of a cell of the grid, in m: the width of a foot."""
_MOST_BOXES = 1500
"""Largest number of boxes, for which cells become larger."""
_FLAT_M = 0.005
"""Distance from a plane up to which ground is flat, in m."""
_SAME_DIRECTION = 0.9998
"""Smallest cosine between equal directions (1°)."""
_STEEPEST = np.cos(np.radians(30.0))
"""Cosine of the steepest slope that the program knows."""
_UPRIGHT = 0.05
"""Cosine between vertical and normal below which a triangle is a wall."""
_FULL = 0.98
"""Smallest share of its rectangle that a flat top must fill to become a single box."""
_THICK_M = 0.3
"""Smallest thickness of a box, in m: more than the depth up to which feet are lifted onto it."""
_PAIRS_AT_ONCE = 2_000_000
"""Number of pairs of rays and triangles compared at once."""


@dataclass(frozen=True, eq=False)
class Path3:
    """Where a body goes."""

    points: np.ndarray
    """(N, 3) positions of low joints, in the scene."""
    heights: np.ndarray
    """(N,) heights of the body's root at the same times."""


@dataclass(frozen=True, eq=False)
class _Top:
    """A rectangle on which people stand, in the frame of the ground, y along its normal."""

    middle_m: np.ndarray
    """(2,) x and z."""
    size_m: np.ndarray
    """(2,) extent along its own axes."""
    turn_rad: float
    height_m: float

    @property
    def corners_m(self) -> np.ndarray:
        """Corners (4, 3), around the rectangle."""
        sides = 0.5 * self.size_m * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        level_m = self.middle_m + sides @ _axes(self.turn_rad)
        return np.insert(level_m, 1, self.height_m, axis=1)


def write_ground(
    path: Path, triangles: np.ndarray, floor_m: float, placement: Placement, body: Path3
) -> list[list[list[float]]]:
    """Write the ground around a body's path as a file for the program.

    Args:
        path: File to write.
        triangles: Corners (F, 3, 3) of the ground's triangles in the scene.
        floor_m: Height of the floor around the ground.
        placement: Frame of reference of the file.
        body: Where the body goes.

    Returns:
        Corners of each rectangle on which people stand, in the scene.

    Raises:
        ExchangeError: No triangle lies beneath the path.
    """
    seen_m = placement.to_file_m(triangles.reshape(-1, 3)).reshape(-1, 3, 3)
    points_m = placement.to_file_m(body.points)
    roots_m = body.heights * placement.unit_m - placement.origin_m[2]
    cells_m = _lay_grid(points_m, _CELL_M)
    starts_m = _find_starts(cells_m, points_m, roots_m)
    heights_m = cast_down(seen_m, cells_m, starts_m)
    is_hit = np.isfinite(heights_m)
    if not is_hit.any():
        raise ExchangeError("No mesh of the ground lies beneath the path of the body; move it there or choose another")
    normal, upright = _fit_frame(cells_m[is_hit], heights_m[is_hit])
    hits_m = np.stack([cells_m[is_hit, 0], heights_m[is_hit], cells_m[is_hit, 1]], axis=1) @ upright.T
    level_m = float(np.median(hits_m[:, 1]))
    is_level = normal[1] == 1.0
    is_whole = bool(is_hit.all() and np.abs(hits_m[:, 1] - level_m).max() < _FLAT_M)
    tops = []
    if not is_whole:
        tops = _find_tops(seen_m @ upright.T, hits_m, starts_m[is_hit], points_m @ upright.T, roots_m)
    lowest_m = min([level_m, *(top.height_m for top in tops)])
    if is_level and not is_whole:
        lowest_m = min(lowest_m, floor_m)
    boxes = []
    outlines = []
    for top in tops:
        thickness_m = max(top.height_m - lowest_m, _THICK_M)
        centre_m = upright.T @ np.array([top.middle_m[0], top.height_m - thickness_m / 2, top.middle_m[1]])
        size_m = [float(top.size_m[0]), thickness_m, float(top.size_m[1])]
        boxes.append({"centre_m": centre_m.tolist(), "size_m": size_m, "turn_deg": float(np.degrees(top.turn_rad))})
        outlines.append(placement.to_scene(top.corners_m @ upright).tolist())
    content: dict[str, object] = {"boxes": boxes, "floor_m": lowest_m / normal[1]}
    if not is_level:
        content["slope_deg"] = float(np.degrees(np.arccos(normal[1])))
        content["uphill_deg"] = float(np.degrees(np.arctan2(-normal[0], -normal[2])))
    path.write_text(json.dumps(content), encoding="utf-8")
    if is_whole:
        lowest, highest = hits_m[:, [0, 2]].min(axis=0), hits_m[:, [0, 2]].max(axis=0)
        whole = _Top((lowest + highest) / 2, highest - lowest, 0.0, level_m)
        outlines.append(placement.to_scene(whole.corners_m @ upright).tolist())
    return outlines


def cast_down(triangles_m: np.ndarray, cells_m: np.ndarray, starts_m: np.ndarray) -> np.ndarray:
    """Return the height (N,) of the first triangle below each start, NaN where there is none.

    Args:
        triangles_m: Corners (F, 3, 3) of triangles, y up.
        cells_m: x and z (N, 2) of vertical rays.
        starts_m: Heights (N,) at which the rays begin.
    """
    first, second, third = np.moveaxis(triangles_m[..., [0, 2]], 1, 0)
    area = _cross(second - first, third - first)
    normals = np.cross(triangles_m[:, 1] - triangles_m[:, 0], triangles_m[:, 2] - triangles_m[:, 0])
    is_walkable = np.abs(area) > _UPRIGHT * np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    low_m = triangles_m[..., [0, 2]].min(axis=1)
    high_m = triangles_m[..., [0, 2]].max(axis=1)
    is_near = ((high_m >= cells_m.min(axis=0)) & (low_m <= cells_m.max(axis=0))).all(axis=1)
    chosen = np.flatnonzero(is_walkable & is_near)
    highest_m = np.full(len(cells_m), -np.inf)
    at_once = max(1, _PAIRS_AT_ONCE // max(len(cells_m), 1))
    for start in range(0, len(chosen), at_once):
        part = chosen[start : start + at_once]
        u = _cross(cells_m[:, None] - first[part], (third - first)[part]) / area[part]
        v = _cross((second - first)[part], cells_m[:, None] - first[part]) / area[part]
        corners_m = triangles_m[part, :, 1]
        heights_m = corners_m[:, 0] + u * (corners_m[:, 1] - corners_m[:, 0]) + v * (corners_m[:, 2] - corners_m[:, 0])
        is_inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (heights_m <= starts_m[:, None])
        highest_m = np.maximum(highest_m, np.where(is_inside, heights_m, -np.inf).max(axis=1))
    return np.where(np.isfinite(highest_m), highest_m, np.nan)


def _cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def _lay_grid(points_m: np.ndarray, cell_m: float) -> np.ndarray:
    """Return the middles (N, 2) of the cells within reach of a path."""
    path = np.unique(np.floor(points_m[:, [0, 2]] / cell_m).astype(int), axis=0)
    reach = int(np.ceil(_REACH_M / cell_m))
    around = np.stack(np.meshgrid(*2 * [np.arange(-reach, reach + 1)]), axis=-1).reshape(-1, 2)
    around = around[(around**2).sum(axis=1) <= reach**2]
    cells = np.unique((path[:, None] + around).reshape(-1, 2), axis=0)
    return (cells + 0.5) * cell_m


def _find_starts(cells_m: np.ndarray, points_m: np.ndarray, roots_m: np.ndarray) -> np.ndarray:
    """Return the height of the body (N,) where it is nearest to each cell."""
    starts_m = np.empty(len(cells_m))
    for row, cell_m in enumerate(cells_m):
        away_m = np.linalg.norm(points_m[:, [0, 2]] - cell_m, axis=1)
        starts_m[row] = roots_m[away_m <= away_m.min() + _CELL_M].max()
    return starts_m


def _fit_frame(cells_m: np.ndarray, heights_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a plane to heights, and return its normal (3,) and the rotation (3, 3) that turns the normal to +y.

    The plane is level unless a slope explains most of the heights.
    """
    up = np.array([0.0, 1.0, 0.0])
    rows = np.column_stack([cells_m, np.ones(len(cells_m))])
    slopes, *_ = np.linalg.lstsq(rows, heights_m, rcond=None)
    off_m = np.abs(rows @ slopes - heights_m)
    normal = np.array([-slopes[0], 1.0, -slopes[1]])
    normal /= np.linalg.norm(normal)
    is_tilted = _STEEPEST <= normal[1] < _SAME_DIRECTION
    flat_m = np.abs(heights_m - np.median(heights_m))
    if not is_tilted or np.percentile(off_m, 90) > 0.25 * np.percentile(flat_m, 90):
        return up, np.eye(3)
    return normal, rotate_upright(normal)


def _find_tops(
    triangles_m: np.ndarray, hits_m: np.ndarray, starts_m: np.ndarray, points_m: np.ndarray, roots_m: np.ndarray
) -> list[_Top]:
    """Find rectangles on which people stand: flat tops exactly, and cells of the grid for all else.

    All arguments are in the frame of the ground.
    """
    tops = []
    is_left = np.ones(len(hits_m), dtype=bool)
    for group in _group_flat(triangles_m, hits_m):
        height_m = float(group[..., 1].mean())
        parts = _split_by_fill(group[..., [0, 2]])
        for part, turn_rad in parts:
            own_m = part.reshape(-1, 2) @ _axes(turn_rad).T
            low_m, high_m = own_m.min(axis=0), own_m.max(axis=0)
            middle_m = (low_m + high_m) / 2 @ _axes(turn_rad)
            tops.append(_Top(middle_m, np.maximum(high_m - low_m, 1e-3), turn_rad, height_m))
            inside = hits_m[:, [0, 2]] @ _axes(turn_rad).T
            is_on = ((inside >= low_m) & (inside <= high_m)).all(axis=1)
            is_left &= ~(is_on & (np.abs(hits_m[:, 1] - height_m) < _FLAT_M))
    cell_m = _CELL_M
    heights_m = hits_m[is_left, 1]
    cells_m = hits_m[is_left][:, [0, 2]]
    while len(cells_m) and len(tops) + len(cells_m) > _MOST_BOXES:
        cell_m *= 1.5
        grid_m = _lay_grid(points_m, cell_m)
        heights_m = cast_down(triangles_m, grid_m, _find_starts(grid_m, points_m, roots_m))
        is_hit = np.isfinite(heights_m)
        cells_m, heights_m = grid_m[is_hit], heights_m[is_hit]
    size_m = np.full(2, cell_m)
    tops += [_Top(cell, size_m, 0.0, float(height)) for cell, height in zip(cells_m, heights_m, strict=True)]
    return tops


def _group_flat(triangles_m: np.ndarray, hits_m: np.ndarray) -> list[np.ndarray]:
    """Group connected triangles (F, 3, 3) along the ground that rays have met, at the same height."""
    normals = np.cross(triangles_m[:, 1] - triangles_m[:, 0], triangles_m[:, 2] - triangles_m[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    is_flat = (areas > 1e-9) & (np.abs(normals[:, 1]) > _SAME_DIRECTION * areas)
    is_flat &= np.ptp(triangles_m[..., 1], axis=1) <= _FLAT_M
    groups: list[tuple[float, set[tuple[float, ...]], list[np.ndarray]]] = []
    for triangle in triangles_m[is_flat]:
        height_m = float(triangle[:, 1].mean())
        if not (np.abs(hits_m[:, 1] - height_m) < _FLAT_M).any():
            continue
        corners = {tuple(corner) for corner in triangle.round(4).tolist()}
        merged = (height_m, corners, [triangle])
        separate = []
        for group in groups:
            if abs(group[0] - height_m) <= _FLAT_M and group[1] & merged[1]:
                merged = (group[0], merged[1] | group[1], group[2] + merged[2])
            else:
                separate.append(group)
        groups = [*separate, merged]
    found = []
    for _, _, members in groups:
        faces = np.array(members)
        if _is_met(faces, hits_m):
            found.append(faces)
    return found


def _is_met(faces: np.ndarray, hits_m: np.ndarray) -> bool:
    """Return whether a ray has met any of these flat triangles (F, 3, 3), which others may hide."""
    height_m = faces[..., 1].mean()
    near = hits_m[np.abs(hits_m[:, 1] - height_m) < _FLAT_M]
    low_m, high_m = faces[..., [0, 2]].min((0, 1)), faces[..., [0, 2]].max((0, 1))
    return bool(((near[:, [0, 2]] >= low_m) & (near[:, [0, 2]] <= high_m)).all(axis=1).any())


def _split_by_fill(faces_m: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Split flat triangles (F, 3, 2) into groups that fill rectangles, each with its turn. Empty if they do not."""
    edges = np.concatenate(
        [faces_m[:, 1] - faces_m[:, 0], faces_m[:, 2] - faces_m[:, 1], faces_m[:, 0] - faces_m[:, 2]]
    )
    lengths = np.linalg.norm(edges, axis=1)
    turns_rad = np.arctan2(-edges[:, 1], edges[:, 0]) % (np.pi / 2)
    order = np.argsort(-lengths)
    tried_rad = list(dict.fromkeys(turns_rad[order].round(4).tolist()))[:8]
    for turn_rad in tried_rad:
        if _measure_fill(faces_m, turn_rad) > _FULL:
            return [(faces_m, turn_rad)]
    for turn_rad in tried_rad:
        own_m = faces_m @ _axes(turn_rad).T
        for axis in (0, 1):
            middles_m = own_m[..., axis].mean(axis=1)
            bounds_m = np.unique(own_m[..., axis].round(4))
            strips = [faces_m[(middles_m > low) & (middles_m < high)] for low, high in pairwise(bounds_m)]
            strips = [strip for strip in strips if len(strip)]
            if sum(map(len, strips)) == len(faces_m) and all(_measure_fill(s, turn_rad) > _FULL for s in strips):
                return [(strip, turn_rad) for strip in strips]
    return []


def _measure_fill(faces_m: np.ndarray, turn_rad: float) -> float:
    """Return the share of their turned bounding rectangle that triangles (F, 3, 2) fill."""
    own_m = faces_m @ _axes(turn_rad).T
    area = 0.5 * np.abs(_cross(own_m[:, 1] - own_m[:, 0], own_m[:, 2] - own_m[:, 0])).sum()
    return float(area / max(np.prod(np.ptp(own_m, axis=(0, 1))), 1e-12))


def _axes(turn_rad: float) -> np.ndarray:
    """Return a rectangle's axes (2, 2) along x and z.

    Axes are the rows. The rectangle is turned from +z towards +x.
    """
    return np.array([[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]])


def rotate_upright(normal: np.ndarray) -> np.ndarray:
    """Return the smallest rotation (3, 3) from a unit vector of the file to +y."""
    x, y, z = normal
    cross = np.array([[0.0, -x, 0.0], [x, 0.0, z], [0.0, -z, 0.0]])  # of the axis normal × y, as a matrix
    return np.eye(3) + cross + cross @ cross / (1 + y)
