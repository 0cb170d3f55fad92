"""Transforms of motions: shifts, rotations, mirror images, resampling, cycles."""

from dataclasses import replace

import numpy as np

from ...core.checks import count_noun
from ...core.errors import InputError
from ...storage.files.limits import check_unpacked
from ..body.surface import lowest_point_m, lowest_sole_at_rest_m, world_sole_points
from ..geometry.rotations import compose, invert, quaternions, rotate, rotation_vectors, slerp
from ..geometry.vectors import ALONG_FLOOR, UP
from ..kinematics import forward_kinematics, make_continuous
from ..motion import Motion, MotionBatch, Moving
from ..skeleton import Skeleton
from ..views import ShiftedWorld


def mirror(moving: Moving) -> Moving:
    """Exchange left and right.

    The motion is reflected at the plane x = 0, on the same skeleton. Each side keeps its bone lengths, so the
    reflection is exact if the skeleton is symmetric.
    """
    root_m = moving.root_m * np.array([-1.0, 1.0, 1.0])
    swapped = moving.rotations[..., moving.skeleton.mirror_map, :]
    rotations = swapped * np.array([1.0, -1.0, -1.0, 1.0])
    contacts = None if moving.contacts is None else moving.contacts[..., ::-1]
    return replace(moving, root_m=root_m, rotations=rotations, contacts=contacts)


def on_skeleton(motion: Motion, skeleton: Skeleton) -> Motion:
    """Transfer rotations to other bone lengths.

    The root's path is scaled by the ratio of root heights above the soles, so standing feet keep standing.

    Raises:
        InputError: The skeletons have different joints.
    """
    if skeleton.names != motion.skeleton.names or skeleton.parents != motion.skeleton.parents:
        raise InputError(
            f"expected a skeleton with the motion's {len(motion.skeleton)} joints ({motion.skeleton.names[0]!r}, …), "
            f"got {count_noun(len(skeleton), 'joint')} ({skeleton.names[0]!r}, …)"
        )
    if motion.skeleton.usual_sole_m != skeleton.usual_sole_m:
        motion = raise_motion(motion, skeleton.usual_sole_m - motion.skeleton.usual_sole_m)
        motion = replace(motion, skeleton=replace(motion.skeleton, usual_sole_m=skeleton.usual_sole_m))
    scale = lowest_sole_at_rest_m(skeleton) / lowest_sole_at_rest_m(motion.skeleton)
    return replace(motion, skeleton=skeleton, root_m=motion.root_m * scale)


def raise_motion(motion: Motion, height_m: float | np.ndarray) -> Motion:
    """Raise a motion by one height or by heights (T,), which may be negative."""
    return ShiftedWorld(np.multiply.outer(height_m, UP)).view(motion)


def put_on_floor(batch: MotionBatch) -> MotionBatch:
    """Put each motion's lowest point at height 0.

    The point is the lowest over all frames. Published scripts use the first frame only, which pushes a window that
    starts in the air into the floor.
    """
    positions_m, orientations = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations)
    soles_m = world_sole_points(batch.skeleton, positions_m, orientations)
    heights_m = lowest_point_m(batch.skeleton, soles_m, positions_m, orientations)
    is_frame = np.arange(heights_m.shape[1]) < batch.lengths[:, None]
    lowest_m = np.where(is_frame, heights_m, np.inf).min(axis=1)
    root_m = batch.root_m.astype(float)
    root_m[..., 1] -= lowest_m[:, None]
    return replace(batch, root_m=root_m)


def heading_rad(orientations: np.ndarray) -> np.ndarray:
    """Return the heading (...) of orientations (..., 4), 0 along +z.

    The heading is the twist about the vertical in the swing-twist decomposition. An upright body's heading is its
    forward axis, a prone body's is where its head points, a supine body's where its feet point. Only a body exactly
    upside down has no heading and gets 0.
    """
    return 2 * np.arctan2(orientations[..., 1], orientations[..., 3])


def turn(moving: Moving, angle_rad: np.ndarray | float) -> Moving:
    """Rotate motions about the vertical through the origin, by one angle or one each (N,)."""
    angles = np.broadcast_to(angle_rad, moving.root_m.shape[:-2])
    rotation = quaternions(angles[..., None, None] * UP)
    rotations = moving.rotations.copy()
    rotations[..., 0, :] = compose(rotation, rotations[..., 0, :])
    return replace(moving, root_m=rotate(rotation, moving.root_m), rotations=rotations)


def canonicalise(moving: Moving) -> Moving:
    """Move motions to start above the origin, facing +z, without changing heights."""
    start_m = moving.root_m[..., :1, :] * ALONG_FLOOR
    centred = replace(moving, root_m=moving.root_m - start_m)
    return turn(centred, -heading_rad(moving.rotations[..., 0, 0, :]))


def at_frames(motion: Motion, frames: np.ndarray, fps: float) -> Motion:
    """Evaluate a motion at fractional frames.

    Root positions are interpolated linearly, and rotations by slerp.

    Args:
        frames: (T',) fractional frames. Those beyond the ends are clamped.
        fps: Frame rate of the result.
    """
    place = np.clip(frames, 0, len(motion) - 1)
    before = np.minimum(place.astype(int), max(len(motion) - 2, 0))
    after = np.minimum(before + 1, len(motion) - 1)
    share = (place - before)[:, None]
    root_m = (1 - share) * motion.root_m[before] + share * motion.root_m[after]
    rotations = slerp(motion.rotations[before], motion.rotations[after], share[..., None])
    contacts = None if motion.contacts is None else motion.contacts[np.round(place).astype(int)]
    return replace(motion, root_m=root_m, rotations=make_continuous(rotations), fps=fps, contacts=contacts)


def resample(motion: Motion, fps: float) -> Motion:
    """Resample a motion to another frame rate, up to the last frame that fits."""
    if fps == motion.fps:
        return motion
    frame_bytes = 8 * (3 + 4 * len(motion.skeleton))
    check_unpacked(motion.source or "the motion", motion.seconds * fps * frame_bytes, stored=len(motion) * frame_bytes)
    return at_frames(motion, np.arange(frame_count(motion.seconds, fps)) * (motion.fps / fps), fps)


def frame_count(seconds: float, fps: float) -> int:
    """Count the frames from 0 to `seconds` at `fps`.

    A frame that is late by up to 1 % of a frame still counts. Files round their frame times, and a cycle must not lose
    its last frame because of that.
    """
    return int(np.floor(seconds * fps + 0.01)) + 1


def retime(motion: Motion, speed: float) -> Motion:
    """Play a motion `speed` times as fast at its frame rate."""
    return replace(resample(motion, motion.fps / speed), fps=motion.fps)


def close_cycle(motion: Motion) -> Motion:
    """Close a captured cycle exactly.

    The last frame gets the first pose, at the position and heading where the cycle ends. Captured cycles miss their
    start by some degrees; the difference is spread evenly over all frames.
    """
    share = np.linspace(0, 1, len(motion))[:, None, None]
    goal = motion.rotations[0].copy()
    goal[0] = compose(quaternions(np.array([0.0, turn_per_cycle_rad(motion), 0.0])), goal[0])
    last_to_goal = rotation_vectors(compose(invert(motion.rotations[-1]), goal))
    rotations = compose(motion.rotations, quaternions(share * last_to_goal))
    root_m = motion.root_m.copy()
    rise_m = motion.root_m[0, 1] - motion.root_m[-1, 1]
    root_m[:, 1] += share[:, 0, 0] * rise_m
    return replace(motion, root_m=root_m, rotations=make_continuous(rotations))


def turn_per_cycle_rad(motion: Motion) -> float:
    """Return a cycle's net rotation about the vertical."""
    return float(heading_rad(motion.rotations[-1, 0]) - heading_rad(motion.rotations[0, 0]))


def repeat_cycle(motion: Motion, cycles: int) -> Motion:
    """Repeat a closed cycle along its path.

    Each repetition starts at the position and heading where the last one ended. Repetitions share their first and last
    frames, so the result has `cycles` × (T − 1) + 1 frames.
    """
    parts = [motion]
    following = motion
    for _ in range(cycles - 1):
        turned = turn(following, turn_per_cycle_rad(motion))
        following = replace(turned, root_m=turned.root_m + following.root_m[-1] - turned.root_m[0])
        parts.append(following.frames(1, len(motion)))
    root_m = np.concatenate([part.root_m for part in parts])
    rotations = np.concatenate([part.rotations for part in parts])
    part_contacts = [part.contacts for part in parts if part.contacts is not None]
    contacts = np.concatenate(part_contacts) if part_contacts else None
    return replace(motion, root_m=root_m, rotations=make_continuous(rotations), contacts=contacts)
