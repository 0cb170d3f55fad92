"""Sample frames of a motion, because all of them would take longer and show no more."""

import numpy as np

from selfcorrect.motion.geometry.vectors import find_distinct
from selfcorrect.motion.motion import Motion

_FRAMES = 48
"""Maximum number of sampled frames."""


def sample_frames(motion: Motion) -> Motion:
    """Return the motion at evenly spread frames."""
    frames = find_distinct(np.linspace(0, len(motion) - 1, _FRAMES).round().astype(int))
    return motion.select_frames(frames[: len(motion)])
