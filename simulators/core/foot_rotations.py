"""Rotations that lay standing feet flat, roll them back, and bend their toes.

Feet that are nearly flat are flattened, feet that their joints show on edge are rolled back onto the sole, and toes are
bent up from the ground. Arrays are (N, T, 2): motion, frame, left and right foot. Rotations are in the world.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.curves import blur, smooth_gaussian, smoothstep
from selfcorrect.motion.geometry.filters import maximum_filter1d
from selfcorrect.motion.geometry.rotations import compose, identity_rotations, quaternions, rotation_vectors, slerp
from selfcorrect.motion.geometry.vectors import UP, cross, norms
from selfcorrect.motion.kinematics import local_rotations
from selfcorrect.motion.perception.observation import observe_feet

from ..body.leg_ik import Legs
from ..body.soles import corner_positions, split_by_foot
from ..stages.changes import deadband
from .solid_feet import rotate_feet, solid_foot_heights_m, solid_foot_points_m
from .stance import STEEP, PosedMotions

_FLAT_RAD = float(np.radians(2.0))
"""Tilt up to which a standing foot is flattened fully, in rad."""
_TILTED_RAD = float(np.radians(6.0))
"""Maximum tilt of a foot that is flattened, in rad."""
_ROLLED_RAD = (float(np.radians(35.0)), float(np.radians(45.0)))
"""Tilts of a wrongly rolled foot whose heel and toe certainly stand, in rad. From the first angle on, which is the most
that ankles turn in, it may be wrong, and from the second on, it certainly is."""
_POINTING_BACK_RAD = (float(np.radians(60.0)), float(np.radians(90.0)))
"""Tilts of a foot that points back, in rad. Below the first, a sunken foot is flattened as far as that lifts it. Above
the second, it is not turned at all."""
_MAX_BEND_RAD = float(np.radians(60.0))
"""Maximum angle by which toes bend up, in rad."""
_SMALL_RAD = (float(np.radians(2.0)), float(np.radians(4.0)))
"""Rotations of feet and toes, in rad, below which they are dropped and above which they are applied fully."""
TURN_RAD = 0.15
"""Maximum rotation of a foot, in rad, approached smoothly."""
TURN_S = 0.06
"""Smoothing time of foot rotations, in s."""
_TOE_RAD = 0.8
"""Maximum rotation of toes, in rad, approached smoothly."""
_TOE_S = 0.08
"""Smoothing time of toe rotations, in s."""
_TOE_BENDS = 3
"""Number of rounds in which toes are bent. A short bend that is spread over time falls short at first."""


def settle_foot_joints(posed: PosedMotions, ground_m: np.ndarray) -> PosedMotions:
    """Bend toes out of the ground, and roll standing feet back onto their soles.

    Ankles and toe joints stay where they are. Motions in which no foot turns are returned as they are.

    Args:
        ground_m: (N, T, 2) height of the ground beneath each foot.
    """
    skeleton = posed.motions.skeleton
    bent = bend_toes(posed, ground_m, is_soft=True)
    stands = posed.stands_on(ground_m)
    rolls = roll_feet_back(bent, identity_rotations(*stands.shape), stands)
    orientations = bent.orientations.copy()
    legs = Legs.from_skeleton(skeleton)
    for side, with_foot in enumerate(legs.with_foot):
        orientations[:, :, with_foot] = compose(rolls[:, :, [side]], orientations[:, :, with_foot])
    is_turned = (orientations != posed.orientations).any(axis=-1)
    if not is_turned.any():
        return posed
    is_turned[:, :, 1:] |= is_turned[:, :, skeleton.parents[1:]]
    turned = np.where(is_turned[..., None], local_rotations(skeleton, orientations), posed.motions.rotations)
    settled = PosedMotions.from_motions(replace(posed.motions, rotations=turned), posed.soles)
    vars(settled)["standing"] = posed.standing  # points that stand stay
    return settled


def flattening_share(posed: PosedMotions, ground_m: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Return how fully feet are flattened (N, T, 2).

    Standing feet that are nearly flat are laid flat, and sunken feet are flattened as far as that lifts them.

    Args:
        ground_m: (N, T, 2) height of the ground beneath each foot.
        stands: (N, T, 2) stances.
    """
    fps = posed.motions.fps
    ankles_m = posed.positions_m[:, :, Legs.from_skeleton(posed.motions.skeleton).ankles]
    solid_m = solid_foot_points_m(posed)
    fully_flat = flattening_rotations(posed.normals, np.ones(stands.shape))
    flat_m = rotate_feet(solid_m, ankles_m, fully_flat)
    heights_m = solid_foot_heights_m(posed, solid_m, ground_m)
    flat_heights_m = solid_foot_heights_m(posed, flat_m, ground_m)
    standing_share = _standing_share(posed.normals, stands, fps)
    lifting_share = share_above(heights_m, flat_heights_m, posed.normals, fps)
    return np.maximum(standing_share, lifting_share)


def flattening_rotations(normals: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return world rotations (N, T, 2, 4) that flatten feet.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        share: (N, T, 2) share of the tilt that is removed.
    """
    axes = cross(normals, UP)
    axes /= np.maximum(norms(axes), 1e-9)[..., None]
    angles_rad = _tilt_rad(normals) * share
    return quaternions(axes * angles_rad[..., None])


def _standing_share(normals: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully standing feet are laid flat; nearly flat feet fully.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        stands: (N, T, 2) stances.

    Returns:
        (N, T, 2) in [0, 1], smoothed over time.
    """
    tilt_share = (_TILTED_RAD - _tilt_rad(normals)) / (_TILTED_RAD - _FLAT_RAD)
    share = smoothstep(tilt_share)
    standing = np.clip(1.2 * blur(stands, 1.5, fps), 0.0, 1.0)
    return blur(share * standing, 1.0, fps)


def share_above(heights_m: np.ndarray, flat_m: np.ndarray, normals: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully sunken feet are flattened so that they come above the floor.

    Feet of a body that kneels or lies point back beyond the vertical. They are lifted instead.

    Args:
        heights_m: (N, T, 2) height of each foot's lowest corner.
        flat_m: (N, T, 2) the same height if the foot were flat.
        normals: (N, T, 2, 3) of the soles, world.

    Returns:
        (N, T, 2) in [0, 1], smoothed over time.
    """
    gain_m = flat_m - heights_m
    share = np.where(gain_m > 1e-3, -heights_m / np.maximum(gain_m, 1e-3), 0.0)
    bears = _bearing_share(normals)
    return blur(np.clip(share, 0.0, 1.0) * bears, 1.0, fps)


def roll_feet_back(posed: PosedMotions, turns: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Extend rotations (N, T, 2, 4) to roll standing feet onto their soles.

    The heel and toe joint of such a foot certainly stand, but nothing shows its roll, which files made from joint
    positions choose freely. Feet below level shanks, as of a body that sits cross-legged, really lie on their edges.
    """
    toes = posed.motions.skeleton.pair("foot")
    if toes is None:
        return turns
    legs = Legs.from_skeleton(posed.motions.skeleton)
    ankles_m = posed.positions_m[:, :, legs.ankles]
    shanks_m = posed.positions_m[:, :, legs.knees] - ankles_m
    bears = shanks_m[..., 1] > STEEP * norms(shanks_m)
    stands_flat = observe_feet(posed.motions, lambda observation: observation.stands_flat)
    share = _rolled_share(posed.normals, stands & stands_flat & bears, posed.motions.fps)
    if not share.any():
        return turns
    rolls = _rolling_rotations(posed.normals, posed.positions_m[:, :, toes] - ankles_m)
    return slerp(turns, rolls, share[..., None])


def _rolling_rotations(normals: np.ndarray, toes_m: np.ndarray) -> np.ndarray:
    """Return world rotations (N, T, 2, 4) that roll feet about their length onto the sole.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        toes_m: (N, T, 2, 3) from ankle to toe joint, world.
    """
    axes = toes_m / np.maximum(norms(toes_m)[..., None], 1e-9)
    sines = cross(axes, normals) @ UP
    cosines = (normals - (normals * axes).sum(-1, keepdims=True) * axes) @ UP
    return quaternions(np.arctan2(sines, cosines)[..., None] * axes)


def _rolled_share(normals: np.ndarray, stands: np.ndarray, fps: float) -> np.ndarray:
    """Return how fully wrongly rolled feet are rolled back; the share is constant throughout a stance.

    Args:
        normals: (N, T, 2, 3) of the soles, world.
        stands: (N, T, 2) stances on heel and toe.

    Returns:
        (N, T, 2) in [0, 1].
    """
    least_rad, most_rad = _ROLLED_RAD
    share = smoothstep((_tilt_rad(normals) - least_rad) / (most_rad - least_rad)) * _bearing_share(normals) * stands
    frames = 2 * round(2 * TURN_S * fps) + 1
    return smooth_gaussian(maximum_filter1d(share, frames, axis=1, mode="nearest"), TURN_S * fps)


def bend_toes(posed: PosedMotions, ground_m: np.ndarray, *, is_soft: bool) -> PosedMotions:
    """Bend toes up that are below the ground while the ball is not.

    Only fitted soles are bent, because default soles need not be where the feet are.

    Args:
        ground_m: (N, T, 2) height of the ground beneath each foot.
        is_soft: Whether bends are limited and spread over time.
    """
    skeleton = posed.motions.skeleton
    toes = skeleton.pair("foot")
    if skeleton.soles_m is None or toes is None:
        return posed
    ground = posed.motions.ground
    for _ in range(_TOE_BENDS if is_soft else 1):
        joints_m = posed.positions_m[:, :, toes]
        tips_m = posed.feet_m[..., 4:, :]
        if ground is not None:
            ground_m = ground.beneath_m(tips_m).max(-1)
        balls_m = posed.feet_m[..., 2:4, 1].min(-1)
        lowest_m = np.minimum(balls_m, ground_m) - joints_m[..., 1]
        turns = _toe_bends(tips_m.mean(-2) - joints_m, lowest_m, posed.normals)
        if is_soft:
            turns = limit_turns(turns, _TOE_RAD, _TOE_S, posed.motions.fps)
        orientations = posed.orientations.copy()
        for side, toe in enumerate(toes):
            below_toe = skeleton.descendants[toe]
            orientations[:, :, below_toe] = compose(turns[:, :, [side]], orientations[:, :, below_toe])
        feet_m = split_by_foot(corner_positions(posed.soles, posed.positions_m, orientations))
        posed = replace(posed, orientations=orientations, feet_m=feet_m)
    return posed


def _toe_bends(tips_m: np.ndarray, lowest_m: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Return rotations that bend toe tips up to a height.

    Toes do not bend in feet that point back beyond the vertical, as those of a body that kneels or lies.

    Args:
        tips_m: (N, T, 2, 3) from toe joint to tip, world.
        lowest_m: (N, T, 2) minimum height of the tips, relative to the toe joint.
        normals: (N, T, 2, 3) of the soles, world.

    Returns:
        (N, T, 2, 4) in the world.
    """
    level_m = np.hypot(tips_m[..., 0], tips_m[..., 2])
    length_m = norms(tips_m)
    sines = np.clip(lowest_m / np.maximum(length_m, 1e-9), -1.0, 1.0)
    up_rad = np.arcsin(sines) - np.arctan2(tips_m[..., 1], level_m)
    bears = _bearing_share(normals)
    axes = np.stack([-tips_m[..., 2], np.zeros_like(level_m), tips_m[..., 0]], axis=-1)
    axes /= np.maximum(level_m, 1e-9)[..., None]
    angles_rad = bears * np.clip(up_rad, 0.0, _MAX_BEND_RAD)
    return quaternions(axes * angles_rad[..., None])


def limit_turns(turns: np.ndarray, most_rad: float, over_s: float, fps: float) -> np.ndarray:
    """Limit rotations of feet or toes, spread them over time, and drop small ones.

    Args:
        turns: (N, T, 2, 4) in the world.
        most_rad: Maximum rotation of a joint, approached smoothly.
        over_s: Standard deviation of the spread, in s.

    Returns:
        (N, T, 2, 4) in the world.
    """
    turns_rad = rotation_vectors(turns)
    sizes = np.maximum(norms(turns_rad)[..., None], 1e-9) / most_rad
    bounded_rad = np.tanh(sizes) / sizes * turns_rad
    turns_rad = smooth_gaussian(bounded_rad, over_s * fps)
    share = deadband(norms(turns_rad), _SMALL_RAD, fps)
    return quaternions(share[..., None] * turns_rad)


def _bearing_share(normals: np.ndarray) -> np.ndarray:
    """Return how certainly feet do not point back beyond the vertical.

    Returns:
        (N, T, 2) in [0, 1].
    """
    least_rad, most_rad = _POINTING_BACK_RAD
    return smoothstep((most_rad - _tilt_rad(normals)) / (most_rad - least_rad))


def _tilt_rad(normals: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(normals[..., 1], -1.0, 1.0))
