"""Find the body in a recorded clip such as BVH, and write its motion back.

Names, channels, unit and axes of the file stay the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.editing.transforms import at_frames, frame_count
from selfcorrect.motion.geometry.rotations import compose, invert, rotate
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import Rerooted

from ..motion_file import BYTES_PER_SAMPLED_JOINT, MotionFile, check_size
from ..sampling import KEY_POSES_FPS, SAMPLED_FPS
from ..skeletons.anatomy import has_parts_outside_pelvis, recognize_parts
from ..skeletons.file_note import FileNote
from ..skeletons.reading import Reading
from ..skeletons.units import check_units_agree
from ..skeletons.vertical import turn_upright
from .bvh import read_bvh, write_bvh
from .followers import Following, find_followers, note_lone_helpers
from .rig import RiggedMotion
from .stretching import (
    StretchedLeg,
    check_bones,
    compute_world_poses,
    find_stretching_legs,
    hold_shaking_bones,
    match_ankles_to_file,
    measure_leg_stretch_m,
)

_HELD_M = 0.01
_FRAMES_TO_DOUBT = 512
_FAR_APART_M = 0.1
"""Smallest median displacement between key poses, in m, of the joint that moves furthest."""
_GOES_ON = 0.5
"""Largest correlation, at key poses, between the displacements before and after a frame."""


def open_bvh(path: Path, reading: Reading) -> MotionFile:
    """Open the body's motion in a BVH file."""
    return open_rigged(path, _judge_frame_time(read_bvh(path, reading.metres_per_unit, reading.fps)), reading)


def open_rigged(path: Path, recorded: RiggedMotion, reading: Reading, format_axis: int | None = None) -> MotionFile:
    """Open the body's motion in a recorded clip, to be written as BVH.

    Writing raises InputError if the clip's channels cannot hold the motion.

    Args:
        path: File of the clip.
        format_axis: Vertical axis of the file's format, or None if the format has none.
    """
    clip = _sample_key_poses(recorded, path)
    refusal = (
        f"{path}: {recorded.motion.fps:.3g} frames per second are too few to detect foot contacts; export at least "
        f"{KEY_POSES_FPS:g}, or pass the real frame rate with --fps"
    )
    bone_notes = check_bones(clip)
    clip = hold_shaking_bones(clip)
    leg_stretch_m = measure_leg_stretch_m(clip)
    notes = (*clip.notes, *bone_notes)
    body = extract_body(clip)
    upright = turn_upright(body, reading.up, format_axis)
    check_units_agree(upright.motion, clip.metres_per_unit, reading)
    followers = find_all_followers(clip)
    notes = (*notes, *note_lone_helpers(clip, followers))
    if upright.motion is not clip.motion and not clip.motion.skeleton.joint("pelvis"):
        # The body has all frames, so the clip keeps only one to save memory.
        root_m = clip.motion.root_m[:1].copy()
        rotations = clip.motion.rotations[:1].copy()
        clip = replace(clip, motion=replace(clip.motion, root_m=root_m, rotations=rotations))
    axes = [sum(name.endswith("rotation") for name in names) for names in clip.channels]
    has_hinges = any(count < 3 for joint, count in enumerate(axes) if joint not in clip.end_sites)

    def write(target: Path, changed: Motion) -> None:
        changed = upright.view.restore(changed)
        write_bvh(target, with_body(clip, changed, followers))
        if not has_hinges:
            return
        written = extract_body(read_bvh(target, clip.metres_per_unit))
        joints = [written.skeleton.names.index(name) for name in changed.skeleton.names]  # end sites may be new
        distances_m = norms(joint_positions(written)[:, joints] - joint_positions(changed)).max(axis=0)
        if distances_m.max() > _HELD_M:
            joint = changed.skeleton.names[int(distances_m.argmax())]
            raise InputError(
                f"{path}: the file's channels cannot hold the correction: {joint} would be off by "
                f"{distances_m.max():.2f} m"
            )

    refusals = () if clip.motion.fps == recorded.motion.fps else (refusal,)
    all_notes = (*notes, *upright.notes)
    return MotionFile(
        (upright.motion,),
        all_notes,
        write,
        flaw=upright.flaw,
        refusals=refusals,
        up=upright.up,
        rests=(clip.rest_positions,),
        leg_stretch_m=leg_stretch_m,
    )


def _sample_key_poses(clip: RiggedMotion, path: Path) -> RiggedMotion:
    """If a clip has so few frames that they are key poses, interpolate between them."""
    own_fps = clip.motion.fps
    if own_fps >= KEY_POSES_FPS or len(clip.motion) < 2:
        return clip
    sampled = frame_count(clip.motion.seconds, SAMPLED_FPS)
    check_size(path, [(sampled, len(clip.motion.skeleton))], bytes_per_joint=BYTES_PER_SAMPLED_JOINT)
    frame_numbers = np.arange(sampled) * own_fps / SAMPLED_FPS
    words = f"{own_fps:.3g} frames per second are key poses; sampled between them at {SAMPLED_FPS:g}"
    return replace(_at_frame_numbers(clip, frame_numbers, SAMPLED_FPS), notes=(*clip.notes, FileNote(words, "--fps")))


def _judge_frame_time(clip: RiggedMotion) -> RiggedMotion:
    """Decide whether a frame time of 1 s is real or a placeholder.

    Between frames of a recording, the body moves a little and keeps its direction. Between key poses, it moves far and
    in any direction. If frames look like key poses, the file's 1 fps is used. Otherwise the usual frame rate is
    assumed, and a note says so.
    """
    if clip.placeholder_rate is None:
        return clip
    assumed = replace(clip, notes=(*clip.notes, clip.placeholder_rate), placeholder_rate=None)
    if len(clip.motion) < 3:
        return assumed
    positions_m = joint_positions(clip.motion.frames(0, _FRAMES_TO_DOUBT))
    steps_m = np.diff(positions_m - positions_m[:, :1], axis=0)
    furthest_m = norms(steps_m).max(axis=1)
    sizes_m2 = np.sqrt((steps_m[1:] ** 2).sum() * (steps_m[:-1] ** 2).sum())
    goes_on = (steps_m[1:] * steps_m[:-1]).sum() / max(float(sizes_m2), 1e-12)
    if median(furthest_m) < _FAR_APART_M or goes_on > _GOES_ON:
        return assumed
    return replace(clip, motion=replace(clip.motion, fps=1.0), placeholder_rate=None)


def extract_body(clip: RiggedMotion) -> Motion:
    """Return the body's motion, with the pelvis as its root.

    Joints above the pelvis are dropped, because they may belong to a scene or a prop. If body parts are not below the
    pelvis, the whole skeleton is kept and rerooted at the pelvis.
    """
    pelvis = clip.motion.skeleton.joint("pelvis")
    if not pelvis:
        return match_ankles_to_file(clip.motion, clip)
    if has_parts_outside_pelvis(clip.motion.skeleton):
        _check_rigid(clip, pelvis)
        return recognize_parts(Rerooted(clip.motion.skeleton, pelvis).view(clip.motion))
    skeleton = clip.motion.skeleton
    joints = np.flatnonzero(skeleton.descendants[pelvis]).tolist()
    position_m, orientation = _compute_world_pose(clip, pelvis)
    offsets_m = skeleton.offsets_m[joints]
    offsets_m[0] = 0
    names = tuple(skeleton.names[joint] for joint in joints)
    parents = [joints.index(skeleton.parents[joint]) for joint in joints[1:]]
    parts = tuple(skeleton.parts[joint] for joint in joints)
    body = Skeleton(names, (-1, *parents), offsets_m, parts, rigid=skeleton.rigid)
    rotations = clip.motion.rotations[:, joints]
    rotations[:, 0] = orientation
    motion = replace(clip.motion, skeleton=body, root_m=position_m, rotations=rotations)
    return match_ankles_to_file(motion, clip)


def find_all_followers(clip: RiggedMotion) -> tuple[Following, ...]:
    """Find the joints that follow the body, and legs that stretch beyond the reach of rigid bones."""
    followers = find_followers(clip)
    stretching_legs = find_stretching_legs(clip)
    if not stretching_legs:
        return followers
    body = extract_body(clip)
    rigid = _with_rigid_body(clip, body)
    return (*(StretchedLeg.from_clips(leg, clip, rigid, body) for leg in stretching_legs), *followers)


def with_body(clip: RiggedMotion, body: Motion, followers: Sequence[Following]) -> RiggedMotion:
    """Return the clip with another body motion.

    The feet are where `body` has them, and followers move along.
    """
    clip = _with_rigid_body(clip, body)
    for follower in followers:
        clip = follower.match_ankle(clip, body) if isinstance(follower, StretchedLeg) else follower.apply(clip)
    return clip


def _with_rigid_body(clip: RiggedMotion, body: Motion) -> RiggedMotion:
    """Return the clip with another body motion on rigid bones.

    The pelvis moves by its own position channels if it has them, and by the root's otherwise.
    """
    pelvis = clip.motion.skeleton.joint("pelvis")
    if not pelvis:
        return replace(clip, motion=body)
    if has_parts_outside_pelvis(clip.motion.skeleton):
        return replace(clip, motion=Rerooted(clip.motion.skeleton, pelvis).restore(body))
    clip = _stretch_in_time(clip, len(body))
    rotations = clip.motion.rotations.copy()
    rotations[:, clip.motion.skeleton.descendants[pelvis]] = body.rotations
    parent_m, parent = _compute_world_pose(clip, clip.motion.skeleton.parents[pelvis])
    to_parent = invert(parent)
    rotations[:, pelvis] = compose(to_parent, body.rotations[:, 0])
    if sum(name.endswith("position") for name in clip.channels[pelvis]) == 3:
        stretches_m = {**clip.stretches_m, pelvis: rotate(to_parent, body.root_m - parent_m)}
        moved = replace(clip.motion, rotations=rotations, fps=body.fps)
        return replace(clip, motion=moved, stretches_m=stretches_m)
    root_m = clip.motion.root_m + body.root_m - _compute_world_pose(clip, pelvis)[0]
    return replace(clip, motion=replace(clip.motion, root_m=root_m, rotations=rotations, fps=body.fps))


def _stretch_in_time(clip: RiggedMotion, frames: int) -> RiggedMotion:
    """Return the clip, stretched in time to this number of frames.

    A clip that has this length or only one frame is returned unchanged, and so is any clip if one frame is asked for.
    """
    own_frames = len(clip.motion)
    if frames == own_frames or own_frames < 2 or frames < 2:
        return clip
    return _at_frame_numbers(clip, np.linspace(0, own_frames - 1, frames), clip.motion.fps)


def _at_frame_numbers(clip: RiggedMotion, frame_numbers: np.ndarray, fps: float) -> RiggedMotion:
    """Interpolate the clip at fractional frames (T,)."""
    frames = np.arange(len(clip.motion))
    stretches_m = {}
    for joint, track in clip.stretches_m.items():
        columns = [np.interp(frame_numbers, frames, column) for column in track.T]
        stretches_m[joint] = np.stack(columns, axis=1)
    return replace(clip, motion=at_frames(clip.motion, frame_numbers, fps), stretches_m=stretches_m)


def _check_rigid(clip: RiggedMotion, joint: int) -> None:
    """Refuse stretching bones between a joint and the root, because a skeleton cannot be rerooted across them."""
    path = clip.motion.skeleton.path_to_root(joint)[:-1]
    moving = [above for above in path if above in clip.stretches_m]
    if any(np.ptp(clip.stretches_m[above], axis=0).max() > _HELD_M for above in moving):
        names = [clip.motion.skeleton.names[above] for above in moving]
        raise InputError(
            f"{clip.motion.source}: expected rigid bones between root and pelvis, but {', '.join(names)} stretch"
        )


def _compute_world_pose(clip: RiggedMotion, joint: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a joint's positions (T, 3) and orientations (T, 4) in the file's world."""
    positions_m, orientations = compute_world_poses(clip)
    return positions_m[:, joint], orientations[:, joint]
