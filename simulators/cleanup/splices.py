"""Remove splices: frames after which a motion continues elsewhere, because clips were joined or a tracker failed.

No body moves most of its joints by so much more in one frame than in the frames around it. If takes are joined,
the frames after a splice are moved and turned to where the motion was going. The remaining change of pose is spread
over the frames around. Otherwise only splices that hardly move the body are repaired; at others takes begin.

No body turns over and back within some frames either: a root that does so for a moment, by whatever angle, is turned as
in the frames before and after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from selfcorrect.motion.corrector_interface.results import Repair
from selfcorrect.motion.geometry.rotations import (
    compose,
    invert,
    quaternions,
    rotate,
    rotation_vectors,
    slerp,
    steps_between,
    turn_angles,
)
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch

from ..body.curves import smoothstep
from .cleaning import CleanupState, repair_each


@dataclass(frozen=True)
class JoinSplices:
    """Move and turn the frames after a splice to where the motion was going, if its end stays near.

    Set by hand on original CMU clips, and on pairs of them that were joined.
    """

    jump_m: float = 0.065
    """Horizontal jump of the root and half of the joints in a frame of 1/30 s; in longer ones it grows with the square
    of the ratio."""
    suddenly: float = 2.5
    """Factor by which joints move further at a splice than in any step around it."""
    around: int = 4
    """Number of steps before and after a splice that it is compared with; motions with fewer frames show none."""
    turn_rad: float = 0.1
    """Smaller turns of a body at a splice belong to its motion."""
    spread_s: float = 0.25
    """Time on either side of a splice over which the change of pose is spread."""
    spike_rad: float = float(np.radians(30.0))
    """Least turn of the root away from the frames before and after for a spike."""
    spike_s: float = 0.1
    """Longest duration of a spike; three frames may be one at any rate."""
    cut_rad: float = float(np.radians(60.0))
    """Least sudden turn of the root, to stay, at which a take begins."""
    within_m: float = 0.1
    """Splices that move a motion's end by no more than this are errors; others may be cuts between takes."""
    within_rad: float = float(np.radians(5.0))
    """Splices are errors only if they also turn a motion's end by no more than this."""
    join_takes: bool = False
    """Also remove splices that change the path over the floor: cuts between takes."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        calm = repair_each(cleaning.motions, range(len(cleaning.motions)), partial(remove_root_spikes, settings=self))
        joined = replace(cleaning, motions=remove_splices(calm, self))
        return replace(joined, repairs_m=joined.record_repair(Repair.SPLICES, cleaning.motions))


def remove_root_spikes(motion: Motion, settings: JoinSplices) -> Motion:
    """Return the motion with the root turned as before and after each spike; unchanged without any."""
    spikes = find_root_spikes(motion, settings)
    if not spikes:
        return motion
    rotations = motion.rotations.copy()
    for before, after in spikes:
        count = after - before
        shares = np.arange(1, count)[:, None] / count
        start = np.tile(rotations[before, 0], (count - 1, 1))
        end = np.tile(rotations[after, 0], (count - 1, 1))
        rotations[before + 1 : after, 0] = slerp(start, end, shares)
    return replace(motion, rotations=rotations)


def find_root_spikes(motion: Motion, settings: JoinSplices) -> list[tuple[int, int]]:
    """Return the frames before and after each spike of the root's rotation.

    In a spike the root turns away suddenly and back suddenly: by more than in all of the steps around, and further from
    the frames before and after than these are from each other.
    """
    orientations = motion.rotations[:, 0]
    if len(motion) < 2 * settings.around:
        return []
    steps_rad = turn_angles(orientations[:-1], orientations[1:])
    longest = max(3, round(settings.spike_s * motion.fps))
    spikes: list[tuple[int, int]] = []
    frame = 0
    while frame < len(steps_rad) - 1:
        after = _find_end_of_spike(orientations, steps_rad, frame, longest, settings)
        if after:
            spikes.append((frame, after))
        frame = after or frame + 1
    return spikes


def _find_end_of_spike(
    orientations: np.ndarray, steps_rad: np.ndarray, before: int, longest: int, settings: JoinSplices
) -> int:
    """Return the first frame after a spike that follows a frame; 0 if none follows."""
    if steps_rad[before] < settings.spike_rad:
        return 0
    for after in range(before + 2, min(before + longest + 2, len(orientations))):
        if steps_rad[after - 1] < settings.spike_rad:
            continue
        inside = orientations[before + 1 : after]
        away_rad = np.minimum(turn_angles(inside, orientations[before]), turn_angles(inside, orientations[after]))
        around_rad = np.concatenate([
            steps_rad[max(before - settings.around, 0) : before],
            steps_rad[before + 1 : after - 1],
            steps_rad[after : after + settings.around],
        ])  # fmt: skip
        through_rad = float(turn_angles(orientations[before], orientations[after]))
        is_back = through_rad < away_rad.min() / settings.suddenly
        if is_back and steps_rad[before] > settings.suddenly * around_rad.max(initial=0.0):
            return after
    return 0


def remove_splices(motions: MotionBatch, settings: JoinSplices) -> MotionBatch:
    """Return motions without splices, unchanged up to the first one."""
    return repair_each(motions, range(len(motions)), partial(_remove_splices_of_motion, settings=settings))


def _remove_splices_of_motion(motion: Motion, settings: JoinSplices) -> Motion:
    joined = _remove_steps(motion, find_splices(motion, settings), settings)
    return joined if settings.join_takes or _ends_near(motion, joined, settings) else motion


def find_splices(motion: Motion, settings: JoinSplices) -> list[int]:
    """Return the frames after which the motion continues elsewhere."""
    if len(motion) < 2 * settings.around:
        return []
    root_splices = _detect_splices(motion.root_m[None, :, None], motion.fps, settings)
    if not root_splices.any():
        return []
    splices = _detect_splices(joint_positions(motion)[None], motion.fps, settings)
    return np.flatnonzero(splices[0]).tolist()


def find_takes(motion: Motion, settings: JoinSplices) -> list[int]:
    """Return the first frames of the takes that are joined in a motion, frame 0 first."""
    turns = _find_cuts_by_turn(motion, settings)
    steps = find_splices(motion, settings)
    if not steps or _ends_near(motion, _remove_steps(motion, steps, settings), settings):
        steps = []
    return [0, *(step + 1 for step in sorted({*steps, *turns}))]


def _find_cuts_by_turn(motion: Motion, settings: JoinSplices) -> list[int]:
    """Return the frames after which the root faces elsewhere for good: clips with other headings were joined there."""
    if len(motion) < 2 * settings.around:
        return []
    steps_rad = turn_angles(motion.rotations[:-1, 0], motion.rotations[1:, 0])
    spikes = find_root_spikes(motion, settings)
    cuts = []
    for step in np.flatnonzero(steps_rad > settings.cut_rad).tolist():
        before = steps_rad[max(step - settings.around, 0) : step]
        after = steps_rad[step + 1 : step + 1 + settings.around]
        is_sudden = steps_rad[step] > settings.suddenly * np.concatenate([before, after]).max(initial=0.0)
        if is_sudden and not any(first <= step < last for first, last in spikes):
            cuts.append(step)
    return cuts


def _remove_steps(motion: Motion, steps: Sequence[int], settings: JoinSplices) -> Motion:
    """Return the motion without the splices after some frames."""
    for step in steps:
        joined = _join_step(motion, step, settings.turn_rad)
        motion = spread_step(joined, step, settings.spread_s)
    return motion


def _ends_near(motion: Motion, joined: Motion, settings: JoinSplices) -> bool:
    """Return whether a motion whose splices were joined ends near to where it did, and faces about the same way."""
    away_m = np.linalg.norm((joined.root_m[-1] - motion.root_m[-1])[[0, 2]])
    turn_rad = turn_angles(motion.rotations[-1, 0], joined.rotations[-1, 0])
    return bool(away_m <= settings.within_m and turn_rad <= settings.within_rad)


def _detect_splices(positions_m: np.ndarray, fps: float, settings: JoinSplices) -> np.ndarray:
    """Return whether (N, T − 1) joints (N, T, J, 3) are spliced from a frame to the next.

    A joint's jump is the difference of its step from the median of the steps around. It counts as far as it stays: a
    spike comes back soon, and frozen frames are only caught up with.
    """
    steps_m = np.diff(positions_m[..., [0, 2]], axis=1)
    enough_m = settings.jump_m * max(1.0, (30 / fps) ** 2)
    root_ranges_m = norms(np.ptp(steps_m[:, :, 0], axis=1))
    if not (root_ranges_m > enough_m).any():
        return np.zeros(steps_m.shape[:2], dtype=bool)
    shifts = [*range(-settings.around, 0), *range(1, settings.around + 1)]
    neighbours_m = np.stack([np.roll(steps_m, shift, axis=1) for shift in shifts])
    around_m = median(neighbours_m, axis=0)
    jumps_m = _body_displacement_m(steps_m - around_m)
    stays_m = _body_displacement_m(steps_m + neighbours_m.sum(0) - (len(shifts) + 1) * around_m)
    jumps_around_m = np.max([np.roll(jumps_m, shift, axis=1) for shift in shifts], axis=0)
    is_sudden = jumps_m > np.maximum(enough_m, settings.suddenly * jumps_around_m)
    splices = is_sudden & (stays_m > enough_m)
    splices[:, :2] = False
    splices[:, -2:] = False
    return splices


def _body_displacement_m(joints_m: np.ndarray) -> np.ndarray:
    """Return how far (N, S) the root and half of all joints go, from displacements (N, S, J, 2)."""
    distances_m = norms(joints_m)
    return np.minimum(distances_m[..., 0], median(distances_m, axis=-1))


def _join_step(motion: Motion, step: int, least_rad: float) -> Motion:
    """Move the frames after a step over the floor and turn them about the root, so that the body goes on as before."""
    around = motion.frames(step - 1, step + 3)
    before_m, last_m, first_m, after_m = joint_positions(around).mean(1)
    turn = _heading_turn(motion.rotations[step - 1 : step + 3, 0], least_rad)
    target_m = last_m + 0.5 * (last_m - before_m + rotate(turn, after_m - first_m))
    target_m[1] = first_m[1]
    root_m = motion.root_m.copy()
    root_m[step + 1 :] = rotate(turn, root_m[step + 1 :] - first_m) + target_m
    rotations = motion.rotations.copy()
    rotations[step + 1 :, 0] = compose(turn, rotations[step + 1 :, 0])
    return replace(motion, root_m=root_m, rotations=rotations)


def _heading_turn(orientations: np.ndarray, least_rad: float) -> np.ndarray:
    """Return the turn (4,) about the vertical after which the third of orientations (4, 4) follows from the others."""
    turns_rad = steps_between(orientations)
    expected = quaternions(_mean_of_neighbours(turns_rad, 1))
    _, y, _, w = compose(expected, quaternions(-turns_rad[1]))
    angle_rad = (2 * np.arctan2(y, w) + np.pi) % (2 * np.pi) - np.pi
    if abs(angle_rad) <= least_rad:
        angle_rad = 0.0
    return quaternions(np.array([0.0, angle_rad, 0.0]))


def spread_step(motion: Motion, step: int, within_s: float) -> Motion:
    """Spread the remaining change of place and pose at a step over the frames before and after."""
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
