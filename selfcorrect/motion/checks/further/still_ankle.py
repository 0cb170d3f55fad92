"""The rule for ankles that hardly turn."""

import numpy as np

from ...geometry.rotations import normalize
from ...geometry.vectors import UP, dot, median, normalize_safely, percentile
from ...kinematics import make_continuous
from ...perception.motion_features import MotionFeatures
from ..findings import Measurement, Rule

_ROLLING_DEG = 25.0
"""Minimum range of a shank's pitch over a standing foot, in degrees, if the ankle has to turn."""


def still_ankle_ratio(features: MotionFeatures) -> Measurement | None:
    """Measure how little ankles turn while their shanks tilt over a standing foot.

    The value is the range of an ankle's rotation, as a share of the range of its shank's pitch, with a minus. Ankles
    without a tracker, or whose keys were lost, do not turn, and correction turns them only a little. Ranges are those
    of 90 % of the frames in which the foot stands.
    """
    ankles, toes = features.skeleton.pair("ankle"), features.skeleton.pair("foot")
    places = features.places("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle")
    if ankles is None or toes is None or places is None:
        return None
    front = normalize_safely(np.cross(places[:, 0] - places[:, 3], UP))
    ratios = np.full(2, -1.0)
    for side, ankle in enumerate(ankles):
        stands = features.observation.stands[:, side]
        if not stands.any():
            continue
        shank_m = places[stands, 3 * side + 1] - places[stands, 3 * side + 2]
        pitches_deg = np.degrees(np.arctan2(dot(shank_m, front[stands]), shank_m[:, 1]))
        shank_deg = float(percentile(pitches_deg, 95) - percentile(pitches_deg, 5))
        rotations = make_continuous(features.motion.rotations[stands, ankle])
        middle = normalize(median(rotations, axis=0))
        turns_rad = 2 * np.arccos(np.clip(np.abs(rotations @ middle), 0.0, 1.0))
        if shank_deg > _ROLLING_DEG:
            ratios[side] = -2 * np.degrees(percentile(turns_rad, 90)) / shank_deg
    return Measurement(ratios[None], ("left ankle", "right ankle"))


STILL_ANKLE = Rule(
    code="B8",
    name="still-ankle",
    summary="An ankle hardly turns although the shank tilts over its standing foot.",
    threshold=-0.3,
    unit="of the tilt",
    message="an ankle hardly turns while its shank tilts over the standing foot",
    source="in CMU's clips, ankles turn by 40 % of what shanks tilt, or more",
    measure=still_ankle_ratio,
    needs_feet=True,
    least_frames=5,
)
