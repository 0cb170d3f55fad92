"""Bones that stretch.

Files may move joints in the parent's frame, but a corrected skeleton is rigid. The rigid skeleton has the median of
each bone. Two-bone inverse kinematics bends and turns the rigid leg so that the ankle is where the file has the ankle.
When a corrected motion is written, the same happens in reverse: the file keeps moving sockets, and the feet are where
the correction put the feet. A leg that reaches further in the file than the rigid leg, and that the correction leaves
straight, reaches as far again.
"""

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple, Self

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, rotation_vectors, shortest_turn
from selfcorrect.motion.geometry.vectors import cross, dot, normalize_safely, norms
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton

from ..skeletons.file_note import FileNote
from .rig import RiggedMotion

_LIMB_STRETCH = 0.1
"""Maximum relative stretch of a bone of an arm or leg."""
_LEAST_STRETCH_M = 0.015
_SOCKET_M = 0.04
"""Maximum length change of other bones, in m. Hip sockets, collars and spines slide in game characters."""
_FREE_STRETCH = {"head": 1.0, "neck": 0.5, "spine1": 0.5, "spine2": 0.5, "spine3": 0.5}
"""Maximum relative stretch of free bones. Nothing stands on these parts: cartoon heads and trunks pop."""
_ALIKE = 0.1
_MOVES_M = 1e-4
"""Minimum motion of a joint in its parent, in m."""
_BENDS_M = 0.01
"""Shortening at which a leg counts as bent, in m. A correction shortens it; it then no longer reaches further than
rigid bones."""
_LEAST_SINE = 0.02
"""Minimum sine of a knee bend that shows its axis. Straighter legs bend about the usual axis."""
_LIMBS = (("hip", "ankle"), ("shoulder", "wrist"))


def check_bones(clip: RiggedMotion) -> tuple[str, ...]:
    """Refuse a body whose bones change length.

    World positions in place of local ones show in changing lengths.

    Returns:
        A note if the trunk stretches far, because a rigid body does not.

    Raises:
        InputError: Names the worst bone and the lengths.
    """
    skeleton = clip.motion.skeleton
    joints = [joint for joint in _inside_body(skeleton) if joint in clip.stretches_m]
    limbs = _joints_of_limbs(skeleton)
    excesses_m: list[tuple[float, int, float, float]] = []
    trunk_m: dict[int, float] = {}
    for joint in joints:
        low_m, usual_m, high_m = np.percentile(norms(clip.stretches_m[joint]), (5, 50, 95))
        least_m = _LEAST_STRETCH_M if joint in limbs else _SOCKET_M
        share = _FREE_STRETCH.get(skeleton.parts[joint], _LIMB_STRETCH)
        excess_m = high_m - low_m - max(share * usual_m, least_m)
        if skeleton.parts[joint] != "head" and joint not in limbs:
            trunk_m[joint] = high_m - low_m
        if excess_m > 0:
            excesses_m.append((excess_m, joint, low_m, high_m))
    if excesses_m:
        _, worst, low_m, high_m = max(excesses_m, key=itemgetter(0))
        others = f", and {len(excesses_m) - 1} more do" if len(excesses_m) > 1 else ""
        hint = ": are these positions in the world, not in the parent's frame?" if len(excesses_m) > 2 else ""
        raise InputError(
            f"{clip.motion.source}: the bone to {skeleton.names[worst]} is {low_m:.2f} to {high_m:.2f} m long{others}; "
            f"expected rigid bones{hint}"
        )
    if _are_in_world(clip, joints):
        raise InputError(
            f"{clip.motion.source}: the positions of {len(joints)} joints fit the skeleton in the world only; "
            "expected them in the parent's frame, or rotations alone"
        )
    stretches_m = [sum(trunk_m.get(above, 0.0) for above in skeleton.path_to_root(joint)) for joint in joints]
    most_m = max(stretches_m, default=0.0)
    words = f"bones made constant: the trunk stretches by up to {most_m:.2f} m"
    return (FileNote(words, topic="bones"),) if most_m > _SOCKET_M else ()


def _inside_body(skeleton: Skeleton) -> list[int]:
    """List the joints inside the body.

    These joints are below the body's top joint, and are parts of the body or lead to one. The top is the pelvis; if no
    joint is the pelvis, the top is the lowest joint that carries all parts, because what moves it moves the whole body.
    """
    is_part = np.array([bool(part) for part in skeleton.parts])
    carries = skeleton.descendants[:, is_part]
    top = skeleton.joint("pelvis") or 0
    if not top and is_part.any():
        top = int(np.flatnonzero(carries.all(axis=1))[-1])
    is_inside = skeleton.descendants[top] & carries.any(axis=1)
    is_inside[top] = False
    return np.flatnonzero(is_inside).tolist()


def _are_in_world(clip: RiggedMotion, joints: list[int]) -> bool:
    """Return whether joint positions are in the world.

    They are if joints are as far from their parents' positions as bones are long, but not from 0.
    """
    places_m = {**clip.stretches_m, 0: clip.motion.root_m}
    apart = near = 0
    for joint in joints:
        bone_m = float(np.linalg.norm(clip.offsets[joint])) * clip.metres_per_unit
        parent = clip.motion.skeleton.parents[joint]
        if bone_m > _LEAST_STRETCH_M and parent in places_m:
            apart += _is_alike(places_m[joint] - places_m[parent], bone_m)
            near += _is_alike(places_m[joint], bone_m)
    return apart > near + 2


def _is_alike(vectors_m: np.ndarray, length_m: float) -> bool:
    return bool(abs(np.median(norms(vectors_m)) - length_m) < _ALIKE * length_m)


def _joints_of_limbs(skeleton: Skeleton) -> set[int]:
    """List the lower joints of the bones of arms and legs."""
    joints: set[int] = set()
    for first, last in _LIMBS:
        for side in SIDES:
            start = skeleton.joint(f"{side}_{first}")
            end = skeleton.joint(f"{side}_{last}")
            if start is not None and end is not None:
                joints.update(skeleton.path_between(start, end))
    return joints


class _Leg(NamedTuple):
    """Joints of a leg."""

    hip: int
    knee: int
    ankle: int


@dataclass(frozen=True, eq=False)
class StretchedLeg:
    """A leg that stretches in some of T frames.

    The leg reaches further in the file than rigid bones do.
    """

    leg: _Leg
    turns_rad: np.ndarray
    """(T, 3, 3) rotation vectors to the file's leg, from hip, knee and ankle of the rigid leg, in its frames."""
    reach_m: np.ndarray
    """(T,) reach of the rigid leg, from hip to ankle."""

    @classmethod
    def from_clips(cls, leg: _Leg, original: RiggedMotion, written: RiggedMotion) -> Self:
        """Measure what the rigid leg lacks.

        `written` has the rigid body unchanged, and is compared with the original.
        """
        joints = list(leg)
        turns = compose(invert(written.motion.rotations[:, joints]), original.motion.rotations[:, joints])
        return cls(leg, rotation_vectors(turns), _measure_reach_m(leg, written))

    def apply(self, clip: RiggedMotion) -> RiggedMotion:
        """Stretch the leg as in the file; a leg that is bent now stays as it is."""
        if len(clip.motion) != len(self.reach_m):
            return clip
        share = np.clip(1 - (self.reach_m - _measure_reach_m(self.leg, clip)) / _BENDS_M, 0, 1)
        joints = list(self.leg)
        rotations = clip.motion.rotations.copy()
        rotations[:, joints] = compose(rotations[:, joints], quaternions(share[:, None, None] * self.turns_rad))
        return replace(clip, motion=replace(clip.motion, rotations=rotations))


def _measure_reach_m(leg: _Leg, clip: RiggedMotion) -> np.ndarray:
    """Measure a leg's reach (T,), from hip to ankle."""
    positions_m, _ = world_poses_of(clip)
    return norms(positions_m[:, leg.ankle] - positions_m[:, leg.hip])


def world_poses_of(clip: RiggedMotion) -> tuple[np.ndarray, np.ndarray]:
    """Return world poses with the file's joint positions.

    Positions are (T, J, 3), orientations (T, J, 4).
    """
    skeleton = clip.motion.skeleton
    positions_m, orientations = forward_kinematics(skeleton, clip.motion.root_m, clip.motion.rotations)
    if not clip.stretches_m:
        return positions_m, orientations
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            offset_m = clip.stretches_m.get(joint, skeleton.offsets_m[joint])
            offset_m = np.broadcast_to(offset_m, (len(clip.motion), 3))
            positions_m[:, joint] = positions_m[:, parent] + rotate(orientations[:, parent], offset_m)
    return positions_m, orientations


def match_ankles_to_file(body: Motion, clip: RiggedMotion) -> Motion:
    """Bend rigid legs to the file's ankles, because the file's bones may stretch.

    `body` is the motion of the pelvis and all joints below, with the names of the clip's joints.
    """
    legs = find_stretching_legs(clip)
    if not legs:
        return body
    positions_m, _ = world_poses_of(clip)
    for leg in legs:
        rigid_m, orientations = forward_kinematics(body.skeleton, body.root_m, body.rotations)
        moved = _Leg(*(body.skeleton.names.index(clip.motion.skeleton.names[joint]) for joint in leg))
        rotations = _reach(body, moved, rigid_m, orientations, positions_m[:, leg.ankle])
        body = replace(body, rotations=rotations)
    return body


def match_ankles_to_body(clip: RiggedMotion, body: Motion) -> RiggedMotion:
    """Put a clip's ankles where the rigid body has them.

    `body` is another motion of the clip's body.
    """
    legs = find_stretching_legs(clip)
    if not legs:
        return clip
    rigid_m, _ = forward_kinematics(body.skeleton, body.root_m, body.rotations)
    for leg in legs:
        positions_m, orientations = world_poses_of(clip)
        ankle = body.skeleton.names.index(clip.motion.skeleton.names[leg.ankle])
        rotations = _reach(clip.motion, leg, positions_m, orientations, rigid_m[:, ankle])
        clip = replace(clip, motion=replace(clip.motion, rotations=rotations))
    return clip


def find_stretching_legs(clip: RiggedMotion) -> list[_Leg]:
    """Find legs with a bone or socket that moves in the parent's frame."""
    skeleton = clip.motion.skeleton
    pelvis = skeleton.joint("pelvis")
    legs = []
    for side in SIDES:
        joints = [skeleton.joint(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
        if pelvis is None or None in joints:
            continue
        leg = _Leg(*(joint for joint in joints if joint is not None))
        path = skeleton.path_between(pelvis, leg.ankle)
        if leg.knee not in path or leg.hip not in path:
            continue
        tracks = [clip.stretches_m[joint] for joint in path if joint in clip.stretches_m]
        if any(len(track) == len(clip.motion) and np.ptp(track, axis=0).max() > _MOVES_M for track in tracks):
            legs.append(leg)
    return legs


def _reach(
    motion: Motion, leg: _Leg, positions_m: np.ndarray, orientations: np.ndarray, target_m: np.ndarray
) -> np.ndarray:
    """Reach for an ankle target (T, 3).

    Returns local rotations (T, J, 4) that put the ankle there, or as near as the leg is long. The knee bends in the
    leg's plane by the law of cosines; then the hip turns the ankle into the target's direction. The foot keeps the
    orientation.
    """
    hip_m = positions_m[:, leg.hip]
    thigh_m = positions_m[:, leg.knee] - hip_m
    shank_m = positions_m[:, leg.ankle] - positions_m[:, leg.knee]
    thigh_length_m = np.maximum(norms(thigh_m), 1e-9)
    shank_length_m = np.maximum(norms(shank_m), 1e-9)
    reach_m = norms(target_m - hip_m)
    cosine = (reach_m**2 - thigh_length_m**2 - shank_length_m**2) / (2 * thigh_length_m * shank_length_m)
    bend_rad = np.arccos(np.clip(cosine, -1, 1))
    own_cosine = dot(thigh_m, shank_m) / (thigh_length_m * shank_length_m)
    own_bend_rad = np.arccos(np.clip(own_cosine, -1, 1))
    axis = _knee_axis(thigh_m, shank_m, orientations[:, leg.hip])
    knee_turn = quaternions(axis * (bend_rad - own_bend_rad)[:, None])
    bent_m = thigh_m + rotate(knee_turn, shank_m)
    hip_turn = shortest_turn(bent_m, target_m - hip_m)
    rotations = motion.rotations.copy()
    parents = motion.skeleton.parents
    rotations[:, leg.hip] = compose(hip_turn, orientations[:, leg.hip])
    if parents[leg.hip] >= 0:
        above_hip = orientations[:, parents[leg.hip]]
        rotations[:, leg.hip] = compose(invert(above_hip), rotations[:, leg.hip])
    above_knee = orientations[:, parents[leg.knee]]
    rotations[:, leg.knee] = compose(invert(above_knee), compose(knee_turn, orientations[:, leg.knee]))
    above_ankle = compose(compose(hip_turn, knee_turn), orientations[:, parents[leg.ankle]])
    rotations[:, leg.ankle] = compose(invert(above_ankle), orientations[:, leg.ankle])
    return rotations


def _knee_axis(thigh_m: np.ndarray, shank_m: np.ndarray, hip: np.ndarray) -> np.ndarray:
    """Return knee axes (T, 3) from orientations `hip` (T, 4) of the thigh."""
    across = cross(thigh_m, shank_m)
    sine = norms(across) / np.maximum(norms(thigh_m) * norms(shank_m), 1e-12)
    usual = rotate(invert(hip), across).mean(axis=0)
    if np.linalg.norm(usual) < 1e-9:
        usual = np.array([1.0, 0.0, 0.0])
    usual = rotate(hip, np.broadcast_to(usual / np.linalg.norm(usual), across.shape))
    is_straight = (sine < _LEAST_SINE)[:, None]
    return normalize_safely(np.where(is_straight, usual, across))
