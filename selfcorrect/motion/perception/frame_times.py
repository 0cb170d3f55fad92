"""Choice between the frame times of a file and of its recording."""

from typing import Literal, TypeAlias

FrameTimes: TypeAlias = Literal["auto", "keep", "even"]
"""How to treat duplicated or interpolated frames."""
