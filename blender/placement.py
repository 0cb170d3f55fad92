# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a rig as the program sees it.

Needs no Blender. The program's results depend a little on the heading of a motion: it measures noise along the axes of
the world. So the motion goes to the program as if the armature object stood at the origin and faced −y, however it is
turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Turns vectors of Blender's world, z up, into the file's: what faces −y faces +z there."""


@dataclass(frozen=True)
class Placement:
    """The file's frame in Blender's world.

    p_file = Y_UP · Rz(−heading) · (unit · p_world − origin).
    """

    heading_rad: float = 0.0
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    unit_m: float = 1.0
    """Metres in one unit of the scene."""

    @classmethod
    def from_object(cls, world: np.ndarray, unit_m: float) -> Placement:
        """Return an object's frame at the scene's height.

        The object has this matrix (4, 4).
        """
        rotation = nearest_rotations(world[:3, :3])
        if np.linalg.det(rotation) < 0:
            rotation = -rotation
        heading_rad = twist_about_z(rotation)
        x_m, y_m, _ = (unit_m * world[:3, 3]).tolist()
        return cls(heading_rad, (x_m, y_m, 0.0), unit_m)

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) from Blender's world to the file's."""
        sine, cosine = np.sin(self.heading_rad), np.cos(self.heading_rad)
        without_heading = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        return Y_UP @ without_heading

    def to_file_m(self, points: np.ndarray) -> np.ndarray:
        """Convert scene points (..., 3) to the file."""
        return (points * self.unit_m - np.array(self.origin_m)) @ self.rotation.T

    def to_scene(self, points_m: np.ndarray) -> np.ndarray:
        """Convert file points (..., 3) to the scene."""
        return (points_m @ self.rotation + np.array(self.origin_m)) / self.unit_m


def nearest_rotations(matrices: np.ndarray) -> np.ndarray:
    """Return nearest rotations (..., 3, 3), reflections kept.

    The matrices may also scale.
    """
    left_vectors, _, right_vectors = np.linalg.svd(matrices)
    return left_vectors @ right_vectors


def twist_about_z(rotation: np.ndarray) -> float:
    """Return a rotation's angle about z.

    Only the part of (3, 3) about z counts, 0 if there is none (a turn upside down).
    """
    sine = rotation[1, 0] - rotation[0, 1]
    cosine = rotation[0, 0] + rotation[1, 1]
    if np.hypot(sine, cosine) < 1e-6:
        return 0.0
    return float(np.arctan2(sine, cosine))
