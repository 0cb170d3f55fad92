"""Figures of motions as references for training policies.

Programs that prepare references shift each clip by a single height, start episodes at its first frame, and reward
contacts by labels that they derive from the height and speed of toes. A policy therefore depends on the height and
speed of standing feet, on noise, and on labels that are lost while a foot stands, and these are the figures here. The
observation tells which foot stands, and how high the floor is.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..geometry.runs import find_runs
from ..measures.physical import MILLIMETRES, SLIP, SLIP_SPEED, MotionFigure, Unit
from ..measures.slip import measure_slip
from ..motion import Motion
from ..perception.motion_features import MotionFeatures
from .findings import deviation_factor
from .pace import MIDDLE_FPS, pace
from .rules import RULES
from .smoothness import noise_m

REFERENCE_FIGURES = (
    MotionFigure("stance_height_m", "stance feet", MILLIMETRES, digits=0, is_signed=True),
    replace(SLIP, digits=0),
    replace(SLIP_SPEED, digits=0),
    MotionFigure("noise_m", "jitter", MILLIMETRES),
    MotionFigure("flicker_hz", "label flicker", Unit("/s"), digits=1),
    MotionFigure("first_frame_m", "first frame in air", MILLIMETRES, digits=0),
    MotionFigure("pace", "pace", Unit("×"), digits=2),
    MotionFigure("fps", "rate", Unit("fps"), digits=0),
)
"""Figures of a reference, in the order of tables."""


_THRESHOLDS = {rule.code: rule.threshold for rule in RULES}
LIMITS = {
    "stance_height_m": _THRESHOLDS["F4"],
    "slip_m_s": 0.2,
    "noise_m": _THRESHOLDS["S1"],
    "flicker_hz": 1.0,
    "first_frame_m": 0.05,
}
"""Limits of references that need no correction."""

LABEL_HEIGHT_M = 0.1
"""Maximum height of a part with a contact label, in m, as in ProtoMotions."""
LABEL_SPEED_M_S = 0.15
"""Maximum speed of a part with a contact label, in m/s, as in ProtoMotions."""


def measure_reference(motion: Motion) -> dict[str, float]:
    """Measure the `REFERENCE_FIGURES` of a motion.

    A figure that cannot be measured is NaN.

    * `stance_height_m`: height of standing soles above y = 0.
    * `slip_m`, `slip_m_s`: mean slip per stance, and its speed (`measure_slip`).
    * `noise_m`: noise of the median joint in the noisiest half second.
    * `flicker_hz`: how often, per second of stance, a contact label is lost and comes back.
    * `first_frame_m`: height of the body's lowest point above the floor in the first frame.
    * `pace`: playback speed relative to real time.
    """
    features = MotionFeatures(motion)
    noise = noise_m(features)
    figures = dict.fromkeys((figure.key for figure in REFERENCE_FIGURES), np.nan)
    figures["fps"] = float(motion.fps)
    figures["noise_m"] = np.nan if noise is None else float(noise.max())
    figures["pace"] = np.nan if (speed := pace(features)) is None else speed
    if not features.has_feet or not features.observation.stands.any():
        return figures
    figures |= measure_slip(motion).figures
    floor_m = features.ground.near_m
    if floor_m is None:
        return figures
    figures["stance_height_m"] = floor_m
    figures["flicker_hz"] = _count_lost_labels(features, floor_m) / (features.observation.stands.sum() / motion.fps)
    figures["first_frame_m"] = max(float(features.lowest_m[0]) + features.ground_m - floor_m, 0.0)
    return figures


def _count_lost_labels(features: MotionFeatures, floor_m: float) -> int:
    """Count how often contact labels flicker in stance.

    A label flickers if it is lost and comes back while its foot stands. Labels are derived as programs do it: toes are
    low above the floor, and slow.
    """
    heights_m = features.observation.feet_m[:, :, -1, 1] - floor_m
    speeds_m_s = features.observation.speeds_of(features.given)
    labels = (heights_m < LABEL_HEIGHT_M) & (speeds_m_s < LABEL_SPEED_M_S)
    lost = 0
    for foot in range(2):
        for start, stop in find_runs(features.observation.stands[:, foot]):
            lost += max(len(find_runs(labels[start:stop, foot])) - 1, 0)
    return lost


def rate_reference(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures as multiples of their limits, worst first.

    Figures that could not be measured are left out.
    """
    ratios = {key: abs(figures[key]) / limit for key, limit in LIMITS.items()}
    ratios["pace"] = (deviation_factor(figures["pace"]) - 1) / _THRESHOLDS["P1"]
    ratios["fps"] = deviation_factor(figures["fps"] / MIDDLE_FPS) / _THRESHOLDS["R3"]
    shown = [(key, ratio) for key, ratio in ratios.items() if np.isfinite(ratio)]
    return dict(sorted(shown, key=lambda item: -item[1]))
