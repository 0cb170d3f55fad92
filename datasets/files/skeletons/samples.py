"""Sample some frames of a motion.

All frames would take long and show no more.
"""

import numpy as np

from selfcorrect.motion.geometry.vectors import find_distinct
from selfcorrect.motion.motion import Motion

_FRAMES = 48
"""Number of frames that are looked at."""


def sample_frames(motion: Motion) -> Motion:
    """Return the motion at some frames, evenly spread."""
    frames = find_distinct(np.linspace(0, len(motion) - 1, _FRAMES).round().astype(int))
    return motion.select_frames(frames[: len(motion)])
