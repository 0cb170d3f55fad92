"""Loops: motions that end as they began.

A loop stays in place or travels over the floor. Filters, contact detection and simulation treat the ends of a motion as
ends, so a loop is unrolled first: frames of its end are put before the first frame, and frames of its beginning after
the last. After the edit, the loop is closed again.
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
"""Maximum distance between a joint's first and last position in a loop, in m. With this bound and `GAP_RAD`, one of
CMU's 159 training clips is a loop; cycles cut from captures miss their start by centimetres."""
GAP_RAD = float(np.radians(8.0))
"""Maximum rotation between a joint's first and last world orientation in a loop, in rad, including twists of limbs."""

GAP_SHARE = 0.1
"""Maximum distance between a loop's ends, relative to the largest excursion of a joint. A body that stands still is
always near its first pose."""
EXACT_M = 0.001
"""Distance up to which ends always count as a loop's, in m, because rounding in files is as large."""

_MIN_FRAMES = 5
"""Minimum number of frames of a loop."""

_IN_PLACE_M = 0.1
"""Maximum travel of a loop in place, in m."""

_ENDS_S = 0.5
"""Time before the first and the last frame over which changes are blended, in s."""


def is_loop(motion: Motion) -> bool:
    """Return whether a motion is a loop.

    Its last pose equals its first, up to travel over the floor and a rotation about the vertical.
    """
    if len(motion) < _MIN_FRAMES or not _turns_are_alike(motion):
        return False
    body_m = joint_positions(motion) - motion.root_m[:, None]
    extent_m = norms(body_m - body_m[0]).max()  # of joints from where they begin
    return gap_m(motion) <= min(GAP_M, max(EXACT_M, GAP_SHARE * float(extent_m)))


def gap_m(motion: Motion) -> float:
    """Return the largest distance between a joint's first and last position.

    Travel over the floor and rotation about the vertical are removed first.
    """
    first, last = _ends(motion)
    return float(norms(joint_positions(last) - joint_positions(first)).max())


def _ends(motion: Motion) -> tuple[Motion, Motion]:
    """Return the first frame, and the last one moved back onto it."""
    last = turn(motion.frames(len(motion) - 1, len(motion)), -turn_per_cycle_rad(motion))
    away_m = (last.root_m - motion.root_m[:1]) * ALONG_FLOOR
    return motion.frames(0, 1), replace(last, root_m=last.root_m - away_m)


def match_loop_ends(edited: Motion, original: Motion) -> Motion:
    """Bring the ends of an edited loop together again.

    If the original's ends are near each other, the ends of the edited motion are moved to the mean of both changes. The
    edited motion is returned unchanged if its gap did not grow, or if the original does not stay in place: a body that
    glides away on standing feet ends in another pose.
    """
    if len(original) < _MIN_FRAMES or not _turns_are_alike(original):
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
    """Return whether root height and orientations agree at both ends.

    Orientations are those of all joints in the world. A cheap test comes first, because most motions fail it: relative
    to its parent, a joint rotates by at most the sum of both world rotations.
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

    `margin` frames of its end are put before the first frame, and as many of its beginning after the last.
    """
    steps = len(motion) - 1
    before = ceil(margin / steps)
    cycles = repeat_cycle(close_cycle(motion), 2 * before + 1)
    cycles = turn(cycles, -before * turn_per_cycle_rad(motion))
    cycles = replace(cycles, root_m=cycles.root_m + motion.root_m[0] - cycles.root_m[before * steps])
    start = before * steps - margin
    return cycles.frames(start, start + len(motion) + 2 * margin)


def close_loop(edited: Motion, original: Motion, margin: int, *, same_travel: bool = True) -> Motion:
    """Close an edited loop, so that velocities match as well.

    The loop is cut out of the unrolled motion. Towards its end, it is blended into the edited frames before its
    beginning.

    Args:
        edited: The edited `unroll_loop(original, margin)`.
        original: The loop of T frames.
        margin: Number of unrolled frames at either end.
        same_travel: Travel as the original does; otherwise, as the edited motion does.

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
    """Return weights (count,) that rise smoothly from near 0 to 1.

    The slope is zero at both ends.
    """
    share = np.arange(1, count + 1) / count
    return share**2 * (3 - 2 * share)
