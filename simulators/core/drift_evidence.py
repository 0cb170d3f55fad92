"""Evidence of a drifting floor, and the drift that fits it best.

On a drifting floor, horizontal speed does not show which point of a foot stands. Standing points are therefore inferred
from what drift does not change, which is height and vertical speed. The drift is the horizontal velocity, constant or
smooth in time, that makes most of these points still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.geometry.curves import scale_smoothness, smooth_whittaker
from selfcorrect.motion.geometry.floor_speeds import floor_velocities_between_m_s
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.stance_model import STANDS_M_S

from ..body.soles import lowness_weights

_NOISY_STANDS_M_S = 0.25
"""Usual speed of standing points on noisy bodies after noise is removed, in m/s. The slow part of the noise remains."""
_MIN_STEADY_RATIO = 0.8
"""Minimum share of evidence that steady drift makes still, relative to changing drift."""
_MIN_STEADY_SHARE = 0.3
"""Minimum share of all evidence that steady drift makes still."""
_GATE_WIDTH = 0.05
"""Range of shares over which confidence rises from 0 to 1."""
_MAX_STARTS = 100
"""Maximum number of starting points of the search."""
_OUTLIER_SCALES_M_S = (0.18, 0.12, 0.08, 0.06)
"""Outlier scales of the refinement, in m/s, one per round. The last one serves five rounds."""
_CHANGING_OUTLIER_M_S = 0.3
"""Outlier scale of changing drift, in m/s."""
_FIRST_OUTLIER_FACTOR = 3.0
"""First multiple of that scale. It falls to 1 from the first to the seventh of 12 rounds."""
_DRIFT_S = 1.0
"""Time for which a drift lasts and after which feet have other velocities, in s: about a step."""
_INDEPENDENT_S = 0.1
"""Time after which the velocity of a standing point no longer depends on that before, in s."""
_STANDS_IN_CAPTURES_M_S = 0.03
"""Usual median velocity of feet that stand for a second in captures, a standard deviation, in m/s."""
_CERTAIN_LOG_ODDS = 3.0
"""Log odds from which on a drift is certain, because one floor in twenty may drift. Of 64 clean captures, the largest
are 0.7. Of 12 to which 0.15 m/s was added, 7 have more than 3."""
_MEDIAN_ROUNDS = 10
"""Number of iterations of a geometric median."""
_MEDIAN_STEP_M_S = 0.002
"""Distance from a geometric median below which a velocity is as good as equal, in m/s."""
_MEAN_WEIGHT = 0.01
"""Weight of the mean velocity, to which changing drift returns while no foot stands."""


@dataclass(frozen=True)
class DriftEvidence:
    """Evidence that a drift must have to be accepted."""

    steady: float
    """Maximum evidence that is still without a steady drift, relative to what is still with it. Clean motion has
    more."""
    changing: float
    """The same ratio for changing drift."""
    fewest_still: float
    """Minimum share of the evidence that changing drift makes still."""
    still_m_s: float = STANDS_M_S
    """Speed of still points, a standard deviation, in m/s."""
    stiffness: float = 30.0
    """Weight of second differences of changing drift, at 30 frames per second."""


CALM = DriftEvidence(steady=0.66, changing=0.45, fewest_still=0.45)
RUNNING = DriftEvidence(steady=0.3, changing=0.3, fewest_still=0.2)
LEAPING = DriftEvidence(steady=0.3, changing=0.3, fewest_still=0.42)
NOISY = DriftEvidence(steady=0.45, changing=0.55, fewest_still=0.4, still_m_s=_NOISY_STANDS_M_S, stiffness=1000.0)
TREADMILL = DriftEvidence(steady=0.15, changing=0.15, fewest_still=0.15)


@dataclass(frozen=True, eq=False)
class StanceEvidence:
    """Velocities of P sole corners over S steps, weighted by how certainly they stand."""

    velocity_m_s: np.ndarray
    """(S, P, 2) velocities along x and z."""
    weights: np.ndarray
    """(S, P) weights."""

    @classmethod
    def from_motion(cls, motion: Motion, feet_m: np.ndarray, is_upright: np.ndarray) -> StanceEvidence:
        """Weigh low sole corners by how certainly the foot stands on ground that may slide.

        Args:
            motion: Motion of T frames.
            feet_m: (T, 2, K, 3) sole corners.
            is_upright: (T,) whether feet carry the body.
        """
        steps = len(motion) - 1
        weights = observe(motion).resting[..., None] * lowness_weights(feet_m[..., 1])
        step_weights = 0.5 * (weights[1:] + weights[:-1]) * is_upright[1:, None, None]
        velocities_m_s = floor_velocities_between_m_s(feet_m, motion.fps)
        return cls(velocities_m_s.reshape(steps, -1, 2), step_weights.reshape(steps, -1))

    def stationary_share(self, drift_m_s: np.ndarray, speed_m_s: float) -> float:
        """Return the share of the evidence that is still without a drift.

        Args:
            drift_m_s: (S, 2) drift that is removed.
            speed_m_s: Speed of still points, a standard deviation.
        """
        stationarity = _bell(self._deviation_m_s(drift_m_s) / speed_m_s)
        return float(np.sum(self.weights * stationarity) / self.weights.sum())

    def mean_velocity(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each step's weighted mean velocity (S, 2) over points, and its total weight (S,)."""
        total = weights.sum(1)
        weighted_m_s = np.sum(self.velocity_m_s * weights[..., None], axis=1)
        return weighted_m_s / np.maximum(total, 1e-9)[:, None], total

    def reject_outliers(self, drift_m_s: np.ndarray, scale_m_s: float) -> np.ndarray:
        """Reduce the weights (S, P) of points that do not move with a drift.

        The weights are those of Geman and McClure 1987.
        """
        return self.weights / (1 + (self._deviation_m_s(drift_m_s) / scale_m_s) ** 2) ** 2

    def _deviation_m_s(self, drift_m_s: np.ndarray) -> np.ndarray:
        return norms(self.velocity_m_s - drift_m_s[:, None])


@dataclass(frozen=True, eq=False)
class SharedVelocity:
    """Velocity that all standing feet share, second after second."""

    velocity_m_s: np.ndarray
    """(2,) along x and z."""
    log_odds: float
    """Log odds that the floor drifts, against feet that stand on a floor at rest as they do in captures."""

    @property
    def is_certain(self) -> bool:
        """True if the floor drifts beyond reasonable doubt."""
        return self.log_odds > _CERTAIN_LOG_ODDS

    @classmethod
    def from_stances(cls, standing: StanceEvidence, fps: float) -> SharedVelocity:
        """Compare the velocities of standing feet in successive seconds.

        Rolling, turning and noisy feet have other velocities in the next second, and a drifting floor the same. Each
        second counts once, by the geometric median of its velocities and by the share of time in which feet stand. Let
        s² be the mean product of the medians of successive seconds, and u² the usual one, of captured stances and of
        the medians' standard errors. The log odds are those of Gaussian medians with the variance max(s², u²) instead
        of u².
        """
        frames = max(round(_DRIFT_S * fps), 1)
        medians_m_s = []
        errors_m_s = []
        shares = []
        for start in range(0, len(standing.weights) - frames // 2, frames):
            weights = standing.weights[start : start + frames]
            velocities_m_s = standing.velocity_m_s[start : start + frames].reshape(-1, 2)
            median_m_s, deviation_m_s = _geometric_median(velocities_m_s, weights.ravel())
            medians_m_s.append(median_m_s)
            errors_m_s.append(deviation_m_s / np.sqrt(_DRIFT_S / _INDEPENDENT_S))
            shares.append(min(1.0, weights.max(1).sum() / frames))
        medians = np.array(medians_m_s).reshape(-1, 2)
        pairs = np.sqrt(np.multiply(shares[1:], shares[:-1]))
        if not pairs.any():
            return cls(np.zeros(2), 0.0)
        count = float(pairs.sum())
        agreement = float(pairs @ (medians[1:] * medians[:-1]).sum(1)) / 2
        usual = _STANDS_IN_CAPTURES_M_S**2 + float(np.average(np.square(errors_m_s), weights=shares))
        shared = max(agreement / count, usual)
        log_odds = (agreement / usual - agreement / shared - count * np.log(shared / usual)) / 2
        weights = np.append(pairs, 0.0) + np.insert(pairs, 0, 0.0)
        return cls(weights @ medians / weights.sum(), float(log_odds))


def _geometric_median(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the point (D,) with the smallest weighted sum of distances to points (P, D) (Weiszfeld 1937).

    Returns the point, and the median distance from it.
    """
    total = max(float(weights.sum()), 1e-9)
    middle = weights @ points / total
    for _ in range(_MEDIAN_ROUNDS):
        shares = weights / np.maximum(norms(points - middle), _MEDIAN_STEP_M_S)
        middle = shares @ points / max(float(shares.sum()), 1e-9)
    distances = norms(points - middle)
    order = np.argsort(distances, kind="stable")
    half = min(int(np.searchsorted(np.cumsum(weights[order]), total / 2)), len(order) - 1)
    return middle, float(distances[order[half]])


def fit_drift(standing: StanceEvidence, required: DriftEvidence, fps: float) -> tuple[np.ndarray, bool]:
    """Fit the drift (S, 2) that makes most points still.

    Returns:
        The steady or changing drift, and whether it is steady.
    """
    changing_m_s = _fit_changing_drift(standing, scale_smoothness(required.stiffness, fps))
    steady_m_s = np.broadcast_to(fit_steady_drift(standing), changing_m_s.shape)
    still_if_steady = standing.stationary_share(steady_m_s, required.still_m_s)
    still_if_changing = standing.stationary_share(changing_m_s, required.still_m_s)
    is_steady = still_if_steady >= _MIN_STEADY_RATIO * still_if_changing
    return (steady_m_s, True) if is_steady else (changing_m_s, False)


def fit_steady_drift(standing: StanceEvidence) -> np.ndarray:
    """Find the densest velocity (2,) of standing points by mean shift (Comaniciu and Meer 2002)."""
    all_weights = standing.weights.ravel()
    heavy = np.argsort(-all_weights, kind="stable")[: 6 * _MAX_STARTS]
    points = standing.velocity_m_s.reshape(-1, 2)[heavy]
    weights = all_weights[heavy]
    starts = points[:: max(1, len(points) // _MAX_STARTS)]
    distances_m_s = norms(starts[:, None] - points)
    densities = _bell(distances_m_s / STANDS_M_S) @ weights
    velocity_m_s = starts[densities.argmax()]
    for scale_m_s in (*_OUTLIER_SCALES_M_S, *_OUTLIER_SCALES_M_S[-1:] * 4):
        drift_m_s = np.broadcast_to(velocity_m_s, (len(standing.weights), 2))
        robust_weights = standing.reject_outliers(drift_m_s, scale_m_s)
        velocity_m_s = np.einsum("sp,spi->i", robust_weights, standing.velocity_m_s) / robust_weights.sum()
    return velocity_m_s


def _fit_changing_drift(standing: StanceEvidence, stiffness: float) -> np.ndarray:
    """Fit a smooth velocity (S, 2) to standing points, with outliers excluded step by step."""
    mean_m_s, total = standing.mean_velocity(standing.weights)
    habit_m_s = total @ mean_m_s / total.sum()
    drift_m_s = mean_m_s
    excluding = np.maximum(1.0, np.linspace(_FIRST_OUTLIER_FACTOR, -1.0, 12))
    for scale_m_s in _CHANGING_OUTLIER_M_S * np.array([np.inf, *excluding]):
        robust_weights = standing.reject_outliers(drift_m_s, scale_m_s)
        mean_m_s, total = standing.mean_velocity(robust_weights)
        share = (total / (total + _MEAN_WEIGHT))[:, None]
        shrunk_m_s = habit_m_s + share * (mean_m_s - habit_m_s)
        drift_m_s = smooth_whittaker(shrunk_m_s, stiffness, total + _MEAN_WEIGHT)
    return drift_m_s


def find_confidence(standing: StanceEvidence, drift_m_s: np.ndarray, required: DriftEvidence, *, steady: bool) -> float:
    """Return the confidence, from 0 to 1, in a drift (S, 2)."""
    still_with_drift = standing.stationary_share(drift_m_s, required.still_m_s)
    still_without = standing.stationary_share(np.zeros_like(drift_m_s), required.still_m_s)
    fewest_still = min(required.fewest_still, _MIN_STEADY_SHARE) if steady else required.fewest_still
    if still_with_drift < fewest_still:
        return 0.0
    most_without = required.steady if steady else required.changing
    return float(np.clip((most_without - still_without / still_with_drift) / _GATE_WIDTH, 0.0, 1.0))


def _bell(values: np.ndarray) -> np.ndarray:
    """Return a Gaussian of height and width 1."""
    return np.exp(-0.5 * values**2)
