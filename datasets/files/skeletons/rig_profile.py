"""Rig profiles: foot frames and soles, estimated from several clips of a rig and stored in a file.

A single clip shows the height of the soles only as well as the floor is known. A profile is an input like any other: a
result depends on the profile that the user names, and never on the other files of the same run.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import estimate_foot_frames, fit_feet_to_rig
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.skeleton import FootFrames, Skeleton
from selfcorrect.storage.files.limits import read_bytes
from selfcorrect.storage.files.strict_json import parse_json, read_as

MAX_FRAMES = 600
"""Maximum number of frames of each motion that a profile is estimated from."""
AGREE_M = 0.015
"""Largest distance of agreeing floors from their median, in m."""


@dataclass(frozen=True)
class RigProfile:
    """Foot frames and soles of rigs."""

    rigs: Mapping[str, FootFrames]
    """Foot frames and soles, by `key_of_rig`."""

    def on_rig(self, motion: Motion) -> Motion:
        """Return the motion with the profile's feet, or unchanged if its rig is not in the profile."""
        rig = self.rigs.get(key_of_rig(motion.skeleton))
        return motion if rig is None else replace(motion, feet=fit_feet_to_rig(motion, rig))


def key_of_rig(skeleton: Skeleton) -> str:
    """Return a key for a rig that does not depend on rounding.

    Equal rigs have the same joints, and the same offsets to 0.1 mm.
    """
    joints = repr((skeleton.names, skeleton.parents, skeleton.parts))
    offsets = np.round(skeleton.offsets_m, 4) + 0.0  # no negative zeros
    return hashlib.blake2b(joints.encode(errors="replace") + offsets.tobytes(), digest_size=16).hexdigest()


def group_by_rig(motions: Iterable[Motion]) -> dict[str, list[Motion]]:
    """Group the first frames of motions by `key_of_rig`. Rigs with a single motion are dropped."""
    by_rig: dict[str, list[Motion]] = defaultdict(list)
    for motion in motions:
        by_rig[key_of_rig(motion.skeleton)].append(motion.frames(0, MAX_FRAMES))
    return {rig: clips for rig, clips in by_rig.items() if len(clips) > 1}


def profile_of(by_rig: Mapping[str, Sequence[Motion]]) -> RigProfile:
    """Estimate a profile from motions grouped by `group_by_rig`."""
    return RigProfile({rig: estimate_foot_frames(clips) for rig, clips in by_rig.items()})


@dataclass(frozen=True)
class CommonFloor:
    """The floor of a rig's clips: the median of the floors that they show."""

    clips: int
    """Number of clips that show a floor."""
    height_m: float
    """Median of the floor heights."""
    deviation_m: float
    """Standard deviation of the floor heights."""
    furthest_m: float
    """Largest distance of a floor height from the median."""

    @classmethod
    def from_clips(cls, clips: Sequence[Motion], profile: RigProfile) -> Self | None:
        """Find the common floor of clips with a profile's feet, or return None if fewer than two show a floor."""
        grounds = [observe_ground(profile.on_rig(clip)) for clip in clips]
        shown_m = [ground.floor_to_zero_m for ground in grounds if ground.is_shown and ground.is_stood_on]
        heights_m = np.array([height_m for height_m in shown_m if height_m is not None])
        if len(heights_m) < 2:
            return None
        height_m = float(median(heights_m))
        return cls(len(heights_m), height_m, float(heights_m.std()), float(np.abs(heights_m - height_m).max()))

    def __str__(self) -> str:
        height_m = round(self.height_m, 3) + 0.0  # no negative zero
        floor = f"floor {1000 * height_m:.0f} mm ({self.clips} clips, ± {1000 * self.deviation_m:.0f})"
        if self.furthest_m > AGREE_M:
            return f"{floor}: clips differ, so each should keep its own"
        return f"{floor}: --floor {height_m:.3f} puts it at 0 in all of them"


def read_profile(path: Path) -> RigProfile:
    """Read a rig profile. Raises InputError if the file does not hold one."""
    return _parse_profile(path, read_bytes(path))


@lru_cache(maxsize=4)
def _parse_profile(path: Path, content: bytes) -> RigProfile:
    profile = read_as(RigProfile, parse_json(content, path), path)
    for rig, feet in profile.rigs.items():
        _check(f"{path}: rig {rig[:40]}", feet)
    return profile


def _check(where: str, feet: FootFrames) -> None:
    """Raise InputError unless foot frames and soles are valid."""
    rotations: Sequence[Sequence[float]] = (*feet.ankles, *feet.toes)
    is_complete = len(feet.ankles) == len(feet.toes) == 2 and all(len(rotation) == 4 for rotation in rotations)
    if not is_complete or not np.allclose(norms(np.array(rotations)), 1.0, atol=1e-6):
        raise InputError(f"{where}: expected a unit quaternion (xyzw) for each ankle and each toe joint")
    if feet.soles_m is not None and (len(feet.soles_m) != 2 or not np.all(np.abs(feet.soles_m) < 0.5)):
        raise InputError(f"{where}: expected two sole depths below 0.5 m, got {feet.soles_m}")
