"""Rotations of joint frames that make any skeleton's rest pose upright.

In a file, joints may have arbitrary frames, so zero rotation may be any pose. Other code relies on an upright rest pose
(see `Skeleton`). Rotating each joint's frame by a constant changes the rest pose without changing any position.
"""

from dataclasses import replace
from functools import cached_property
from itertools import permutations, product

import numpy as np

from ..geometry.rotations import compose, from_matrices, identity_rotations, invert, rotate, turn_angles
from ..geometry.vectors import angles_rad, median, norms
from ..inverse_kinematics import aligning_turns
from ..kinematics import forward_kinematics
from ..motion import Motion
from ..skeleton import UNTURNED
from .smpl import fit_body_parts

_LEFT = np.array([1.0, 0, 0])
_UP = np.array([0, 1.0, 0])
_DOWN = np.array([0, -1.0, 0])
_FORWARD = np.array([0, -0.3, 1.0])
_TOES_FORWARD = np.array([0, -0.46, 1.0])
"""Direction from ankle to toe joint in an average body."""
_SPINE = ("pelvis", "spine1", "spine2", "spine3", "neck")
_LIMBS = {"hip": ("knee", _DOWN, 12.0), "knee": ("ankle", _DOWN, 12.0), "ankle": ("foot", _TOES_FORWARD, 45.0)}
"""Bones from a part to the next one down the leg: that part, the bone's direction in a standing body, and a tolerance
in degrees."""

_TRUNK_TOLERANCE_DEG = 35.0
"""Tolerance of the trunk's bones, in degrees."""
_MISALIGNED_DEG = 60.0
"""Deviation above which a bone says nothing about its twist, in degrees. The twist is then inferred from the motion."""

_TWIST_TOLERANCE_DEG = 20.0
"""Maximum twist of an aligned joint about its bone, in degrees, relative to the twist in the motion."""
_TOLERANCE_SPREADS = 2.0
"""Tolerance of a parent's rotation beyond `_TWIST_TOLERANCE_DEG`, in multiples of the joint's median deviation from its
mean rotation in the motion."""

_SHORTEST_BONE_M = 0.02
"""Minimum bone length that defines a direction, in m."""
_FRAMES_TO_FIT = 512
"""Maximum number of frames from which rotations are inferred."""


def find_upright_turns(motion: Motion) -> np.ndarray | None:
    """Find rotations of joint frames that make the rest pose upright.

    Returns:
        (J, 4) quaternions, one constant rotation per joint, or None if the rest pose is already upright.

    Raises:
        InputError: The skeleton lacks a part that every body has.
    """
    turns = _UprightTurnSearch(motion).solve()
    if turn_angles(identity_rotations(1), turns).max() < 1e-9:
        return None
    return turns


class _UprightTurnSearch:
    """Search for rotations that make a rest pose upright.

    From the root outwards, each joint takes its parent's rotation if that aligns its bone. If a bone is far from its
    expected direction, the file's frames are considered arbitrary, and rotations are also inferred from the motion.
    """

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        self.skeleton = motion.skeleton
        self.rest_m = motion.skeleton.rest_positions_m
        self.is_arbitrary = False

    def solve(self) -> np.ndarray:
        turns = self._solve_from_root()
        return self._solve_from_root() if self.is_arbitrary else turns

    def _solve_from_root(self) -> np.ndarray:
        turns: list[np.ndarray] = []
        for joint, (part, parent) in enumerate(zip(self.skeleton.parts, self.skeleton.parents, strict=True)):
            turns.append(self._solve_joint(joint, part, turns[parent] if joint else np.array(UNTURNED)))
        return np.array(turns)

    def _solve_joint(self, joint: int, part: str, before: np.ndarray) -> np.ndarray:
        side, _, limb = part.rpartition("_")
        if part in _SPINE:
            return self._solve_trunk(joint, part, before)
        if limb in _LIMBS and side:
            end, direction, tolerance_deg = _LIMBS[limb]
            bones_m = self._find_bone(joint, self.skeleton.joint(f"{side}_{end}"))
            if not len(bones_m):
                return self._solve_without_bone(joint, before)
            turn = self._align_bones(joint, bones_m, direction[None], tolerance_deg, before)
            is_shown = limb != "ankle" or not self.is_arbitrary  # arbitrary frames do not show how high ankles rise
            return turn if is_shown else _align(turn, bones_m, direction[None])
        if limb == "foot" and self.skeleton.children[joint]:
            bones_m = self._find_bone(joint, self.skeleton.children[joint][0])
            if self.is_arbitrary and len(bones_m):
                shown = self._mean_turns[joint]
                if _largest_angle_deg(rotate(invert(shown), bones_m), _FORWARD[None]) > _TWIST_TOLERANCE_DEG:
                    return shown  # many programs write an end of their own, whatever the frame
            return self._align_bones(joint, bones_m, _FORWARD[None], 45.0, before)
        return self._solve_without_bone(joint, before) if limb in ("", "foot", "head", "collar") else before

    def _solve_trunk(self, joint: int, part: str, before: np.ndarray) -> np.ndarray:
        bones_m = np.zeros((0, 3))
        for end in _SPINE[_SPINE.index(part) + 1 :]:
            bones_m = self._find_bone(joint, self.skeleton.joint(end))
            if len(bones_m):
                break
        if part != "pelvis" and not len(bones_m):
            return self._solve_without_bone(joint, before)
        directions = np.tile(_UP, (len(bones_m), 1))
        hips = self.skeleton.pair("hip")
        if part == "pelvis" and hips is not None:
            left, right = hips
            between_hips_m = self._find_bone(right, left)
            bones_m = np.vstack([bones_m, between_hips_m])
            directions = np.vstack([directions, np.tile(_LEFT, (len(between_hips_m), 1))])
        return self._align_bones(joint, bones_m, directions, _TRUNK_TOLERANCE_DEG, before)

    def _solve_without_bone(self, joint: int, before: np.ndarray) -> np.ndarray:
        """Return `before`, unless the motion contradicts it.

        This is the rotation of a joint without a bone of known direction.
        """
        if not self.is_arbitrary:
            return before
        shown = self._mean_turns[joint]
        off_deg = np.degrees(turn_angles(before, shown))
        return shown if off_deg > _TWIST_TOLERANCE_DEG + _TOLERANCE_SPREADS * self._spreads_deg[joint] else before

    def _find_bone(self, joint: int, end: int | None) -> np.ndarray:
        """Return the bone (1, 3) between two joints at rest.

        The result is (0, 3) if the end is missing or coincides with the joint.
        """
        bone_m = np.zeros(3) if end is None else self.rest_m[end] - self.rest_m[joint]
        return bone_m[None] if np.linalg.norm(bone_m) > _SHORTEST_BONE_M else np.zeros((0, 3))

    def _align_bones(
        self, joint: int, bones_m: np.ndarray, directions: np.ndarray, tolerance_deg: float, before: np.ndarray
    ) -> np.ndarray:
        """Align bones (B, 3) with their directions (B, 3).

        Returns `before` if it aligns them within the tolerance, otherwise the nearest rotation that does.
        """
        if not len(bones_m):
            return before
        off_deg = _largest_angle_deg(rotate(invert(before), bones_m), directions)
        is_aligned = off_deg <= tolerance_deg
        if len(bones_m) > 1:
            if is_aligned:
                return before
            quarter_turns = _make_quarter_turns()  # a body may lie or face sideways at rest
            offs_deg = [_largest_angle_deg(rotate(invert(turn), bones_m), directions) for turn in quarter_turns]
            if min(offs_deg) <= tolerance_deg:
                return quarter_turns[int(np.argmin(offs_deg))]
            return _align(before, bones_m, directions)
        self.is_arbitrary |= off_deg > _MISALIGNED_DEG
        if is_aligned and not self.is_arbitrary:
            return before
        turn = _align(before, bones_m, directions)
        if self.is_arbitrary:
            shown = _align(self._mean_turns[joint], bones_m, directions)
            if off_deg > _MISALIGNED_DEG or np.degrees(turn_angles(turn, shown)) > _TWIST_TOLERANCE_DEG:
                return shown
        return before if is_aligned else turn

    @cached_property
    def _frames_to_body(self) -> np.ndarray:
        """Rotations (T, J, 4) from the file's joint frames to a body's.

        The body has the same joint positions.
        """
        step = -(-len(self.motion) // _FRAMES_TO_FIT)
        root_m = self.motion.root_m[::step]
        motion = replace(self.motion, root_m=root_m, rotations=self.motion.rotations[::step])
        body = fit_body_parts(motion)
        _, orientations = forward_kinematics(self.skeleton, motion.root_m, motion.rotations)
        _, body_orientations = forward_kinematics(body.skeleton, body.root_m, body.rotations)
        nearest_parts: list[int] = []  # the joint itself, or the part to which it is fixed
        for joint, part in enumerate(self.skeleton.parts):
            nearest_parts.append(joint if part or not joint else nearest_parts[self.skeleton.parents[joint]])
        columns = [body.skeleton.joint(self.skeleton.parts[joint]) or 0 for joint in nearest_parts]
        return compose(invert(orientations), body_orientations[:, columns])

    @cached_property
    def _mean_turns(self) -> np.ndarray:
        """Means (J, 4) of `_frames_to_body` over time."""
        of_joints = np.moveaxis(self._frames_to_body, 1, 0)
        # The mean maximizes the sum of squared cosines of the half angles to it (Markley et al. 2007).
        return np.linalg.eigh(of_joints.transpose(0, 2, 1) @ of_joints).eigenvectors[..., -1]

    @cached_property
    def _spreads_deg(self) -> np.ndarray:
        """Median angles (J,) between `_frames_to_body` and their means, in degrees."""
        deviations_rad = turn_angles(self._mean_turns, self._frames_to_body)
        return np.degrees(median(deviations_rad, axis=0))


def _make_quarter_turns() -> np.ndarray:
    """Return the 24 rotations (24, 4) of a cube."""
    matrices = []
    for order in permutations(np.eye(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrices.append(np.array(signs)[:, None] * order)
    turns = [matrix for matrix in matrices if np.linalg.det(matrix) > 0]
    return from_matrices(np.array(turns))


def _align(before: np.ndarray, bones_m: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the rotation nearest to `before` that aligns bones (B, 3) with directions (B, 3)."""
    lengths_m = norms(bones_m)[..., None]
    targets_m = lengths_m * directions / norms(directions)[..., None]
    turns = aligning_turns(bones_m, targets_m[None], invert(before)[None])
    return invert(turns[0])


def _largest_angle_deg(bones_m: np.ndarray, directions: np.ndarray) -> float:
    """Return the largest angle between bones (B, 3) and directions (B, 3).

    A bone without length counts as a right angle.
    """
    return float(np.degrees(angles_rad(bones_m, directions).max()))
