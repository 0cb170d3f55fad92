"""HumanML3D's 263 columns for any body.

HumanML3D describes a frame several times over: by joint positions, rotations, velocities and contacts. Published code
makes the motion from root and positions alone, which are 67 of the 263 columns. A generative model samples all columns,
so the others may contradict these in its samples. The columns of an encoded motion agree.

The 22 joints are landmarks of the body: joints, or points fixed to a joint where the skeleton lacks a joint of SMPL.
Decoding fits the skeleton to the landmarks, so motions have the same bones in every representation.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ...core.errors import InputError
from ..body.smpl import body_joints
from ..body.surface import head_point, sole_points
from ..editing.transforms import canonicalise
from ..geometry.rotations import identity_rotations, rotate
from ..inverse_kinematics import aligning_turns
from ..kinematics import forward_kinematics, local_rotations, make_continuous
from ..motion import Motion, MotionBatch
from ..skeleton import SIDES, SMPL_22, SMPL_22_PARENTS, Skeleton
from . import humanml3d
from .features import FeatureCodec

COLUMN_COUNT = humanml3d.column_count(len(SMPL_22))
SMALLEST_STD = 1e-4
"""Minimum standard deviation of a column group, in its unit, so that constant groups are not divided by 0."""


@dataclass(frozen=True, eq=False)
class HumanML3DCodec(FeatureCodec):
    """Codec between motion windows and HumanML3D's columns.

    Columns are normalised with one standard deviation per group. If a sample is decoded and encoded again, its columns
    agree with its root and positions; the sample's other columns are lost.

    Unlike in HumanML3D, which puts the lowest joint of each clip on the floor, heights are kept. The columns of the
    last frame refer to a frame after it, in which every joint continues at its last velocity.
    """

    is_redundant: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.mean.shape == self.std.shape == (COLUMN_COUNT,):
            raise InputError(
                f"HumanML3D's statistics must have shape ({COLUMN_COUNT},), "
                f"got {tuple(self.mean.shape)} and {tuple(self.std.shape)}"
            )

    @classmethod
    def fit(cls, batch: MotionBatch) -> Self:
        """Fit the codec to the skeleton, frame rate and statistics of motions."""
        unfitted = cls(batch.skeleton, batch.fps, torch.zeros(COLUMN_COUNT).double(), torch.ones(COLUMN_COUNT).double())
        rows = unfitted._encode_rows(batch).reshape(-1, COLUMN_COUNT)
        std = rows.std(axis=0)
        for group in humanml3d.columns().values():
            std[group] = max(std[group].mean(), SMALLEST_STD)
        return cls(batch.skeleton, batch.fps, torch.from_numpy(rows.mean(axis=0)), torch.from_numpy(std))

    def encode(self, batch: MotionBatch) -> Tensor:
        """Encode windows of T frames as normalised float32 columns (N, T, 263)."""
        self.check_body(batch)
        return ((torch.from_numpy(self._encode_rows(batch)) - self.mean) / self.std).float()

    def decode(self, values: Tensor) -> MotionBatch:
        """Decode normalised columns (N, T, 263) into windows.

        Windows start at the horizontal origin, facing +z. Only root and positions are used. Bone lengths are those of
        the skeleton; if no pose has these positions, bones take the nearest directions.
        """
        landmarks_m = humanml3d.decode_joints(self.in_units(values))[:, :-1]
        return canonicalise(self._fit_skeleton(landmarks_m))

    @cached_property
    def landmarks(self) -> "Landmarks":
        """The 22 landmarks of the skeleton."""
        return Landmarks.of_skeleton(self.skeleton)

    def _encode_rows(self, batch: MotionBatch) -> np.ndarray:
        """Return columns (N, T, 263) in their units."""
        if np.any(batch.lengths != batch.root_m.shape[1]) or batch.root_m.shape[1] < 2:
            raise InputError(
                f"columns need windows of one length of at least 2 frames, got {batch.lengths.min()} to "
                f"{batch.root_m.shape[1]} frames"
            )
        joints_m = self.landmarks.place(self.skeleton, batch)
        next_m = 2 * joints_m[:, -1:] - joints_m[:, -2:-1]
        extended_m = np.concatenate([joints_m, next_m], axis=1)
        return np.stack([humanml3d.encode(window_m, fps=self.fps, keep_height=True) for window_m in extended_m])

    def _fit_skeleton(self, landmarks_m: np.ndarray) -> MotionBatch:
        """Fit motions whose landmarks have the directions of (N, T, 22, 3), as nearly as possible."""
        skeleton = self.skeleton
        count, frames = landmarks_m.shape[:2]
        points_m = landmarks_m.reshape(count * frames, len(SMPL_22), 3)
        landmarks = self.landmarks
        positions_m = np.empty((len(points_m), len(skeleton), 3))
        orientations = np.empty((len(points_m), len(skeleton), 4))
        for joint, parent in enumerate(skeleton.parents):
            before = orientations[:, parent] if joint else identity_rotations(len(points_m))
            landmark = landmarks.of_joint.get(joint)
            if landmark is not None:
                positions_m[:, joint] = points_m[:, landmark]
            else:
                positions_m[:, joint] = positions_m[:, parent] + rotate(before, skeleton.offsets_m[joint])
            rest_m, indices = landmarks.around(skeleton, joint)
            bones_m = points_m[:, indices] - positions_m[:, [joint]]
            orientations[:, joint] = aligning_turns(rest_m, bones_m, before) if indices else before
        rotations = local_rotations(skeleton, orientations).reshape(count, frames, len(skeleton), 4)
        root_m = positions_m[:, 0].reshape(count, frames, 3)
        lengths = np.full(count, frames)
        return MotionBatch(skeleton, root_m, make_continuous(rotations, axis=1), lengths=lengths, fps=self.fps)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Points in place of SMPL's 22 joints, each fixed to a joint."""

    joints: tuple[int, ...]
    """(22,) joint that carries each landmark."""
    offsets_m: np.ndarray
    """(22, 3) positions in these joints' frames."""

    @classmethod
    def of_skeleton(cls, skeleton: Skeleton) -> Self:
        """Return the landmarks of a skeleton.

        A landmark is the joint itself if the skeleton has it. Otherwise it is the toe tip or the head's centre for
        those joints, and a point between joints for all others.

        Raises:
            InputError: The skeleton lacks a part that every body needs.
        """
        rest = Motion(skeleton, np.zeros((1, 3)), identity_rotations(1, len(skeleton)), fps=1.0)
        rest_m = body_joints(rest)[0]
        present = {index: joint for index, part in enumerate(SMPL_22) if (joint := skeleton.joint(part)) is not None}
        joints = []
        for index in range(len(SMPL_22)):
            above = index
            while above not in present:
                above = SMPL_22_PARENTS[above]
            joints.append(present[above])
        offsets_m = rest_m - skeleton.rest_positions_m[joints]
        for side, name in enumerate(SIDES):
            foot = SMPL_22.index(f"{name}_foot")
            if foot not in present:
                soles = sole_points(skeleton)
                corners_m = soles.offsets_m[(soles.side == side) & (soles.joints == joints[foot])]
                offsets_m[foot] = corners_m[corners_m[:, 2] == corners_m[:, 2].max()].mean(axis=0)
        head = SMPL_22.index("head")
        if head not in present and (point := head_point(skeleton)) is not None:
            joints[head], offsets_m[head] = point
        return cls(tuple(joints), offsets_m)

    @cached_property
    def of_joint(self) -> dict[int, int]:
        """Landmark at each joint that coincides with one."""
        is_joint = np.all(self.offsets_m == 0, axis=1)
        return {joint: index for index, joint in enumerate(self.joints) if is_joint[index]}

    def around(self, skeleton: Skeleton, joint: int) -> tuple[np.ndarray, list[int]]:
        """Return the landmarks that rotate with a joint.

        Returns:
            Positions (K, 3) in the joint's frame, in m, and the landmarks' indices.
        """
        children = [child for child in skeleton.children[joint] if child in self.of_joint]
        fixed = [index for index in range(len(SMPL_22)) if self.joints[index] == joint]
        fixed = [index for index in fixed if index != self.of_joint.get(joint)]
        rest_m = np.concatenate([skeleton.offsets_m[children], self.offsets_m[fixed]])
        return rest_m, [self.of_joint[child] for child in children] + fixed

    def place(self, skeleton: Skeleton, batch: MotionBatch) -> np.ndarray:
        """Return landmark positions (N, T, 22, 3) in the world, in m."""
        positions_m, orientations = forward_kinematics(skeleton, batch.root_m, batch.rotations)
        joints = list(self.joints)
        return positions_m[:, :, joints] + rotate(orientations[:, :, joints], self.offsets_m)
