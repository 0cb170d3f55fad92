"""Bones to look at: one octahedron, stretched from each joint to its children."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..skeleton import Skeleton

WIDTH = 0.12
"""Width of a bone as a share of its length."""

SHORTEST_M = 1e-6
"""Shorter bones are left out: nobody sees them, and normals of their triangles would underflow."""

OCTAHEDRON = np.array([[0, 0, 0], [1, 0.2, 0], [0, 0.2, 1], [-1, 0.2, 0], [0, 0.2, -1], [0, 1, 0]], dtype=float)
"""(6, 3) corners of a bone of length 1 along +y, to be narrowed to `WIDTH`."""

TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]])
"""(8, 3) its triangles, counter-clockwise seen from outside."""


@dataclass(frozen=True, eq=False)
class Bones:
    """B bones of a skeleton, those shorter than `SHORTEST_M` left out."""

    starts: np.ndarray
    """(B,) joint at which each bone starts."""
    ends: np.ndarray
    """(B,) joint at which it ends."""
    turns: Rotation
    """(B,) turn from +y to the bone, in the start joint's frame."""
    scales: np.ndarray
    """(B, 3) of the octahedron, metres."""


def bones_of(skeleton: Skeleton) -> Bones:
    """The bones from each joint to its children."""
    lengths_m = np.linalg.norm(skeleton.offsets_m, axis=-1)
    ends = np.array([joint for joint in range(1, len(skeleton)) if lengths_m[joint] >= SHORTEST_M], dtype=int)
    turns = [Rotation.align_vectors(skeleton.offsets_m[[joint]], [[0.0, 1.0, 0.0]])[0].as_quat() for joint in ends]
    scales = lengths_m[ends, None] * [WIDTH, 1.0, WIDTH]
    return Bones(np.array(skeleton.parents)[ends], ends, Rotation.from_quat(np.reshape(turns, (-1, 4))), scales)
