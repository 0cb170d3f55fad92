"""What every reader of motion files takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from selfcorrect.errors import InputError, SettingError
from selfcorrect.motion.motion import FPS_READ, Motion

if TYPE_CHECKING:
    from selfcorrect.motion.body.body_model import BodyModel


METRES_PER_UNIT = (1e-9, 1e6)
"""From nanometres to thousands of kilometres."""


@dataclass(frozen=True)
class Reading:
    """What files do not tell."""

    metres_per_unit: float | None = None
    """None for what the format says, or to guess from the body's size."""
    fps: float | None = None
    """Of files that do not tell: of .npy files 20 without, as of HumanML3D, of SMPL parameters 30."""
    up: Literal["y", "z"] | None = None
    """The vertical axis, None for what the format says, or to tell from the body."""
    body_model: Path | None = None
    """A file that gives AMASS' shapes their bones, None for an average body."""
    allow_pickle: bool = False
    """Read it where it is a .pkl file, whose source is trusted."""

    def __post_init__(self) -> None:
        for name, (least, most) in (("metres_per_unit", METRES_PER_UNIT), ("fps", FPS_READ)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                name = name.replace("_", "-")
                raise SettingError(f"{name} must be a positive number from {least:g} to {most:g}, got {value}")


@dataclass(frozen=True, eq=False)
class MotionFile:
    """The motions of a file, each y up, in metres, on a skeleton that rests upright."""

    motions: tuple[Motion, ...]
    notes: tuple[str, ...]
    """What was assumed to read it."""
    write: Writes
    """Puts as many other motions of the same skeletons into a file like this one, with its names, units, axes and
    frames of reference."""
    mass_kg: float | None = None
    """Of the body, None where the file does not tell."""
    flaw: str = ""
    """Why its rest pose could not be made upright, "" where it is."""

    @property
    def motion(self) -> Motion:
        """The only motion; InputError where there are several."""
        if len(self.motions) != 1:
            raise InputError(f"{self.motions[0].source}: holds {len(self.motions)} motions, expected one")
        return self.motions[0]


Writes = Callable[..., None]
"""Writes a file: called with its path and the motions."""


@lru_cache(maxsize=1)
def body_model_of(reading: Reading) -> BodyModel | None:
    """The body model that a reading names, loaded once."""
    if reading.body_model is None:
        return None
    from selfcorrect.motion.body.body_model import load_body_model

    return load_body_model(reading.body_model, allow_pickle=reading.allow_pickle)
