"""The body in a BVH file, and the file again with another motion of it: the same names, channels, unit and axes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.anatomy import recognised
from selfcorrect.datasets.files.bvh import BvhClip, read_bvh, write_bvh
from selfcorrect.datasets.files.motion_file import MotionFile, Reading
from selfcorrect.datasets.files.rooting import above, hangs_elsewhere, rooted_at, rooted_back
from selfcorrect.datasets.files.upright import upright
from selfcorrect.errors import InputError
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

_HELD_M = 0.01


def open_bvh(path: Path, reading: Reading) -> MotionFile:
    """The body of a BVH file; writing refuses where the file's channels cannot hold a motion."""
    clip = read_bvh(path, reading.metres_per_unit)
    notes = () if reading.metres_per_unit else (f"unit of length taken as {clip.metres_per_unit:.4g} m",)
    body = body_of(clip)
    seen = upright(body, reading.up)
    if seen.motion is not clip.motion and not clip.motion.skeleton.joint("pelvis"):
        clip = _without_frames(clip)  # all of them are in the body

    def write(target: Path, changed: Motion) -> None:
        changed = seen.back(changed)
        write_bvh(target, with_body(clip, changed))
        if not all(_turns_freely(clip, joint) for joint in range(len(clip.channels))):
            _check_held(path, changed, body_of(read_bvh(target, clip.metres_per_unit)))

    return MotionFile((seen.motion,), (*notes, *seen.notes), write, flaw=seen.flaw)


def _without_frames(clip: BvhClip) -> BvhClip:
    """The clip with its first frame alone, so that a long motion is not kept twice."""
    motion = replace(clip.motion, root_m=clip.motion.root_m[:1].copy(), rotations=clip.motion.rotations[:1].copy())
    return replace(clip, motion=motion)


def _turns_freely(clip: BvhClip, joint: int) -> bool:
    """Whether a joint's channels hold any rotation; an end site has none."""
    return joint in clip.end_sites or sum(name.endswith("rotation") for name in clip.channels[joint]) == 3


def _check_held(path: Path, wanted: Motion, written: Motion) -> None:
    """Refuse where joints have too few channels for the correction, e.g. knees that are hinges."""
    off_m = np.linalg.norm(joint_positions(written) - joint_positions(wanted), axis=-1).max(axis=0)
    if off_m.max() > _HELD_M:
        raise InputError(
            f"{path}: its channels cannot hold the correction, by which {wanted.skeleton.names[int(off_m.argmax())]} "
            f"would be {off_m.max():.2f} m elsewhere"
        )


def body_of(clip: BvhClip) -> Motion:
    """The motion of the pelvis and all below it, where the file's root is another joint (a scene's, a prop's).

    Where parts of the body are not below the pelvis, it is the whole motion on a tree that hangs on the pelvis.
    """
    pelvis = clip.motion.skeleton.joint("pelvis")
    if not pelvis:
        return clip.motion
    if hangs_elsewhere(clip.motion.skeleton):
        _check_rigid(clip, pelvis)
        return recognised(rooted_at(clip.motion, pelvis))
    skeleton, kept = clip.motion.skeleton, _below(clip.motion.skeleton, pelvis)
    position_m, orientation = _world_of(clip, pelvis)
    offsets_m = skeleton.offsets_m[kept]
    offsets_m[0] = 0
    body = Skeleton(
        tuple(skeleton.names[joint] for joint in kept),
        (-1, *(kept.index(skeleton.parents[joint]) for joint in kept[1:])),
        offsets_m,
        tuple(skeleton.parts[joint] for joint in kept),
    )
    rotations = clip.motion.rotations[:, kept]
    rotations[:, 0] = orientation.as_quat()
    return replace(clip.motion, skeleton=body, root_m=position_m, rotations=rotations)


def with_body(clip: BvhClip, body: Motion) -> BvhClip:
    """The clip with another motion of its `body_of`; the pelvis moves by its own channels, else by the root's."""
    pelvis = clip.motion.skeleton.joint("pelvis")
    if not pelvis:
        return replace(clip, motion=body)
    if hangs_elsewhere(clip.motion.skeleton):
        return replace(clip, motion=rooted_back(clip.motion, pelvis, body))
    kept = _below(clip.motion.skeleton, pelvis)
    rotations = clip.motion.rotations.copy()
    rotations[:, kept] = body.rotations
    parent_m, parent = _world_of(clip, clip.motion.skeleton.parents[pelvis])
    rotations[:, pelvis] = (parent.inv() * Rotation.from_quat(body.rotations[:, 0])).as_quat()
    if sum(name.endswith("position") for name in clip.channels[pelvis]) == 3:
        stretches_m = {**clip.stretches_m, pelvis: parent.inv().apply(body.root_m - parent_m)}
        moved = replace(clip.motion, rotations=rotations, fps=body.fps)
        return replace(clip, motion=moved, stretches_m=stretches_m)
    root_m = clip.motion.root_m + body.root_m - _world_of(clip, pelvis)[0]
    return replace(clip, motion=replace(clip.motion, root_m=root_m, rotations=rotations, fps=body.fps))


def _check_rigid(clip: BvhClip, joint: int) -> None:
    """Refuse to hang a skeleton on a joint where bones stretch between it and the root."""
    moving = [one for one in above(clip.motion.skeleton, joint)[:-1] if one in clip.stretches_m]
    if any(np.ptp(clip.stretches_m[one], axis=0).max() > _HELD_M for one in moving):
        names = [clip.motion.skeleton.names[one] for one in moving]
        raise InputError(f"{clip.motion.source}: the bones between root and pelvis stretch, at {', '.join(names)}")


def _below(skeleton: Skeleton, top: int) -> list[int]:
    """A joint and all below it, in the skeleton's order."""
    below = {top}
    for joint, parent in enumerate(skeleton.parents):
        if parent in below:
            below.add(joint)
    return sorted(below)


def _world_of(clip: BvhClip, joint: int) -> tuple[np.ndarray, Rotation]:
    """World positions (T, 3) and orientations of a joint, with the positions that its file gives it."""
    _, orientations = forward_kinematics(clip.motion.skeleton, clip.motion.root_m, clip.motion.rotations)
    position_m, walk = np.zeros(3), joint
    while walk > 0:
        parent = clip.motion.skeleton.parents[walk]
        offset_m = clip.stretches_m.get(walk, clip.motion.skeleton.offsets_m[walk])
        position_m = position_m + Rotation.from_quat(orientations[:, parent]).apply(offset_m)
        walk = parent
    return clip.motion.root_m + position_m, Rotation.from_quat(orientations[:, joint])
