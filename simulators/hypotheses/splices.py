"""Remove splices, after which a motion continues elsewhere.

Clips were joined, or a tracker failed. No body moves most of its joints by so much more in one frame than in the frames
around it. If takes are joined, the frames after a splice are moved and turned to where the motion was going, and the
remaining change of pose is spread over the frames around. Otherwise, only splices that hardly move the body are
repaired, and at the others, takes begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from selfcorrect.motion.geometry.curves import smoothstep
from selfcorrect.motion.geometry.floor_speeds import floor_velocities_between_m_s
from selfcorrect.motion.geometry.rotations import (
    compose,
    invert,
    quaternions,
    rotate,
    rotation_vectors,
    steps_between,
    turn_angles,
)
from selfcorrect.motion.geometry.vectors import ALONG_FLOOR, median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.gliding import TRAVEL_M_S

from ..core.cleaning import CleanupState, repair_each
from ..core.curve_faults import MIN_JUMP_RATIO
from ..results.results import Repair

_MIN_JUMP_M = 0.065
"""Minimum horizontal jump per 1/30 s of the root and half of the joints, in m. For longer frames, it grows with the
square of their duration."""
_NEIGHBOURS = 4
"""Number of neighbouring steps on either side. Motions with fewer frames show no splice."""
_MIN_TURN_RAD = 0.1
"""Minimum rotation at a splice, in rad."""
_SPREAD_S = 0.25
"""Time before and after a splice over which a pose change is spread, in s."""
_MIN_CUT_RAD = float(np.radians(60.0))
"""Minimum lasting rotation that starts a take, in rad."""
_STEP_S = 0.5
"""Time before and after lost frames that shows how fast the body travels, in s: about a step."""
_SAME_TRAVEL = 0.3
"""Maximum change of the body's velocity over lost frames, and maximum share of the gap across the body's path."""
_MAX_LOST_TURN_RAD = 0.5
"""Maximum rotation of the root over lost frames, in rad."""
_MAX_AWAY_S = 1.0
"""Maximum time for which a body is elsewhere and then goes on as before, in s."""
_MAX_END_SHIFT_M = 0.1
"""Maximum displacement of the motion's end by an error, in m. Larger ones may be cuts between takes."""
_MAX_END_TURN_RAD = float(np.radians(5.0))
"""Maximum rotation of the motion's end by an error, in rad."""


@dataclass(frozen=True)
class JoinSplices:
    """Join splices so that the motion continues.

    The frames after a splice are moved and turned to where the motion was going, if its end stays near. The parameters
    were set by hand on original CMU clips, and on pairs of them that were joined.
    """

    hypothesis: ClassVar[str] = "splices"

    join_takes: bool = False
    """Also remove cuts between takes, which changes the path over the floor."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions = cleaning.motions
        joined = replace(cleaning, motions=repair_each(motions, range(len(motions)), self.repair))
        return replace(joined, repairs_m=joined.record_repair(Repair.SPLICES, motions))

    def repair(self, motion: Motion) -> Motion:
        """Repair splices."""
        return remove_splices(motion, join_takes=self.join_takes)


def remove_splices(motion: Motion, *, join_takes: bool) -> Motion:
    """Remove splices from a motion, which is unchanged up to the first.

    Cuts between takes are left unless takes are joined.
    """
    motion = _bring_back(motion)
    joined = _remove_steps(motion, find_splices(motion))
    return joined if join_takes or _is_end_near(motion, joined) else motion


def find_splices(motion: Motion) -> list[int]:
    """Find the frames after which the motion continues elsewhere."""
    if len(motion) < 2 * _NEIGHBOURS:
        return []
    if not _detect_splices(motion.root_m[:, None], motion.fps).any():
        return []
    return np.flatnonzero(_detect_splices(joint_positions(motion), motion.fps)).tolist()


def find_takes(motion: Motion) -> list[int]:
    """Find the first frames of the takes joined in a motion, frame 0 first."""
    motion = _bring_back(motion)
    turns = _find_cuts_by_turn(motion)
    steps = find_splices(motion)
    if not steps or _is_end_near(motion, _remove_steps(motion, steps)):
        steps = []
    return [0, *(step + 1 for step in sorted({*steps, *turns}))]


def count_lost_frames(motion: Motion, frame: int) -> int:
    """Count the frames that were never written before a frame.

    If they are lost, the body goes on at the same speed, and its path leads on in the same direction. The result is 0
    for a body that does not travel like that, as at a cut between takes.
    """
    velocities_m_s = floor_velocities_between_m_s(motion.root_m, motion.fps)
    around = round(_STEP_S * motion.fps)
    before_m_s = velocities_m_s[max(frame - 1 - around, 0) : frame - 1].mean(axis=0)
    after_m_s = velocities_m_s[frame : frame + around].mean(axis=0)
    travel_m_s = 0.5 * (before_m_s + after_m_s)
    gap_m_s = velocities_m_s[frame - 1]
    speed_m_s = float(norms(travel_m_s))
    if speed_m_s < TRAVEL_M_S or norms(after_m_s - before_m_s) > _SAME_TRAVEL * speed_m_s:
        return 0
    frames = float(gap_m_s @ travel_m_s) / speed_m_s**2
    strays = norms(gap_m_s - frames * travel_m_s) > _SAME_TRAVEL * norms(gap_m_s)
    turn_rad = float(turn_angles(motion.rotations[frame - 1, 0], motion.rotations[frame, 0]))
    is_lost = frames < motion.fps and not strays and turn_rad < _MAX_LOST_TURN_RAD
    return max(round(frames) - 1, 0) if is_lost else 0


def find_departures(motion: Motion) -> list[tuple[int, int]]:
    """Find times in which the body is elsewhere, or turned around, although it then goes on as before.

    Returns:
        The steps that begin and end each departure. No takes are as short and fit together as well.
    """
    steps = sorted({*find_splices(motion), *_find_cuts_by_turn(motion)})
    departures: list[tuple[int, int]] = []
    for first, last in pairwise(steps):
        is_new = not departures or departures[-1][1] < first
        if is_new and last - first <= _MAX_AWAY_S * motion.fps and _goes_on(motion, first, last + 1):
            departures.append((first, last))
    return departures


def _goes_on(motion: Motion, before: int, after: int) -> bool:
    """Return whether the body travels on from one frame to another as it does around them, with the same heading."""
    velocities_m_s = floor_velocities_between_m_s(motion.root_m, motion.fps)
    around = round(_STEP_S * motion.fps)
    around_m_s = np.concatenate(
        [velocities_m_s[max(before - around, 0) : before], velocities_m_s[after : after + around]]
    )
    if not len(around_m_s):
        return False
    travel_m = around_m_s.mean(axis=0) * (after - before) / motion.fps
    gap_m = (motion.root_m[after] - motion.root_m[before])[[0, 2]]
    turn_rad = float(turn_angles(motion.rotations[before, 0], motion.rotations[after, 0]))
    strays_m = norms(gap_m - travel_m)
    return bool(strays_m < _SAME_TRAVEL * norms(travel_m) + _MAX_END_SHIFT_M and turn_rad < _MAX_LOST_TURN_RAD)


def _bring_back(motion: Motion) -> Motion:
    """Return the motion with departures moved and turned to where the body was going.

    The path turns with the body, or the body alone is turned around: whichever leads to where the body goes on.
    """
    for first, last in find_departures(motion):
        away = slice(first + 1, last + 1)
        ways = (_join_step(motion, first), _turn_body(motion, first))
        gaps_m = [float(norms(way.root_m[last] - motion.root_m[last + 1])) for way in ways]
        way = ways[int(np.argmin(gaps_m))]
        root_m = motion.root_m.copy()
        rotations = motion.rotations.copy()
        root_m[away], rotations[away] = way.root_m[away], way.rotations[away]
        motion = replace(motion, root_m=root_m, rotations=rotations)
        for step in (first, last):
            motion = spread_step(motion, step, min(_SPREAD_S, 0.5 * (last - first) / motion.fps))
    return motion


def _turn_body(motion: Motion, step: int) -> Motion:
    """Turn the frames after a step, each about its root, so that the body turns on as before."""
    turns = steps_between(motion.rotations[step - 1 : step + 3, 0])
    expected = compose(quaternions(_mean_of_neighbours(turns, 1)), motion.rotations[step, 0])
    turn = compose(expected, invert(motion.rotations[step + 1, 0]))
    steps_m = np.diff(motion.root_m, axis=0)
    jump_m = (steps_m[step] - _mean_of_neighbours(steps_m, step)) * ALONG_FLOOR
    root_m = motion.root_m.copy()
    root_m[step + 1 :] -= jump_m
    rotations = motion.rotations.copy()
    rotations[step + 1 :, 0] = compose(turn, rotations[step + 1 :, 0])
    return replace(motion, root_m=root_m, rotations=rotations)


def _find_cuts_by_turn(motion: Motion) -> list[int]:
    """Find the frames after which the heading changes for good.

    Clips with different headings were joined there.
    """
    if len(motion) < 2 * _NEIGHBOURS:
        return []
    steps_rad = turn_angles(motion.rotations[:-1, 0], motion.rotations[1:, 0])
    cuts = []
    for step in np.flatnonzero(steps_rad > _MIN_CUT_RAD).tolist():
        before = steps_rad[max(step - _NEIGHBOURS, 0) : step]
        after = steps_rad[step + 1 : step + 1 + _NEIGHBOURS]
        is_sudden = steps_rad[step] > MIN_JUMP_RATIO * np.concatenate([before, after]).max(initial=0.0)
        if is_sudden:
            cuts.append(step)
    return cuts


def _remove_steps(motion: Motion, steps: Sequence[int]) -> Motion:
    """Return the motion without the splices after some frames."""
    for step in steps:
        motion = spread_step(_join_step(motion, step), step, _SPREAD_S)
    return motion


def _is_end_near(motion: Motion, joined: Motion) -> bool:
    """Return whether a joined motion ends near the original end, with about the same heading."""
    away_m = np.linalg.norm((joined.root_m[-1] - motion.root_m[-1])[[0, 2]])
    turn_rad = turn_angles(motion.rotations[-1, 0], joined.rotations[-1, 0])
    return bool(away_m <= _MAX_END_SHIFT_M and turn_rad <= _MAX_END_TURN_RAD)


def _detect_splices(positions_m: np.ndarray, fps: float) -> np.ndarray:
    """Detect splices (T − 1,) between frames of joints (T, J, 3).

    A joint's jump is the difference between its step and the median of the steps around. A jump counts as far as it
    lasts: a spike soon returns, and frames after frozen ones only catch up.
    """
    steps_m = np.diff(positions_m[..., [0, 2]], axis=0)
    enough_m = _MIN_JUMP_M * max(1.0, (30 / fps) ** 2)
    if norms(np.ptp(steps_m[:, 0], axis=0)) <= enough_m:
        return np.zeros(len(steps_m), dtype=bool)
    shifts = [*range(-_NEIGHBOURS, 0), *range(1, _NEIGHBOURS + 1)]
    neighbours_m = np.stack([np.roll(steps_m, shift, axis=0) for shift in shifts])
    around_m = median(neighbours_m, axis=0)
    jumps_m = _body_displacement_m(steps_m - around_m)
    stays_m = _body_displacement_m(steps_m + neighbours_m.sum(0) - (len(shifts) + 1) * around_m)
    jumps_around_m = np.max([np.roll(jumps_m, shift) for shift in shifts], axis=0)
    splices = (jumps_m > np.maximum(enough_m, MIN_JUMP_RATIO * jumps_around_m)) & (stays_m > enough_m)
    splices[:2] = False
    splices[-2:] = False
    return splices


def _body_displacement_m(joints_m: np.ndarray) -> np.ndarray:
    """Return displacements (S,) of the body, from those of joints (S, J, 2).

    The root and half of the joints move at least that far.
    """
    distances_m = norms(joints_m)
    return np.minimum(distances_m[:, 0], median(distances_m, axis=-1))


def _join_step(motion: Motion, step: int) -> Motion:
    """Move and turn the frames after a step so that the motion continues.

    The frames move over the floor, and turn about the root.
    """
    around = motion.frames(step - 1, step + 3)
    before_m, last_m, first_m, after_m = joint_positions(around).mean(1)
    turn = _heading_turn(motion.rotations[step - 1 : step + 3, 0])
    target_m = last_m + 0.5 * (last_m - before_m + rotate(turn, after_m - first_m))
    target_m[1] = first_m[1]
    root_m = motion.root_m.copy()
    root_m[step + 1 :] = rotate(turn, root_m[step + 1 :] - first_m) + target_m
    rotations = motion.rotations.copy()
    rotations[step + 1 :, 0] = compose(turn, rotations[step + 1 :, 0])
    return replace(motion, root_m=root_m, rotations=rotations)


def _heading_turn(orientations: np.ndarray) -> np.ndarray:
    """Return the rotation (4,) about the vertical that continues a motion.

    After it, the third of four orientations (4, 4) is as expected from the others.
    """
    turns_rad = steps_between(orientations)
    expected = quaternions(_mean_of_neighbours(turns_rad, 1))
    _, y, _, w = compose(expected, quaternions(-turns_rad[1]))
    angle_rad = (2 * np.arctan2(y, w) + np.pi) % (2 * np.pi) - np.pi
    if abs(angle_rad) <= _MIN_TURN_RAD:
        angle_rad = 0.0
    return quaternions(np.array([0.0, angle_rad, 0.0]))


def spread_step(motion: Motion, step: int, within_s: float) -> Motion:
    """Spread the remaining change of position and pose at a step over the frames around."""
    frames = np.arange(len(motion))
    is_before = frames <= step
    distance = np.where(is_before, step - frames, frames - step - 1)
    share = 0.5 * smoothstep(1 - distance / (within_s * motion.fps)) * np.where(is_before, 1.0, -1.0)
    poses = motion.rotations
    turns = rotation_vectors(compose(invert(poses[:-1]), poses[1:]))
    expected = quaternions(-_mean_of_neighbours(turns, step))
    jump = compose(expected, quaternions(turns[step]))
    steps_m = np.diff(motion.root_m, axis=0)
    jump_m = steps_m[step] - _mean_of_neighbours(steps_m, step)
    root_m = motion.root_m + share[:, None] * jump_m
    spread = quaternions(share[:, None, None] * rotation_vectors(jump))
    rotations = compose(poses, spread)
    return replace(motion, root_m=root_m, rotations=rotations)


def _mean_of_neighbours(steps: np.ndarray, step: int) -> np.ndarray:
    """Return the mean of the steps before and after a step."""
    return 0.5 * (steps[step - 1] + steps[step + 1])
