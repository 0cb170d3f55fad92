"""Drift that changes over time: a floor that slides under all standing feet alike, as in motions from video.

Which foot stands cannot be told from its horizontal speed here, so it is told from what drift leaves alone: height,
vertical speed, rotation. The drift is the smooth horizontal velocity that makes the standing feet still. It is taken
out only where it explains most stances and no drift at all explains few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.simulators.smoothing import whittaker

LOW_M = 0.025
VERTICAL_M_S = 0.18
TURNING_RAD_S = 1.8
"""A standing foot is about this close to the floor, and moves and turns no faster, one standard deviation each."""

UPRIGHT_M = 0.5
MOSTLY = 0.8
"""Feet carry a body whose root is this high above the soles; who rolls on the floor for longer drifts rightly."""

FEWEST_FRAMES = 12
WIDENING, WIDENINGS = 1.6, 4
ENOUGH_EVIDENCE = 0.15
"""For fast motions the cues are widened until stances fill this share of the motion."""

STIFFNESS = 30.0
STILL_M_S = 0.12
OUTLIER_M_S = 0.18
SWITCH_COST = 0.5
ROUNDS = 12

ROLLING = 0.015
"""Share of the body's velocity with which a foot that rolls from heel to toe seems to move."""
UNSURE_M_S = 0.18
"""Slow drifts below this speed cannot be told from the way feet roll."""


@dataclass(frozen=True, eq=False)
class Stances:
    """Evidence per step from frame to frame: feet's horizontal velocities (S, 2, 2) and weights of standing (S, 2)."""

    velocity_m_s: np.ndarray
    weights: np.ndarray

    def explained(self, drift_m_s: np.ndarray) -> float:
        """Share of the stances in which a foot is still once the drift (S, 2) is taken out."""
        away = np.sum((self.velocity_m_s - drift_m_s[:, None]) ** 2, axis=-1)
        return float(np.sum(self.weights * np.exp(-away / (2 * STILL_M_S**2))) / self.weights.sum())


def changing_drift(
    feet_m: np.ndarray, velocity_m_s: np.ndarray, ankles: np.ndarray, root_m: np.ndarray, fps: float
) -> np.ndarray:
    """The drift (T − 1, 2) of one motion in m/s, x and z; zero where there is none to be sure of.

    feet_m: (T, 2, K, 3) sole corners; velocity_m_s: (T − 1, 2, 2) of their lowest; ankles: (T, 2, 4) orientations in
    the world; root_m: (T, 3).
    """
    none = np.zeros((len(root_m) - 1, 2))
    upright = root_m[:, 1] - feet_m[..., 1].min((1, 2)) > UPRIGHT_M
    if len(root_m) < FEWEST_FRAMES or upright.mean() < MOSTLY:
        return none
    stances = Stances(velocity_m_s, _standing_weights(feet_m, ankles, fps) * upright[1:, None])
    evidence = stances.weights.sum() * 30 / fps
    if evidence < 3:
        return none
    sure = evidence >= 15
    drift_m_s = _fit(stances, (STIFFNESS if sure else 1e4) * (fps / 30) ** 4)
    before, after = stances.explained(none), stances.explained(drift_m_s)
    gate = np.clip((after - before - 0.3) / 0.05, 0, 1) * np.clip((0.3 - before) / 0.1, 0, 1)
    if gate == 0 or after < (0.48 if sure else 0.65):
        return none
    return gate * _without_rolling(drift_m_s, root_m, fps)


def _standing_weights(feet_m: np.ndarray, ankles: np.ndarray, fps: float) -> np.ndarray:
    """(S, 2) how likely each foot stands, by cues that drift leaves alone."""
    soles_m = feet_m[..., 1].min(-1)
    height_m = 0.5 * (soles_m[1:] + soles_m[:-1])
    vertical_m_s = np.diff(soles_m, axis=0) * fps
    turns = Rotation.from_quat(ankles[1:]) * Rotation.from_quat(ankles[:-1]).inv()
    turning_rad_s = np.linalg.norm(turns.as_rotvec(), axis=-1) * fps
    weights = np.zeros_like(height_m)
    for widening in WIDENING ** np.arange(WIDENINGS):
        cue = _bell(vertical_m_s / (widening * VERTICAL_M_S)) * _bell(turning_rad_s / (widening * TURNING_RAD_S))
        weights = cue * _bell(np.maximum(height_m - _floor(height_m, cue), 0.0) / LOW_M)
        if weights.sum() >= ENOUGH_EVIDENCE * len(weights):
            break
    return weights


def _bell(values: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * values**2)


def _floor(height_m: np.ndarray, cue: np.ndarray) -> float:
    """The 35th percentile of the lower foot's height, weighted by its cue."""
    lower = height_m.argmin(1)[:, None]
    lowest_m = np.take_along_axis(height_m, lower, 1)[:, 0]
    order = np.argsort(lowest_m)
    total = np.cumsum(np.take_along_axis(cue, lower, 1)[order, 0])
    return float(lowest_m[order][np.searchsorted(total, 0.35 * total[-1])])


def _fit(stances: Stances, stiffness: float) -> np.ndarray:
    """The smooth velocity (S, 2) that robustly fits standing feet (Geman and McClure 1987, by reweighting)."""
    path = _standing_foot(stances)[:, None]
    velocity_m_s = np.take_along_axis(stances.velocity_m_s, path[..., None], 1)[:, 0]
    weights = np.take_along_axis(stances.weights, path, 1)[:, 0]
    drift_m_s = whittaker(velocity_m_s, stiffness, weights + 1e-6)
    for turn in range(ROUNDS):
        scale = OUTLIER_M_S * max(1.0, 3 * (1 - turn / (0.7 * ROUNDS)))
        away = np.sum((stances.velocity_m_s - drift_m_s[:, None]) ** 2, axis=-1)
        robust = stances.weights / (1 + away / scale**2) ** 2
        total = robust.sum(1)
        mean_m_s = np.sum(stances.velocity_m_s * robust[..., None], axis=1) / np.maximum(total, 1e-9)[:, None]
        drift_m_s = whittaker(mean_m_s, stiffness, total + 1e-6)
    return drift_m_s


def _standing_foot(stances: Stances) -> np.ndarray:
    """(S,) the foot that stands at each step: the cheapest path between feet of like velocity (Viterbi)."""
    doubt = 0.5 * np.minimum(-np.log(stances.weights + 1e-4), 6.0)
    velocity_m_s = stances.velocity_m_s
    jump = np.sum((velocity_m_s[1:, :, None] - velocity_m_s[:-1, None]) ** 2, axis=-1) / (2 * STILL_M_S**2)
    change = np.minimum(jump, 6.0) + SWITCH_COST * (1 - np.eye(2))
    cost, came_from = doubt[0], np.zeros((len(doubt), 2), dtype=int)
    for step in range(1, len(doubt)):
        through = cost + change[step - 1]
        came_from[step] = through.argmin(1)
        cost = through.min(1) + doubt[step]
    path = [int(cost.argmin())]
    for step in range(len(doubt) - 1, 0, -1):
        path.append(int(came_from[step, path[-1]]))
    return np.array(path[::-1])


def _without_rolling(drift_m_s: np.ndarray, root_m: np.ndarray, fps: float) -> np.ndarray:
    """The drift less what the rolling of walking feet explains."""
    walking_m_s = np.diff(root_m[:, [0, 2]], axis=0) * fps - drift_m_s
    drift_m_s = drift_m_s - ROLLING * gaussian_filter1d(walking_m_s, fps / 3, axis=0, mode="nearest")
    if len(drift_m_s) < 10 / 3 * fps:
        return drift_m_s
    slow_m_s = gaussian_filter1d(drift_m_s, 5 / 6 * fps, axis=0, mode="nearest")
    unsure = np.clip((UNSURE_M_S - np.linalg.norm(slow_m_s, axis=1, keepdims=True)) / (0.6 * UNSURE_M_S), 0.0, 1.0)
    return drift_m_s - unsure * slow_m_s
