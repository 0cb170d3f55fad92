"""Splices: places where a motion goes on somewhere else, as where two clips were joined or a tracker lost its person.

No body moves most of its joints by so much more in one frame than in the frames around it. What follows a splice is
moved and turned to where the motion was going; what is left of the change of pose is spread over the frames around.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.curves import smoothstep

JUMP_M = 0.065
SUDDENLY, AROUND = 2.5, 4
"""The root and half of the joints jump by this horizontally, and so many times further than in any of the steps around.

At 30 frames per second; at fewer they do by more, with the square of the ratio.
"""

TURN_RAD = 0.1
"""Smaller turns of a body at a splice are its own."""

FEWEST_FRAMES = 8
SPREAD_S = 0.25
"""Time on either side of a splice over which the change of pose is spread."""


def without_splices(motions: MotionBatch) -> MotionBatch:
    """Motions that go on where they were, from their first frame on."""
    if motions.root_m.shape[1] < FEWEST_FRAMES:
        return motions
    root_m, rotations = motions.root_m.copy(), motions.rotations.copy()
    for index in np.flatnonzero(_splices(root_m[:, :, None], motions.fps).any(1)):
        motion = Motion(motions.skeleton, root_m[index], rotations[index], motions.fps)
        for step in np.flatnonzero(_splices(joint_positions(motion)[None], motions.fps)[0]).tolist():
            motion = _spread(_joined(motion, step), step)
        root_m[index], rotations[index] = motion.root_m, motion.rotations
    return replace(motions, root_m=root_m, rotations=rotations)


def _splices(positions_m: np.ndarray, fps: float) -> np.ndarray:
    """(N, T − 1) whether joints (N, T, J, 3) are spliced from a frame to the next.

    A joint's jump is what its step differs from the median of the steps around. It counts as far as it stays: a spike
    comes back soon, and frames that were frozen are only caught up with.
    """
    steps_m = np.diff(positions_m[..., [0, 2]], axis=1)
    shifts = [*range(-AROUND, 0), *range(1, AROUND + 1)]
    others_m = np.stack([np.roll(steps_m, shift, axis=1) for shift in shifts])
    around_m = np.median(others_m, axis=0)
    jumps_m = _of_body(steps_m - around_m)
    stays_m = _of_body(steps_m + others_m.sum(0) - (len(shifts) + 1) * around_m)
    elsewhere_m = np.max([np.roll(jumps_m, shift, axis=1) for shift in shifts], axis=0)
    enough_m = JUMP_M * max(1.0, (30 / fps) ** 2)
    splices = (jumps_m > np.maximum(enough_m, SUDDENLY * elsewhere_m)) & (stays_m > enough_m)
    splices[:, :2], splices[:, -2:] = False, False
    return splices


def _of_body(joints_m: np.ndarray) -> np.ndarray:
    """How far (N, S) the root and half of all joints go, from displacements (N, S, J, 2)."""
    distances_m = np.linalg.norm(joints_m, axis=-1)
    return np.minimum(distances_m[..., 0], np.median(distances_m, axis=-1))


def _joined(motion: Motion, step: int) -> Motion:
    """The frames after a step moved over the floor and turned like the root, so that the body goes on as before."""
    before_m, last_m, first_m, after_m = joint_positions(motion.frames(step - 1, step + 3)).mean(1)
    turn = _turn(motion.rotations[step - 1 : step + 3, 0])
    onto_m = last_m + 0.5 * (last_m - before_m + turn.apply(after_m - first_m))
    onto_m[1] = first_m[1]
    root_m, rotations = motion.root_m.copy(), motion.rotations.copy()
    root_m[step + 1 :] = turn.apply(root_m[step + 1 :] - first_m) + onto_m
    rotations[step + 1 :, 0] = (turn * Rotation.from_quat(rotations[step + 1 :, 0])).as_quat()
    return replace(motion, root_m=root_m, rotations=rotations)


def _turn(orientations: np.ndarray) -> Rotation:
    """The turn about the vertical after which the third of four orientations (4, 4) follows from the others."""
    turns = Rotation.from_quat(orientations[1:]) * Rotation.from_quat(orientations[:-1]).inv()
    _, y, _, w = (Rotation.from_rotvec(_around(turns.as_rotvec(), 1)) * turns[1].inv()).as_quat()
    angle_rad = (2 * np.arctan2(y, w) + np.pi) % (2 * np.pi) - np.pi
    return Rotation.from_rotvec([0.0, angle_rad if abs(angle_rad) > TURN_RAD else 0.0, 0.0])


def _spread(motion: Motion, step: int) -> Motion:
    """The change of place and pose that is left at a step, spread over the frames before and after."""
    frames = np.arange(len(motion))
    away = np.where(frames <= step, step - frames, frames - step - 1)
    share = 0.5 * smoothstep(1 - away / (SPREAD_S * motion.fps)) * np.where(frames <= step, 1.0, -1.0)
    poses = Rotation.from_quat(motion.rotations)
    turns = (poses[:-1].inv() * poses[1:]).as_rotvec()
    jump = Rotation.from_rotvec(-_around(turns, step)) * Rotation.from_rotvec(turns[step])
    moves_m = np.diff(motion.root_m, axis=0)
    root_m = motion.root_m + share[:, None] * (moves_m[step] - _around(moves_m, step))
    rotations = (poses * Rotation.from_rotvec(share[:, None, None] * jump.as_rotvec())).as_quat()
    return replace(motion, root_m=root_m, rotations=rotations)


def _around(steps: np.ndarray, step: int) -> np.ndarray:
    """Mean of the steps before and after one."""
    return 0.5 * (steps[step - 1] + steps[step + 1])
