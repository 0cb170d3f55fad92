"""The frame rates at which animation curves are read.

Keys of recordings are dense, a key per frame. Keys that animators set are sparse, and the curve between them is the
motion: read at the rate of its keys, a gesture of a second would be a spike of a frame.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

SAMPLED_FPS = 30.0
"""Rate at which curves with sparse or uneven keys are sampled."""

SPARSE_FPS = 20.0
"""Keys at a lower rate are sparse. Datasets of motions, such as HumanML3D, have 20 frames per second and more."""

KEY_POSES_FPS = 5.0
"""Frames of a format without curves are key poses at a lower rate: a step or a gesture lies between two of them."""

USUAL_FPS = (24, 25, 30, 48, 50, 60, 72, 90, 100, 120, 144, 200, 240)
"""Frame rates that many programs have."""
_FPS_ROUNDING = 1e-4
"""Relative distance from a whole number within which a rate is that number."""


def sampling_rate(keys_fps: float) -> tuple[float, str]:
    """Return the frames per second at which to read curves with keys at equal steps, and a note if it is another."""
    if keys_fps >= SPARSE_FPS:
        return keys_fps, ""
    note = f"key frames {1 / keys_fps:.3g} s apart; sampled at {SAMPLED_FPS:g} frames per second"
    return SAMPLED_FPS, note


def find_whole_rate(period: Decimal, numerator: int = 1) -> float | None:
    """Return the whole number of frames per second N for which numerator / N, rounded or cut off, is a period.

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
    """Return frames per second by the duration of a frame in seconds, which its program may have rounded."""
    return find_whole_rate(Decimal(period)) or round_rate(1 / float(period))


def round_rate(fps: float, tolerance: float = _FPS_ROUNDING) -> float:
    """Return frames per second as a whole number, if they are whole within a relative tolerance."""
    rounded = float(round(fps))
    return rounded if abs(fps - rounded) < tolerance * fps else fps
