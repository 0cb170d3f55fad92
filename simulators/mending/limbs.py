"""Knees, elbows and hands above the floor: bones are tilted up where their ends are below it; a sunken trunk is lifted.

Feet are no limbs in this sense: their soles are planted on the ground.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.flesh import FLESH_M
from selfcorrect.motion.kinematics import forward_kinematics, local_rotations
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.vectors import lengths
from selfcorrect.simulators.body.curves import FRAME_S, blur
from selfcorrect.simulators.body.leg_ik import shortest_turn

TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "hip", "collar", "shoulder")
BONES = (("hip", "knee"), ("shoulder", "elbow"), ("elbow", "wrist"))

SIDES = ("left", "right")

SUNKEN_M = 0.004
"""Flesh gives way by so much."""


def trunk_lift(skeleton: Skeleton, positions_m: np.ndarray, fps: float) -> np.ndarray:
    """(N, T, 3) by which bodies must rise so that no trunk is below the floor; positions_m: (N, T, J, 3)."""
    parts = [(joint, FLESH_M[part]) for joint, part in enumerate(map(_unsided, skeleton.parts)) if part in TRUNK]
    joints, flesh_m = np.array([joint for joint, _ in parts]), np.array([radius_m for _, radius_m in parts])
    depths_m = (flesh_m - SUNKEN_M - positions_m[:, :, joints, 1]).max(-1)
    frames = max(3, round(3 * FRAME_S * fps))
    lift_m = blur(maximum_filter1d(np.maximum(depths_m, 0.0), frames, axis=1), 1.0, fps)
    return lift_m[..., None] * (0.0, 1.0, 0.0)


def limbs_above_floor(motions: MotionBatch) -> MotionBatch:
    """Motions whose knees, elbows and wrists are not below the floor, as far as their bones reach."""
    positions_m, orientations = forward_kinematics(motions.skeleton, motions.root_m, motions.rotations)
    rotations = motions.rotations.copy()
    ends = [(positions_m[:, :, lower, 1] < flesh_m - SUNKEN_M).any(1) for _, lower, flesh_m in _bones(motions.skeleton)]
    sunken = np.any(ends, axis=0)
    if sunken.any():
        rotations[sunken] = _raised(motions.skeleton, positions_m[sunken], orientations[sunken])
    return replace(motions, rotations=rotations)


def _raised(skeleton: Skeleton, positions_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Local rotations (N, T, J, 4) of posed motions, (N, T, J, 3) and (N, T, J, 4), with sunken bones tilted up."""
    for upper, lower, flesh_m in _bones(skeleton):
        bones_m = positions_m[:, :, lower] - positions_m[:, :, upper]
        missing_m = np.maximum(flesh_m - SUNKEN_M - positions_m[:, :, lower, 1], 0.0)
        raised_m = _tilted(bones_m, missing_m, orientations[:, :, upper])
        turns = Rotation.from_quat(shortest_turn(bones_m, raised_m))
        end = skeleton.descendants[lower]
        for joint in np.flatnonzero(skeleton.descendants[upper] & ~end):
            orientations[:, :, joint] = (turns * Rotation.from_quat(orientations[:, :, joint])).as_quat()
        positions_m[:, :, end] += (raised_m - bones_m)[:, :, None]
    return local_rotations(skeleton, orientations)


def _bones(skeleton: Skeleton) -> list[tuple[int, int, float]]:
    """Upper and lower joint of each bone that the skeleton has, and the flesh around the lower."""
    named = [(skeleton.joint(f"{side}_{a}"), skeleton.joint(f"{side}_{b}"), b) for side in SIDES for a, b in BONES]
    lengths_m = np.linalg.norm(skeleton.offsets_m, axis=1)
    return [
        (upper, lower, FLESH_M[part])
        for upper, lower, part in named
        if upper is not None and lower is not None and lengths_m[lower] > 0
    ]


def _unsided(part: str) -> str:
    return part.removeprefix("left_").removeprefix("right_")


def _tilted(bones_m: np.ndarray, higher_m: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Bones (..., 3) turned so that they end higher by (...), towards where they point or else the joint's front."""
    lengths_m = lengths(bones_m)
    heights_m = np.clip(bones_m[..., 1] + higher_m, -lengths_m, lengths_m)
    front = Rotation.from_quat(orientations).apply((0.0, 0.0, 1.0))
    across_m = (bones_m + 1e-3 * lengths_m[..., None] * front) * (1.0, 0.0, 1.0)
    across_m /= np.maximum(lengths(across_m)[..., None], 1e-9)
    raised_m = across_m * np.sqrt(lengths_m**2 - heights_m**2)[..., None]
    raised_m[..., 1] = heights_m
    return np.where((higher_m > 0)[..., None], raised_m, bones_m)
