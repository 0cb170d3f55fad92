"""When feet stand: what is detected of a motion's stance, from its soles alone.

Arrays: (N, T, 2) for motions, frames, left and right foot. What judges finished motions, on a known floor, is
`foot_contacts` of `motion.measures.contacts`: here feet still slide, hover and drift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.geometry.kinematics import cache_poses, cached_poses
from selfcorrect.motion.geometry.rotations import rotate, steps_between
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.ground import GroundBox
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import Support

from ..body.curves import FRAME_S
from ..body.leg_ik import Legs
from ..body.soles import (
    corner_positions,
    frame_speeds,
    lowest_corner_velocities,
    sole_normals,
    speed_factors,
    split_by_foot,
)
from .foot_lock import FEET, FootSettings


@dataclass(frozen=True)
class CueSettings:
    """What a point that stands looks like on a floor that may slide: cues that a horizontal drift leaves alone."""

    low_m: float = 0.025
    """Height above the floor of a standing point, as a standard deviation."""
    vertical_m_s: float = 0.18
    """Speed up or down of a standing point, likewise."""
    turning_rad_s: float = 1.8
    """Angular speed of a standing foot, likewise."""
    widening: float = 1.6
    """Factor by which the two speeds are widened for fast motions, again and again."""
    widenings: int = 6
    """How often they are widened at most, until feet stand long enough."""
    enough_evidence: float = 0.15
    """Share of the motion for which feet then stand."""


CUES = CueSettings()
"""The defaults."""


_NEAR_M, _GAP_S = 0.08, 0.07
"""Feet that are no further from the top of a box may stand on it; gaps so short do not end that."""


_OF_VELOCITIES = ("speeds_m_s", "paces_m_s", "normals", "slides_m_s")
"""What of a posed motion does not depend on where it is."""


@dataclass(frozen=True, eq=False)
class PosedMotions:
    """Motions with their joints' world poses (N, T, J, 3) and (N, T, J, 4), and their feet (N, T, 2, K, 3)."""

    motions: MotionBatch
    soles: SolePoints
    positions_m: np.ndarray
    orientations: np.ndarray
    feet_m: np.ndarray

    @classmethod
    def from_motions(cls, motions: MotionBatch, soles: SolePoints) -> PosedMotions:
        """Pose motions that share one length."""
        positions_m, orientations = cached_poses(motions)
        return cls(
            motions, soles, positions_m, orientations, split_by_foot(corner_positions(soles, positions_m, orientations))
        )

    def shift(self, shift_m: np.ndarray) -> PosedMotions:
        """Everything moved by (N, T, 3)."""
        if not shift_m.any():
            return self
        motions = replace(self.motions, root_m=self.motions.root_m + shift_m)
        poses = cache_poses(motions, self.positions_m + shift_m[:, :, None], self.orientations)
        moved = PosedMotions(motions, self.soles, *poses, self.feet_m + shift_m[:, :, None, None])
        if not np.ptp(shift_m, axis=1).any():  # as a whole: what follows from velocities stays
            vars(moved).update((name, value) for name, value in vars(self).items() if name in _OF_VELOCITIES)
        return moved

    @cached_property
    def speeds_m_s(self) -> np.ndarray:
        """(N, T, 2) of each foot's lowest corners along the floor."""
        return frame_speeds(lowest_corner_velocities(self.feet_m, self.motions.fps))

    @cached_property
    def paces_m_s(self) -> np.ndarray:
        """(N, T, 2) of each foot's lowest corners along the floor, or up and down while both feet are in the air."""
        rises_m_s = np.gradient(self.feet_m[..., 1].min(-1), 1 / self.motions.fps, axis=1)
        return np.maximum(self.speeds_m_s, np.abs(rises_m_s).min(-1, keepdims=True))

    @cached_property
    def normals(self) -> np.ndarray:
        """(N, T, 2, 3) upward normals of the soles, world."""
        ankles = Legs.from_skeleton(self.motions.skeleton).ankles
        return rotate(self.orientations[:, :, ankles], sole_normals(self.soles))

    def lowest_m(self, feet_m: np.ndarray) -> np.ndarray:
        """(N, T, 2) heights of the lowest of points of feet (N, T, 2, K, 3) above a ground that is known, or y = 0."""
        return self.standing_m(feet_m)[..., 1].min(-1)

    def standing_m(self, points_m: np.ndarray) -> np.ndarray:
        """Points (..., 3) with heights above a ground that is known."""
        ground = self.motions.ground
        return points_m if ground is None else ground.standing_on(points_m)

    @cached_property
    def standing_feet_m(self) -> np.ndarray:
        """The feet (N, T, 2, K, 3) with such heights."""
        return self.standing_m(self.feet_m)

    @cached_property
    def slides_m_s(self) -> np.ndarray:
        """(N,) median speed of what stands by its height, its vertical speed and its rotation."""
        ankles = self.orientations[:, :, Legs.from_skeleton(self.motions.skeleton).ankles]
        each = zip(self.standing_feet_m, ankles, strict=True)
        return np.array([_slides_m_s(feet_m, turned, self.motions.fps) for feet_m, turned in each])

    def is_flat(self, tilt_rad: float) -> np.ndarray:
        """(N, T, 2) whether each foot is tilted by less than an angle."""
        return self.normals[..., 1] > np.cos(tilt_rad)

    def detect_stances(self, settings: FootSettings, ground_m: np.ndarray | float = 0.0) -> np.ndarray:
        """(N, T, 2) whether each foot stands; ground_m: (N, T, 2)."""
        fps = self.motions.fps
        speed_factor = speed_factors(self.motions.root_m, fps)[..., None]
        slides = settings.sliding * self.slides_m_s / settings.standing_m_s
        widened = np.maximum(speed_factor, np.minimum(slides, settings.most_sliding)[:, None, None])
        speed_m_s, heights_m = self.speeds_m_s / widened, self.standing_feet_m[..., 1].min(-1) - ground_m
        said = self.motions.contacts
        if said is not None:
            evidence = settings.unlabelled + (settings.labelled - settings.unlabelled) * said
            evidence = np.where(np.isnan(said), 1.0, evidence)
            speed_m_s, heights_m = speed_m_s / evidence, heights_m / evidence
        stands = detect_stances(heights_m, speed_m_s, fps, settings)
        return stands if said is None else np.where(np.isinf(said), said > 0, stands)

    def grounds_m(self) -> np.ndarray:
        """(N, T, 2) how high each foot shows the ground to be, if it stands.

        Soles that were found show it below the ball of the foot, which toes and heels do not lower; usual ones where
        they are lowest.
        """
        if self.motions.skeleton.soles_m is None:
            return self.feet_m[..., 1].min(-1)
        corners = slice(2, 4) if self.feet_m.shape[-2] > 4 else slice(None)
        return self.feet_m[..., corners, 1].mean(-1)


def has_boxes(motions: MotionBatch) -> bool:
    """Whether the ground of motions is known and has boxes."""
    return motions.ground is not None and bool(motions.ground.boxes)


def find_boxes_under_feet(posed: PosedMotions) -> list[tuple[Support, ...]]:
    """The boxes of a known ground on which each motion's feet stand, or nearly, in the order of time."""
    ground, gap = posed.motions.ground, round(_GAP_S * posed.motions.fps)
    return [
        tuple(
            sorted(
                (
                    Support(
                        part,
                        (box.centre_m[0], box.top_m, box.centre_m[2]),
                        (box.size_m[0], box.size_m[2]),
                        *span,
                        box.turn_deg,
                    )
                    for box in (ground.boxes_near(feet_m) if ground else ())
                    for foot, part in enumerate(("left foot", "right foot"))
                    for span in spans(_is_near_top(box, feet_m[:, foot]), gap)
                ),
                key=lambda support: support.first,
            )
        )
        for feet_m in posed.feet_m
    ]


def _is_near_top(box: GroundBox, points_m: np.ndarray) -> np.ndarray:
    """(T,) whether one of points (T, K, 3) is near the top of a box."""
    near = box.contains(points_m) & (np.abs(points_m[..., 1] - box.top_m) < _NEAR_M)
    return np.asarray(near.any(-1))


def detect_stances(soles_m: np.ndarray, speed_m_s: np.ndarray, fps: float, settings: FootSettings = FEET) -> np.ndarray:
    """(N, T, 2) whether each foot stands, from the height and speed of its lowest corners.

    Not `foot_contacts`, which judges finished motions: here feet still slide and float and must be held.
    Gaps of up to two thirtieths of a second are closed, and shorter stances than three dropped.
    """
    still = (speed_m_s < settings.standing_m_s) & (soles_m < settings.standing_m)
    window = np.ones((1, 2 * max(1, round(FRAME_S * fps)) + 1, 1), dtype=bool)
    closed = binary_erosion(binary_dilation(still, window), window, border_value=1)
    return binary_dilation(binary_erosion(closed, window), window)


@dataclass(frozen=True, eq=False)
class StanceEvidence:
    """Evidence per step from frame to frame: velocities (S, P, 2) in m/s of points of the soles, weights (S, P)."""

    velocity_m_s: np.ndarray
    weights: np.ndarray

    def stationary_share(self, drift_m_s: np.ndarray, speed_m_s: float) -> float:
        """Share of the evidence that is as slow as `speed_m_s` once a drift (S, 2) is taken out."""
        return float(np.sum(self.weights * bell(self._away_m_s(drift_m_s) / speed_m_s)) / self.weights.sum())

    def mean_velocity(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean velocity (S, 2) of each step's points, and their total weight (S,)."""
        total = weights.sum(1)
        return np.sum(self.velocity_m_s * weights[..., None], axis=1) / np.maximum(total, 1e-9)[:, None], total

    def reject_outliers(self, drift_m_s: np.ndarray, scale_m_s: float) -> np.ndarray:
        """Weights (S, P) less those of points that move otherwise than a drift (Geman and McClure 1987)."""
        return self.weights / (1 + (self._away_m_s(drift_m_s) / scale_m_s) ** 2) ** 2

    def _away_m_s(self, drift_m_s: np.ndarray) -> np.ndarray:
        return norms(self.velocity_m_s - drift_m_s[:, None])


def collect_stance_evidence(
    feet_m: np.ndarray, ankles: np.ndarray, upright: np.ndarray, fps: float, settings: CueSettings = CUES
) -> StanceEvidence:
    """How likely each point of one motion stands, by cues that a sliding floor leaves alone.

    feet_m: (T, 2, K, 3) sole corners; ankles: (T, 2, 4) orientations in the world; upright: (T − 1,) whether feet carry
    the body from frame to frame.
    """
    heights_m = 0.5 * (feet_m[1:, ..., 1] + feet_m[:-1, ..., 1])
    vertical_m_s = np.diff(feet_m[..., 1], axis=0) * fps
    turning_rad_s = norms(steps_between(ankles))[..., None] * fps
    weights = np.zeros_like(heights_m)
    for widening in settings.widening ** np.arange(settings.widenings):
        cue = bell(vertical_m_s / (widening * settings.vertical_m_s)) * bell(
            turning_rad_s / (widening * settings.turning_rad_s)
        )
        weights = cue * bell(np.maximum(heights_m - _floor_under_drift_m(heights_m, cue), 0.0) / settings.low_m)
        if weights.max(2).sum() >= settings.enough_evidence * len(weights):
            break
    velocity_m_s = np.diff(feet_m[..., [0, 2]], axis=0) * fps
    steps = len(weights)
    return StanceEvidence(velocity_m_s.reshape(steps, -1, 2), (weights * upright[:, None, None]).reshape(steps, -1))


def _slides_m_s(feet_m: np.ndarray, ankles: np.ndarray, fps: float) -> float:
    """How fast one motion's feet slide while they stand; 0 where none does.

    Arguments as for `collect_stance_evidence`.
    """
    if len(feet_m) < 2:
        return 0.0
    points = collect_stance_evidence(feet_m, ankles, np.ones(len(feet_m) - 1, dtype=bool), fps)
    speeds_m_s, weights = norms(points.velocity_m_s).ravel(), points.weights.ravel()
    order = np.argsort(speeds_m_s)
    total = np.cumsum(weights[order])
    return float(speeds_m_s[order][np.searchsorted(total, total[-1] / 2)]) if total[-1] > 0 else 0.0


def bell(values: np.ndarray) -> np.ndarray:
    """A Gaussian of height and width 1."""
    return np.exp(-0.5 * values**2)


def _floor_under_drift_m(heights_m: np.ndarray, cue: np.ndarray) -> float:
    """The 35th percentile of the lowest point's height, weighted by the best cue of its time.

    Not `estimate_floor_height`, which asks which feet are still: under drift none is.
    """
    lowest_m = heights_m.min((1, 2))
    order = np.argsort(lowest_m)
    total = np.cumsum(cue.max((1, 2))[order])
    return float(lowest_m[order][min(np.searchsorted(total, 0.35 * total[-1]), len(order) - 1)])
