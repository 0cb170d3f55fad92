"""Map between bones that stretch in a file and the rigid bones of a skeleton.

Files may move joints in their parent's frame, but a corrected skeleton is rigid and has the median length of each bone.
On reading, two-bone inverse kinematics bends and rotates the rigid leg so that its ankle is where the file has it. On
writing, the same happens in reverse: hip sockets keep moving as in the file, and the feet are where the correction put
them. If a leg reached further in the file than the rigid leg can, and the correction leaves it straight, it is
stretched as far again.
"""

from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple, Self

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotate, shortest_turn
from selfcorrect.motion.geometry.vectors import cross, dot, median, normalize_safely, norms
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton

from ..skeletons.file_note import FileNote
from .rig import RiggedMotion

_LIMB_STRETCH = 0.1
"""Largest relative stretch of an arm or leg bone."""
_MIN_STRETCH_M = 0.015
"""Change of a bone's length, in m, below which it may be noise and is always accepted."""
_SOCKET_M = 0.04
"""Largest length change of other bones, in m, because hip sockets, collars and spines of game characters slide."""
_FREE_STRETCH = {"head": 1.0, "neck": 0.5, "spine1": 0.5, "spine2": 0.5, "spine3": 0.5}
"""Largest relative stretch of bones on which no contact depends, because heads and trunks of cartoons stretch."""
_MOVES_M = 1e-4
"""Displacement relative to its parent above which a joint counts as moving, in m."""
_RESTS = 0.01
"""Relative change of speed above which ankles rest better."""
_BENDS_M = 0.01
"""Shortening by a correction at which a leg counts as bent, in m, so that it is no longer stretched."""
_MIN_SINE = 0.02
"""Sine of the knee angle below which the leg is so straight that the mean knee axis is used."""
_LIMBS = (("hip", "ankle"), ("shoulder", "wrist"))


def check_bones(clip: RiggedMotion) -> tuple[str, ...]:
    """Refuse a body whose bones change their length too much.

    Changing lengths also show if positions are in the world and not in the parent's frame.

    Returns:
        A note if the trunk stretches so far that a rigid body moves differently.

    Raises:
        InputError: Bones stretch, or positions are in the world. The message names the worst bone and its lengths.
    """
    skeleton = clip.motion.skeleton
    joints = [joint for joint in _list_body_joints(skeleton) if joint in clip.stretches_m]
    limbs = _find_limb_ends(skeleton)
    excesses_m: list[tuple[float, int, float, float]] = []
    trunk_m: dict[int, float] = {}
    for joint in joints:
        low_m, usual_m, high_m = np.percentile(norms(clip.stretches_m[joint]), (5, 50, 95))
        least_m = _MIN_STRETCH_M if joint in limbs else _SOCKET_M
        share = _FREE_STRETCH.get(skeleton.parts[joint], _LIMB_STRETCH)
        excess_m = high_m - low_m - max(share * usual_m, least_m)
        if skeleton.parts[joint] != "head" and joint not in limbs:
            trunk_m[joint] = high_m - low_m
        if excess_m > 0:
            excesses_m.append((excess_m, joint, low_m, high_m))
    if excesses_m:
        _, worst, low_m, high_m = max(excesses_m, key=itemgetter(0))
        others = f", and {len(excesses_m) - 1} more bones change, too" if len(excesses_m) > 1 else ""
        hint = ". Are the positions in the world and not in the parent's frame?" if len(excesses_m) > 2 else ""
        raise InputError(
            f"{clip.motion.source}: the bone to {skeleton.names[worst]} changes its length from {low_m:.2f} to "
            f"{high_m:.2f} m{others}; expected rigid bones{hint}"
        )
    if _are_in_world(clip, joints):
        raise InputError(
            f"{clip.motion.source}: the positions of {len(joints)} joints seem to be in the world; expected positions "
            "in the parent's frame, or rotations alone"
        )
    stretches_m = [sum(trunk_m.get(above, 0.0) for above in skeleton.path_to_root(joint)) for joint in joints]
    most_m = max(stretches_m, default=0.0)
    words = f"bones made rigid: the file stretches the trunk by up to {most_m:.2f} m"
    return (FileNote(words, topic="bones"),) if most_m > _SOCKET_M else ()


def hold_shaking_bones(clip: RiggedMotion) -> RiggedMotion:
    """Give bones a constant length if their changes are noise.

    Programs that estimate each joint by itself, such as those of inertial suits, write positions of all joints that
    shake by some millimetres. Such changes are noise if most bones of the body change by little, and the ankles
    rest better without. Bones then get the lengths of the rest pose if the noise includes them, and otherwise keep
    their median.
    """
    skeleton = clip.motion.skeleton
    frames = len(clip.motion)
    ankles = skeleton.pair("ankle")
    shakes_m = {}
    for joint, track_m in clip.stretches_m.items():
        shake_m = _measure_shake_m(track_m - skeleton.offsets_m[joint])
        if len(track_m) == frames and _MOVES_M < shake_m < _MIN_STRETCH_M:
            shakes_m[joint] = shake_m
    body = _list_body_joints(skeleton)
    if ankles is None or frames < 2 or 2 * len(shakes_m.keys() & body) <= len(body):
        return clip
    head = skeleton.joint("head")
    face = np.flatnonzero(skeleton.descendants[head]).tolist()[1:] if head else []
    below = np.flatnonzero(skeleton.descendants[skeleton.joint("pelvis") or 0]).tolist()[1:]
    offsets_m = skeleton.offsets_m.copy()
    tracks_m = dict(clip.stretches_m)
    held = [joint for joint in below if joint in shakes_m and joint not in face]
    for joint in held:
        rest_m = clip.offsets[joint] * clip.metres_per_unit
        if np.linalg.norm(rest_m - offsets_m[joint]) < shakes_m[joint]:
            offsets_m[joint] = rest_m
        tracks_m[joint] = np.broadcast_to(offsets_m[joint], (frames, 3))
    motion = replace(clip.motion, skeleton=replace(skeleton, offsets_m=offsets_m))
    still = replace(clip, motion=motion, stretches_m=tracks_m)
    if _measure_rest(still, ankles) > _measure_rest(clip, ankles) - _RESTS:
        return clip
    words = f"bones made rigid: their ends shake by {1000 * max(shakes_m[joint] for joint in held):.0f} mm"
    return replace(still, notes=(*clip.notes, FileNote(words, topic="bones")))


def _measure_shake_m(changes_m: np.ndarray) -> float:
    """Return the root mean square length of vectors (T, 3)."""
    return float(np.sqrt(np.square(changes_m).sum(axis=1).mean()))


def _measure_rest(clip: RiggedMotion, joints: tuple[int, int]) -> float:
    """Return the mean logarithm of the joints' moves per frame, in which moves at rest count as much as fast ones."""
    positions_m, _ = compute_world_poses(clip)
    moves_m = norms(np.diff(positions_m[:, list(joints)], axis=0))
    return float(np.log(np.maximum(moves_m, _MOVES_M)).mean())


def _list_body_joints(skeleton: Skeleton) -> list[int]:
    """List the joints below the top of the body that are body parts or lead to one.

    The top is the pelvis. Without a pelvis it is the lowest joint that carries all parts, because its motion moves the
    whole body.
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
    """Return whether joint positions are in the world and not in the parent's frame.

    In the world, a joint's distance from its parent's position is the bone length, and its distance from 0 is not.
    """
    positions_m = {**clip.stretches_m, 0: clip.motion.root_m}
    apart = near = 0
    for joint in joints:
        bone_m = float(np.linalg.norm(clip.offsets[joint])) * clip.metres_per_unit
        parent = clip.motion.skeleton.parents[joint]
        if bone_m > _MIN_STRETCH_M and parent in positions_m:
            apart += _is_alike(positions_m[joint] - positions_m[parent], bone_m)
            near += _is_alike(positions_m[joint], bone_m)
    return apart > near + 2


def _is_alike(vectors_m: np.ndarray, length_m: float) -> bool:
    return bool(abs(median(norms(vectors_m)) - length_m) < _LIMB_STRETCH * length_m)


def _find_limb_ends(skeleton: Skeleton) -> set[int]:
    """Return the joints at the lower ends of arm and leg bones."""
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
    """A leg in T frames of a file that stretches, compared with the rigid leg of the motion that was read."""

    leg: _Leg
    turns: np.ndarray
    """(T, 3, 4) rotations of hip, knee and ankle from the rigid leg to the file's leg, in the rigid joints' frames."""
    beyond_m: np.ndarray
    """(T, 3) vector from the rigid ankle to the file's, which may be out of reach, in the frame of the hip's parent."""
    reach_m: np.ndarray
    """(T,) reach of the rigid leg, from hip to ankle."""

    @classmethod
    def from_clips(cls, leg: _Leg, original: RiggedMotion, rigid: RiggedMotion, body: Motion) -> Self:
        """Compare the original leg with that of `rigid`, which has the rotations of the rigid body `body`."""
        joints = list(leg)
        turns = compose(invert(rigid.motion.rotations[:, joints]), original.motion.rotations[:, joints])
        positions_m, orientations = compute_world_poses(original)
        above = orientations[:, original.motion.skeleton.parents[leg.hip]]
        rigid_m = _place_in_body(leg, original, body)
        beyond_m = rotate(invert(above), positions_m[:, leg.ankle] - rigid_m[2])
        return cls(leg, turns, beyond_m, norms(rigid_m[2] - rigid_m[0]))

    def match_ankle(self, clip: RiggedMotion, body: Motion) -> RiggedMotion:
        """Move the ankle of a clip with the rotations of `body` to the body's ankle.

        The leg is posed as in the file, and stretched as far, unless the correction bends it.
        """
        leg = self.leg
        rigid_m = _place_in_body(leg, clip, body)
        target_m = rigid_m[2]
        has_same_frames = len(clip.motion) == len(self.reach_m)
        if has_same_frames:
            joints = list(leg)
            rotations = clip.motion.rotations.copy()
            rotations[:, joints] = compose(rotations[:, joints], self.turns)
            clip = replace(clip, motion=replace(clip.motion, rotations=rotations))
        positions_m, orientations = compute_world_poses(clip)
        if has_same_frames:
            bent_m = self.reach_m - norms(rigid_m[2] - rigid_m[0])
            share = np.clip(1 - bent_m / _BENDS_M, 0, 1)[:, None]
            target_m = target_m + share * rotate(orientations[:, clip.motion.skeleton.parents[leg.hip]], self.beyond_m)
        rotations = _solve_leg_ik(clip.motion, leg, positions_m, orientations, target_m)
        return replace(clip, motion=replace(clip.motion, rotations=rotations))


def _place_in_body(leg: _Leg, clip: RiggedMotion, body: Motion) -> tuple[np.ndarray, ...]:
    """Return the positions (T, 3) of a leg's joints in `body`, a motion that has joints with the clip's names."""
    joints = [body.skeleton.names.index(clip.motion.skeleton.names[joint]) for joint in leg]
    positions_m = forward_kinematics(body.skeleton, body.root_m, body.rotations, joints)[0]
    return tuple(np.moveaxis(positions_m, 1, 0))


def compute_world_poses(clip: RiggedMotion) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (T, J, 3) and orientations (T, J, 4) in the world, with bones that stretch as in the file."""
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
    """Move the ankles of a rigid body to the file's, whose bones may stretch.

    `body` is the motion of the pelvis and all joints below it, with the joint names of the clip.
    """
    legs = find_stretching_legs(clip)
    if not legs:
        return body
    positions_m, _ = compute_world_poses(clip)
    for leg in legs:
        rigid_m, orientations = forward_kinematics(body.skeleton, body.root_m, body.rotations)
        moved = _Leg(*(body.skeleton.names.index(clip.motion.skeleton.names[joint]) for joint in leg))
        rotations = _solve_leg_ik(body, moved, rigid_m, orientations, positions_m[:, leg.ankle])
        body = replace(body, rotations=rotations)
    return body


def find_stretching_legs(clip: RiggedMotion) -> list[_Leg]:
    """Find legs with a joint, between pelvis and ankle, that moves in its parent's frame."""
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


def measure_leg_stretch_m(clip: RiggedMotion) -> float:
    """Measure by how much the bones from pelvis to ankle move beyond rigid ones, at most, in m, or 0 for rigid legs."""
    skeleton = clip.motion.skeleton
    pelvis = skeleton.joint("pelvis")
    stretch_m = 0.0
    for leg in find_stretching_legs(clip):
        away_m = np.zeros(len(clip.motion))
        for joint in skeleton.path_between(pelvis or 0, leg.ankle):
            if joint in clip.stretches_m:
                away_m = away_m + norms(clip.stretches_m[joint] - skeleton.offsets_m[joint])
        stretch_m = max(stretch_m, float(away_m.max(initial=0.0)))
    return stretch_m


def _solve_leg_ik(
    motion: Motion, leg: _Leg, positions_m: np.ndarray, orientations: np.ndarray, target_m: np.ndarray
) -> np.ndarray:
    """Solve two-bone inverse kinematics for an ankle target (T, 3).

    The knee bends in the leg's plane by the law of cosines. Then the hip rotates the ankle into the target's direction.
    The foot keeps its orientation.

    Returns:
        Local rotations (T, J, 4) that put the ankle on the target, or as near as the leg reaches.
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
    axis = _compute_knee_axes(thigh_m, shank_m, orientations[:, leg.hip])
    own_sign = np.where(dot(cross(thigh_m, shank_m), axis) < 0, -1.0, 1.0)
    own_bend_rad = own_sign * np.arccos(np.clip(own_cosine, -1, 1))
    knee_rotation = quaternions(axis * (bend_rad - own_bend_rad)[:, None])
    bent_m = thigh_m + rotate(knee_rotation, shank_m)
    hip_rotation = shortest_turn(bent_m, target_m - hip_m)
    rotations = motion.rotations.copy()
    parents = motion.skeleton.parents
    rotations[:, leg.hip] = compose(hip_rotation, orientations[:, leg.hip])
    if parents[leg.hip] >= 0:
        above_hip = orientations[:, parents[leg.hip]]
        rotations[:, leg.hip] = compose(invert(above_hip), rotations[:, leg.hip])
    above_knee = orientations[:, parents[leg.knee]]
    rotations[:, leg.knee] = compose(invert(above_knee), compose(knee_rotation, orientations[:, leg.knee]))
    above_ankle = compose(compose(hip_rotation, knee_rotation), orientations[:, parents[leg.ankle]])
    rotations[:, leg.ankle] = compose(invert(above_ankle), orientations[:, leg.ankle])
    return rotations


def _compute_knee_axes(thigh_m: np.ndarray, shank_m: np.ndarray, hip: np.ndarray) -> np.ndarray:
    """Return the knee axes (T, 3) in the world, which are perpendicular to thigh and shank.

    For a straight leg, the axis is the mean one in the thigh's frame, whose orientations are `hip` (T, 4).
    """
    across = cross(thigh_m, shank_m)
    sine = norms(across) / np.maximum(norms(thigh_m) * norms(shank_m), 1e-12)
    usual = rotate(invert(hip), across).mean(axis=0)
    if np.linalg.norm(usual) < 1e-9:
        usual = np.array([1.0, 0.0, 0.0])
    usual = rotate(hip, np.broadcast_to(usual / np.linalg.norm(usual), across.shape))
    is_straight = (sine < _MIN_SINE)[:, None]
    return normalize_safely(np.where(is_straight, usual, across))
