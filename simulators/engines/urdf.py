"""A humanoid as URDF text, as PyBullet reads it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from selfcorrect.simulators.body.humanoid import SOLE_RADIUS_M, Capsule, Humanoid


def urdf(body: Humanoid, sole_lowering_m: float = 0.0) -> str:
    """The body with its links in order; soles touch the floor `sole_lowering_m` below their corners."""
    links = [_link(body, link, sole_lowering_m) for link in range(len(body))]
    joints = [_joint(body, link) for link in range(1, len(body))]
    return "\n".join(['<robot name="humanoid">', *links, *joints, "</robot>"])


def _link(body: Humanoid, link: int, sole_lowering_m: float) -> str:
    ixx, iyy, izz = body.inertia_kgm2[link].tolist()
    centres_m = body.soles.offsets_m[body.soles.joints == link] + np.array([0.0, SOLE_RADIUS_M - sole_lowering_m, 0.0])
    spheres = [_sphere(centre_m, SOLE_RADIUS_M) for centre_m in centres_m]
    capsules = [_capsule(capsule) for capsule in body.capsules if capsule.link == link]
    return (
        f'<link name="{link}"><inertial><origin xyz="{_text(body.centre_m[link])}"/>'
        f'<mass value="{body.mass_kg[link]:.9g}"/>'
        f'<inertia ixx="{ixx:.9g}" iyy="{iyy:.9g}" izz="{izz:.9g}" ixy="0" ixz="0" iyz="0"/></inertial>'
        + "".join(spheres + capsules)
        + "</link>"
    )


def _joint(body: Humanoid, link: int) -> str:
    return (
        f'<joint name="to {link}" type="spherical"><parent link="{body.tree.parents[link]}"/><child link="{link}"/>'
        f'<axis xyz="1 0 0"/><origin xyz="{_text(body.tree.offsets_m[link])}"/></joint>'
    )


def _sphere(centre_m: np.ndarray, radius_m: float) -> str:
    return f'<collision><origin xyz="{_text(centre_m)}"/><geometry><sphere radius="{radius_m}"/></geometry></collision>'


def _capsule(capsule: Capsule) -> str:
    """URDF capsules lie along z around their origin."""
    start_m, end_m = np.array(capsule.ends_m)
    axis_m = end_m - start_m
    length_m = float(np.linalg.norm(axis_m))
    if length_m < 1e-3:
        return _sphere(start_m, capsule.radius_m)
    yaw, pitch = np.arctan2(axis_m[1], axis_m[0]), np.arctan2(np.hypot(axis_m[0], axis_m[1]), axis_m[2])
    return (
        f'<collision><origin xyz="{_text((start_m + end_m) / 2)}" rpy="{_text((0.0, pitch, yaw))}"/>'
        f'<geometry><capsule radius="{capsule.radius_m}" length="{length_m}"/></geometry></collision>'
    )


def _text(numbers: Iterable[float]) -> str:
    return " ".join(f"{float(number):.9g}" for number in numbers)
