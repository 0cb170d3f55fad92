"""Make walks, runs, turns, hops and idle stands of any pace, frame rate and length."""

from dataclasses import replace
from typing import Literal

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.kinematics import forward_kinematics, make_continuous
from selfcorrect.motion.motion import Motion

Kind = Literal["walk", "run", "turn", "hop", "idle"]
KINDS: tuple[Kind, ...] = ("walk", "run", "turn", "hop", "idle")

_STEP_M = {"walk": 0.65, "run": 1.1, "turn": 0.3, "hop": 0.2, "idle": 0.0}
_STEP_S = {"walk": 0.55, "run": 0.36, "turn": 0.7, "hop": 0.5, "idle": 2.0}
_ARC_M = {"run": 0.08, "hop": 0.25}
_TURN_RAD = 0.4


def made_motion(
    kind: Kind,
    pace: float = 1.0,
    fps: float = 30.0,
    frames: int = 120,
    *,
    lean_rad: float = 0.05,
    sway_rad: float = 0.05,
    bend_rad: float = 0.3,
) -> Motion:
    """Return a motion of an average adult.

    The lower sole is on the floor except in flight.

    Args:
        kind: Kind of motion.
        pace: Step rate relative to the usual one of this kind.
        fps: Frames per second.
        frames: Number of frames.
        lean_rad: Angle by which the trunk leans forward.
        sway_rad: Angle by which the legs tilt to bring the hips over the standing foot.
        bend_rad: Angle by which the knee of the swinging leg bends.
    """
    skeleton = SMPL_BODY.average()
    phases = np.pi * pace * np.arange(frames) / fps / _STEP_S[kind]
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(skeleton), 1))
    facing = Rotation.from_rotvec(_TURN_RAD * phases[:, None] / np.pi * (kind == "turn") * [0.0, 1.0, 0.0])
    rotations[:, 0] = facing.as_quat()
    rotations[:, skeleton.joint("spine1")] = Rotation.from_rotvec([lean_rad, 0.0, 0.0]).as_quat()
    leg_m = float(np.linalg.norm(skeleton.offsets_m[[4, 7]], axis=1).sum())
    swing_rad = np.arcsin(_STEP_M[kind] / 2 / leg_m) * np.cos(phases)
    tilt = Rotation.from_rotvec(-sway_rad * np.sin(phases)[:, None] * (kind != "hop") * [0.0, 0.0, 1.0])
    for side, sign in (("left", 1.0), ("right", 1.0 if kind == "hop" else -1.0)):
        arm = Rotation.from_rotvec(np.stack([0 * phases, 0 * phases, np.full(frames, -1.2)], axis=1))
        swing = Rotation.from_rotvec(-sign * swing_rad[:, None] * [1.0, 0.0, 0.0])
        bent_rad = bend_rad * np.maximum(-sign * np.sin(phases), 0.0) * (kind != "idle")  # of the leg that swings
        knee = Rotation.from_rotvec(bent_rad[:, None] * [1.0, 0.0, 0.0])
        rotations[:, skeleton.joint(f"{side}_hip")] = (tilt * swing).as_quat()
        rotations[:, skeleton.joint(f"{side}_knee")] = knee.as_quat()
        rotations[:, skeleton.joint(f"{side}_ankle")] = (tilt * swing * knee).inv().as_quat()
        rotations[:, skeleton.joint(f"{side}_shoulder")] = (arm if side == "left" else arm.inv()).as_quat()
    sway_m = leg_m * np.sin(-tilt.as_rotvec()[:, 2:]) * [1.0, 0.0, 0.0]
    path_m = np.diff(_STEP_M[kind] * phases / np.pi, prepend=0.0)[:, None] * facing.apply([0.0, 0.0, 1.0])
    root_m = np.cumsum(path_m, axis=0) + facing.apply(sway_m)
    soles_m = world_sole_points(skeleton, *forward_kinematics(skeleton, root_m, rotations))
    root_m[:, 1] = _ARC_M.get(kind, 0.0) * np.sin(phases) ** 2 - soles_m[..., 1].min(axis=1)
    return Motion(skeleton, root_m, rotations, fps)


def walk_with_stances(fps: float = 30.0, frames: int = 120) -> tuple[Motion, np.ndarray]:
    """Return a walk, and (T, 2) bool: whether the left and the right foot stand.

    A foot stands while it does not swing.
    """
    motion = made_motion("walk", fps=fps, frames=frames)
    phases = np.pi * np.arange(frames) / fps / _STEP_S["walk"]
    return motion, np.stack([np.sin(phases) >= 0, np.sin(phases) <= 0], axis=1)


def wander(motion: Motion, seed: int) -> Motion:
    """Add the drift and jitter of a bad capture.

    The root drifts slowly by 6 cm over the floor and 3 cm in height, and jitters by 1 cm; all joints jitter by 1.2°.
    """
    random = np.random.default_rng(seed)
    slow = gaussian_filter1d(random.normal(size=(len(motion), 3)), 0.5 * motion.fps, axis=0)
    slow_m = slow / slow.std(axis=0) * [0.06, 0.03, 0.06]
    shaken = Rotation.from_rotvec(np.radians(random.normal(0, 1.2, (motion.rotations[..., 0].size, 3))))
    turns = Rotation.from_quat(motion.rotations.reshape(-1, 4)) * shaken
    root_m = motion.root_m + slow_m + random.normal(0, 0.01, (len(motion), 3))
    return replace(motion, root_m=root_m, rotations=turns.as_quat().reshape(motion.rotations.shape))


def dip_toes(motion: Motion, stands: np.ndarray, dip_m: float, frames: int = 3) -> Motion:
    """Dip the toes into the floor in the last frames of each stance."""
    for side, name in enumerate(("left_ankle", "right_ankle")):
        last = np.flatnonzero(stands[:-1, side] & ~stands[1:, side])
        dipping = np.unique(np.concatenate([last - k for k in range(frames)]).clip(0))
        reach_m = float(np.linalg.norm(motion.skeleton.offsets_m[motion.skeleton.joint(name.replace("ankle", "foot"))]))
        pitch = Rotation.from_rotvec([np.arcsin(dip_m / reach_m), 0.0, 0.0])
        motion = turn_joint(motion, name, pitch, dipping)
    return motion


def remove_travel(motion: Motion) -> Motion:
    """Remove the steady travel along the floor, as in the in-place walks of games."""
    share = np.linspace(0.0, 1.0, len(motion))[:, None]
    travel_m = (motion.root_m[-1] - motion.root_m[0]) * (1.0, 0.0, 1.0)
    return replace(motion, root_m=motion.root_m - share * travel_m)


def resample_smoothly(motion: Motion, fps: float) -> Motion:
    """Resample to a higher frame rate along splines of the fifth degree, which have no kinks."""
    times_s = np.arange(len(motion)) / motion.fps
    new_times_s = np.arange(int(times_s[-1] * fps + 1e-9) + 1) / fps
    rotations = make_interp_spline(times_s, make_continuous(motion.rotations), k=5)(new_times_s)
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    root_m = make_interp_spline(times_s, motion.root_m, k=5)(new_times_s)
    return replace(motion, root_m=root_m, rotations=rotations, fps=fps)


def make_symmetric(motion: Motion) -> Motion:
    """Make bones as long on the left as on the right, so that the motion can be mirrored."""
    skeleton = motion.skeleton
    mirrored_m = skeleton.offsets_m[skeleton.mirror_map] * [-1, 1, 1]
    return replace(motion, skeleton=replace(skeleton, offsets_m=(skeleton.offsets_m + mirrored_m) / 2))
