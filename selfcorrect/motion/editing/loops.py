"""Loops: motions that end as they began.

They stay in place, or travel over the floor. Filters, contacts and simulations treat the ends of a motion as ends. So a
loop is unrolled: the loop's end comes before the first frame, and the loop's beginning after the last frame. Afterwards
the loop is closed again.
"""

from dataclasses import replace
from math import ceil

import numpy as np

from ..geometry.rotations import compose, invert, quaternions, rotation_vectors, slerp, turn_angles
from ..geometry.vectors import ALONG_FLOOR, norms
from ..kinematics import joint_positions, make_continuous, pose_joints
from ..motion import Motion
from .transforms import close_cycle, repeat_cycle, turn, turn_per_cycle_rad

GAP_M = 0.04
"""Maximum joint distance between a loop's ends, in m. With these bounds one of CMU's 159 training clips is a loop;
cycles cut from captures miss the start by centimetres."""
GAP_RAD = float(np.radians(8.0))
"""Maximum joint rotation between a loop's ends, in rad in the world. Limbs may twist."""

GAP_SHARE = 0.1
"""Maximum distance of a loop's ends, relative to the path of joints in between. A standing body is near every earlier
pose."""
EXACT_M = 0.001
"""Distance of exact loop ends, in m. A file's rounding is as large; such ends are a loop's in any case."""

_FEWEST_FRAMES = 5
"""Least number of frames of a loop."""

_IN_PLACE_M = 0.1
"""Maximum travel of a body in place, in m."""

_ENDS_S = 0.5
"""Time in which changes of the first and the last frame become alike, in s."""


def is_loop(motion: Motion) -> bool:
    """Return whether a motion is a loop.

    Its last pose is the first, up to travel over the floor and a rotation about the vertical.
    """
    if len(motion) < _FEWEST_FRAMES or not _turns_are_alike(motion):
        return False
    body_m = joint_positions(motion) - motion.root_m[:, None]
    extent_m = norms(body_m - body_m[0]).max()  # of joints from where they begin
    return gap_m(motion) <= min(GAP_M, max(EXACT_M, GAP_SHARE * float(extent_m)))


def gap_m(motion: Motion) -> float:
    """Measure the gap between first and last pose.

    The gap is the largest distance of a joint, up to travel over the floor and a rotation about the vertical.
    """
    first, last = _ends(motion)
    return float(norms(joint_positions(last) - joint_positions(first)).max())


def _ends(motion: Motion) -> tuple[Motion, Motion]:
    """Return the first frame, and the last frame moved back to the first."""
    last = turn(motion.frames(len(motion) - 1, len(motion)), -turn_per_cycle_rad(motion))
    away_m = (last.root_m - motion.root_m[:1]) * ALONG_FLOOR
    return motion.frames(0, 1), replace(last, root_m=last.root_m - away_m)


def match_loop_ends(edited: Motion, original: Motion) -> Motion:
    """Match the ends of an edited loop.

    The ends of an edited motion in place become as near to each other as in the original, if these are near. Both ends
    are then changed alike, towards the mean of both changes. The edited motion is returned unchanged if the gap did not
    grow. A body that glides away on standing feet has other poses at the ends.
    """
    if len(original) < _FEWEST_FRAMES or not _turns_are_alike(original):
        return edited
    if np.linalg.norm((original.root_m[-1] - original.root_m[0])[[0, 2]]) > _IN_PLACE_M:
        return edited
    before_m = gap_m(original)
    if before_m > GAP_M or gap_m(edited) <= before_m + EXACT_M:
        return edited
    turns = rotation_vectors(compose(invert(original.rotations), edited.rotations))
    rises_m = edited.root_m[:, 1] - original.root_m[:, 1]
    count = min(round(_ENDS_S * original.fps) + 1, len(original) // 2)
    share = np.concatenate([np.zeros(len(original) - count), ease(count)])
    for changes in (turns, rises_m):
        to_mean = 0.5 * (changes[-1] - changes[0])
        shares = (share[::-1] - share).reshape(-1, *[1] * to_mean.ndim)
        changes += shares * to_mean
    root_m = edited.root_m.copy()
    root_m[:, 1] = original.root_m[:, 1] + rises_m
    rotations = make_continuous(compose(original.rotations, quaternions(turns)))
    return replace(edited, root_m=root_m, rotations=rotations)


def _turns_are_alike(motion: Motion) -> bool:
    """Return whether both ends have equal rotations.

    The root's height, and the world orientation of all joints, must be the same. Most motions fail a cheap test first:
    in the parent's frame a joint turns by no more than both turn in the world.
    """
    first = motion.rotations[0, 1:]
    last = motion.rotations[-1, 1:]
    cosines = np.abs(np.einsum("ji,ji->j", first, last))
    lengths = norms(first) * norms(last)
    least_cosine = np.cos(GAP_RAD) - 1e-6
    rise_m = abs(float(motion.root_m[-1, 1] - motion.root_m[0, 1]))
    if rise_m >= GAP_M + 1e-6 or not (cosines > least_cosine * lengths).all():
        return False
    ends = [pose_joints(end)[1] for end in _ends(motion)]
    return bool(turn_angles(*ends).max() <= GAP_RAD)


def unroll_loop(motion: Motion, margin: int) -> Motion:
    """Pad a loop with its own frames.

    `margin` frames of the end come before the first frame, and of the beginning after the last.
    """
    steps = len(motion) - 1
    before = ceil(margin / steps)
    cycles = repeat_cycle(close_cycle(motion), 2 * before + 1)
    cycles = turn(cycles, -before * turn_per_cycle_rad(motion))
    cycles = replace(cycles, root_m=cycles.root_m + motion.root_m[0] - cycles.root_m[before * steps])
    start = before * steps - margin
    return cycles.frames(start, start + len(motion) + 2 * margin)


def close_loop(edited: Motion, original: Motion, margin: int, *, same_travel: bool = True) -> Motion:
    """Close an edited loop, velocities included.

    The loop is cut out of the middle of the unrolled one. Towards the end the loop becomes what the edit made of the
    frames before the beginning.

    Args:
        edited: What was made of `unroll_loop(original, margin)`.
        original: The loop of T frames.
        margin: Number of unrolled frames at either end.
        same_travel: Travel as the original does; otherwise as the edited motion.

    Returns:
        The closed loop of T frames.
    """
    blended = min(margin // 3, len(original) - 2) + 1
    loop = edited.frames(margin, margin + len(original))
    before = edited.frames(margin - blended + 1, margin + 1)
    turn_rad = turn_per_cycle_rad(original)
    ahead = turn(before, turn_rad)
    if same_travel:
        onto_m = original.root_m[-1] - turn(original, turn_rad).root_m[0]
    else:
        onto_m = (loop.root_m[-len(ahead) :] - ahead.root_m).mean(axis=0)
    ahead_m = ahead.root_m + onto_m * ALONG_FLOOR
    share = ease(blended)[:, None]
    root_m = loop.root_m.copy()
    rotations = loop.rotations.copy()
    root_m[-blended:] += share * (ahead_m - root_m[-blended:])
    rotations[-blended:] = slerp(rotations[-blended:], ahead.rotations, share[..., None])
    return replace(original, root_m=root_m, rotations=make_continuous(rotations))


def ease(count: int) -> np.ndarray:
    """Weights (count,) from near 0 to 1, flat at both ends."""
    share = np.arange(1, count + 1) / count
    return share**2 * (3 - 2 * share)
