"""Contacts of feet as data that people read and edit: which foot stands, from which frame to which, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.foot_frames import level
from selfcorrect.motion.body.surface import sole_points, world_sole_points
from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.geometry.kinematics import world_poses
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.storage.files.strict_json import read_file_as
from selfcorrect.storage.files.writing import refuse_to_replace, write_atomically

from .body.curves import smoothstep
from .body.leg_ik import Legs, solve_leg_ik
from .cleanup.foot_lock import FEET as FEET_SETTINGS
from .cleanup.stance import PosedMotions
from .corrector import KinematicCorrector

FEET = ("left foot", "right foot")
FADING_S = 0.3
"""Time in which a foot that was put elsewhere returns to its path, before and after the contact."""
LEAST_M = 0.01
"""Feet that are planted nearer to where they are wanted stay there."""


@dataclass(frozen=True)
class FootContact:
    """A time in which a foot stands."""

    part: Literal["left foot", "right foot"]
    first_frame: int
    last_frame: int
    """Inclusive."""
    position_m: tuple[float, ...] | None = None
    """(3,) middle of the sole, world, y up; None leaves it where the motion has it."""
    kind: Literal["stands"] = "stands"
    """What the foot does: it stays in its place on the ground."""


@dataclass(frozen=True)
class Contacts:
    """All contacts of both feet in a motion; where there is none, a foot swings.

    `save` and `load` keep them as JSON: `frames`, `fps`, and `contacts`, a list of objects with the fields of
    `FootContact`.
    """

    frames: int
    fps: float
    """Frames per second."""
    contacts: tuple[FootContact, ...] = ()

    def __post_init__(self) -> None:
        for each in self.contacts:
            if not 0 <= each.first_frame <= each.last_frame < self.frames:
                raise InputError(
                    f"contact of the {each.part} from frame {each.first_frame} to {each.last_frame}: "
                    f"expected first ≤ last, both from 0 to {self.frames - 1}"
                )
            if each.position_m is not None and (len(each.position_m) != 3 or not np.isfinite(each.position_m).all()):
                raise InputError(f"contact of the {each.part}: position_m must be three finite numbers")

    @classmethod
    def of(cls, motion: Motion) -> Contacts:
        """The contacts that a correction sees in a motion, by the height and speed of its soles; its floor is y = 0."""
        seen = level(motion)
        posed = PosedMotions.from_motions(MotionBatch.stack([seen]), sole_points(seen.skeleton))
        stands, soles_m = posed.detect_stances(FEET_SETTINGS)[0], _soles_m(motion)
        found = [
            FootContact(part, first, last, tuple(np.round(soles_m[first : last + 1, foot].mean(0), 4).tolist()))
            for foot, part in enumerate(FEET)
            for first, last in spans(stands[:, foot])
        ]
        return cls(len(motion), motion.fps, tuple(sorted(found, key=lambda each: each.first_frame)))

    @classmethod
    def load(cls, path: str | Path) -> Contacts:
        """Those of a file; InputError where it is none."""
        return read_file_as(cls, Path(path))

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write them as JSON; SettingError where the file exists, unless `overwrite` is true."""
        path = Path(path).expanduser()
        refuse_to_replace(path, overwrite)
        write_atomically(path, self.text(), overwrite=overwrite)

    def text(self) -> str:
        """The JSON that `save` writes."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def stands(self) -> np.ndarray:
        """(T, 2) bool, left foot first."""
        stands = np.zeros((self.frames, 2), dtype=bool)
        for each in self.contacts:
            stands[each.first_frame : each.last_frame + 1, FEET.index(each.part)] = True
        return stands

    def on(self, motion: Motion) -> Motion:
        """The motion whose feet a correction plants in these contacts and in no others.

        Feet are put where contacts say, the knees follow. InputError for a motion of another length.
        """
        if len(motion) != self.frames:
            raise InputError(f"{motion.source}: has {len(motion)} frames, the contacts are of {self.frames}")
        return self._placed(replace(motion, contacts=np.where(self.stands(), np.inf, -np.inf)))

    def _placed(self, motion: Motion) -> Motion:
        """The motion with feet that a clean-up plants where contacts say."""
        if all(each.position_m is None for each in self.contacts):
            return motion
        moves_m = np.zeros((len(motion), 2, 3))
        for foot, frames, shift_m in self._shifts(KinematicCorrector()([motion])[0].motion):
            moves_m[:, foot] += _share(len(motion), *frames, FADING_S * motion.fps)[:, None] * shift_m
        if not moves_m.any():
            return motion
        positions_m, orientations = world_poses(motion)
        ankles_m = positions_m[:, Legs.from_skeleton(motion.skeleton).ankles] + moves_m
        unturned = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(motion), 2, 4))
        stays_m = np.zeros((len(motion), 3))
        rotations = solve_leg_ik(motion.skeleton, positions_m, orientations, stays_m, ankles_m, unturned)
        return replace(motion, rotations=rotations)

    def _shifts(self, planted: Motion) -> Iterator[tuple[int, tuple[int, int], np.ndarray]]:
        """Foot, first and last frame, and displacement (3,) of each contact that is wanted elsewhere than planted."""
        soles_m = _soles_m(planted)
        for each in self.contacts:
            if each.position_m is None:
                continue
            foot = FEET.index(each.part)
            shift_m = each.position_m - soles_m[each.first_frame : each.last_frame + 1, foot].mean(0)
            shift_m[1] = 0.0  # heights are the ground's, which the correction finds
            if np.linalg.norm(shift_m) > LEAST_M:
                yield foot, (each.first_frame, each.last_frame), shift_m


def _soles_m(motion: Motion) -> np.ndarray:
    """(T, 2, 3) the middle of each sole, world, seen where the soles stand level."""
    motion = level(motion)
    soles_m, side = world_sole_points(motion.skeleton, *world_poses(motion)), sole_points(motion.skeleton).side
    return np.stack([soles_m[:, side == foot].mean(1) for foot in (0, 1)], axis=1)


def _share(frames: int, first: int, last: int, fading: float) -> np.ndarray:
    """(T,) 1 from the first to the last frame, which fades over so many frames around."""
    at = np.arange(frames)
    away = np.maximum(np.maximum(first - at, at - last), 0)
    return smoothstep(1 - away / max(fading, 1.0))
