# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe the meshes of a ground as boxes, in a file for the program. This module does not need Blender."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .exchange import ExchangeError
from .placement import Placement

_THIN_M = 1e-4
"""Thickness of the boxes for planes, in m."""
_SAME_DIRECTION = 0.9998
"""Smallest cosine between equal directions (1°)."""
_SAME_HEIGHT = 1e-4
"""Largest difference between equal heights, relative to the mesh's size."""
_FULL = 0.98
"""Smallest share of its rectangle that a flat top must fill to become a single box."""
_MAX_BOXES, _MAX_TRIANGLES = 400, 50_000
"""Largest numbers of boxes and triangles. A mesh with more is replaced by its bounding box."""


@dataclass(frozen=True, eq=False)
class Block:
    """A box, or a mesh that is replaced by a box."""

    name: str
    world: np.ndarray
    """(4, 4) matrix of the object, in the scene's unit."""
    corners: np.ndarray
    """(2, 3) smallest and largest corner, in the object's frame."""


def split_mesh(name: str, world: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> list[Block]:
    """Split a mesh into boxes below its flat tops, such as the treads of stairs, down to its lowest point.

    A mesh without flat tops, such as a hill, is replaced by its bounding box.

    Args:
        name: Name of the object.
        world: Matrix (4, 4) of the object, in the scene's unit.
        vertices: Vertices (V, 3) in the object's frame.
        triangles: Vertex indices (F, 3), counter-clockwise as seen from outside.
    """
    bounds = np.array([vertices.min(axis=0), vertices.max(axis=0)])
    bounding_block = Block(name, world, bounds)
    if len(triangles) > _MAX_TRIANGLES:
        return [bounding_block]
    up, across = _order_axes(bounding_block)[-1], _order_axes(bounding_block)[:2]
    sign = np.sign(world[2, up]) or 1.0
    heights = sign * vertices[:, up]
    tolerance = _SAME_HEIGHT * max(float(np.ptp(bounds, axis=0).max()), 1e-9)
    blocks = []
    for faces in _group_flat_tops(vertices, triangles, up, sign, tolerance):
        for part in _split_by_fill(vertices, faces, across):
            corners = bounds.copy()
            corners[:, across] = [vertices[part][..., across].min((0, 1)), vertices[part][..., across].max((0, 1))]
            top = float(heights[part].max())
            corners[:, up] = sorted((sign * top, sign * heights.min()))
            blocks.append(Block(name, world, corners))
    return blocks if 0 < len(blocks) <= _MAX_BOXES else [bounding_block]


def _group_flat_tops(
    vertices: np.ndarray, triangles: np.ndarray, up: int, sign: float, tolerance: float
) -> list[np.ndarray]:
    """Group connected triangles (F, 3) that face upwards at the same height."""
    points = vertices[triangles]
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    is_top = (areas > 0) & (sign * normals[:, up] > _SAME_DIRECTION * areas)
    is_top &= np.ptp(points[..., up], axis=1) <= tolerance
    groups: list[tuple[float, set[int], list[np.ndarray]]] = []
    for triangle in triangles[is_top]:
        height = float(vertices[triangle[0], up])
        merged = (height, set(triangle.tolist()), [triangle])
        separate = []
        for group in groups:
            if abs(group[0] - height) <= tolerance and group[1] & merged[1]:
                merged = (height, merged[1] | group[1], merged[2] + group[2])
            else:
                separate.append(group)
        groups = [*separate, merged]
    return [np.array(faces) for _, _, faces in groups]


def _split_by_fill(vertices: np.ndarray, faces: np.ndarray, across: Sequence[int]) -> list[np.ndarray]:
    """Split triangles into groups that fill their rectangles: all together, or strips, or single triangles."""
    if _measure_fill(vertices, faces, across) > _FULL:
        return [faces]
    for axis in across:
        middles = vertices[faces][..., axis].mean(axis=1)
        edges = np.unique(vertices[faces][..., axis].round(6))
        strips = [faces[(middles > low) & (middles < high)] for low, high in pairwise(edges)]
        strips = [strip for strip in strips if len(strip)]
        if all(_measure_fill(vertices, strip, across) > _FULL for strip in strips):
            return strips
    return [face[None] for face in faces]


def _measure_fill(vertices: np.ndarray, faces: np.ndarray, across: Sequence[int]) -> float:
    """Return the share of their bounding rectangle that triangles (F, 3) fill."""
    points = vertices[faces][..., list(across)]
    first = points[:, 1] - points[:, 0]
    second = points[:, 2] - points[:, 0]
    area = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum()
    return float(area / max(np.prod(np.ptp(points, axis=(0, 1))), 1e-12))


def write_ground(path: Path, blocks: Sequence[Block], floor_m: float, placement: Placement) -> None:
    """Write blocks as a ground file for the program.

    If all blocks have the same tilt, the floor has it, too, and is at the lowest top.

    Args:
        path: File to write.
        blocks: At least one block.
        floor_m: Height of the floor around level blocks.
        placement: Frame of reference of the file.

    Raises:
        ExchangeError: The blocks are tilted differently.
    """
    normal = placement.rotation @ _directions(blocks[0])[:, -1]
    is_level = normal[1] > _SAME_DIRECTION
    if is_level:
        normal = np.array([0.0, 1.0, 0.0])
    boxes = []
    tops_m = []
    for block in blocks:
        directions = placement.rotation @ _directions(block)
        if directions[:, -1] @ normal < _SAME_DIRECTION:
            raise ExchangeError(f"{block.name} is not tilted as {blocks[0].name} is; all of a ground must be")
        first, second, up = _order_axes(block)
        lengths = np.linalg.norm(block.world[:3, :3], axis=0) * np.ptp(block.corners, axis=0)
        size_m = np.maximum(placement.unit_m * lengths, _THIN_M)[[first, up, second]]
        centre = block.world[:3, :3] @ block.corners.mean(axis=0) + block.world[:3, 3]
        centre_m = placement.to_file_m(centre)
        along = _rotate_upright(normal) @ directions[:, 0]
        turn_deg = float(np.degrees(np.arctan2(-along[2], along[0])))
        boxes.append({"centre_m": centre_m.tolist(), "size_m": size_m.tolist(), "turn_deg": turn_deg})
        tops_m.append(float(normal @ centre_m + size_m[1] / 2))
    content: dict[str, object] = {"boxes": boxes, "floor_m": floor_m}
    if not is_level:
        content["slope_deg"] = float(np.degrees(np.arccos(normal[1])))
        content["uphill_deg"] = float(np.degrees(np.arctan2(-normal[0], -normal[2])))
        content["floor_m"] = min(tops_m) / normal[1]
    path.write_text(json.dumps(content), encoding="utf-8")


def _order_axes(block: Block) -> list[int]:
    """Return a block's axes in a right-handed order with the vertical one last."""
    directions = block.world[:3, :3] / np.maximum(np.linalg.norm(block.world[:3, :3], axis=0), 1e-12)
    up = int(np.abs(directions[2]).argmax())
    return [(up + 1) % 3, (up + 2) % 3, up]


def _directions(block: Block) -> np.ndarray:
    """Return the directions (3, 3) of the axes as columns, in the same order, the last one pointing upwards."""
    directions = block.world[:3, :3] / np.maximum(np.linalg.norm(block.world[:3, :3], axis=0), 1e-12)
    directions = directions[:, _order_axes(block)]
    directions[:, -1] *= np.sign(directions[2, -1])
    return directions


def _rotate_upright(normal: np.ndarray) -> np.ndarray:
    """Return the smallest rotation (3, 3) from a unit vector of the file to +y."""
    x, y, z = normal
    cross = np.array([[0.0, -x, 0.0], [x, 0.0, z], [0.0, -z, 0.0]])  # of the axis normal × y, as a matrix
    return np.eye(3) + cross + cross @ cross / (1 + y)
