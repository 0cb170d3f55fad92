"""The jerk that corrections may have, by part of the body.

Locks that close, contacts that meet and solvers that chatter leave traces above the bandwidth of human motion. At 60 or
120 frames per second, these traces are most of the jerk. A part of a corrected body is rough where it has clearly more
jerk than the same part before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_gaussian, thirds_to_frames
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.roughness import joint_jerks_m_s3, joints_by_part
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from ..body.soft_legs import JERK_AROUND_S, ROUGHER

MIN_FRAMES = 5
"""Minimum number of frames that show roughness."""
ROUGHER_M_S3 = 5.0
"""Minimum jerk increase of a rougher part, in m/s³."""
ALL_ROUGH = 0.1
"""Relative excess of jerk from which on a part is fully rough. Below, it is partly rough."""


@dataclass(frozen=True, eq=False)
class JerkBounds:
    """The jerk that corrections may have, given the motions before.

    The bounds were set on CMU's training clips at 30, 60 and 120 frames per second: not more jerk than in the motion,
    for hardly more sliding.
    """

    before: MotionBatch
    groups: Sequence[_JointGroup]
    around: float
    """Standard deviation of the average of jerk, in frames."""
    most_m_s3: np.ndarray
    """(N, T, G) maximum jerk of each part, in m/s³."""

    @classmethod
    def from_motions(cls, before: MotionBatch) -> Self:
        """Return the bounds for corrections of some motions.

        Motions too short to have jerk are not bounded.
        """
        groups = _make_joint_groups(before.skeleton)
        around = JERK_AROUND_S * before.fps
        if before.root_m.shape[1] < MIN_FRAMES:
            unbounded = np.full((*before.root_m.shape[:2], len(groups)), np.inf)
            return cls(before, groups, around, unbounded)
        jerk_m_s3 = _jerk_m_s3(before, groups, around)
        most_m_s3 = np.maximum(ROUGHER * jerk_m_s3, jerk_m_s3 + ROUGHER_M_S3)
        return cls(before, groups, around, most_m_s3)

    def excess(self, motions: MotionBatch) -> np.ndarray:
        """Return each part's jerk (N, T, G) relative to its bound, minus 1."""
        return _jerk_m_s3(motions, self.groups, self.around) / self.most_m_s3 - 1

    def roughness(self, excess: np.ndarray) -> np.ndarray:
        """Return the roughness (N, T, G), in [0, 1], of an excess.

        Roughness is gradual, so that no motion depends on a threshold.
        """
        return np.clip(excess / ALL_ROUGH, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _JointGroup:
    """A part of the body that is smoothed together."""

    share: int
    """Index of the part."""
    measured_joints: list[int]
    """Joints whose jerk measures the part's roughness."""
    turned_joints: np.ndarray
    """(J,) 1 for joints whose rotations are smoothed with the part, else 0."""


@lru_cache(maxsize=8)
def _make_joint_groups(skeleton: Skeleton) -> tuple[_JointGroup, ...]:
    """Group joints by body part.

    The trunk with the root comes first, then arms and legs if the skeleton has them.
    """
    parts = joints_by_part(skeleton)
    groups = []
    trunk = np.ones(len(skeleton))
    for limb_parts, first_part in ((("arm",), "shoulder"), (("knee", "foot"), "hip")):
        for side in ("left", "right"):
            measured = [joint for name in limb_parts for joint in parts.get(f"{side} {name}", [])]
            first_joint = skeleton.joint(f"{side}_{first_part}")
            if measured and first_joint is not None:
                turned = skeleton.descendants[first_joint].astype(float)
                groups.append(_JointGroup(len(groups) + 1, measured, turned))
                trunk = trunk - turned
    return (_JointGroup(0, parts["trunk"], trunk), *groups)


def _jerk_m_s3(motions: MotionBatch, groups: Sequence[_JointGroup], around: float) -> np.ndarray:
    """Return each part's mean jerk (N, T, G) around each frame.

    Args:
        around: Standard deviation of the average, in frames.
    """
    measured = sorted({joint for group in groups for joint in group.measured_joints})
    joints = joint_jerks_m_s3(joint_positions(motions, measured), motions.fps)
    jerks_by_group = []
    for group in groups:
        columns = np.searchsorted(measured, group.measured_joints)
        jerks_by_group.append(joints[..., columns].mean(-1))
    jerks = np.stack(jerks_by_group, axis=-1)
    return thirds_to_frames(smooth_gaussian(jerks, around))
