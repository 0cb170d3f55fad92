"""Loops: motions that end in the pose in which they begin, in place or after a net travel over the floor.

Filters, contacts and simulations see the ends of a motion as ends. So a loop is unrolled: what comes before its first
frame is its own end, and what follows its last frame is its own beginning. Afterwards it is closed again.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.kinematics import joint_positions, make_continuous
from ..geometry.rotations import compose, invert, quaternions, rotation_vectors, slerp
from ..motion import Motion
from .transforms import close_cycle, repeat_cycle, turn, turn_per_cycle_rad

GAP_M, GAP_RAD = 0.04, float(np.radians(8.0))
"""Joints of a loop's last frame are this near to those of its first, and turned by no more. One of CMU's 159 training
clips is a loop by that; cycles cut from captures miss their start by centimetres."""

GAP_SHARE, EXACT_M = 0.1, 0.001
"""Ends that lie further apart than this share of the way that a joint goes in between are none of a loop, unless they
lie as near as files round: who stands about is near each pose that they were in."""

FEWEST_FRAMES = 5
"""Frames of a loop."""

_IN_PLACE_M = 0.1
"""Who ends no further from the start is in place."""

_ENDS_S = 0.5
"""Time within which changes of the first and the last frame become alike."""


def is_loop(motion: Motion) -> bool:
    """Whether a motion's last pose is its first, up to a travel over the floor and a turn about the vertical."""
    if len(motion) < FEWEST_FRAMES or not (np.isfinite(motion.root_m).all() and np.isfinite(motion.rotations).all()):
        return False
    if not _may_be_loop(motion):
        return False
    first, last = _ends(motion)
    turned = Rotation.from_quat(first.rotations[0]).inv() * Rotation.from_quat(last.rotations[0])
    return gap_m(motion) <= min(GAP_M, _most_apart_m(motion)) and bool(turned.magnitude().max() <= GAP_RAD)


def gap_m(motion: Motion) -> float:
    """Furthest that a joint is from its first to its last pose, up to a travel over the floor and a turn."""
    first, last = _ends(motion)
    return float(np.linalg.norm(joint_positions(last) - joint_positions(first), axis=-1).max())


def _ends(motion: Motion) -> tuple[Motion, Motion]:
    """The first frame, and the last one as it would be there."""
    return motion.frames(0, 1), _back(motion, motion.frames(len(motion) - 1, len(motion)))


def match_loop_ends(made: Motion, given: Motion) -> Motion:
    """Return an edited motion in place with ends as near to each other as those of the given one, if these are near.

    Both ends are then changed alike, towards the mean of their changes. `made` itself where the gap did not grow. Who
    glides away while the feet stand has other poses at the ends.
    """
    if len(given) < FEWEST_FRAMES or not _may_be_loop(given):
        return made
    if np.linalg.norm((given.root_m[-1] - given.root_m[0])[[0, 2]]) > _IN_PLACE_M:
        return made
    before_m = gap_m(given)
    if before_m > GAP_M or gap_m(made) <= before_m + EXACT_M:
        return made
    turns = rotation_vectors(compose(invert(given.rotations), made.rotations))
    rises_m = made.root_m[:, 1] - given.root_m[:, 1]
    count = min(round(_ENDS_S * given.fps) + 1, len(given) // 2)
    share = np.concatenate([np.zeros(len(given) - count), _ease(count)])
    for ends in (turns, rises_m):
        to_mean = 0.5 * (ends[-1] - ends[0])
        shares = (share[::-1] - share).reshape(-1, *[1] * to_mean.ndim)
        ends += shares * to_mean
    root_m = made.root_m.copy()
    root_m[:, 1] = given.root_m[:, 1] + rises_m
    return replace(made, root_m=root_m, rotations=make_continuous(compose(given.rotations, quaternions(turns))))


def _most_apart_m(motion: Motion) -> float:
    """How far the ends of a loop lie apart at most, by how far its joints go from where they begin, root apart."""
    body_m = joint_positions(motion) - motion.root_m[:, None]
    return max(EXACT_M, GAP_SHARE * float(np.linalg.norm(body_m - body_m[0], axis=-1).max()))


def _may_be_loop(motion: Motion) -> bool:
    """Whether the root's height and the turns of all other joints are the same at both ends, which costs little."""
    cosines = np.abs(np.einsum("ji,ji->j", motion.rotations[0, 1:], motion.rotations[-1, 1:]))
    lengths = np.linalg.norm(motion.rotations[[0, -1], 1:], axis=-1).prod(axis=0)
    alike = bool((cosines > (np.cos(0.5 * GAP_RAD) - 1e-6) * lengths).all())
    return alike and abs(float(motion.root_m[-1, 1] - motion.root_m[0, 1])) < GAP_M + 1e-6


def unroll_loop(motion: Motion, margin: int) -> Motion:
    """A loop padded with `margin` frames of its end before its first frame, and of its beginning after its last one."""
    cycle, steps = close_cycle(motion), len(motion) - 1
    before = ceil(margin / steps)
    row = turn(repeat_cycle(cycle, 2 * before + 1), -before * turn_per_cycle_rad(motion))
    row = replace(row, root_m=row.root_m + motion.root_m[0] - row.root_m[before * steps])
    start = before * steps - margin
    return row.frames(start, start + len(motion) + 2 * margin)


def close_loop(made: Motion, given: Motion, margin: int, *, same_travel: bool = True) -> Motion:
    """The loop in the middle of what was made of `unroll_loop(given, margin)`, closed, velocities included.

    Towards its end it becomes what was made before its beginning. same_travel: it travels as `given` does; otherwise as
    what was made.
    """
    blended = min(margin // 3, len(given) - 2) + 1
    loop, before = made.frames(margin, margin + len(given)), made.frames(margin - blended + 1, margin + 1)
    ahead = turn(before, turn_per_cycle_rad(given))
    onto_m = (
        given.root_m[-1] - turn(given, turn_per_cycle_rad(given)).root_m[0] if same_travel else _mean_gap_m(loop, ahead)
    )
    ahead_m = ahead.root_m + onto_m * (1.0, 0.0, 1.0)
    share = _ease(blended)[:, None]
    root_m, rotations = loop.root_m.copy(), loop.rotations.copy()
    root_m[-blended:] += share * (ahead_m - root_m[-blended:])
    rotations[-blended:] = slerp(rotations[-blended:], ahead.rotations, share[..., None])
    return replace(given, root_m=root_m, rotations=make_continuous(rotations))


def _mean_gap_m(loop: Motion, ahead: Motion) -> np.ndarray:
    """Mean way (3,) from frames to those that a loop ends in."""
    return (loop.root_m[-len(ahead) :] - ahead.root_m).mean(axis=0)


def _back(motion: Motion, frame: Motion) -> Motion:
    """A frame turned as the first frame of a motion is, and put over the same place."""
    turned = turn(frame, -turn_per_cycle_rad(motion))
    away_m = (turned.root_m - motion.root_m[:1]) * (1.0, 0.0, 1.0)
    return replace(turned, root_m=turned.root_m - away_m)


def _ease(count: int) -> np.ndarray:
    """(count,) from near 0 to 1, flat at both ends."""
    share = np.arange(1, count + 1) / count
    return share**2 * (3 - 2 * share)
