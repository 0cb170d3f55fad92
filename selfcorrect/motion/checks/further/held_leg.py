"""The rule for legs that never come down."""

import numpy as np

from ...geometry.vectors import angles_rad, percentile
from ...perception.motion_features import MotionFeatures
from ...support import Surroundings
from ..body import OFF_FLOOR_M, longest_leg_m
from ..findings import Measurement, Rule
from ..floor import find_unsupported_frames

_HELD_PERCENTILE = 10
"""Percentage of frames in which a held leg may come down."""
_HELD_HEIGHT = 0.08
"""Minimum height of a held foot above the other foot, each at its lowest, in leg lengths."""
_STEPS_SHARE = 0.05
"""Minimum share of frames in which a travelling body is off the floor without falling."""
_MAX_HELD_DEG = 130.0
"""Angle above which people cannot hold a leg while they stay in place, in degrees."""


def held_leg_deg(features: MotionFeatures) -> Measurement | None:
    """Measure how high a leg is held during travel.

    The value is the smallest angle to the trunk that the leg reaches while the body travels without hopping, and 0 for
    other legs. People who travel put down both feet in turn, or hop. People who stay in place may hold a leg up, but
    not against the shoulder.
    """
    places = features.places("neck", "left_hip", "right_hip", "left_knee", "right_knee")
    if places is None:
        return None
    hips_m = places[:, 1:3]
    down_m = hips_m.mean(axis=1) - places[:, 0]
    angles_deg = np.degrees(angles_rad(places[:, 3:] - hips_m, down_m[:, None]))
    held_deg = percentile(angles_deg, _HELD_PERCENTILE, axis=0)
    on_floor = features.with_surroundings(Surroundings())
    lowest_m = percentile(on_floor.sole_heights_m, _HELD_PERCENTILE, axis=0)
    is_held = lowest_m - lowest_m[::-1] > _HELD_HEIGHT * longest_leg_m(features)
    has_steps = find_unsupported_frames(on_floor, on_floor.clear_m, OFF_FLOOR_M).mean() > _STEPS_SHARE
    is_held &= has_steps | (held_deg > _MAX_HELD_DEG)
    return Measurement(np.where(is_held, held_deg, 0.0)[None], ("left leg", "right leg"))


HELD_LEG = Rule(
    code="B7",
    name="leg-held-up",
    summary="One leg never comes down while the body travels, or is held higher than people can hold it.",
    threshold=40.0,
    unit="°",
    message="a leg never comes down: {value:.0f}° or more from the trunk",
    source="hardly any of CMU's clean clips breaks it",
    measure=held_leg_deg,
    needs_feet=True,
    least_frames=5,
)
