"""Choice between a file's and its recording's frame times.

This module loads nothing.
"""

from typing import Literal, TypeAlias

FrameTimes: TypeAlias = Literal["auto", "keep", "even"]
"""How to treat duplicated or interpolated frames."""
