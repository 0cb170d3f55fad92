"""Skating: how fast standing feet slide along the ground.

A foot that rolls over heel and toe has a sole point that stands still, but a foot that slides has none. So a foot's
speed is that of the slowest of heel, ball and tip, relative to a treadmill's belt, in frames in which the foot stands.
The points belong to a usual sole, so that the sole depth estimated from a motion does not change its speed. Checks,
corrections, references and pages use this speed. Samples of models are measured by the published mean over points near
the floor instead, see `PhysicalErrors.skate_m_s`.
"""

from dataclasses import replace

import numpy as np

from ..body.surface import find_sole_middles_m, sole_corners_m
from ..geometry.floor_speeds import floor_speeds_between_m_s
from ..geometry.vectors import norms
from ..kinematics import in_chunks
from ..motion import Motion
from ..perception.foot_frames import get_foot_frames
from ..perception.observation import observe
from ..skeleton import FootFrames
from ..views import LevelFeet

_IN_PLACE_SHARE = 0.5
"""Maximum travel speed of a body on a belt, relative to the belt. A faster body glides along with its feet."""


def measure_skating_m_s(motion: Motion, before: Motion | None = None) -> float:
    """Measure the mean skating speed, or 0 if no foot stands.

    Args:
        before: Motion of the same frames whose feet decide which foot stands when; None for the motion itself.
    """
    speeds_m_s = measure_skating_by_frame_m_s(motion, before)
    return float(np.nanmean(speeds_m_s)) if np.isfinite(speeds_m_s).any() else 0.0


def measure_skating_by_frame_m_s(
    motion: Motion, before: Motion | None = None, feet: FootFrames | None = None
) -> np.ndarray:
    """Measure each foot's skating speed (T − 1, 2) from the frame before.

    Where a foot does not stand, its speed is NaN.

    Args:
        before: Motion of the same frames whose feet decide which foot stands when; None for the motion itself.
        feet: Foot frames of both motions. None takes those of the motion before, if both have the same skeleton.
    """
    before = before or motion
    observation = observe(before)
    if not observation.has_feet or len(motion) < 2:
        return np.full((max(len(motion) - 1, 0), 2), np.nan)
    _, belt_m_s = find_belts_m_s(before, motion)

    if feet is None:
        feet = get_foot_frames(before if before.skeleton.same_as(motion.skeleton) else motion)
    level = LevelFeet(replace(feet, soles_m=None))

    def find_middles(frames: np.ndarray) -> np.ndarray:
        corners_m = sole_corners_m(level.view(motion.frames(frames[0], frames[-1] + 1)))
        return find_sole_middles_m(corners_m.reshape(len(frames), 2, -1, 3))

    middles_m = in_chunks(find_middles, np.arange(len(motion)))
    speeds_m_s = floor_speeds_between_m_s(middles_m, motion.fps, belt_m_s=belt_m_s).min(axis=-1)
    stands = observation.stands[1:] & observation.stands[:-1]
    return np.where(stands, speeds_m_s, np.nan)


def find_belts_m_s(before: Motion, after: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Find belt velocities (2,) along x and z, before and after a change.

    A velocity is 0 without a belt. If a change gives the body a path over the floor, the belt becomes slower.
    """
    glide_m_s = observe(before).glide_m_s
    travel_m_s = _travel_m_s(before)
    if norms(travel_m_s) >= _IN_PLACE_SHARE * norms(glide_m_s):
        return np.zeros(2), np.zeros(2)
    return glide_m_s, glide_m_s + _travel_m_s(after) - travel_m_s


def _travel_m_s(motion: Motion) -> np.ndarray:
    """Return the root's mean horizontal velocity (2,) along x and z."""
    return (motion.root_m[-1] - motion.root_m[0])[[0, 2]] / max(motion.seconds, 1e-9)
