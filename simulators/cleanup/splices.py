"""Splices: places where a motion continues elsewhere, as where two clips were joined or a tracker lost its person.

No body moves most of its joints by so much more in one frame than in the frames around it. Where takes are joined, what
follows a splice is moved and turned to where the motion was going. What is left of the change of pose is spread over
the frames around. Otherwise only splices that hardly move the body are repaired so; at others takes begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.correction.results import Repair
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion, MotionBatch

from ..body.curves import smoothstep
from .cleaning import CleanupState


@dataclass(frozen=True)
class JoinSplices:
    """Moves and turns what follows a splice to where the motion was going, as far as that keeps its end near.

    Set by hand on CMU clips as they are, and on pairs of them that were joined.
    """

    jump_m: float = 0.065
    """The root and half of the joints jump by this horizontally in a frame of 1/30 s (by more in longer ones, with the
    square of the ratio) …"""
    suddenly: float = 2.5
    """Factor by which joints move further at a splice than in any step around it."""
    around: int = 4
    """Number of steps before and after a splice that it is compared with; motions with fewer frames show none."""
    turn_rad: float = 0.1
    """Smaller turns of a body at a splice are its own."""
    spread_s: float = 0.25
    """Time on either side of a splice over which the change of pose is spread."""
    within_m: float = 0.1
    """Splices that move a motion's end by no more than this are errors; others may be cuts between takes."""
    within_rad: float = float(np.radians(5.0))
    """Splices are errors only if they also turn a motion's end by no more than this."""
    join_takes: bool = False
    """Also where that changes the way over the floor: cuts between takes."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        whole = cleaning.with_repaired_motions(remove_splices(cleaning.motions, self))
        return replace(whole, repairs_m=whole.record_repair(Repair.SPLICES, cleaning.motions))


def remove_splices(motions: MotionBatch, settings: JoinSplices) -> MotionBatch:
    """Motions that go on where they were, from their first frame on."""
    if motions.root_m.shape[1] < 2 * settings.around:
        return motions
    root_m, rotations = motions.root_m.copy(), motions.rotations.copy()
    for index in np.flatnonzero(_detect_splices(root_m[:, :, None], motions.fps, settings).any(1)):
        motion = Motion(motions.skeleton, root_m[index], rotations[index], motions.fps)
        joined = _remove_steps(motion, find_splices(motion, settings), settings)
        if settings.join_takes or _ends_near(motion, joined, settings):
            root_m[index], rotations[index] = joined.root_m, joined.rotations
    return replace(motions, root_m=root_m, rotations=rotations)


def find_splices(motion: Motion, settings: JoinSplices) -> list[int]:
    """The frames after which the motion goes on elsewhere."""
    if (
        len(motion) < 2 * settings.around
        or not _detect_splices(motion.root_m[None, :, None], motion.fps, settings).any()
    ):
        return []
    return np.flatnonzero(_detect_splices(joint_positions(motion)[None], motion.fps, settings)[0]).tolist()


def find_takes(motion: Motion, settings: JoinSplices) -> list[int]:
    """Where takes that are joined in a motion begin, frame 0 first."""
    steps = find_splices(motion, settings)
    if not steps or _ends_near(motion, _remove_steps(motion, steps, settings), settings):
        return [0]
    return [0, *(step + 1 for step in steps)]


def _remove_steps(motion: Motion, steps: Sequence[int], settings: JoinSplices) -> Motion:
    """The motion without splices after some frames."""
    for step in steps:
        motion = _spread_step(_join_step(motion, step, settings.turn_rad), step, settings.spread_s)
    return motion


def _ends_near(motion: Motion, joined: Motion, settings: JoinSplices) -> bool:
    """Whether a motion whose splices were joined ends near to where it did, and faces about the same way."""
    away_m = np.linalg.norm((joined.root_m[-1] - motion.root_m[-1])[[0, 2]])
    turned = Rotation.from_quat(joined.rotations[-1, 0]) * Rotation.from_quat(motion.rotations[-1, 0]).inv()
    return bool(away_m <= settings.within_m and turned.magnitude() <= settings.within_rad)


def _detect_splices(positions_m: np.ndarray, fps: float, settings: JoinSplices) -> np.ndarray:
    """(N, T − 1) whether joints (N, T, J, 3) are spliced from a frame to the next.

    A joint's jump is what its step differs from the median of the steps around. It counts as far as it stays: a spike
    comes back soon, and frames that were frozen are only caught up with.
    """
    steps_m = np.diff(positions_m[..., [0, 2]], axis=1)
    enough_m = settings.jump_m * max(1.0, (30 / fps) ** 2)
    if not (norms(np.ptp(steps_m[:, :, 0], axis=1)) > enough_m).any():  # no root's steps are so far apart
        return np.zeros(steps_m.shape[:2], dtype=bool)
    shifts = [*range(-settings.around, 0), *range(1, settings.around + 1)]
    others_m = np.stack([np.roll(steps_m, shift, axis=1) for shift in shifts])
    around_m = median(others_m, axis=0)
    jumps_m = _body_displacement_m(steps_m - around_m)
    stays_m = _body_displacement_m(steps_m + others_m.sum(0) - (len(shifts) + 1) * around_m)
    elsewhere_m = np.max([np.roll(jumps_m, shift, axis=1) for shift in shifts], axis=0)
    splices = (jumps_m > np.maximum(enough_m, settings.suddenly * elsewhere_m)) & (stays_m > enough_m)
    splices[:, :2], splices[:, -2:] = False, False
    return splices


def _body_displacement_m(joints_m: np.ndarray) -> np.ndarray:
    """How far (N, S) the root and half of all joints go, from displacements (N, S, J, 2)."""
    distances_m = norms(joints_m)
    return np.minimum(distances_m[..., 0], median(distances_m, axis=-1))


def _join_step(motion: Motion, step: int, least_rad: float) -> Motion:
    """The frames after a step moved over the floor and turned like the root, so that the body goes on as before."""
    before_m, last_m, first_m, after_m = joint_positions(motion.frames(step - 1, step + 3)).mean(1)
    turn = _heading_turn(motion.rotations[step - 1 : step + 3, 0], least_rad)
    onto_m = last_m + 0.5 * (last_m - before_m + turn.apply(after_m - first_m))
    onto_m[1] = first_m[1]
    root_m, rotations = motion.root_m.copy(), motion.rotations.copy()
    root_m[step + 1 :] = turn.apply(root_m[step + 1 :] - first_m) + onto_m
    rotations[step + 1 :, 0] = (turn * Rotation.from_quat(rotations[step + 1 :, 0])).as_quat()
    return replace(motion, root_m=root_m, rotations=rotations)


def _heading_turn(orientations: np.ndarray, least_rad: float) -> Rotation:
    """The turn about the vertical after which the third of four orientations (4, 4) follows from the others."""
    turns = Rotation.from_quat(orientations[1:]) * Rotation.from_quat(orientations[:-1]).inv()
    _, y, _, w = (Rotation.from_rotvec(_mean_of_neighbours(turns.as_rotvec(), 1)) * turns[1].inv()).as_quat()
    angle_rad = (2 * np.arctan2(y, w) + np.pi) % (2 * np.pi) - np.pi
    return Rotation.from_rotvec([0.0, angle_rad if abs(angle_rad) > least_rad else 0.0, 0.0])


def _spread_step(motion: Motion, step: int, within_s: float) -> Motion:
    """The change of place and pose that is left at a step, spread over the frames before and after."""
    frames = np.arange(len(motion))
    away = np.where(frames <= step, step - frames, frames - step - 1)
    share = 0.5 * smoothstep(1 - away / (within_s * motion.fps)) * np.where(frames <= step, 1.0, -1.0)
    poses = Rotation.from_quat(motion.rotations)
    turns = (poses[:-1].inv() * poses[1:]).as_rotvec()
    jump = Rotation.from_rotvec(-_mean_of_neighbours(turns, step)) * Rotation.from_rotvec(turns[step])
    moves_m = np.diff(motion.root_m, axis=0)
    root_m = motion.root_m + share[:, None] * (moves_m[step] - _mean_of_neighbours(moves_m, step))
    rotations = (poses * Rotation.from_rotvec(share[:, None, None] * jump.as_rotvec())).as_quat()
    return replace(motion, root_m=root_m, rotations=rotations)


def _mean_of_neighbours(steps: np.ndarray, step: int) -> np.ndarray:
    """Mean of the steps before and after one."""
    return 0.5 * (steps[step - 1] + steps[step + 1])
