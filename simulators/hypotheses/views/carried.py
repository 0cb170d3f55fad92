"""Doubt that the floor carries a body.

Where could the forces that a motion needs act? Nearly always at feet that rest on a floor. They cannot if the feet are
above the body, or if they are off the floor and never come to rest, as in bodies that hang, swing, swim or fall in game
loops. Neither feet nor floor show where such bodies should be, so planting would only displace them: noise is removed,
feet and floor stay, and the report says so. Contacts, a ground or a floor given by the user override this.

Feet that ride or turn along with the ground beneath them need no rule of their own: they rest on the floor like the
feet of a clumsy generator, whose turns on dead feet are much more frequent than turntables.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.checks.bearing import AS_LOW_M
from selfcorrect.motion.checks.lost_height import LOWEST_PERCENTILE
from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, norms, percentile
from selfcorrect.motion.measures.moves import JointMoves
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.gliding import TRAVEL_M_S, VELOCITY_SMOOTHING_S
from selfcorrect.motion.perception.lifts import RIDE_S
from selfcorrect.motion.perception.motion_features import FALLING, MotionFeatures
from selfcorrect.motion.perception.observation import observe

from ...core.cleaning import CleanupState
from ...core.levelling import LevelFloor
from ...core.noise import Denoise
from ...core.settings import CleanupChoices, ViewSettings
from ...results.results import Beliefs, CorrectedMotion, GroundContacts, Note, NoteKind, Stage
from ...results.timeline import list_standing_feet
from ...results.view import CorrectionView, Part
from ..row import Hypothesis
from ..splices import JoinSplices

CARRIED = Hypothesis(
    name="carried",
    reference=f"{__name__}:doubt_floor",
    summary="The body is off the floor: it hangs, swings, swims, falls in a loop or is upside down.",
    evidence="CMU 49_21, loops of games",
)

_CARRIED_SHARE = 0.6
"""Minimum share of frames in which a body is carried."""
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
    lowest_m = features.positions_m[..., 1].min(axis=1)
    lies = np.abs(rise) < _INVERTED_SINE / 2
    is_off_floor = (lowest_m > _FLYING_HEIGHT_M) | ((lowest_m < -_SWIMMING_DEPTH_M) & _find_floating_legs(features))
    swims = lies & (root_m_s > TRAVEL_M_S) & is_off_floor
    for carried, words in (
        (is_upside_down, "is upside down: hands, head or a bar carry it"),
        (swims, "lies and travels off the floor: it swims or flies"),
        (_find_swinging(features, root_m_s), "hangs or swings: its feet stay above the floor and do not rest"),
    ):
        if carried.mean() > _CARRIED_SHARE:
            return words
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


def doubt_floor(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide motions whose forces act where neither feet nor floor show it.

    Only their noise and their stretches of impossible motion are corrected. Errors of feet and floor are not measured,
    because the ground is unknown. There is no doubt if users specified contacts or ground, or in a scene, or if floors
    are not estimated.
    """
    motion = part.motion
    is_told = motion.ground is not None or (motion.contacts is not None and np.isinf(motion.contacts).any())
    if is_told or not settings.scene.is_plain or settings.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(part)
    carrier = find_carrier(motion)
    if not carrier:
        return CorrectionView.from_part(part)
    return CorrectionView(
        [], lambda _: _correct_in_the_air(motion, settings.cleanup, Note(NoteKind.CARRIED, words=carrier))
    )


def _correct_in_the_air(motion: Motion, cleanup: CleanupChoices, note: Note) -> CorrectedMotion:
    """Correct what needs no floor: noise and splices."""
    kinds = (Denoise, JoinSplices)
    steps = [step for kind in kinds if (step := cleanup.find_step(kind)) is not None]
    cleaning = CleanupState.from_motions(MotionBatch.stack([replace(motion, feet=None)]), steps, cleanup.mode)
    for step in steps:
        cleaning = step(cleaning)
    cleaned = cleaning.motions[0]
    moves = JointMoves.from_motions(motion, cleaned)
    corrected = replace(motion, root_m=cleaned.root_m, rotations=cleaned.rotations)
    return CorrectedMotion(
        corrected if moves.figures["furthest_m"] else motion,
        stage=Stage.CLEANED,
        figures=moves.figures,
        contacts=GroundContacts(list_standing_feet(observe(motion).stands)),
        beliefs=Beliefs(is_carried=True),
        remarks=(note,),
    )
