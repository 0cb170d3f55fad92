"""Make jumps on the spot.

In each jump the legs bend and push off, and the body flies under gravity and lands.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from made_motions import made_motion
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

Style = Literal["straight", "jack", "scissor", "star"]
STYLES: tuple[Style, ...] = ("straight", "jack", "scissor", "star")

_GRAVITY_M_S2 = 9.81
_BEND_S = 0.25
_PUSH_S = 0.2
_LAND_S = 0.3


def jumps(style: Style, height_m: float = 0.3, count: int = 3, fps: float = 30.0, crouch_m: float = 0.15) -> Motion:
    """Return `count` jumps of `height_m` without pauses.

    The feet move apart or together in alternate jumps ("jack"), swap front and back in each ("scissor"), or are apart
    only in the air ("star").
    """
    speed_m_s = np.sqrt(2 * _GRAVITY_M_S2 * height_m)
    flight_s = 2 * speed_m_s / _GRAVITY_M_S2
    knots_s = np.cumsum([0.0, _BEND_S, _PUSH_S, flight_s, 0.4 * _LAND_S, 0.6 * _LAND_S])
    path = CubicHermiteSpline(
        knots_s, [0.0, -crouch_m, 0.0, 0.0, -crouch_m, 0.0], [0.0, 0.0, speed_m_s, -speed_m_s, 0.0, 0.0]
    )
    times_s = np.arange(round(count * knots_s[-1] * fps)) / fps
    within_s = times_s % knots_s[-1]
    in_flight = np.clip((within_s - knots_s[2]) / flight_s, 0.0, 1.0)
    is_flying = (in_flight > 0) & (in_flight < 1)
    heights_m = path(within_s)
    heights_m[is_flying] = height_m * 4 * (in_flight * (1 - in_flight))[is_flying]
    turn = np.pi * (times_s // knots_s[-1] + in_flight)
    apart_m = {"jack": 0.125 * (1 - np.cos(turn)), "star": 0.3 * np.sin(np.pi * in_flight)}.get(style, 0 * turn)
    ahead_m = 0.22 * np.cos(turn) if style == "scissor" else 0 * turn

    motion = made_motion("idle", fps=fps, frames=len(times_s), sway_rad=0.0)
    upper_m, lower_m = np.linalg.norm(motion.skeleton.offsets_m[[4, 7]], axis=1)
    down_m = 0.97 * (upper_m + lower_m) + np.where(is_flying, 0.0, np.minimum(heights_m, 0.0))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        reach_m = np.sqrt(down_m**2 + ahead_m**2 + apart_m**2).clip(max=0.995 * (upper_m + lower_m))
        knee_rad = np.pi - np.arccos((upper_m**2 + lower_m**2 - reach_m**2) / (2 * upper_m * lower_m))
        hip_rad = np.arcsin(lower_m * np.sin(knee_rad) / reach_m) + np.arctan2(sign * ahead_m, down_m)
        hip = Rotation.from_euler("ZX", np.stack([sign * np.arctan2(apart_m, down_m), -hip_rad], axis=1))
        knee = Rotation.from_rotvec(knee_rad[:, None] * [1.0, 0.0, 0.0])
        motion = pose_joint(motion, f"{side}_hip", hip)
        motion = pose_joint(motion, f"{side}_knee", knee)
        motion = pose_joint(motion, f"{side}_ankle", (hip * knee).inv())
    lowest_m = joint_positions(motion, [10, 11])[..., 1].min(axis=1) - motion.root_m[:, 1]
    root_m = np.zeros_like(motion.root_m)
    root_m[:, 1] = 0.025 - lowest_m + np.where(is_flying, heights_m, 0.0)
    return replace(motion, root_m=root_m)
