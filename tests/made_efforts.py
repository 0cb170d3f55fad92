"""Make motions that real muscles and contacts allow: rising from a seat, and a jump that rocks back on the heels."""

from dataclasses import replace

import numpy as np
from scipy.interpolate import BPoly
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.leg_ik import Legs, solve_leg_ik

BENT_M = 0.04
"""How much lower the hips of a standing body are than on straight legs."""
RISE_OF_HEELS_M = 0.07
AHEAD = np.array([1.0, 0.0, 0.0])
"""Axis about which a body leans forward."""

Knot = tuple[float, float, float, float]
"""Time, value, velocity, acceleration."""


def curve(times_s: np.ndarray, *knots: Knot) -> np.ndarray:
    """Interpolate knots by quintics that are constant beyond the ends."""
    moments_s = [knot[0] for knot in knots]
    polynomial = BPoly.from_derivatives(moments_s, [list(knot[1:]) for knot in knots])
    return polynomial(np.clip(times_s, moments_s[0], moments_s[-1]))


def sit_to_stand(stand: Motion, seat_m: float = 0.45, rise_s: float = 1.4, lean_rad: float = 0.85) -> Motion:
    """Sit for 1.5 s, lean forward and stand up, with both feet flat throughout."""
    start_s, end_s = 1.5, 1.5 + rise_s
    off_s = start_s + 0.4 * rise_s
    times_s = np.arange(0, end_s + 1.0, 1 / stand.fps)
    hip_m = stand.root_m[0, 1] + stand.skeleton.offsets_m[stand.skeleton.joint("left_hip"), 1]
    seated_m = seat_m + 0.065 - hip_m
    up_m = curve(times_s, (off_s - 0.05, seated_m, 0, 0), (end_s, -BENT_M, 0, 0))
    along_m = curve(times_s, (start_s + 0.1 * rise_s, -0.3, 0, 0), (end_s - 0.1 * rise_s, 0, 0, 0))
    leans_rad = curve(times_s, (start_s - 0.1, 0, 0, 0), (off_s, lean_rad, 0, 0), (end_s, 0, 0, 0))
    return _pose(stand, up_m, along_m, leans_rad, np.zeros((2, len(times_s))), np.zeros(len(times_s)))


def jump_and_rock_back(
    stand: Motion, height_m: float = 0.2, ahead_m: float = 0.3, rock_m: float = 0.08, toes_rad: float = 0.15
) -> Motion:
    """Jump forward and rock back on the heels.

    The body leaves from both feet and lands in a crouch, and its toes are in the air at the end.
    """
    depth_m = 0.22 + BENT_M
    speed_m_s = np.sqrt(2 * GRAVITY_M_S2 * height_m)
    push_s = 1.7 * (depth_m - BENT_M) / speed_m_s
    off_s = 1.1 + push_s
    land_s = off_s + 2 * speed_m_s / GRAVITY_M_S2
    low_s, end_s = land_s + push_s, land_s + push_s + 0.9
    times_s = np.arange(0, end_s + 0.8, 1 / stand.fps)
    in_air = (times_s > off_s) & (times_s < land_s)
    since_s = np.clip(times_s - off_s, 0, land_s - off_s)
    flight_m = speed_m_s * since_s - GRAVITY_M_S2 / 2 * since_s**2
    pace_m_s = ahead_m / (land_s - off_s)
    pushed_m = pace_m_s * push_s / 2
    place_m = 2 * pushed_m + ahead_m

    def join(before: np.ndarray, after: np.ndarray, flying: np.ndarray) -> np.ndarray:
        return np.where(in_air, flying, np.where(times_s <= off_s, before, after))

    leaving = (RISE_OF_HEELS_M, speed_m_s, -GRAVITY_M_S2)
    landing = (RISE_OF_HEELS_M, -speed_m_s, -GRAVITY_M_S2)
    body = (RISE_OF_HEELS_M - BENT_M,)
    up_m = join(
        curve(times_s, (0.4, -BENT_M, 0, 0), (1.1, -depth_m, 0, 8), (off_s, *body, *leaving[1:])),
        curve(times_s, (land_s, *body, *landing[1:]), (low_s, -depth_m, 0, 8), (end_s, -BENT_M, 0, 0)),
        body[0] + flight_m,
    )
    along_m = join(
        curve(times_s, (1.1, 0, 0, 0), (off_s, pushed_m, pace_m_s, 0)),
        curve(
            times_s,
            (land_s, pushed_m + ahead_m, pace_m_s, 0),
            (low_s, place_m, 0, 0),
            (low_s + 0.4, place_m - rock_m, 0, 0),
            (low_s + 1.0, place_m, 0, 0),
        ),
        pushed_m + pace_m_s * since_s,
    )
    heels_m = join(
        curve(times_s, (off_s - 0.14, 0, 0, 0), (off_s, *leaving)),
        curve(times_s, (land_s, *landing), (land_s + 0.14, 0, 0, 0)),
        RISE_OF_HEELS_M + flight_m,
    )
    pitch_rad = np.arcsin(np.clip(heels_m, 0, RISE_OF_HEELS_M) / 0.13)
    places_m = curve(times_s, (off_s, 0, 0, 0), (land_s, place_m, 0, 0)) + 0.13 * (1 - np.cos(pitch_rad))
    toes_up_rad = curve(times_s, (low_s, 0, 0, 0), (low_s + 0.4, toes_rad, 0, 0), (low_s + 0.9, 0, 0, 0))
    leans_rad = curve(
        times_s,
        (0.4, 0, 0, 0),
        (1.1, 0.3, 0, 0),
        (off_s + 0.05, 0.05, 0, 0),
        (land_s - 0.05, 0.05, 0, 0),
        (low_s + 0.1, 0.3, 0, 0),
        (low_s + 0.5, 0.25, 0, 0),
        (end_s + 0.3, 0.2, 0, 0),  # otherwise the motion would be a loop, and its ends would be joined
    )
    return _pose(stand, up_m, along_m, leans_rad, np.stack([heels_m, places_m]), pitch_rad - toes_up_rad)


def _pose(
    stand: Motion,
    up_m: np.ndarray,
    along_m: np.ndarray,
    leans_rad: np.ndarray,
    ankles_m: np.ndarray,
    pitch_rad: np.ndarray,
) -> Motion:
    """Pose an adult with hanging arms.

    The root moves up and along, the trunk leans forward, and the ankles (2, T) move and turn; the legs bend to match.
    """
    skeleton = stand.skeleton
    frames = len(up_m)
    rotations = np.tile(stand.rotations[0], (frames, 1, 1))
    turns = {"left_shoulder": [0, 0, -1.2], "right_shoulder": [0, 0, 1.2]}
    for side in ("left", "right"):  # legs that bend show the knees' plane
        turns |= {f"{side}_hip": -1.6 * AHEAD, f"{side}_knee": 1.7 * AHEAD, f"{side}_ankle": -0.1 * AHEAD}
    turns |= {"pelvis": 0.6 * leans_rad[:, None] * AHEAD, "spine1": 0.4 * leans_rad[:, None] * AHEAD}
    for part, turn_rad in turns.items():
        rotations[:, skeleton.parts.index(part)] = Rotation.from_rotvec(turn_rad).as_quat()
    root_m = np.tile(stand.root_m[0], (frames, 1))
    legs = Legs.from_skeleton(skeleton)
    standing_m = forward_kinematics(skeleton, stand.root_m[:1], stand.rotations[:1])[0][:, legs.ankles]
    shift_m = np.stack([np.zeros(frames), up_m, along_m], axis=-1)
    moved_m = np.stack([np.zeros(frames), *ankles_m], axis=-1)[:, None]
    feet = Rotation.from_rotvec((pitch_rad - 0.6 * leans_rad)[:, None] * AHEAD).as_quat()
    rotations = solve_leg_ik(
        skeleton,
        *forward_kinematics(skeleton, root_m, rotations),
        shift_m,
        standing_m + moved_m,
        np.repeat(feet[:, None], 2, axis=1),
        replace(legs, soft=False),
    )
    return Motion(skeleton, root_m + shift_m, rotations, stand.fps)
