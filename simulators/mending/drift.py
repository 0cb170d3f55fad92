"""Drift: a floor that slides under all standing feet alike, steadily or not, as in motions from video.

Which point of a foot stands cannot be told from its horizontal speed here, so it is told from what drift leaves alone:
height, vertical speed, rotation. The drift is the horizontal velocity, one for all times or else a smooth one, that
makes most of these points still. It is taken out only where it leaves far fewer of them moving than no drift does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist

from selfcorrect.motion.rotations import turns
from selfcorrect.simulators.body.curves import whittaker


@dataclass(frozen=True)
class DriftSettings:
    """What is taken for drift of the floor.

    Set by hand on CMU clips, to which steady and swinging drift was added as in `experiments/benchmarks/correction.py`,
    so that it goes where there is one and clean clips stay as they are.
    """

    low_m: float = 0.025
    """A standing point is about this close to the floor, one standard deviation …"""
    vertical_m_s: float = 0.18
    """… goes up and down no faster …"""
    turning_rad_s: float = 1.8
    """… and turns no faster, likewise."""
    widening: float = 1.6
    """For fast motions these cues are widened by this factor …"""
    widenings: int = 6
    """… so many times at most …"""
    enough_evidence: float = 0.15
    """… until feet stand for this share of the motion."""
    upright_m: float = 0.5
    """Feet carry a body whose root is this high above the soles."""
    often: float = 0.5
    """They must for this share of the time for steady drift …"""
    mostly: float = 0.8
    """… and for this one for changing drift: who rolls on the floor drifts rightly."""
    fewest_frames: int = 12
    """Frames that show drift."""
    fewest_standing_s: float = 0.1
    """Time in which feet must stand."""
    steady: float = 0.8
    """A steady drift is believed that makes still this share of what a changing one does …"""
    fewest_steady: float = 0.3
    """… and this share of all evidence."""
    gate_width: float = 0.05
    """Shares within which sureness rises from 0 to 1."""
    running_m_s: float = 2.0
    """Who travels this fast, or leaps, has feet that are hardly ever still, and seem to drift along. Such drift …"""
    running_share: float = 0.12
    """… must be faster than this share of the speed …"""
    along: float = 0.45
    """… and the cosine between the two directions below this."""
    swinging_m_s: tuple[float, float] = (0.32, 0.38)
    """Drift of a run that changes by more than the first of these (root of the mean square), and surely by the second,
    is more than what feet do in running: those of CMU's training runs seem to drift by changes of up to 0.15 m/s."""
    leaping_m: float = 0.08
    """With both feet this high above where they mostly are …"""
    leaping_share: float = 0.1
    """… in this share of the time, bodies leap, whose feet show as little as a run's."""
    density_m_s: float = 0.12
    """Kernel with which the velocity of steady drift is found."""
    most_starts: int = 100
    """Points from which it is sought."""
    narrowing_m_s: tuple[float, ...] = (0.18, 0.12, 0.08, *[0.06] * 5)
    """Outliers' scales with which it is refined, round by round."""
    outlier_m_s: float = 0.3
    """Outliers' scale of changing drift …"""
    excluding: tuple[float, ...] = tuple(np.maximum(1.0, np.linspace(3.0, -1.0, 12)).tolist())
    """… and multiples of it, round by round."""
    habit: float = 0.01
    """Weight of the mean velocity, to which changing drift returns when no foot stands."""
    rolling: float = 0.015
    """Share of a walking body's velocity with which a foot that rolls from heel to toe seems to move …"""
    rolling_m_s: float = 1.2
    """… up to this speed."""
    unsure_m_s: float = 0.18
    """Below this speed, what is slow in the drift of a long motion cannot be told from the way feet roll …"""
    slowly_s: float = 5 / 3
    """… if it changes within about this time …"""
    long_s: float = 6.0
    """… and the motion is longer than this."""


@dataclass(frozen=True)
class Certainty:
    """What it takes to see drift: a point is still at about a speed; changing drift is smooth by its stiffness.

    Of what is still with drift, at most the shares `steady` and `changing` may be still without; clean motion has more.
    At least `fewest_still` of the evidence must be still with changing drift.
    """

    still_m_s: float
    stiffness: float
    steady: float
    changing: float
    fewest_still: float


DRIFT = DriftSettings()
"""The defaults."""

CALM = Certainty(still_m_s=0.12, stiffness=30.0, steady=0.66, changing=0.45, fewest_still=0.42)
RUNNING = Certainty(still_m_s=0.12, stiffness=30.0, steady=0.3, changing=0.3, fewest_still=0.2)
LEAPING = Certainty(still_m_s=0.12, stiffness=30.0, steady=0.3, changing=0.3, fewest_still=0.42)
NOISY = Certainty(still_m_s=0.25, stiffness=1000.0, steady=0.45, changing=0.55, fewest_still=0.4)


@dataclass(frozen=True, eq=False)
class Standing:
    """Evidence per step from frame to frame: velocities (S, P, 2) in m/s of points of the soles, weights (S, P)."""

    velocity_m_s: np.ndarray
    weights: np.ndarray

    def still(self, drift_m_s: np.ndarray, speed_m_s: float) -> float:
        """Share of the evidence that is as slow as `speed_m_s` once a drift (S, 2) is taken out."""
        return float(np.sum(self.weights * _bell(self._away_m_s(drift_m_s) / speed_m_s)) / self.weights.sum())

    def mean(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean velocity (S, 2) of each step's points, and their total weight (S,)."""
        total = weights.sum(1)
        return np.sum(self.velocity_m_s * weights[..., None], axis=1) / np.maximum(total, 1e-9)[:, None], total

    def without_outliers(self, drift_m_s: np.ndarray, scale_m_s: float) -> np.ndarray:
        """Weights (S, P) less those of points that move otherwise than a drift (Geman and McClure 1987)."""
        return self.weights / (1 + (self._away_m_s(drift_m_s) / scale_m_s) ** 2) ** 2

    def _away_m_s(self, drift_m_s: np.ndarray) -> np.ndarray:
        return np.linalg.norm(self.velocity_m_s - drift_m_s[:, None], axis=-1)


def floor_drift(
    feet_m: np.ndarray,
    ankles: np.ndarray,
    root_m: np.ndarray,
    fps: float,
    *,
    noisy: bool = False,
    settings: DriftSettings = DRIFT,
) -> np.ndarray:
    """The drift (T − 1, 2) of one motion in m/s, x and z; zero where there is none to be sure of.

    feet_m: (T, 2, K, 3) sole corners; ankles: (T, 2, 4) orientations in the world; root_m: (T, 3); noisy: whether
    joints are, who then must not run.
    """
    none = np.zeros((len(root_m) - 1, 2))
    upright = root_m[:, 1] - feet_m[..., 1].min((1, 2)) > settings.upright_m
    if len(root_m) < settings.fewest_frames or upright.mean() < settings.often:
        return none
    standing = _standing(feet_m, ankles, upright[1:], fps, settings)
    if standing.weights.max(1).sum() < settings.fewest_standing_s * fps:
        return none
    certainty = NOISY if noisy else CALM
    drift_m_s, steady = _fitted(standing, certainty, fps, settings)
    if not steady and upright.mean() < settings.mostly:
        return none
    travel_m_s = _travel(drift_m_s, root_m, fps)
    lowest_m = feet_m[..., 1].min((1, 2))
    leaps = np.mean(lowest_m > np.percentile(lowest_m, 20) + settings.leaping_m) > settings.leaping_share
    runs = np.linalg.norm(travel_m_s, axis=1).mean() > settings.running_m_s
    fast = runs or leaps
    aside = not fast or _aside(drift_m_s, travel_m_s, settings)
    if fast and (noisy or not (aside or runs)):
        return none
    certainty = RUNNING if runs else LEAPING if leaps else certainty
    sureness = _sureness(standing, drift_m_s, certainty, settings, steady=steady)
    swing_m_s, swings = _swinging(drift_m_s, travel_m_s, settings) if runs else (none, 0.0)
    drift_m_s = sureness * (swings * swing_m_s + (1 - swings) * aside * (drift_m_s - _rolling(travel_m_s, settings)))
    return drift_m_s if steady else drift_m_s - _unsure(drift_m_s, fps, settings)


def _aside(drift_m_s: np.ndarray, travel_m_s: np.ndarray, settings: DriftSettings) -> bool:
    """Whether the drift (S, 2) of a run is faster than its feet seem to be, and not along the run (S, 2)."""
    along = np.sum(drift_m_s * travel_m_s, axis=1)
    speeds_m_s = np.linalg.norm(drift_m_s, axis=1), np.linalg.norm(travel_m_s, axis=1)
    cosine = np.mean(along / np.maximum(speeds_m_s[0] * speeds_m_s[1], 1e-9))
    return bool(speeds_m_s[0].mean() > settings.running_share * speeds_m_s[1].mean() and abs(cosine) < settings.along)


def _swinging(drift_m_s: np.ndarray, travel_m_s: np.ndarray, settings: DriftSettings) -> tuple[np.ndarray, float]:
    """The drift (S, 2) of a run without its mean along the run (S, 2), which may as well come from how its feet move,
    and how sure it is, from 0 to 1, that it changes by more than that.
    """
    low_m_s, high_m_s = settings.swinging_m_s
    mean_m_s, course_m_s = drift_m_s.mean(0), travel_m_s.mean(0)
    along = course_m_s / max(float(np.linalg.norm(course_m_s)), 1e-9)  # a run that ends where it began has no course
    changes_m_s = float(np.sqrt(np.sum((drift_m_s - mean_m_s) ** 2, axis=1).mean()))
    sure = float(np.clip((changes_m_s - low_m_s) / (high_m_s - low_m_s), 0.0, 1.0))
    return drift_m_s - (mean_m_s @ along) * along, sure


def _sureness(
    standing: Standing, drift_m_s: np.ndarray, certainty: Certainty, settings: DriftSettings, *, steady: bool
) -> float:
    """How sure it is that a drift (S, 2) is there, from 0 to 1."""
    with_drift, without = (standing.still(each, certainty.still_m_s) for each in (drift_m_s, np.zeros_like(drift_m_s)))
    if with_drift < (min(certainty.fewest_still, settings.fewest_steady) if steady else certainty.fewest_still):
        return 0.0
    most = certainty.steady if steady else certainty.changing
    return float(np.clip((most - without / with_drift) / settings.gate_width, 0.0, 1.0))


def _fitted(standing: Standing, certainty: Certainty, fps: float, settings: DriftSettings) -> tuple[np.ndarray, bool]:
    """The drift (S, 2) that makes most points still, and whether it is steady."""
    changing_m_s = _changing(standing, certainty.stiffness * (fps / 30) ** 4, settings)
    steady_m_s = np.broadcast_to(_steady(standing, settings), changing_m_s.shape)
    still = [standing.still(drift_m_s, certainty.still_m_s) for drift_m_s in (steady_m_s, changing_m_s)]
    return (steady_m_s, True) if still[0] >= settings.steady * still[1] else (changing_m_s, False)


def _standing(
    feet_m: np.ndarray, ankles: np.ndarray, upright: np.ndarray, fps: float, settings: DriftSettings
) -> Standing:
    """How likely each point stands, by cues that drift leaves alone."""
    heights_m = 0.5 * (feet_m[1:, ..., 1] + feet_m[:-1, ..., 1])
    vertical_m_s = np.diff(feet_m[..., 1], axis=0) * fps
    turning_rad_s = np.linalg.norm(turns(ankles), axis=-1)[..., None] * fps
    weights = np.zeros_like(heights_m)
    for widening in settings.widening ** np.arange(settings.widenings):
        cue = _bell(vertical_m_s / (widening * settings.vertical_m_s)) * _bell(
            turning_rad_s / (widening * settings.turning_rad_s)
        )
        weights = cue * _bell(np.maximum(heights_m - _floor(heights_m, cue), 0.0) / settings.low_m)
        if weights.max(2).sum() >= settings.enough_evidence * len(weights):
            break
    velocity_m_s = np.diff(feet_m[..., [0, 2]], axis=0) * fps
    steps = len(weights)
    return Standing(velocity_m_s.reshape(steps, -1, 2), (weights * upright[:, None, None]).reshape(steps, -1))


def _bell(values: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * values**2)


def _floor(heights_m: np.ndarray, cue: np.ndarray) -> float:
    """The 35th percentile of the lowest point's height, weighted by the best cue of its time.

    Not `floor.floor_height`, which asks which feet are still: under drift none is.
    """
    lowest_m = heights_m.min((1, 2))
    order = np.argsort(lowest_m)
    total = np.cumsum(cue.max((1, 2))[order])
    return float(lowest_m[order][min(np.searchsorted(total, 0.35 * total[-1]), len(order) - 1)])


def _steady(standing: Standing, settings: DriftSettings) -> np.ndarray:
    """The one velocity (2,) around which standing points are densest, by mean shift (Comaniciu and Meer 2002)."""
    weights = standing.weights.ravel()
    heavy = np.argsort(-weights, kind="stable")[: 6 * settings.most_starts]
    points, weights = standing.velocity_m_s.reshape(-1, 2)[heavy], weights[heavy]
    starts = points[:: max(1, len(points) // settings.most_starts)]
    place = starts[(_bell(cdist(starts, points) / settings.density_m_s) @ weights).argmax()]
    for scale_m_s in settings.narrowing_m_s:
        robust = standing.without_outliers(np.broadcast_to(place, (len(standing.weights), 2)), scale_m_s)
        place = np.einsum("sp,spi->i", robust, standing.velocity_m_s) / robust.sum()
    return place


def _changing(standing: Standing, stiffness: float, settings: DriftSettings) -> np.ndarray:
    """The smooth velocity (S, 2) that robustly fits standing points, with outliers excluded bit by bit."""
    mean_m_s, total = standing.mean(standing.weights)
    habit_m_s = total @ mean_m_s / total.sum()
    drift_m_s = mean_m_s
    for scale_m_s in settings.outlier_m_s * np.array([np.inf, *settings.excluding]):
        mean_m_s, total = standing.mean(standing.without_outliers(drift_m_s, scale_m_s))
        share = (total / (total + settings.habit))[:, None]
        drift_m_s = whittaker(habit_m_s + share * (mean_m_s - habit_m_s), stiffness, total + settings.habit)
    return drift_m_s


def _travel(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """Velocity (S, 2) of the body without the drift, smoothed over steps."""
    velocity_m_s = np.diff(root_m[:, [0, 2]], axis=0) * fps - drift_m_s
    return gaussian_filter1d(velocity_m_s, fps / 3, axis=0, mode="nearest")


def _rolling(travel_m_s: np.ndarray, settings: DriftSettings) -> np.ndarray:
    """What the rolling of feet that travel (S, 2) adds to the drift."""
    speed_m_s = np.linalg.norm(travel_m_s, axis=1, keepdims=True)
    return settings.rolling * travel_m_s * np.minimum(1.0, settings.rolling_m_s / np.maximum(speed_m_s, 1e-9))


def _unsure(drift_m_s: np.ndarray, fps: float, settings: DriftSettings) -> np.ndarray:
    """The part of a changing drift (S, 2) that may as well come from the way feet roll."""
    if len(drift_m_s) < settings.long_s * fps:
        return np.zeros_like(drift_m_s)
    slow_m_s = gaussian_filter1d(drift_m_s, settings.slowly_s * fps, axis=0, mode="reflect")
    speed_m_s = np.linalg.norm(slow_m_s, axis=1, keepdims=True)
    return slow_m_s * np.clip((settings.unsure_m_s - speed_m_s) / (0.6 * settings.unsure_m_s), 0.0, 1.0)
