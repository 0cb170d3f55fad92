"""How supports meet a simulated body: the places of it that they carry, and the ground beneath those."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from selfcorrect.motion.correction.support import CARRIED_PARTS, Support
from selfcorrect.simulators.body.humanoid import Humanoid

SOFT_PARTS = ("seat", "left knee", "right knee", "back", "left hand", "right hand")
FLESH_M = 0.03
"""How far flesh gives way: these parts touch when they are this close to the ground."""

ELSEWHERE_M = 0.08
"""A place further than this from the support's height is not what it carries: a heel beyond the edge of a step."""


def carried_links(body: Humanoid, part: str) -> list[int]:
    """The links that a support may touch; hands are frozen onto the forearms."""
    names = [name.replace("wrist", "elbow") for name in CARRIED_PARTS[part]]
    return [link for name in names if (link := body.tree.joint(name)) is not None]


@lru_cache(maxsize=64)
def carried_places(body: Humanoid, part: str) -> np.ndarray:
    """(C,) which of the body's touching places a support of a part carries: of limbs those at the joint it is named by.

    All of a hand is beyond the elbow, and its furthest place grips; all of the pelvis and of the trunk may lie.
    """
    touches = body.touches
    carried = np.isin(touches.links, carried_links(body, part))
    reach_m = np.linalg.norm(touches.offsets_m, axis=1)
    if part.endswith("foot"):
        return carried & (np.arange(len(touches)) < len(body.soles))
    if part.endswith("hand"):
        return carried & (reach_m > 0.1)
    if part.endswith("grip"):
        return carried & (reach_m == (carried * reach_m).max())
    limbs = [link for link, name in enumerate(body.tree.parts) if name.endswith(("_hip", "_knee"))]
    return carried & ((reach_m < 1e-6) | ~np.isin(touches.links, limbs))


def above_ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Sequence[Support]]) -> np.ndarray:
    """The body's touching points (N, T, C, 3) with their heights above what is beneath them, floor or support.

    supports: those of each motion; none for any where that is empty.
    """
    above_m = points_m.copy()
    for own_m, own in zip(above_m, supports, strict=False):
        own_m[..., 1] -= _ground_m(body, own_m, own)
    soft = np.any([carried_places(body, part) for part in SOFT_PARTS], axis=0)
    above_m[:, :, soft, 1] -= np.clip(above_m[:, :, soft, 1], 0.0, FLESH_M)
    return above_m


def _ground_m(body: Humanoid, points_m: np.ndarray, supports: Sequence[Support]) -> np.ndarray:
    """Height (T, C) of what is beneath points (T, C, 3). Flesh on a support gives way to it."""
    ground_m = np.zeros(points_m.shape[:-1])
    for support in supports:
        frames, places = slice(support.first, support.last + 1), carried_places(body, support.part)
        above_m = points_m[frames, places, 1] - support.top_m[1]
        gives_m = 0.0 if support.part.endswith("foot") else ELSEWHERE_M if support.is_grip else FLESH_M
        beneath_m = support.top_m[1] + np.clip(above_m, -gives_m, gives_m)
        ground_m[frames, places] = np.where(np.abs(above_m) < ELSEWHERE_M, beneath_m, ground_m[frames, places])
    return ground_m
