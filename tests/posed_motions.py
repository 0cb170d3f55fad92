"""Make motions of an average adult who stands, walks, lies, crawls or flies above a floor at y = 0, with y up."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

FPS = 30.0
JOINT_ABOVE_FLOOR_M = 0.03
TIMES_S = np.arange(90) / FPS
SIDES = (("left", 1.0, 0.0), ("right", -1.0, np.pi))


class Pose:
    """Rotations of an average body, which are built joint by joint and may vary over time."""

    def __init__(self) -> None:
        self.skeleton = SMPL_BODY.average()
        self.rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(TIMES_S), len(self.skeleton), 1))

    def turn(self, name: str, axis: str, angle_rad: float | np.ndarray) -> None:
        """Turn a joint further about an axis of its own frame."""
        joint = self.skeleton.names.index(name)
        angles_rad = np.broadcast_to(angle_rad, len(TIMES_S))[:, None]
        turned = Rotation.from_quat(self.rotations[:, joint]) * Rotation.from_euler(axis, angles_rad)
        self.rotations[:, joint] = turned.as_quat()

    def arms_down(self) -> None:
        for side, sign, _ in SIDES:
            self.turn(f"{side}_shoulder", "z", -1.3 * sign)

    def motion(self, root_m: np.ndarray | float = 0.0, *, follows_floor: bool = True) -> Motion:
        """Return the motion, raised so that its lowest joint is just above the floor.

        The lowest joint is there in every frame, or, without `follows_floor`, at its median height.
        """
        motion = Motion(self.skeleton, np.zeros((len(TIMES_S), 3)) + root_m, self.rotations, FPS)
        low_m = joint_positions(motion)[..., 1].min(axis=1)
        rise_m = JOINT_ABOVE_FLOOR_M - (low_m if follows_floor else np.full(len(low_m), np.median(low_m)))
        return replace(motion, root_m=motion.root_m + np.outer(rise_m, [0.0, 1.0, 0.0]))


def travel_along(axis: int, speed_m_s: float) -> np.ndarray:
    """Return the path (T, 3) of somebody who walks along an axis."""
    return np.outer(speed_m_s * TIMES_S, np.eye(3)[axis])


def standing() -> Motion:
    pose = Pose()
    pose.arms_down()
    pose.turn("spine1", "x", 0.03 * np.sin(2 * TIMES_S))
    return pose.motion()


def crouching() -> Motion:
    pose = Pose()
    bend = 0.75 * (1 - np.cos(np.minimum(2 * TIMES_S, np.pi)))
    pose.arms_down()
    for side, _, _ in SIDES:
        for joint, share in (("hip", -1.0), ("knee", 1.7), ("ankle", -0.6)):
            pose.turn(f"{side}_{joint}", "x", share * bend)
    return pose.motion()


def walking(speed_m_s: float = 1.2, lean_rad: float = 0.1) -> Motion:
    pose = Pose()
    pose.arms_down()
    pose.turn("pelvis", "x", lean_rad)
    for side, _, phase in SIDES:
        swing = 1.8 * np.pi * TIMES_S + phase
        pose.turn(f"{side}_hip", "x", -0.5 * np.sin(swing) - lean_rad)
        pose.turn(f"{side}_knee", "x", 0.9 * np.maximum(np.cos(swing), 0))
    return pose.motion(travel_along(2, speed_m_s))


def pushing() -> Motion:
    return walking(0.45, 0.6)


def sitting() -> Motion:
    pose = Pose()
    pose.arms_down()
    for side, _, _ in SIDES:
        pose.turn(f"{side}_hip", "x", -1.5)
        pose.turn(f"{side}_knee", "x", 1.5)
    pose.turn("right_shoulder", "x", -0.5 * np.sin(TIMES_S) ** 2)
    return pose.motion()


def lying() -> Motion:
    pose = Pose()
    pose.arms_down()
    pose.turn("pelvis", "x", -np.pi / 2)
    pose.turn("left_knee", "x", 0.8 * np.maximum(np.sin(TIMES_S), 0))
    pose.turn("left_hip", "x", -0.5 * np.maximum(np.sin(TIMES_S), 0))
    return pose.motion(follows_floor=False)


def swimming(
    pitch_rad: float = 1.4,
    height_m: float = 1.0,
    speed_m_s: float = 0.8,
    kick_rad: float = 0.3,
    stroke_rad: float = 1.0,
) -> Motion:
    """Swim front crawl with nothing below or, with a negative pitch, on the back and feet first."""
    pose = Pose()
    strokes = 2 * np.pi * TIMES_S
    pose.turn("pelvis", "x", pitch_rad)
    for side, sign, phase in SIDES:
        pose.turn(f"{side}_shoulder", "y", -sign * np.sin(strokes + phase))
        pose.turn(f"{side}_hip", "x", kick_rad * np.sin(2 * strokes + phase))
        pose.turn(f"{side}_knee", "x", 0.2 + 0.15 * np.sin(2 * strokes + phase + 1))
        pose.turn(f"{side}_ankle", "x", 0.9)
    motion = pose.motion()
    heights_m = height_m + 0.02 * np.sin(strokes)
    return replace(motion, root_m=travel_along(2, speed_m_s) + heights_m[:, None] * (0.0, 1.0, 0.0))


def crawling() -> Motion:
    pose = Pose()
    pose.turn("pelvis", "x", np.pi / 2)
    for side, sign, phase in SIDES:
        swing = 1.6 * np.pi * TIMES_S + phase
        pose.turn(f"{side}_hip", "x", 0.35 * np.sin(swing) - np.pi / 2)
        pose.turn(f"{side}_knee", "x", np.pi / 2 + 0.2 * np.maximum(np.cos(swing), 0))
        pose.turn(f"{side}_ankle", "x", 0.8)
        pose.turn(f"{side}_shoulder", "y", -sign * np.pi / 2)
        pose.turn(f"{side}_shoulder", "z", -0.28 * sign * np.sin(swing))
    return pose.motion(travel_along(2, 0.5))


def cartwheeling() -> Motion:
    pose = Pose()
    for side, sign, _ in SIDES:
        pose.turn(f"{side}_shoulder", "z", 1.2 * sign)
        pose.turn(f"{side}_hip", "z", 0.5 * sign)
    pose.turn("pelvis", "z", -np.pi * TIMES_S)
    return pose.motion(travel_along(0, 1.0))


def jumping() -> Motion:
    since_s = np.mod(TIMES_S, 1.2)
    height_m = np.where(since_s < 0.6, 9.81 / 2 * since_s * (0.6 - since_s), 0.0)
    motion = standing()
    return replace(motion, root_m=motion.root_m + np.stack([0 * TIMES_S, height_m, 0.5 * TIMES_S], axis=1))


def climbing() -> Motion:
    """Walk up a steep, uneven hill."""
    motion = walking()
    rise_m = 0.6 * TIMES_S + 0.05 * np.sin(7 * TIMES_S)
    return replace(motion, root_m=motion.root_m + np.outer(rise_m, [0.0, 1.0, 0.0]))


def gliding(above_m: float = 0.0) -> Motion:
    """Glide and turn on tiptoe, so that no foot stands still or flat, captured `above_m` too high."""
    pose = Pose()
    pose.arms_down()
    for side, _, _ in SIDES:
        pose.turn(f"{side}_ankle", "x", 0.9)
    pose.turn("pelvis", "y", 1.5 * TIMES_S)
    motion = pose.motion(travel_along(0, 1.0))
    return replace(motion, root_m=motion.root_m + np.array([0.0, above_m, 0.0]))


MOTIONS: dict[str, Callable[[], Motion]] = {
    "standing": standing, "crouching": crouching, "walking": walking, "pushing": pushing, "sitting": sitting,
    "lying": lying, "crawling": crawling, "cartwheeling": cartwheeling, "jumping": jumping,
}  # fmt: skip
