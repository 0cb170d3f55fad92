"""Physical errors of a motion, in total and by frame: the figures that `correct` and `check` state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.checks import check_kind
from ..geometry.kinematics import in_chunks
from ..geometry.vectors import norms
from ..measures.physical import TOLERANCE_M
from ..measures.skating import measure_skating_by_frame_m_s
from ..motion import Motion
from ..support import gripping
from .check import check
from .findings import Finding
from .motion_features import MotionFeatures


@dataclass(frozen=True, eq=False)
class Measures:
    """Physical errors of T frames of a motion with J joints. Feet are left first, and NaN while they do not stand."""

    penetration_by_frame_m: np.ndarray
    """(T,) depth of the body's lowest point below the ground; 0 up to 5 mm."""
    floating_by_frame_m: np.ndarray
    """(T, 2) height of the sole of each standing foot above the ground; 0 up to 5 mm."""
    skate_by_frame_m_s: np.ndarray
    """(T − 1, 2) speed of each standing foot along the ground since the frame before."""
    jerk_by_frame_m_s3: np.ndarray
    """(T − 3, J) size of the third derivative of each joint's position."""
    slips: tuple[Finding, ...] = ()
    """Stretches in which no point of the soles that bear weight stands still: findings of the rule F3 of `check`."""

    @property
    def penetration_m(self) -> float:
        """Mean penetration over all frames."""
        return _mean(self.penetration_by_frame_m)

    @property
    def floating_m(self) -> float:
        """Mean floating over standing feet."""
        return _mean(self.floating_by_frame_m[np.isfinite(self.floating_by_frame_m)])

    @property
    def skate_m_s(self) -> float:
        """Mean speed of standing feet."""
        return _mean(self.skate_by_frame_m_s[np.isfinite(self.skate_by_frame_m_s)])

    @property
    def jerk_m_s3(self) -> float:
        """Mean jerk over joints and frames."""
        return _mean(self.jerk_by_frame_m_s3)


def measure(motion: Motion) -> Measures:
    """Measure how far a motion is from standing on its ground and from being smooth.

    Real motion has errors, too: compare with real motion, not with zero. Steps and seats are not known here.

    Raises:
        SettingError: `motion` is no Motion.
    """
    check_kind("motion", motion, Motion)
    features = MotionFeatures(motion)
    stands = features.observation.stands if features.has_feet else np.zeros((len(motion), 0), dtype=bool)
    return measure_features(features, motion, stands, slips=tuple(check(motion, ("F3",))))


def measure_features(
    features: MotionFeatures,
    reference: Motion,
    stands: np.ndarray,
    cuts: Sequence[int] = (),
    slips: tuple[Finding, ...] = (),
) -> Measures:
    """Measure a motion whose feet should stand where the feet of a reference do.

    Args:
        features: Features of T frames.
        reference: Motion whose feet decide which foot stands when.
        stands: (T, 2) whether each of its feet stands.
        cuts: First frame of each take but the first.
    """
    depths_m = -np.where(gripping(features.around.supports, len(features)), 0.0, features.lowest_m)
    heights_m = features.sole_heights_m if stands.shape[1] else np.zeros(stands.shape)
    heights_m = np.where(heights_m > TOLERANCE_M, heights_m, 0.0)
    jerks_m_s3 = np.concatenate([_jerks(take_m) for take_m in np.split(features.positions_m, cuts)])
    jerks_m_s3 *= features.fps**3
    features.forget_poses()
    return Measures(
        penetration_by_frame_m=np.where(depths_m > TOLERANCE_M, depths_m, 0.0),
        floating_by_frame_m=np.where(stands, heights_m, np.nan),
        skate_by_frame_m_s=measure_skating_by_frame_m_s(features.given, reference),
        jerk_by_frame_m_s3=jerks_m_s3,
        slips=slips,
    )


def _jerks(positions_m: np.ndarray) -> np.ndarray:
    """Return the sizes (T − 3, J) of third differences of positions (T, J, 3)."""
    if len(positions_m) <= 3:
        return np.zeros((0, positions_m.shape[1]))
    later_m = [positions_m[start : len(positions_m) - 3 + start] for start in range(4)]
    return in_chunks(lambda *rows: norms(np.diff(np.stack(rows), n=3, axis=0)[0]), *later_m)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
