"""Turns that make the rest pose of any skeleton upright.

In a file every joint may have an arbitrary frame, so that zero rotation is any pose. What is built on a skeleton
relies on an upright one (see `Skeleton`). Turning each joint's frame by a constant rotation changes no position.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.inverse_kinematics import aligning_turns
from ..geometry.kinematics import forward_kinematics
from ..motion import Motion
from ..skeleton import SMPL_22
from .smpl import to_smpl

LEFT = np.array([1.0, 0, 0])
UP = np.array([0, 1.0, 0])
DOWN = np.array([0, -1.0, 0])
AHEAD = np.array([0, -0.3, 1.0])
_SPINE = ("pelvis", "spine1", "spine2", "spine3", "neck")
_LIMBS = {"hip": ("knee", DOWN, 12.0), "knee": ("ankle", DOWN, 12.0), "ankle": ("foot", AHEAD, 45.0)}
"""Directions of the bones from part to part in a standing body, and the degrees by which they may be off."""

_TRUNK_DEG = 35.0
_TWISTED_DEG = 60.0
"""A bone further off than this says nothing about its twist; that is then inferred from the motion."""

_SHORTEST_BONE_M = 0.02
_FRAMES_TO_FIT = 512


def find_upright_turns(motion: Motion) -> Rotation | None:
    """Return constant turns (J,) of the joints' frames that make the rest pose upright; None if it already is.

    Raises InputError if that takes a part that the skeleton lacks.
    """
    turns = _UprightTurnSearch(motion).solve()
    return None if turns.magnitude().max() < 1e-9 else turns


class _UprightTurnSearch:
    """Search for upright turns: from the root outwards, each joint keeps its parent's turn if that serves."""

    def __init__(self, motion: Motion) -> None:
        self.motion, self.skeleton = motion, motion.skeleton
        self.rest_m = motion.skeleton.rest_positions_m

    def solve(self) -> Rotation:
        turns: list[Rotation] = []
        for joint, (part, parent) in enumerate(zip(self.skeleton.parts, self.skeleton.parents, strict=True)):
            turns.append(self._turn_of_joint(joint, part, turns[parent] if joint else Rotation.identity()))
        return Rotation.concatenate(turns)

    def _turn_of_joint(self, joint: int, part: str, before: Rotation) -> Rotation:
        side, _, limb = part.rpartition("_")
        if part in _SPINE:
            return self._turn_of_trunk(joint, part, before)
        if limb in _LIMBS and side:
            end, direction, tolerance_deg = _LIMBS[limb]
            bones_m = self._bones(joint, self.skeleton.joint(f"{side}_{end}"))
            return self._align_bones(joint, bones_m, direction[None], tolerance_deg, before)
        if limb == "foot" and self.skeleton.children[joint]:
            return self._align_bones(
                joint, self._bones(joint, self.skeleton.children[joint][0]), AHEAD[None], 45.0, before
            )
        return before

    def _turn_of_trunk(self, joint: int, part: str, before: Rotation) -> Rotation:
        above = (self._bones(joint, self.skeleton.joint(end)) for end in _SPINE[_SPINE.index(part) + 1 :])
        bones_m = next((bone_m for bone_m in above if len(bone_m)), np.zeros((0, 3)))
        directions = np.tile(UP, (len(bones_m), 1))
        left, right = self.skeleton.joint("left_hip"), self.skeleton.joint("right_hip")
        if part == "pelvis" and left is not None and right is not None:
            bones_m = np.vstack([bones_m, self.rest_m[left] - self.rest_m[right]])
            directions = np.vstack([directions, LEFT])
        return self._align_bones(joint, bones_m, directions, _TRUNK_DEG, before)

    def _bones(self, joint: int, end: int | None) -> np.ndarray:
        """(1, 3) bone from a joint to another at rest; (0, 3) if that is missing or in the same place."""
        bone_m = np.zeros(3) if end is None else self.rest_m[end] - self.rest_m[joint]
        return bone_m[None] if np.linalg.norm(bone_m) > _SHORTEST_BONE_M else np.zeros((0, 3))

    def _align_bones(
        self, joint: int, bones_m: np.ndarray, directions: np.ndarray, tolerance_deg: float, before: Rotation
    ) -> Rotation:
        """Return `before`, or the nearest turn that aligns bones (B, 3) with their directions if they are then off."""
        if not len(bones_m):
            return before
        off_deg = _largest_angle_deg(before.inv().apply(bones_m), directions)
        if off_deg <= tolerance_deg:
            return before
        if len(bones_m) > 1 and (quarter_turns := _best_quarter_turns(bones_m, directions, tolerance_deg)) is not None:
            return quarter_turns
        if len(bones_m) < 2 and off_deg > _TWISTED_DEG:
            before = self._mean_turns[joint]
        lengths_m = np.linalg.norm(bones_m, axis=1, keepdims=True)
        targets_m = lengths_m * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        turns = aligning_turns(bones_m, targets_m[None], before.inv().as_quat()[None])
        return Rotation.from_quat(turns[0]).inv()

    @cached_property
    def _mean_turns(self) -> Rotation:
        """(J,) mean turns, over the motion, from the frames to those of a body with joints in the same places."""
        motion = _subsample_frames(self.motion)
        body = to_smpl(motion)
        _, orientations = forward_kinematics(self.skeleton, motion.root_m, motion.rotations)
        _, body_orientations = forward_kinematics(body.skeleton, body.root_m, body.rotations)
        columns = [SMPL_22.index(part) if part else 0 for part in self.skeleton.parts]
        frame_to_body = Rotation.from_quat(orientations).inv() * Rotation.from_quat(body_orientations[:, columns])
        turns = frame_to_body.as_quat()
        return Rotation.concatenate([Rotation.from_quat(turns[:, joint]).mean() for joint in range(len(columns))])


def _best_quarter_turns(bones_m: np.ndarray, directions: np.ndarray, tolerance_deg: float) -> Rotation | None:
    """Return the turn by right angles that aligns bones best; None if none aligns them within the tolerance.

    Bodies that lie or look aside at rest need one.
    """
    turns = Rotation.create_group("O")
    offs_deg = [_largest_angle_deg(turn.inv().apply(bones_m), directions) for turn in turns]
    return turns[int(np.argmin(offs_deg))] if min(offs_deg) <= tolerance_deg else None


def _largest_angle_deg(bones_m: np.ndarray, directions: np.ndarray) -> float:
    """Largest angle between bones and directions, both (B, 3); bones without length are at right angles to all."""
    lengths = np.linalg.norm(bones_m, axis=1) * np.linalg.norm(directions, axis=1)
    cosines = (bones_m * directions).sum(1) / np.maximum(lengths, 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1)).max()))


def _subsample_frames(motion: Motion) -> Motion:
    step = -(-len(motion) // _FRAMES_TO_FIT)
    return replace(motion, root_m=motion.root_m[::step], rotations=motion.rotations[::step])
