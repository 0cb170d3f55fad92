"""Choice between the frame times of a file and those of its recording; a module that loads nothing."""

from typing import Literal, TypeAlias

FrameTimes: TypeAlias = Literal["auto", "keep", "even"]
"""How to treat duplicated or interpolated frames."""
