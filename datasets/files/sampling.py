"""Choose the frame rates at which animation curves are sampled.

Recordings have dense keys, one per frame. Keys that animators set are sparse, and the motion is the curve between them.
Sampled at the rate of the keys, a gesture of one second would become a spike of one frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

import numpy as np

from selfcorrect.motion.editing.transforms import frame_count
from selfcorrect.motion.geometry.vectors import median

SAMPLED_FPS = 30.0
"""Sampling rate of curves with sparse or uneven keys."""

SPARSE_FPS = 20.0
"""Key rate below which keys are sparse, in fps. Motion datasets such as HumanML3D have 20 fps or more."""

KEY_POSES_FPS = 5.0
"""Frame rate below which frames of formats without curves are key poses, in fps.

At such a rate, a step or gesture happens between two frames."""

USUAL_FPS = (24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 144, 200, 240)
"""Frame rates that many programs use."""
_UNIFORM = 1e-3
"""Largest relative error with which a key rate is rounded to a whole number."""
FPS_ROUNDING = 1e-4
"""Largest relative error with which a frame rate is rounded to a whole number."""


def sampling_rate(keys_fps: float) -> tuple[float, str]:
    """Choose the frame rate for sampling curves with evenly spaced keys.

    Returns the rate, and a note if it is not the rate of the keys ("" if it is).
    """
    if keys_fps >= SPARSE_FPS:
        return keys_fps, ""
    note = f"key frames {1 / keys_fps:.3g} s apart; sampled at {SAMPLED_FPS:g} frames per second"
    return SAMPLED_FPS, note


def find_whole_rate(period: Decimal, numerator: int = 1) -> float | None:
    """Find the whole frame rate N for which numerator / N, rounded or truncated, is the period.

    Args:
        period: Duration of a frame, with all digits of the file.
        numerator: Length of one second in the unit of the period.

    Returns:
        The exact rate, or else a usual rate, or else the nearest whole number. None if no whole rate gives these
        digits.
    """
    period = Context(prec=15).plus(period)
    exact = numerator / period
    if exact == int(exact):
        return float(exact)
    digits = Decimal(1).scaleb(int(period.as_tuple().exponent))
    for rates, rounding in (((*USUAL_FPS, round(exact)), ROUND_HALF_EVEN), (USUAL_FPS, ROUND_DOWN)):
        for rate in rates:
            if rate and (Decimal(numerator) / rate).quantize(digits, rounding) == period:
                return float(rate)
    return None


def rate_of_period(period: str) -> float:
    """Infer the frame rate from a frame's duration in seconds, which programs may have rounded."""
    return find_whole_rate(Decimal(period)) or round_rate(1 / float(period))


def round_rate(fps: float, tolerance: float = FPS_ROUNDING) -> float:
    """Round a frame rate to a whole number if it is within this relative tolerance."""
    rounded = float(round(fps))
    return rounded if abs(fps - rounded) < tolerance * fps else fps


@dataclass(frozen=True)
class KeyClock:
    """Evenly spaced times at which an animation is sampled."""

    fps: float
    start_s: float
    frames: int
    note: str
    """Reason why these times are not the key times; "" if they are."""

    @property
    def times_s(self) -> np.ndarray:
        """Times (T,) of the frames."""
        return self.start_s + np.arange(self.frames) / self.fps


def make_key_clock(keys_s: Sequence[np.ndarray]) -> KeyClock:
    """Choose the clock for sampling tracks with these key times.

    If the track with most keys has dense and even ones, its key times are used. Otherwise the curves are sampled
    between the keys.

    Raises:
        ValueError: Key times are not finite, or decrease.
    """
    longest = max(keys_s, key=len)
    if not all(np.isfinite(times).all() and (np.diff(times) >= 0).all() for times in keys_s):
        raise ValueError("the times of its key frames decrease or are not finite")
    start_s = float(min(times[0] for times in keys_s))
    stop_s = float(max(times[-1] for times in keys_s))
    steps_s = np.diff(longest)
    if not len(steps_s) or stop_s <= start_s:
        return KeyClock(SAMPLED_FPS, start_s, 1, note="")
    fps = SAMPLED_FPS
    note = f"key frames are uneven; read at {SAMPLED_FPS:g} frames per second"
    step_s = float(median(steps_s))
    if step_s > 0 and np.abs(steps_s - step_s).max() < 0.1 * step_s:
        keys_fps = round_rate(len(steps_s) / float(longest[-1] - longest[0]), _UNIFORM)
        fps, note = sampling_rate(keys_fps)
    return KeyClock(fps, start_s, frame_count(stop_s - start_s, fps), note)
