"""Vectors and quaternions of one body at one time, as plain floats and tuples.

These run at every step of a simulation, where small arrays cost more than what is done with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Numbers = Sequence[float]
Vector = tuple[float, float, float]


def rotation_error(goal: Numbers, actual: Numbers) -> Vector:
    """Small-angle rotation vector, outer frame, that turns the orientation `actual` into `goal` (quaternions xyzw)."""
    gx, gy, gz, gw = goal
    x, y, z, w = actual
    twice = 2.0 if gx * x + gy * y + gz * z + gw * w >= 0 else -2.0
    return (
        twice * (gx * w - gw * x - gy * z + gz * y),
        twice * (gy * w - gw * y - gz * x + gx * z),
        twice * (gz * w - gw * z - gx * y + gy * x),
    )


def cross(one: Numbers, other: Numbers) -> Vector:
    """The cross product."""
    ax, ay, az = one
    bx, by, bz = other
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def turned(rotation: Numbers, turn_rad: Numbers) -> list[float]:
    """A quaternion xyzw turned on the right by a small rotation vector."""
    return multiplied(rotation, small_rotation(*turn_rad))


def small_rotation(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """The quaternion of a small rotation vector, right up to the third order of its size."""
    x, y, z = 0.5 * x, 0.5 * y, 0.5 * z
    return x, y, z, math.sqrt(max(1.0 - x * x - y * y - z * z, 0.0))


def multiplied(one: Numbers, other: Numbers) -> list[float]:
    """The product of two quaternions xyzw."""
    x, y, z, w = one
    a, b, c, d = other
    return [
        w * a + x * d + y * c - z * b,
        w * b - x * c + y * d + z * a,
        w * c + x * b - y * a + z * d,
        w * d - x * a - y * b - z * c,
    ]


def rotated_back(rotation: Numbers, vector: Numbers) -> Vector:
    """A vector in the frame of a quaternion xyzw: turned by its inverse."""
    x, y, z, w = rotation
    tx, ty, tz = cross((-2 * x, -2 * y, -2 * z), vector)
    cx, cy, cz = cross((-x, -y, -z), (tx, ty, tz))
    return vector[0] + w * tx + cx, vector[1] + w * ty + cy, vector[2] + w * tz + cz
