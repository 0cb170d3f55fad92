"""Choice between the frame times of a file and the frame times of its recording."""

from typing import Literal, TypeAlias

FrameTimes: TypeAlias = Literal["auto", "keep", "even"]
"""Treatment of frames that are no samples of the recording."""
