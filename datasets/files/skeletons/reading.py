"""Options of reading, for what motion files leave out, shared by all commands and Python functions."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from selfcorrect.core.checks import check_choice, check_file_name, check_number, check_switch
from selfcorrect.core.errors import SettingError

Up = Literal[
    "x", "y", "z", "x-down", "y-down", "z-down", "x!", "y!", "z!", "x-down!", "y-down!", "z-down!"
]  # fmt: skip
METRES_PER_UNIT = (1e-9, 1e6)
"""From nanometres to thousands of kilometres."""
FURTHEST_FLOOR_M = 1e4
"""Floors lie no further from zero."""


@dataclass(frozen=True)
class Reading:
    """Properties of motion files that these do not state."""

    metres_per_unit: float | None = None
    """Length of the unit of files that do not state a unit (default: the usual unit by which the body has a person's
    stature)."""
    fps: float | None = None
    """Frames per second of files that state no rate, and of BVH files whatever frame time they state (default: the
    usual rate of the format)."""
    up: Up | None = None
    """Vertical axis of the files' worlds, such as `y`, `z`, or `y-down` for a camera's (default: the axis that the
    format states or the motion shows). An axis that all signs in a motion contradict is refused; `y!` insists."""
    body_model: Path | None = None
    """A SMPL, SMPL+H or SMPL-X file that gives bone lengths to the shapes in AMASS and similar files (default: an
    average body)."""
    floor: float | None = None
    """Height of the floor in the files' worlds, metres above zero. Motions are lowered by this height, so that the
    floor lies at 0, and `correct` looks for no other floor (default: the floor that the motion shows)."""
    drop: bool = False
    """Put each motion as a whole onto the floor at 0: down, or up, by the height of the lowest foot."""
    profile: Path | None = None
    """A rig profile, of `selfcorrect data profile`: how the feet of a rig stand, learned from several clips."""
    allow_pickle: bool = False
    """Read pickle files from a source that you trust: body models, and datasets that have such files."""
    ground: Path | None = None
    """Ground of the motions, as JSON: a floor, level or sloping, and boxes such as the steps of stairs. Metres, y
    up, in the world of the motions. No other floor is looked for, and beside boxes no other steps."""

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
            raise SettingError("floor says where the floor is, and drop looks for it; leave one of them out")
        if self.ground is not None and (self.drop or self.floor is not None):
            raise SettingError("ground says where the floor is; leave out floor and drop")

    @property
    def files(self) -> tuple[Path | None, ...]:
        """Files that the options name."""
        return self.body_model, self.profile, self.ground

    @property
    def tells_anything(self) -> bool:
        """True if any option but `allow_pickle` is set."""
        return replace(self, allow_pickle=False) != Reading()


def _option(name: str) -> str:
    """Return the name of a field on the command line."""
    return name.replace("_", "-")
