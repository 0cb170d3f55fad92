"""Keep changes only where they help.

A step changes motions, measures where this helps, and undoes the remaining changes. What helps depends on the step. How
a change is undone does not, and is defined here: by motion, or by frame with a fading share.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_gaussian, smoothstep
from selfcorrect.motion.geometry.filters import maximum_filter1d
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.motion import MotionBatch

_AROUND_S = 0.25
"""Time before and after a frame whose largest change decides, in s."""


def keep_changes(before: MotionBatch, after: MotionBatch, share: np.ndarray) -> MotionBatch:
    """Keep the changes of some motions or frames.

    Motions and frames with share 0 are exactly those before, and those with share 1 exactly those after. In between,
    roots are interpolated linearly, and rotations along the shortest arc. No motion depends on another.

    Args:
        before: N motions of T frames.
        after: The same motions, changed.
        share: Share of the change that is kept, from 0 to 1: (N,) of each motion, or (N, T) of each frame.
    """
    # A batch that is kept whole is copied, too: its cached poses would round differently from those of a mixed batch.
    shares = np.broadcast_to(share.reshape(len(before), -1), before.root_m.shape[:2])
    is_changed = shares > 0
    root_m = np.where(is_changed[..., None], after.root_m, before.root_m)
    rotations = np.where(is_changed[..., None, None], after.rotations, before.rotations)
    fades = is_changed & (shares < 1)
    for index in np.flatnonzero(fades.any(axis=1)):  # one by one, so that rounding does not depend on other motions
        frames = index, fades[index]
        faded = shares[frames][:, None]
        root_m[frames] = before.root_m[frames] + faded * (after.root_m[frames] - before.root_m[frames])
        rotations[frames] = slerp(before.rotations[frames], after.rotations[frames], faded[..., None])
    return replace(after, root_m=root_m, rotations=rotations)


def deadband(sizes: np.ndarray, bounds: tuple[float | np.ndarray, float | np.ndarray], fps: float) -> np.ndarray:
    """Return the share of each change that is large enough to be made.

    Changes that are small for a while are not made. Errors that remain after a correction are small, so that a second
    correction changes nothing.

    Args:
        sizes: (N, T, K) sizes of K changes.
        bounds: Maximum size of changes that are not made, and minimum size of changes that are made fully; numbers or
            (N, 1, 1).
        fps: Frames per second.

    Returns:
        (N, T, K) in [0, 1].
    """
    small, large = bounds
    frames = 2 * round(_AROUND_S * fps) + 1
    largest = maximum_filter1d(sizes, frames, axis=1, mode="nearest")
    share = smoothstep((largest - small) / (large - small))
    return smooth_gaussian(share, 0.5 * _AROUND_S * fps)
