"""The frame rates at which animation curves are read.

Keys of recordings are dense, a key per frame. Keys that animators set are sparse, and the curve between them is the
motion: read at the rate of its keys, a gesture of a second would be a spike of a frame.
"""

SAMPLED_FPS = 30.0
"""Rate at which curves with sparse or uneven keys are sampled."""

SPARSE_FPS = 20.0
"""Keys at a lower rate are sparse. Datasets of motions, such as HumanML3D, have 20 frames per second and more."""

KEY_POSES_FPS = 5.0
"""Frames of a format without curves are key poses at a lower rate: a step or a gesture lies between two of them."""


def sampling_rate(keys_fps: float) -> tuple[float, str]:
    """Return the frames per second at which to read curves with keys at equal steps, and a note if it is another."""
    if keys_fps >= SPARSE_FPS:
        return keys_fps, ""
    note = f"key frames {1 / keys_fps:.3g} s apart; sampled at {SAMPLED_FPS:g} frames per second"
    return SAMPLED_FPS, note


def round_rate(fps: float, tolerance: float) -> float:
    """Return frames per second as a whole number, if they are whole within a relative tolerance."""
    rounded = float(round(fps))
    return rounded if abs(fps - rounded) < tolerance * fps else fps
