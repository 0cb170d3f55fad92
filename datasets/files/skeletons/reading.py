"""Reading options for facts that files do not state, shared by all commands and Python functions."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from selfcorrect.core.checks import check_choice, check_file_name, check_number, check_switch
from selfcorrect.core.errors import SettingError

Up = Literal[
    "x", "y", "z", "x-down", "y-down", "z-down", "x!", "y!", "z!", "x-down!", "y-down!", "z-down!"
]  # fmt: skip
METRES_PER_UNIT = (1e-9, 1e6)
"""Range of units, in m."""
FURTHEST_FLOOR_M = 1e4
"""Largest distance of a floor from zero, in m."""


@dataclass(frozen=True)
class Reading:
    """Facts that motion files do not state."""

    metres_per_unit: float | None = None
    """Length unit in m, for files that do not state one (default: the unit by which the body has a person's
    stature)."""
    fps: float | None = None
    """Frame rate, for files that do not state one, and for BVH files whatever they state (default: the usual rate
    of the format)."""
    up: Up | None = None
    """Vertical axis, such as `y`, `z`, or `y-down` for a camera's (default: the axis that the format states or the
    motion shows). An axis that contradicts the motion is refused, unless you insist with `y!`."""
    body_model: Path | None = None
    """SMPL, SMPL+H or SMPL-X file with bone lengths for AMASS and similar files (default: an average body)."""
    floor: float | None = None
    """Height of the floor in the file, in m. The motion is moved so that this floor is at zero, and `correct`
    infers no other floor (default: the floor that the motion shows)."""
    drop: bool = False
    """Put each motion onto the floor at zero, by the height of its lowest foot."""
    profile: Path | None = None
    """Rig profile from `selfcorrect data profile`, which tells how the feet of a rig stand."""
    allow_pickle: bool = False
    """Read pickle files, such as body models and some datasets; use this only for sources that you trust."""
    ground: Path | None = None
    """JSON file with the ground: a floor, level or sloping, and boxes such as stairs, in m, y up. No other floor is
    inferred, and no other steps if there are boxes."""

    def __post_init__(self) -> None:
        for name in ("drop", "allow_pickle"):
            check_switch(_option(name), getattr(self, name))
        for name in ("body_model", "profile", "ground"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, check_file_name(_option(name), value))
        if self.metres_per_unit is not None:
            check_number("metres-per-unit", self.metres_per_unit, *METRES_PER_UNIT)
        if self.fps is not None:
            from selfcorrect.motion.motion import FPS_READ  # needs NumPy, which a command line starts without

            check_number("fps", self.fps, *FPS_READ)
        if self.floor is not None:
            check_number("floor", self.floor, -FURTHEST_FLOOR_M, FURTHEST_FLOOR_M)
        if self.up is not None:
            check_choice("up", self.up, get_args(Up))
        if self.floor is not None and self.drop:
            raise SettingError("floor states the floor's height, and drop infers it; use only one of them")
        if self.ground is not None and (self.drop or self.floor is not None):
            raise SettingError("ground states the floor's height; leave out floor and drop")

    @property
    def files(self) -> tuple[Path | None, ...]:
        """Files named by the options."""
        return self.body_model, self.profile, self.ground

    @property
    def tells_anything(self) -> bool:
        """True if any option but `allow_pickle` is set."""
        return replace(self, allow_pickle=False) != Reading()


def _option(name: str) -> str:
    """Return a field's command-line name."""
    return name.replace("_", "-")
