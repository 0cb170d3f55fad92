"""Estimate how the floor drifts beneath one body.

The drift is zero unless it is certain: it is accepted only if far fewer points still move than without it. Feet that
run, leap or roll give less evidence than feet that walk, so their drift must be clearer.
"""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.geometry.filters import gaussian_filter1d
from selfcorrect.motion.geometry.floor_speeds import floor_velocities_between_m_s
from selfcorrect.motion.geometry.vectors import norms, percentile
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.gliding import TRAVEL_M_S
from selfcorrect.motion.perception.stances import SHORTEST_STANCE_S

from .drift_evidence import (
    CALM,
    LEAPING,
    NOISY,
    RUNNING,
    TREADMILL,
    SharedVelocity,
    StanceEvidence,
    find_confidence,
    fit_drift,
    fit_steady_drift,
)

_UPRIGHT_M = 0.5
"""Minimum root height above the soles of an upright body, in m."""
_MIN_UPRIGHT_SHARE = 0.5
"""Minimum share of time on the feet for steady drift."""
_MIN_UPRIGHT_IF_CHANGING = 0.8
"""Minimum share of time on the feet for changing drift. People who roll on the floor really move along."""
_MIN_FRAMES = 12
"""Minimum number of frames that show drift."""
_RUNNING_M_S = 2.0
"""Minimum speed of a run, in m/s. Its feet are hardly ever still, so that it seems to drift, as leaps do."""
_MIN_RUNNING_DRIFT = 0.12
"""Minimum drift of a running body, relative to its speed."""
_MAX_ALONG_COSINE = 0.45
"""Maximum cosine between the directions of run and drift."""
_SWINGING_M_S = (0.32, 0.38)
"""Changes of drift (RMS, in m/s) from which on they may be, and certainly are, more than the feet of a run pretend.
CMU's training runs seem to drift by changes of up to 0.15 m/s."""
_LEAPING_M = 0.08
"""Height of both feet in a leap, in m above their usual height."""
_LEAPING_SHARE = 0.1
"""Minimum share of time in the air of a leaping body, whose feet show as little as a run's."""
_ROLLING_SPEED_RATIO = 0.015
"""Apparent speed of a rolling foot, relative to the speed of the walking body."""
_ROLLING_M_S = 1.2
"""Body speed above which rolling no longer increases, in m/s."""
_UNSURE_M_S = 0.18
"""Speed below which rolling may explain slow drift, in m/s."""
_SLOW_DRIFT_S = 5 / 3
"""Time scale of slow drift, in s."""
_TRAVEL_SMOOTHING_S = 1 / 3
"""Smoothing time of the body's velocity, in s."""
_LONG_MOTION_S = 6.0
"""Minimum duration of a long motion, in s."""
_IN_PLACE_M_S = 0.2
"""Minimum speed of a treadmill's belt, in m/s."""
IN_PLACE_SHARE = 0.2
"""Maximum root speed on a treadmill, relative to the belt."""


def estimate_floor_drift(motion: Motion, feet_m: np.ndarray, *, noisy: bool = False) -> np.ndarray:
    """Estimate the drift of the floor beneath one body; zero unless certain.

    Args:
        motion: Motion of T frames.
        feet_m: (T, 2, K, 3) sole corners.
        noisy: Whether the joints are noisy. The drift of a noisy body that runs is not estimated.

    Returns:
        (T − 1, 2) in m/s, along x and z.
    """
    root_m = motion.root_m
    fps = motion.fps
    no_drift_m_s = np.zeros((len(root_m) - 1, 2))
    lowest_m = feet_m[..., 1].min((1, 2))
    upright = root_m[:, 1] - lowest_m > _UPRIGHT_M
    if len(root_m) < _MIN_FRAMES or upright.mean() < _MIN_UPRIGHT_SHARE:
        return no_drift_m_s
    standing = StanceEvidence.from_motion(motion, feet_m, upright)
    if standing.weights.max(1).sum() < SHORTEST_STANCE_S * fps:
        return no_drift_m_s
    required = NOISY if noisy else CALM
    if standing.stationary_share(no_drift_m_s, required.still_m_s) >= max(required.steady, required.changing):
        return no_drift_m_s  # too many points are still to believe in a drift
    drift_m_s, is_steady = fit_drift(standing, required, fps)
    if not is_steady and upright.mean() < _MIN_UPRIGHT_IF_CHANGING:
        return no_drift_m_s

    travel_m_s = _travel_velocity(drift_m_s, root_m, fps)
    leaps = _leaps(lowest_m)
    runs = norms(travel_m_s).mean() > _RUNNING_M_S
    is_fast = runs or leaps
    if is_fast:
        belt_m_s = _estimate_belt_velocity(standing, root_m, fps)
        if belt_m_s is not None:
            return belt_m_s
    is_aside = not is_fast or _is_sideways_drift(drift_m_s, travel_m_s)
    if is_fast and (noisy or not (is_aside or runs)):
        return no_drift_m_s

    if runs:
        required = RUNNING
    elif leaps:
        required = LEAPING
    confidence = find_confidence(standing, drift_m_s, required, steady=is_steady)
    swing_m_s = no_drift_m_s
    swing_share = 0.0
    if runs:
        swing_m_s, swing_share = _remove_mean_along_travel(drift_m_s, travel_m_s)
    unbiased_m_s = drift_m_s - _rolling_bias(travel_m_s)
    drift_m_s = confidence * (swing_share * swing_m_s + (1 - swing_share) * is_aside * unbiased_m_s)
    return drift_m_s if is_steady else drift_m_s - _ambiguous_drift(drift_m_s, fps)


def find_certain_drift(motion: Motion, feet_m: np.ndarray) -> np.ndarray:
    """Find a slow, steady drift that is certain; zero if there is none.

    Feet that stand in successive seconds share it, and the body neither runs, leaps nor walks in place. A faster drift
    may be intended: people ride, skate, or are pulled along.

    Args:
        motion: Motion of T frames.
        feet_m: (T, 2, K, 3) sole corners.

    Returns:
        (T − 1, 2) in m/s, along x and z.
    """
    root_m = motion.root_m
    lowest_m = feet_m[..., 1].min((1, 2))
    is_upright = root_m[:, 1] - lowest_m > _UPRIGHT_M
    no_drift_m_s = np.zeros((len(root_m) - 1, 2))
    if len(root_m) < _MIN_FRAMES or is_upright.mean() < _MIN_UPRIGHT_IF_CHANGING or _leaps(lowest_m):
        return no_drift_m_s
    shared = SharedVelocity.from_stances(StanceEvidence.from_motion(motion, feet_m, is_upright), motion.fps)
    if not shared.is_certain:
        return no_drift_m_s
    drift_m_s = np.broadcast_to(shared.velocity_m_s, no_drift_m_s.shape)
    travel_m_s = _travel_velocity(drift_m_s, root_m, motion.fps)
    unbiased_m_s = drift_m_s - _rolling_bias(travel_m_s).mean(0)
    is_slow = norms(unbiased_m_s).max() < TRAVEL_M_S and norms(travel_m_s).mean() < _RUNNING_M_S
    is_drift = is_slow and not is_in_place(unbiased_m_s, root_m, motion.fps, IN_PLACE_SHARE)
    return unbiased_m_s if is_drift else no_drift_m_s


def _leaps(lowest_m: np.ndarray) -> bool:
    """Return whether a body is often in the air, given the height (T,) of its lowest sole corner."""
    is_airborne = lowest_m > percentile(lowest_m, 20) + _LEAPING_M
    return bool(np.mean(is_airborne) > _LEAPING_SHARE)


def is_in_place(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float, share: float) -> bool:
    """Return whether the body travels less than the floor beneath it.

    Args:
        drift_m_s: (S, 2) velocity of the floor.
        share: Maximum distance of the body, as a share of the floor's.
    """
    root_m_s = (root_m[-1] - root_m[0])[[0, 2]] * fps / (len(root_m) - 1)
    root_speed_m_s = float(np.linalg.norm(root_m_s))
    belt_speed_m_s = float(np.linalg.norm(drift_m_s.mean(0)))
    return belt_speed_m_s > _IN_PLACE_M_S and root_speed_m_s < share * belt_speed_m_s


def _estimate_belt_velocity(standing: StanceEvidence, root_m: np.ndarray, fps: float) -> np.ndarray | None:
    """Estimate the steady velocity (S, 2) of a treadmill.

    The body runs or hops on it. In a run that travels, drift along the run cannot be distinguished from the movement of
    the feet. In a run on the spot it can: unless there is a belt, hardly any point of the feet is ever still.

    Returns:
        The velocity; None without a treadmill.
    """
    belt_m_s = np.broadcast_to(fit_steady_drift(standing), (len(root_m) - 1, 2))
    if not is_in_place(belt_m_s, root_m, fps, IN_PLACE_SHARE):
        return None
    confidence = find_confidence(standing, belt_m_s, TREADMILL, steady=True)
    return belt_m_s.copy() if confidence == 1.0 else None


def _is_sideways_drift(drift_m_s: np.ndarray, travel_m_s: np.ndarray) -> bool:
    """Return whether a drift (S, 2) is too fast for, and not along, a run (S, 2).

    A drift along the run, or a slow one, may come from the movement of the feet.
    """
    along = np.sum(drift_m_s * travel_m_s, axis=1)
    drift_speeds_m_s = norms(drift_m_s)
    travel_speeds_m_s = norms(travel_m_s)
    cosine = np.mean(along / np.maximum(drift_speeds_m_s * travel_speeds_m_s, 1e-9))
    is_fast = drift_speeds_m_s.mean() > _MIN_RUNNING_DRIFT * travel_speeds_m_s.mean()
    return bool(is_fast and abs(cosine) < _MAX_ALONG_COSINE)


def _remove_mean_along_travel(drift_m_s: np.ndarray, travel_m_s: np.ndarray) -> tuple[np.ndarray, float]:
    """Remove the mean along the run from a drift.

    The mean may come from the movement of the feet.

    Args:
        drift_m_s: (S, 2) drift.
        travel_m_s: (S, 2) velocity of the run.

    Returns:
        The drift, and the confidence, in [0, 1], that it changes by more than that.
    """
    low_m_s, high_m_s = _SWINGING_M_S
    mean_m_s = drift_m_s.mean(0)
    course_m_s = travel_m_s.mean(0)
    along = course_m_s / max(float(np.linalg.norm(course_m_s)), 1e-9)  # a run that ends where it began has no course
    changes_m_s = float(np.sqrt(np.sum((drift_m_s - mean_m_s) ** 2, axis=1).mean()))
    confidence = float(np.clip((changes_m_s - low_m_s) / (high_m_s - low_m_s), 0.0, 1.0))
    return drift_m_s - (mean_m_s @ along) * along, confidence


def _travel_velocity(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """Return the body's velocity (S, 2) without drift, smoothed over steps."""
    velocity_m_s = floor_velocities_between_m_s(root_m, fps) - drift_m_s
    return gaussian_filter1d(velocity_m_s, _TRAVEL_SMOOTHING_S * fps, axis=0, mode="nearest")


def _rolling_bias(travel_m_s: np.ndarray) -> np.ndarray:
    """Return the apparent drift (S, 2) of rolling feet.

    Args:
        travel_m_s: (S, 2) velocity of the body.
    """
    speed_m_s = norms(travel_m_s)[..., None]
    share = np.minimum(1.0, _ROLLING_M_S / np.maximum(speed_m_s, 1e-9))
    return _ROLLING_SPEED_RATIO * travel_m_s * share


def _ambiguous_drift(drift_m_s: np.ndarray, fps: float) -> np.ndarray:
    """Return the part of a changing drift (S, 2) that rolling may explain."""
    if len(drift_m_s) < _LONG_MOTION_S * fps:
        return np.zeros_like(drift_m_s)
    slow_m_s = gaussian_filter1d(drift_m_s, _SLOW_DRIFT_S * fps, axis=0, mode="reflect")
    speed_m_s = norms(slow_m_s)[..., None]
    share = np.clip((_UNSURE_M_S - speed_m_s) / (0.6 * _UNSURE_M_S), 0.0, 1.0)
    return slow_m_s * share
