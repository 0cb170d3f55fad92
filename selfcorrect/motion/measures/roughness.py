"""Roughness that one motion has and another has not: faster joint rotations, or more jerk of body parts."""

from functools import lru_cache

import numpy as np

from ..geometry.rotations import turn_angles
from ..geometry.vectors import norms
from ..kinematics import joint_positions
from ..motion import Motion, MotionBatch
from ..skeleton import Skeleton, strip_side

JERK_PARTS = {
    "trunk": ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "collar", "shoulder", "hip"),
    "left arm": ("left_elbow", "left_wrist"),
    "right arm": ("right_elbow", "right_wrist"),
    "left knee": ("left_knee",),
    "right knee": ("right_knee",),
    "left foot": ("left_ankle", "left_foot"),
    "right foot": ("right_ankle", "right_foot"),
}
"""Body parts whose jerk is measured, with their joints. Names without a side stand for both sides."""


_ROWS = 1024
"""Number of frames processed at once, so that long motions need little memory."""


def angular_speeds_rad_s(moving: Motion | MotionBatch, frames: slice = slice(None)) -> np.ndarray:
    """Return angular speeds (..., T − 1, J) of joints in their parents' frames, in rad/s."""
    rotations = moving.rotations[..., frames, :, :]
    return turn_angles(rotations[..., :-1, :, :], rotations[..., 1:, :, :]) * moving.fps


def added_angular_speeds_rad_s(before: Motion | MotionBatch, after: Motion | MotionBatch) -> np.ndarray:
    """Return each joint's largest increase in angular speed over all frames, (..., J) in rad/s and at least 0.

    Both motions have the same skeleton, frame rate and
    frames.
    """
    most_rad_s = np.zeros((*after.rotations.shape[:-3], after.rotations.shape[-2]))
    for start in range(0, after.rotations.shape[-3] - 1, _ROWS):
        rows = slice(start, start + _ROWS + 1)
        gained = angular_speeds_rad_s(after, rows) - angular_speeds_rad_s(before, rows)
        most_rad_s = np.maximum(most_rad_s, gained.max(axis=-2, initial=0.0))
    return most_rad_s


def added_by_joint_deg_s(before: Motion, after: Motion) -> dict[str, float]:
    """Return `added_angular_speeds_rad_s` by joint name, in degrees per second."""
    added = np.degrees(added_angular_speeds_rad_s(before, after))
    return dict(zip(before.skeleton.names, added.tolist(), strict=True))


@lru_cache(maxsize=8)
def joints_by_part(skeleton: Skeleton) -> dict[str, list[int]]:
    """Return the joints of each of `JERK_PARTS` that the skeleton has."""
    joints_of = {}
    for name, parts in JERK_PARTS.items():
        joints = [joint for joint, part in enumerate(skeleton.parts) if part in parts or strip_side(part) in parts]
        if joints:
            joints_of[name] = joints
    return joints_of


def joint_jerks_m_s3(joints_m: np.ndarray, fps: float) -> np.ndarray:
    """Return jerks (..., T − 3, J) of joints (..., T, J, 3), as third differences."""
    return norms(np.diff(joints_m, 3, axis=-3)) * fps**3


def jerk_by_part_m_s3(moving: Motion | MotionBatch) -> dict[str, np.ndarray]:
    """Return each part's mean jerk (...) over frames, or 0 for fewer than four frames."""
    jerks = joint_jerks_m_s3(joint_positions(moving), moving.fps)
    count = max(jerks.shape[-2], 1)
    joints_of = joints_by_part(moving.skeleton)
    return {name: jerks[..., joints].mean(-1).sum(-1) / count for name, joints in joints_of.items()}
