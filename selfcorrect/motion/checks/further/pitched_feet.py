"""The rule for feet that stand pitched."""

import numpy as np

from ...geometry.vectors import norms, percentile
from ...perception.motion_features import MotionFeatures
from ...perception.observed_ground import observe_ground
from ..findings import Rule

_FLAT_DEG = (0.0, 45.0)
"""Slopes from toe joint to ankle of flat feet, in degrees. Rest poses of some rigs have others."""
_REST_DEG = (10.0, 40.0)
"""Slopes of rest poses that stand flat, in degrees. From other rest poses, feet may differ by more."""
_TIPTOE_DEG = (12.0, 20.0)
"""Slope, beyond that of the rest pose, from which on feet are on tiptoe, in degrees. The first is for rest poses that
stand flat, the second for others."""
_STANDING_PERCENTILE = 60.0
"""Percentage of standing frames that decides."""
_STANCE_S = 0.3
"""Minimum time for which each foot stands, in s."""


def pitched_feet_deg(features: MotionFeatures) -> float | None:
    """Measure how far both feet are pitched while they stand.

    The value is the angle beyond flat feet in most frames in which they stand. If toes never touch the floor, ankles
    are below toe joints. If heels never do, or feet are in the air, feet are steep.
    """
    ankles, toes = features.skeleton.pair("ankle"), features.skeleton.pair("foot")
    stands = features.observation.stands
    is_shown = (
        stands.sum(axis=0).min() >= _STANCE_S * features.fps and not observe_ground(features.motion).has_hanging_feet
    )
    if ankles is None or toes is None or not is_shown:
        return None
    slopes_deg = _slope_deg(features.positions_m[:, ankles] - features.positions_m[:, toes])
    rest_m = features.given.skeleton.rest_positions_m
    beyond_deg = []
    for side, rest_deg in enumerate(_slope_deg(rest_m[[*ankles]] - rest_m[[*toes]])):
        standing_deg = slopes_deg[stands[:, side], side]
        toes_up_deg = min(_FLAT_DEG[0], rest_deg) - percentile(standing_deg, _STANDING_PERCENTILE)
        flat_rise_deg, rise_deg = _TIPTOE_DEG
        is_rest_flat = _REST_DEG[0] < rest_deg < _REST_DEG[1]
        flattest_deg = rest_deg + flat_rise_deg if is_rest_flat else max(_FLAT_DEG[1], rest_deg + rise_deg)
        heels_up_deg = percentile(standing_deg, 100 - _STANDING_PERCENTILE) - flattest_deg
        beyond_deg.append((toes_up_deg, heels_up_deg))
    return float(np.min(beyond_deg, axis=0).max())


def _slope_deg(feet_m: np.ndarray) -> np.ndarray:
    """Return the slopes of vectors (..., 3), in degrees."""
    return np.degrees(np.arctan2(feet_m[..., 1], norms(feet_m[..., [0, 2]])))


PITCHED_FEET = Rule(
    code="B6",
    name="pitched-feet",
    summary="Both feet stand pitched up or down: toes never touch the floor, or heels never do.",
    threshold=3.0,
    unit="°",
    message="toes or heels never touch: pitched by {value:.0f}° beyond flat feet",
    source="hardly any of CMU's clean clips breaks it",
    measure=pitched_feet_deg,
    thing="feet",
    needs_feet=True,
    least_frames=5,
)
