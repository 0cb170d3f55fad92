"""The frame rates for reading animation curves.

Keys of recordings are dense, a key per frame. Keys that animators set are sparse, and the curve between keys is the
motion: read at the rate of keys, a gesture of a second would be a spike of a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

import numpy as np

from selfcorrect.motion.editing.transforms import frame_count

SAMPLED_FPS = 30.0
"""Sampling rate of curves with sparse or uneven keys."""

SPARSE_FPS = 20.0
"""Maximum rate of sparse keys, in fps. Datasets of motions, such as HumanML3D, have 20 frames per second and more."""

KEY_POSES_FPS = 5.0
"""Maximum rate of key poses, in fps. The format has no curves: a step or a gesture lies between two poses."""

USUAL_FPS = (24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 144, 200, 240)
"""Frame rates that many programs have."""
_UNIFORM = 1e-3
"""Tolerated relative error of whole key rates."""
_FPS_ROUNDING = 1e-4
"""Tolerated relative error of whole frame rates."""


def sampling_rate(keys_fps: float) -> tuple[float, str]:
    """Choose the frame rate for sampling curves.

    Keys are at equal steps; a note says if the rate is not the keys' own.
    """
    if keys_fps >= SPARSE_FPS:
        return keys_fps, ""
    note = f"key frames {1 / keys_fps:.3g} s apart; sampled at {SAMPLED_FPS:g} frames per second"
    return SAMPLED_FPS, note


def find_whole_rate(period: Decimal, numerator: int = 1) -> float | None:
    """Find the whole frame rate behind a period.

    It is N if numerator / N, rounded or cut off, is the period.

    Args:
        period: Duration of a frame, with as many digits as a file has.
        numerator: A second in the unit of the period.

    Returns:
        The exact rate, else a usual rate, else the nearest whole number; None if no whole number has these digits.
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
    """Infer the frame rate from a frame's duration.

    Programs may have rounded the duration, which is in seconds.
    """
    return find_whole_rate(Decimal(period)) or round_rate(1 / float(period))


def round_rate(fps: float, tolerance: float = _FPS_ROUNDING) -> float:
    """Round a frame rate that is nearly whole; the tolerance is relative."""
    rounded = float(round(fps))
    return rounded if abs(fps - rounded) < tolerance * fps else fps


@dataclass(frozen=True)
class KeyClock:
    """Steady times for reading an animation."""

    fps: float
    start_s: float
    frames: int
    note: str
    """Why these are not the file's key times; "" for the keys' times."""

    @property
    def times_s(self) -> np.ndarray:
        """Times (T,) of the frames."""
        return self.start_s + np.arange(self.frames) / self.fps


def make_key_clock(keys_s: Sequence[np.ndarray]) -> KeyClock:
    """Choose the sampling clock of tracks.

    It is the clock of the longest track, if keys there are dense and even. Between sparser keys curves are continuous
    and are sampled.
    """
    longest = max(keys_s, key=len)
    if not all(np.isfinite(times).all() and (np.diff(times) >= 0).all() for times in keys_s):
        raise ValueError("the times of its key frames do not grow")
    start_s = float(min(times[0] for times in keys_s))
    stop_s = float(max(times[-1] for times in keys_s))
    steps_s = np.diff(longest)
    if not len(steps_s) or stop_s <= start_s:
        return KeyClock(SAMPLED_FPS, start_s, 1, note="")
    fps = SAMPLED_FPS
    note = f"key frames are uneven; read at {SAMPLED_FPS:g} frames per second"
    step_s = float(np.median(steps_s))
    if step_s > 0 and np.abs(steps_s - step_s).max() < 0.1 * step_s:
        keys_fps = round_rate(len(steps_s) / float(longest[-1] - longest[0]), _UNIFORM)
        fps, note = sampling_rate(keys_fps)
    return KeyClock(fps, start_s, frame_count(stop_s - start_s, fps), note)
