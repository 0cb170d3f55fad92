"""Skip motions of bodies that something unseen carries.

Neither feet nor floor show where such bodies should be, so a correction would only displace them. They are left
unchanged, and the report says so. Contacts, a ground or a floor given by the user override this.

- A body that sits and glides rides on a wheelchair, a bicycle or in a car.
- A body that lies off the floor and travels swims or flies.
- A body whose feet circle together without a step stands on a turntable.
- A body that sits all the time with its feet above y = 0 has footrests.
- A body that is upside down stands on its hands or hangs by its legs.
- A body whose feet stay above the floor and never rest hangs and swings.
- A body whose feet hang all the time falls or jumps, as in game loops.
- A body that is pushed up while both feet still fall or rise far bounces on a trampoline.
"""

from itertools import pairwise

import numpy as np

from selfcorrect.motion.checks.bearing import AS_LOW_M
from selfcorrect.motion.checks.lost_height import LOWEST_PERCENTILE
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, norms, percentile
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.gliding import TRAVEL_M_S, VELOCITY_SMOOTHING_S
from selfcorrect.motion.perception.lifts import RIDE_S
from selfcorrect.motion.perception.motion_features import FALLING, MotionFeatures
from selfcorrect.motion.perception.observation import observe

from ..core.levelling import LevelFloor
from ..core.settings import ViewSettings
from ..results.results import CorrectedMotion, Note, NoteKind, Stage
from ..results.timeline import list_standing_feet
from ..results.view import CorrectionView, Part

_CARRIED_SHARE = 0.6
"""Minimum share of frames in which a body is carried."""
_SITTING_HIP_HEIGHT = 0.75
"""Maximum hip height above the ankles of a sitting body, in leg lengths."""
_INVERTED_SINE = 0.7
"""Sine of the trunk's angle above which a body is upside down. Below half of it, the body lies."""
_FLYING_HEIGHT_M = 0.3
"""Minimum height of all joints of a swimming or flying body, in m."""
_SWIMMING_DEPTH_M = 0.1
"""Minimum depth of the lowest joint of a swimming body below y = 0, where the water's surface may be, in m."""
_FLOATING_SPEED_RATIO = 0.5
"""Minimum speed of a swimming body's knees and ankles along the pelvis' path, relative to the pelvis' speed."""
_MAX_HIP_ROLL = 0.7
"""Maximum height difference between the hips of such a body, relative to their distance."""
_RIGID_FEET_M_S = 0.06
"""Maximum relative speed of feet on a ride, and their maximum vertical speed, in m/s."""
_TURNTABLE_RAD_S = 0.2
"""Minimum angular speed of a turntable, in rad/s."""
_MAX_STRAY_M_S = 0.1
"""Maximum speed of feet on a turntable beyond their rotation about its axis, in m/s."""
_FOOTREST_HEIGHTS_M = (0.11, 0.4)
"""Heights of the lowest joint between which feet are on footrests, in m. On the floor, toe joints are 3 cm high, and
captured floors are off by less than the rest. Bodies that sit higher sit on another floor."""
_SWING_HEIGHT_M = 0.1
"""Minimum height of a swinging body's feet above the floor, in m."""
_SWING_S = 2.0
"""Minimum time for which feet stay at that height, in s. No jump takes as long."""
_SWINGING_FEET_M_S = 0.4
"""Minimum median speed of the slowest foot joint, in m/s. Feet on steps and rungs rest."""
_SWINGING_ROOT_M_S = 0.2
"""Minimum median root speed over the floor, in m/s. A body that hangs still is held by its hands."""
_MAX_FREE_FALL_SHARE = 0.1
"""Maximum share of time in free fall. A body that runs or hops falls freely for longer."""
_RETURN_RANGE_M = 0.06
"""Maximum height range of feet that return to one height, in m. Feet that glide over a floor at another height are
lower than this above it half of the time."""
_HELD_HAND_SPEED_RATIO = 0.5
"""Maximum hand speed of a hanging body, relative to its root speed."""
_SOLE_SMOOTHING_S = 0.08
"""Standard deviation of the Gaussian that smooths sole heights, in s."""
_RESTING_M_S = (0.08, 0.2)
"""Maximum vertical and horizontal speed of a resting foot, in m/s."""
_RESTING_SHARE = 0.5
"""Minimum share of frames in which feet on a floor keep their height or their position. It is exceeded by 411 of 412
pieces of CMU's clips in which the body does not fly."""
_FULLY_RESTING_SHARE = 0.15
"""Minimum share of frames in which they keep both."""
_YIELD_M = 0.12
"""Minimum displacement of both feet, up or down, on ground that yields under load, such as a trampoline, in m."""
_YIELD_M_S = 0.3
"""Minimum vertical speed of feet on such ground, in m/s. Feet that land on a floor stop at once."""
_MIN_BOUNCES = 2
"""Minimum number of such displacements."""


def find_carrier(motion: Motion) -> str:
    """Find what carries a body most of the time.

    Floor and supports do not count.

    Returns:
        A description, or "" if nothing does.
    """
    features = MotionFeatures.of_joints(motion)
    positions_m = features.places("pelvis", "neck", "left_ankle", "right_ankle")
    if positions_m is None or len(motion) < RIDE_S * motion.fps:
        return ""
    pelvis_m, neck_m, left_m, right_m = np.moveaxis(positions_m, 1, 0)
    trunk_m = neck_m - pelvis_m
    rise = trunk_m[:, 1] / np.maximum(norms(trunk_m), 1e-9)
    ankles_m = np.stack([left_m, right_m], axis=1)
    is_upside_down = (rise < -_INVERTED_SINE) & (ankles_m[..., 1] > pelvis_m[:, None, 1]).all(axis=1)
    root_m_s = norms(_smooth_velocities_m_s(pelvis_m, motion.fps)[:, [0, 2]])
    feet_m_s = _smooth_velocities_m_s(ankles_m, motion.fps)
    is_above = features.positions_m[..., 1].min(axis=1) > _FLYING_HEIGHT_M
    lies = np.abs(rise) < _INVERTED_SINE / 2
    is_below = features.positions_m[..., 1].min(axis=1) < -_SWIMMING_DEPTH_M
    swims = lies & (root_m_s > TRAVEL_M_S) & (is_above | (is_below & _find_floating_legs(features)))
    apart_m_s = np.gradient(norms(left_m - right_m), 1 / motion.fps)
    is_rigid = np.abs(gaussian_filter1d(apart_m_s, VELOCITY_SMOOTHING_S * motion.fps, mode="nearest")) < _RIGID_FEET_M_S
    is_rigid &= (np.abs(feet_m_s[..., 1]) < _RIGID_FEET_M_S).all(axis=1)
    sits = pelvis_m[:, 1] - ankles_m[..., 1].mean(axis=1) < _SITTING_HIP_HEIGHT * motion.skeleton.leg_m
    across_m = left_m - right_m
    heading_rad = np.unwrap(np.arctan2(across_m[:, 0], across_m[:, 2]))
    turns_rad_s = gaussian_filter1d(
        np.gradient(heading_rad) * motion.fps, VELOCITY_SMOOTHING_S * motion.fps, mode="nearest"
    )
    turns = is_rigid & (np.abs(turns_rad_s) > _TURNTABLE_RAD_S)
    turns &= _find_circling_frames(ankles_m.mean(axis=1), feet_m_s.mean(axis=1), turns_rad_s)
    lowest_m = features.positions_m[..., 1].min(axis=1)
    is_raised = (lowest_m > _FOOTREST_HEIGHTS_M[0]) & (lowest_m < _FOOTREST_HEIGHTS_M[1])
    rides = sits & is_rigid & (norms(feet_m_s.mean(axis=1)[:, [0, 2]]) > TRAVEL_M_S) & (root_m_s > TRAVEL_M_S)
    if np.count_nonzero(rides) >= RIDE_S * motion.fps:
        rides = sits & is_rigid  # who rode sits on the same vehicle when it rests
    for carried, words in (
        (is_upside_down, "is upside down: hands, head or a bar carry it"),
        (swims, "lies and travels off the floor: it swims or flies"),
        (rides, "sits and rides: feet travel with the seat and do not step"),
        (turns, "turns without a step: a turntable or a board carries it"),
        (sits & is_rigid & is_raised, "sits with its feet above the floor, as on footrests"),
        (_find_swinging(features, root_m_s), "hangs or swings: its feet stay above the floor and do not rest"),
    ):
        if carried.mean() > _CARRIED_SHARE:
            return words
    if _bounces(features):
        return "bounces on ground that yields, as on a trampoline"
    hangs = features.ground.has_hanging_feet or _is_off_the_floor(features, root_m_s)
    return "is in the air: its feet hang, and no foot takes load" if hangs else ""


def _is_off_the_floor(features: MotionFeatures, root_m_s: np.ndarray) -> bool:
    """Return whether a body hangs, or never stands.

    Such a body is above y = 0 and does not fall. Either it hangs by its hands, or its feet never come to rest. Walking
    feet, even if they slide, keep the height of the floor in stance. Feet of a body that floats, or on a floor that
    rises, keep their position. Legs that swing in the air do neither.

    Args:
        root_m_s: (T,) speed of the root over the floor.
    """
    positions_m = features.places("head", "left_wrist", "right_wrist")
    feet_m = features.places("left_ankle", "left_foot", "right_ankle", "right_foot")
    if feet_m is None:
        return False
    heights_m = feet_m[..., 1].reshape(len(features), 2, 2).min(axis=2)
    lowest_m = heights_m.min(axis=1)
    if float(percentile(lowest_m, LOWEST_PERCENTILE)) < _SWING_HEIGHT_M:
        return False
    falls = features.falls_m_s2 > FALLING * GRAVITY_M_S2
    if falls.mean() > _MAX_FREE_FALL_SHARE or features.ground.plane.is_tilted:
        return False
    if positions_m is not None:
        hands_m_s = norms(_smooth_velocities_m_s(positions_m[:, 1:], features.fps)).max(axis=1)
        is_hand_up = (positions_m[:, 1:, 1] > positions_m[:, :1, 1]).all(axis=1)
        is_held = is_hand_up & (hands_m_s < _HELD_HAND_SPEED_RATIO * root_m_s)
        if is_hand_up.all() and is_held.mean() > _CARRIED_SHARE:
            return True
    smooth_m = gaussian_filter1d(lowest_m, _SOLE_SMOOTHING_S * features.fps, mode="nearest")
    rises_m_s = np.abs(np.gradient(smooth_m) * features.fps)
    is_lowest = heights_m < lowest_m[:, None] + AS_LOW_M
    along_m_s = np.where(is_lowest, features.observation.along_m_s, np.inf).min(axis=1)
    keeps_height = (rises_m_s < _RESTING_M_S[0])[~falls]
    keeps_place = (along_m_s < _RESTING_M_S[1])[~falls]
    seldom = max(keeps_height.mean(), keeps_place.mean()) < _RESTING_SHARE
    return bool(seldom and (keeps_height & keeps_place).mean() < _FULLY_RESTING_SHARE)


def _bounces(features: MotionFeatures) -> bool:
    """Return whether the ground yields under an upright body.

    Both feet move far down or up together while the ground pushes the body up by more than its weight, and the body
    flies in between.
    """
    positions_m = features.places("pelvis", "left_ankle", "right_ankle")
    toes_m = features.places("left_foot", "right_foot")
    if positions_m is None:
        return False
    heights_m = positions_m[..., 1]
    feet_m = heights_m[:, 1:] if toes_m is None else np.minimum(heights_m[:, 1:], toes_m[..., 1])
    feet_m_s = np.gradient(feet_m, 1 / features.fps, axis=0)
    is_upright = heights_m[:, 0] - feet_m.max(axis=1) > _SITTING_HIP_HEIGHT * features.skeleton.leg_m
    is_pushed = features.falls_m_s2 < -FALLING * GRAVITY_M_S2
    moves = np.abs(feet_m_s).min(axis=1) > _YIELD_M_S
    moves &= np.sign(feet_m_s[:, 0]) == np.sign(feet_m_s[:, 1])
    pushes = [
        (start, stop)
        for start, stop in find_runs(is_upright & is_pushed & moves)
        if np.ptp(feet_m[start:stop], axis=0).min() > _YIELD_M
    ]
    falls = features.falls_m_s2 > FALLING * GRAVITY_M_S2
    flights = sum(falls[stop:start].mean() > 0.5 for (_, stop), (start, _) in pairwise(pushes) if stop < start)
    return len(pushes) >= _MIN_BOUNCES and flights >= _MIN_BOUNCES - 1


def _find_floating_legs(features: MotionFeatures) -> np.ndarray:
    """Find frames (T,) in which the legs of a swimming body float along.

    Knees and ankles travel with the pelvis, and the body does not roll over. The legs of a crawling body rest in turn.
    """
    positions_m = features.places("pelvis", "left_knee", "right_knee", "left_ankle", "right_ankle")
    hips_m = features.places("left_hip", "right_hip")
    if positions_m is None or hips_m is None:
        return np.zeros(len(features), dtype=bool)
    velocities_m_s = _smooth_velocities_m_s(positions_m, features.fps)[..., [0, 2]]
    root_m_s = velocities_m_s[:, 0]
    speeds_m_s = np.maximum(norms(root_m_s), 1e-9)
    along_m_s = np.einsum("tji,ti->tj", velocities_m_s[:, 1:], root_m_s) / speeds_m_s[:, None]
    across_m = hips_m[:, 1] - hips_m[:, 0]
    is_flat = np.abs(across_m[:, 1]) < _MAX_HIP_ROLL * np.maximum(norms(across_m), 1e-9)
    return is_flat & (along_m_s.min(axis=1) > _FLOATING_SPEED_RATIO * speeds_m_s)


def _find_circling_frames(positions_m: np.ndarray, velocities_m_s: np.ndarray, turns_rad_s: np.ndarray) -> np.ndarray:
    """Find frames (T,) in which positions circle about a fixed axis.

    The axis is vertical; a gliding body would take it along. It is fitted by least squares.

    Args:
        positions_m: (T, 3).
        velocities_m_s: (T, 3).
        turns_rad_s: (T,) angular speeds, positive from z to x.
    """
    x_m, z_m = positions_m[:, 0], positions_m[:, 2]
    weight = max(float(np.sum(turns_rad_s**2)), 1e-9)
    axis_x_m = np.sum(turns_rad_s * (turns_rad_s * x_m + velocities_m_s[:, 2])) / weight
    axis_z_m = np.sum(turns_rad_s * (turns_rad_s * z_m - velocities_m_s[:, 0])) / weight
    expected_m_s = turns_rad_s[:, None] * np.stack([z_m - axis_z_m, axis_x_m - x_m], axis=1)
    return norms(velocities_m_s[:, [0, 2]] - expected_m_s) < _MAX_STRAY_M_S


def _find_swinging(features: MotionFeatures, root_m_s: np.ndarray) -> np.ndarray:
    """Find frames (T,) in which a body swings.

    Args:
        root_m_s: (T,) speed of the root over the floor.
    """
    feet_m = features.places("left_ankle", "left_foot", "right_ankle", "right_foot")
    swings = np.zeros(len(features), dtype=bool)
    if feet_m is None:
        return swings
    lowest_m = feet_m[..., 1].min(axis=1)
    floor_m = min(float(percentile(lowest_m, LOWEST_PERCENTILE)), 0.0)
    for start, stop in find_runs(lowest_m > floor_m + _SWING_HEIGHT_M, _SWING_S * features.fps):
        swings[start:stop] = True
    if not swings.any() or features.ground.plane.is_tilted:
        return np.zeros(len(features), dtype=bool)
    slowest_m_s = norms(_smooth_velocities_m_s(feet_m, features.fps)).min(axis=1)
    rests = np.median(slowest_m_s[swings]) < _SWINGING_FEET_M_S or np.median(root_m_s[swings]) < _SWINGING_ROOT_M_S
    flies = np.mean(features.falls_m_s2[swings] > FALLING * GRAVITY_M_S2) > _MAX_FREE_FALL_SHARE
    returns = np.ptp(np.percentile(lowest_m[swings], (LOWEST_PERCENTILE, 50.0))) < _RETURN_RANGE_M
    return swings & np.logical_not(rests | flies | returns)


def _smooth_velocities_m_s(positions_m: np.ndarray, fps: float) -> np.ndarray:
    return gaussian_filter1d(
        np.gradient(positions_m, 1 / fps, axis=0), VELOCITY_SMOOTHING_S * fps, axis=0, mode="nearest"
    )


def skip_carried(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide motions that something unseen carries.

    Such motions are left unchanged, and their errors are not measured, because their ground is unknown. A motion is not
    skipped if users specified its contacts or ground, in a scene, or if floors are not estimated.
    """
    motion = part.motion
    is_told = motion.ground is not None or (motion.contacts is not None and np.isinf(motion.contacts).any())
    if is_told or not settings.scene.is_plain or settings.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(part)
    carrier = find_carrier(motion)
    if not carrier:
        return CorrectionView.from_part(part)
    note = Note(NoteKind.CARRIED, words=carrier)
    still = {"moved_m": 0.0, "furthest_m": 0.0, "raised_m": 0.0}
    kept = CorrectedMotion(
        motion,
        stage=Stage.CLEANED,
        figures=still,
        standing_feet=list_standing_feet(observe(motion).stands),
        remarks=(note,),
        is_carried=True,
    )
    return CorrectionView([], lambda _: kept)
