# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a rig as the program sees it. This module does not need Blender.

The program's results depend a little on the heading of a motion, because noise is measured along the axes of the world.
The motion is therefore sent as if the armature object were at the origin and faced −y, whatever its transform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Rotation from Blender's world (z up) to the file's (y up), in which a character that faces −y faces +z."""


@dataclass(frozen=True)
class Placement:
    """The file's frame in Blender's world.

    p_file = Y_UP · Rz(−heading) · (unit · p_world − origin).
    """

    heading_rad: float = 0.0
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    unit_m: float = 1.0
    """Length of the scene's unit."""

    @classmethod
    def from_object(cls, world: np.ndarray, unit_m: float) -> Placement:
        """Make the placement of an object with this matrix (4, 4), at the height of the scene."""
        rotation = nearest_rotations(world[:3, :3])
        if np.linalg.det(rotation) < 0:
            rotation = -rotation
        heading_rad = twist_about_z(rotation)
        x_m, y_m, _ = (unit_m * world[:3, 3]).tolist()
        return cls(heading_rad, (x_m, y_m, 0.0), unit_m)

    @property
    def rotation(self) -> np.ndarray:
        """Rotation (3, 3) from Blender's world to the file's."""
        sine, cosine = np.sin(self.heading_rad), np.cos(self.heading_rad)
        without_heading = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        return Y_UP @ without_heading

    def to_file_m(self, points: np.ndarray) -> np.ndarray:
        """Convert points (..., 3) from the scene to the file."""
        return (points * self.unit_m - np.array(self.origin_m)) @ self.rotation.T

    def to_scene(self, points_m: np.ndarray) -> np.ndarray:
        """Convert points (..., 3) from the file to the scene."""
        return (points_m @ self.rotation + np.array(self.origin_m)) / self.unit_m

    def place_step_m(self, place: Sequence[float], position_m: Sequence[float] | None = None) -> list[float]:
        """Return the position of a step in the file.

        The step is at x and y of the scene, at the height of an earlier position.
        """
        x_m, _, z_m = self.to_file_m(np.array([place[0], place[1], 0.0])).tolist()
        return [x_m, position_m[1] if position_m else 0.0, z_m]


def nearest_rotations(matrices: np.ndarray) -> np.ndarray:
    """Return the nearest rotations (..., 3, 3) or reflections to matrices that may also scale."""
    left_vectors, _, right_vectors = np.linalg.svd(matrices)
    return left_vectors @ right_vectors


def twist_about_z(rotation: np.ndarray) -> float:
    """Return the angle of a rotation's (3, 3) twist about z, or 0 if it has none because it is upside down."""
    sine = rotation[1, 0] - rotation[0, 1]
    cosine = rotation[0, 0] + rotation[1, 1]
    if np.hypot(sine, cosine) < 1e-6:
        return 0.0
    return float(np.arctan2(sine, cosine))
