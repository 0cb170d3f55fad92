"""A hidden Markov model of standing.

The model infers the probability that each point of a foot stands. It has two states and learns its scales by
expectation maximisation (EM). Evidence is relative: a standing point is slow compared with the swings and the noise of
the same motion, low compared with the ground, and stands for some time. So stances are found even if feet slide or
tremble, or if the floor is not at zero.
"""

import numpy as np

from ..geometry.filters import FRAME_S
from ..geometry.vectors import median, percentile
from .foot_paths import GLIDES_M_S, RISES_M_S, FootPaths

_SWITCH_S = 0.8
"""Mean time between changes of stance, in s."""
STANDS_M_S = 0.12
"""Usual horizontal speed of standing points, in m/s."""
SLIDES_M_S = 0.8
"""Maximum horizontal speed of sliding feet, in m/s."""
_SWINGS_M_S = 1.0
"""Usual horizontal speed in a swing, in m/s."""
SINKS_M_S = 0.4
"""Maximum vertical speed of standing feet, in m/s."""
_LIFTS_M_S = 0.6
"""Usual vertical speed in a swing, in m/s."""
_ROLL_FACTOR = 2.0
"""Speed of feet that roll over heel and toe while bearing load, relative to standing feet."""
_ROLL_SHARE = 0.2
"""Minimum speed scale of rolling feet, relative to a swing."""
_HEIGHT_M = 0.015
"""Usual distance of standing points from the ground, in m."""
_HIGH_M = 0.08
"""Usual height of swinging points above the ground, in m."""
_PRIOR_S = 0.5
"""Weight of the usual scales, in s of observation."""
_TRIMMED_SQUARES = {1: 0.62, 2: 0.74}
"""Mean square without the largest tenth, relative to the full mean square, for normal (1) and Rayleigh (2)
distributions."""
LIKELY = 0.5
"""Probability above which a foot stands or bears load."""


class StanceModel:
    """A stance model of P points over T frames.

    Points are those of `FootPaths`, and the model keeps the scales that it has learned.
    """

    def __init__(self, paths: FootPaths, fps: float, parts: int) -> None:
        """Take paths with `parts` points per foot.

        Scales are learned from each foot's last point.
        """
        self._paths = paths
        self._toes = slice(parts - 1, None, parts)
        # closer frames are not independent
        self._share = min(1.0, 1 / (fps * FRAME_S))
        self._switch = 1 - np.exp(-1 / (fps * _SWITCH_S))
        # One of the feet stands nearly always: the slower one shows how fast stances slide.
        toes_m_s = paths.speeds_m_s[:, self._toes]
        slower_m_s = median(toes_m_s.min(1)) / np.sqrt(2 * np.log(2))
        self.stands_m_s = float(np.clip(slower_m_s, STANDS_M_S, SLIDES_M_S))
        fast_m_s = float(percentile(toes_m_s, 90)) / 1.5
        self._swings_m_s = max(fast_m_s, 4 * self.stands_m_s, GLIDES_M_S)
        self._rises_m_s = RISES_M_S
        self._lifts_m_s = _LIFTS_M_S
        self._height_m = _HEIGHT_M

    def learn_from_envelopes(self) -> np.ndarray:
        """Learn scales from heights above each point's own lower envelope.

        Returns the probabilities (T, P) of standing.
        """
        heights = self._height_evidence(self._paths.above_m, -2.0, 0.5)
        for _ in range(2):
            self._learn_speeds(self._infer(self._speed_evidence() + heights))
        standing = self._infer(self._speed_evidence() + heights)
        self._learn_speeds(standing)
        return standing

    def learn_from_ground(self, above_m: np.ndarray) -> np.ndarray:
        """Learn scales from heights (T, P) above the ground.

        Returns the probabilities (T, P) of standing.
        """
        self._learn_on_ground(above_m)
        return self._learn_on_ground(above_m)

    def infer_standing(self, above_m: np.ndarray, evidence: np.ndarray) -> np.ndarray:
        """Infer the probability (T, P) of standing with additional evidence.

        Args:
            above_m: (T, P) heights above the ground, in m.
            evidence: (T, P) log odds of the other evidence.
        """
        heights = self._height_evidence(above_m, -6.0, 1.5)
        return self._infer(self._speed_evidence() + heights + evidence)

    def infer_resting(self, above_m: np.ndarray) -> np.ndarray:
        """Infer the probability (T, P) of standing on ground that may move horizontally.

        Only heights (T, P) above the ground and vertical speeds are used.
        """
        return self._infer(self._rise_evidence(self._rises_m_s) + self._height_evidence(above_m, -6.0, 1.5))

    def infer_bearing(self, above_m: np.ndarray) -> np.ndarray:
        """Infer the probability (T, P) of touching the ground, also while a foot rolls.

        `above_m` are heights (T, P) above the ground.
        """
        return self._infer(self._speed_evidence(rolls=True) + self._height_evidence(above_m, -6.0, 1.5))

    def _learn_on_ground(self, above_m: np.ndarray) -> np.ndarray:
        standing = self._infer(self._speed_evidence() + self._height_evidence(above_m, -6.0, 1.5))
        self._learn_speeds(standing)
        off_m = self._scale(np.abs(above_m[:, self._toes]), standing[:, self._toes], _HEIGHT_M, 1)
        self._height_m = float(np.clip(off_m, 0.5 * _HEIGHT_M, 2 * _HEIGHT_M))
        return standing

    def _learn_speeds(self, standing: np.ndarray) -> None:
        stands = standing[:, self._toes]
        along_m_s = self._paths.speeds_m_s[:, self._toes]
        up_m_s = self._paths.rises_m_s[:, self._toes]
        noise_m_s = float(median(self._paths.speed_noise_m_s))
        slides_m_s = min(self._scale(along_m_s, stands, STANDS_M_S, 2), SLIDES_M_S)
        self.stands_m_s = max(slides_m_s, 0.8 * STANDS_M_S, noise_m_s)
        self._swings_m_s = max(self._scale(along_m_s, 1 - stands, _SWINGS_M_S, 2), 4 * self.stands_m_s)
        rises_m_s = min(self._scale(up_m_s, stands, RISES_M_S, 1), SINKS_M_S)
        self._rises_m_s = max(rises_m_s, 0.8 * RISES_M_S)
        self._lifts_m_s = max(self._scale(up_m_s, 1 - stands, _LIFTS_M_S, 1), 2 * self._rises_m_s)

    def _speed_evidence(self, *, rolls: bool = False) -> np.ndarray:
        """Return log ratios (T, P) of speed densities in stance and in swing.

        With `rolls`, the stance may roll over heel and toe.
        """
        along_m_s = self.stands_m_s
        up_m_s = self._rises_m_s
        if rolls:
            along_m_s = max(_ROLL_FACTOR * along_m_s, _ROLL_SHARE * self._swings_m_s)
            up_m_s = max(_ROLL_FACTOR * up_m_s, _ROLL_SHARE * self._lifts_m_s)
        along = np.hypot(along_m_s, self._paths.speed_noise_m_s)
        evidence_along = _log_ratio(self._paths.speeds_m_s, along, np.maximum(self._swings_m_s, 3 * along), 2)
        return np.clip(evidence_along, -6.0, 3.0) + self._rise_evidence(up_m_s)

    def _rise_evidence(self, up_m_s: float) -> np.ndarray:
        """Return bounded log ratios (T, P) of vertical speeds.

        `up_m_s` is the vertical speed scale in stance.
        """
        up = np.hypot(up_m_s, self._paths.speed_noise_m_s)
        evidence = _log_ratio(self._paths.rises_m_s, up, np.maximum(self._lifts_m_s, 2 * up), 1)
        return np.clip(evidence, -4.0, 1.0)

    def _height_evidence(self, above_m: np.ndarray, least: float, most: float) -> np.ndarray:
        """Return log ratios (T, P) of heights, bounded by `least` and `most`.

        Tails are heavy below the ground because toes dip into it.
        """
        scale_m = np.hypot(self._height_m, self._paths.noise_m)
        high_m = np.maximum(_HIGH_M, 2 * scale_m)
        off = np.where(above_m > 0, above_m, 0.5 * above_m) / scale_m
        stands = np.log(high_m / (2.5 * scale_m)) - 2.0 * np.log1p(off**2 / 3)
        return np.clip(stands + np.maximum(above_m, 0) / high_m, least, most)

    def _infer(self, evidence: np.ndarray) -> np.ndarray:
        return _forward_backward(evidence * self._share, self._switch)

    def _scale(self, values: np.ndarray, weights: np.ndarray, usual: float, degrees: int) -> float:
        """Return the scale of weighted values without their largest tenth.

        The scale is regularised towards the usual one.

        Args:
            degrees: 1 for a normal distribution, 2 for a Rayleigh distribution.
        """
        likely = values[weights > LIKELY]
        trimmed = weights * (values <= percentile(likely, 90)) if likely.size else weights
        seconds_of_values = trimmed * self._share * FRAME_S
        squares = (seconds_of_values * values**2).sum() / (degrees * _TRIMMED_SQUARES[degrees])
        usual_squares = _PRIOR_S * usual**2
        return float(np.sqrt((squares + usual_squares) / (seconds_of_values.sum() + _PRIOR_S)))


def _log_ratio(values: np.ndarray, small: np.ndarray, large: np.ndarray, degrees: int) -> np.ndarray:
    """Return the log ratio of densities with a small and a large scale.

    They are normal densities for 1 degree of freedom, and Rayleigh densities for 2.
    """
    return degrees * np.log(large / small) - values**2 / 2 * (1 / small**2 - 1 / large**2)


def _forward_backward(evidence: np.ndarray, switch: float) -> np.ndarray:
    """Return the posterior probability (T, P) of the first of two states.

    Products of transition matrices are computed by doubling, so that no loop runs over frames.

    Args:
        evidence: (T, P) log ratios of both states' likelihoods.
        switch: Probability of a change of state per frame.
    """
    likelihoods = np.stack([np.exp(np.minimum(evidence, 0)), np.exp(-np.maximum(evidence, 0))])
    stay = np.array([[1 - switch, switch], [switch, 1 - switch]])
    transitions = stay[:, :, None, None] * likelihoods[None]  # (2, 2, T, P): from, to
    joint = _multiply_in_order(transitions, is_reversed=False).sum(0)
    joint[:, :-1] *= _multiply_in_order(transitions, is_reversed=True)[:, :, 1:].sum(1)
    return joint[0] / np.maximum(joint.sum(0), 1e-300)


def _multiply_in_order(matrices: np.ndarray, *, is_reversed: bool) -> np.ndarray:
    """Return cumulative products of matrices (2, 2, T, P), up to a factor.

    Products run up to each frame, or from each frame to the end if `is_reversed`.
    """
    products = matrices
    distance = 1
    while distance < matrices.shape[2]:
        left = products[:, :, None, :-distance]
        right = products[None, :, :, distance:]
        joined = left[:, 0] * right[:, 0] + left[:, 1] * right[:, 1]
        joined /= joined.max((0, 1), keepdims=True)
        parts = [joined, products[:, :, -distance:]] if is_reversed else [products[:, :, :distance], joined]
        products = np.concatenate(parts, axis=2)
        distance *= 2
    return products
