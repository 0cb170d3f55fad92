"""Left and right of a body by where its toes, knees and elbows point, for files whose names have them swapped."""

from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.geometry.vectors import cosines, find_distinct, median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import swap_sides

SWAPPED_NOTE = "left and right are swapped in the names; taken as toes, knees and elbows point"

ARMS_NOTE = "left and right arms are swapped in the names; taken as shoulders lie over the hips"

_ARM_PARTS = ("collar", "shoulder", "elbow", "wrist")
_OPPOSITE = -0.5
"""Largest median cosine between the lines through hips and shoulders of a body whose arms have swapped names."""
_FRAMES = 48
"""Number of frames that are looked at."""
_BENT = 0.02
"""Least distance of a knee or elbow from the line between the ends of its limb, over the length of the leg."""
_CONTRARY = -0.3
"""Largest mean cosine, between the line through the hips and what it should be, that contradicts the names."""
_FEWEST_WITNESSES = 2

_LIMBS = {"knee": ("hip", "knee", "ankle", 1.0), "elbow": ("shoulder", "elbow", "wrist", -1.0)}
"""Joints of a limb, and the z of the direction in which its middle joint lies off the line between its neighbours."""


def unswap_sides(motion: Motion) -> tuple[Motion, tuple[str, ...]]:
    """Return the motion with left and right parts as the body shows them, and a note for each exchange.

    Arms are exchanged if the line through the shoulders runs against that through the hips. Both sides are exchanged
    only if two of toes, knees and elbows contradict the names by a margin, and the mean of all does.
    """
    notes = []
    if _has_swapped_arms(motion):
        motion = _swap_parts(motion, _ARM_PARTS)
        notes.append(ARMS_NOTE)
    if has_swapped_sides(motion):
        motion = _swap_parts(motion, ("",))
        notes.append(SWAPPED_NOTE)
    return motion, tuple(notes)


def _swap_parts(motion: Motion, endings: tuple[str, ...]) -> Motion:
    """Return the motion with left and right exchanged in the parts that end in one of some words."""
    skeleton = motion.skeleton
    parts = tuple(swap_sides(part) if part.endswith(endings) else part for part in skeleton.parts)
    return replace(motion, skeleton=replace(skeleton, parts=parts))


def _has_swapped_arms(motion: Motion) -> bool:
    """Return whether the shoulders lie against the hips most of the time: nobody twists so far."""
    places = _PartPlaces(motion)
    hips_m = places.find("hip")
    shoulders_m = places.find("shoulder")
    if hips_m is None or shoulders_m is None:
        return False
    hips = hips_m[:, 0] - hips_m[:, 1]
    shoulders = shoulders_m[:, 0] - shoulders_m[:, 1]
    return float(median(cosines(hips, shoulders))) < _OPPOSITE


def has_swapped_sides(motion: Motion) -> bool:
    """Return whether the body shows that what is called left is its right side."""
    cosines_to_left = sorted(measure_sides(motion))
    if len(cosines_to_left) < _FEWEST_WITNESSES:
        return False
    return cosines_to_left[1] < _CONTRARY and sum(cosines_to_left) < 0.0


def measure_sides(motion: Motion) -> list[float]:
    """Return mean cosines between the line from right to left hip and what toes, knees and elbows show to be left."""
    places = _PartPlaces(motion)
    hips_m = places.find("hip")
    shoulders_m = places.find("shoulder")
    if hips_m is None or shoulders_m is None:
        return []
    up = shoulders_m.mean(axis=1) - hips_m.mean(axis=1)
    across = hips_m[:, 0] - hips_m[:, 1]
    means = []
    for ahead, is_shown in places.witnesses():
        towards = np.cross(up, ahead)
        if is_shown.any():
            means.append(float(np.mean(cosines(towards, across)[is_shown])))
    return means


class _PartPlaces:
    """Positions of parts at some frames of a motion, both sides together."""

    def __init__(self, motion: Motion) -> None:
        frames = np.zeros(0, dtype=int)
        if len(motion):
            frames = find_distinct(np.linspace(0, len(motion) - 1, _FRAMES).round().astype(int))
        some = replace(motion, root_m=motion.root_m[frames], rotations=motion.rotations[frames], contacts=None)
        self.skeleton = motion.skeleton
        self.positions_m = joint_positions(some) if len(some) else np.zeros((0, len(motion.skeleton), 3))

    def find(self, limb: str) -> np.ndarray | None:
        """Return the positions (T, 2, 3) of the left and the right part; None if a part is missing."""
        joints = self.skeleton.pair(limb)
        return None if joints is None or not len(self.positions_m) else self.positions_m[:, joints]

    def witnesses(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return directions (T, 3) ahead as toes, knees and elbows show them, and the frames (T,) that show any."""
        witnesses: list[tuple[np.ndarray, np.ndarray]] = []
        hips_m = self.find("hip")
        ankles_m = self.find("ankle")
        toes_m = self.find("foot")
        if hips_m is None or ankles_m is None:
            return witnesses
        leg_m = float(median(norms(hips_m - ankles_m)))
        if toes_m is not None:
            witnesses.append(((toes_m - ankles_m).sum(axis=1), np.ones(len(toes_m), dtype=bool)))
        for start, middle, end, forwards in _LIMBS.values():
            places_m = [self.find(part) for part in (start, middle, end)]
            known_m = [place_m for place_m in places_m if place_m is not None]
            if len(known_m) == len(places_m):
                bulge_m = (known_m[1] - (known_m[0] + known_m[2]) / 2).sum(axis=1)
                witnesses.append((forwards * bulge_m, norms(bulge_m) > 2 * _BENT * leg_m))
        return witnesses
