"""Detect swapped sides.

Toes, knees and elbows show left and right where names are wrong.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from selfcorrect.motion.geometry.vectors import cosines, median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import swap_sides

from .naming import ARM_PARTS, LEG_PARTS
from .samples import sample_frames

SWAPPED_NOTE = "left and right are swapped in the names; corrected by where toes, knees and elbows point"

ARMS_NOTE = "left and right arms are swapped in the names; corrected by how shoulders lie over the hips"

_OPPOSITE = -0.5
"""Maximum median cosine of swapped arms, between the lines through hips and shoulders."""
_BENT = 0.02
"""Minimum bend of a knee or elbow, in leg lengths: the distance from the line between the ends of the limb."""
_CONTRARY = -0.3
"""Maximum mean cosine that contradicts names, between the line through the hips and the expected line."""
_FEWEST_WITNESSES = 2

_LIMBS = {1.0: LEG_PARTS[:3], -1.0: ARM_PARTS[1:]}
"""Limb joints by bend direction: the z of the middle joint's direction off the line between the neighbours."""


def unswap_sides(motion: Motion) -> tuple[Motion, tuple[str, ...]]:
    """Correct swapped left and right parts, with a note for each exchange.

    Arms are exchanged if the line through the shoulders runs against that through the hips. Both sides are exchanged
    only if two of toes, knees and elbows contradict the names by a margin, and the mean of all does.
    """
    notes = []
    if _has_swapped_arms(motion):
        motion = _swap_parts(motion, ARM_PARTS)
        notes.append(ARMS_NOTE)
    if has_swapped_sides(motion):
        motion = _swap_parts(motion, ("",))
        notes.append(SWAPPED_NOTE)
    return motion, tuple(notes)


def _swap_parts(motion: Motion, endings: tuple[str, ...]) -> Motion:
    """Swap left and right in the parts that end in one of some words."""
    skeleton = motion.skeleton
    parts = tuple(swap_sides(part) if part.endswith(endings) else part for part in skeleton.parts)
    return replace(motion, skeleton=replace(skeleton, parts=parts))


def _has_swapped_arms(motion: Motion) -> bool:
    """Return whether shoulders lie against the hips most of the time, because nobody twists so far."""
    places_m = _find_positions(motion)
    if not {"hip", "shoulder"} <= places_m.keys():
        return False
    across_m = {limb: places_m[limb][:, 0] - places_m[limb][:, 1] for limb in ("hip", "shoulder")}
    return float(median(cosines(across_m["hip"], across_m["shoulder"]))) < _OPPOSITE


def has_swapped_sides(motion: Motion) -> bool:
    """Return whether the body shows that the left side is really right."""
    cosines_to_left = sorted(measure_sides(motion))
    if len(cosines_to_left) < _FEWEST_WITNESSES:
        return False
    return cosines_to_left[1] < _CONTRARY and sum(cosines_to_left) < 0.0


def measure_sides(motion: Motion) -> list[float]:
    """Measure the evidence for left and right.

    The evidence is the mean cosine between the line from right to left hip and what toes, knees and elbows show as
    left.
    """
    places_m = _find_positions(motion)
    if not {"hip", "shoulder"} <= places_m.keys():
        return []
    hips_m = places_m["hip"]
    shoulders_m = places_m["shoulder"]
    up = shoulders_m.mean(axis=1) - hips_m.mean(axis=1)
    across = hips_m[:, 0] - hips_m[:, 1]
    means = []
    for ahead, is_shown in _find_directions(places_m):
        towards = np.cross(up, ahead)
        if is_shown.any():
            means.append(float(np.mean(cosines(towards, across)[is_shown])))
    return means


def _find_positions(motion: Motion) -> dict[str, np.ndarray]:
    """Return left and right positions (T, 2, 3) in some frames, by the part's name without side."""
    if not len(motion):
        return {}
    positions_m = joint_positions(sample_frames(motion))
    pairs = {part: motion.skeleton.pair(part) for part in ("foot", *chain(*_LIMBS.values()))}
    return {part: positions_m[:, joints] for part, joints in pairs.items() if joints is not None}


def _find_directions(places_m: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return directions (T, 3) in which toes, knees and elbows point, and the frames (T,) that show any."""
    directions: list[tuple[np.ndarray, np.ndarray]] = []
    if "ankle" not in places_m:
        return directions
    ankles_m = places_m["ankle"]
    leg_m = float(median(norms(places_m["hip"] - ankles_m)))
    if "foot" in places_m:
        directions.append(((places_m["foot"] - ankles_m).sum(axis=1), np.ones(len(ankles_m), dtype=bool)))
    for forwards, limb in _LIMBS.items():
        if set(limb) <= places_m.keys():
            start, middle, end = limb
            bulge_m = (places_m[middle] - (places_m[start] + places_m[end]) / 2).sum(axis=1)
            directions.append((forwards * bulge_m, norms(bulge_m) > 2 * _BENT * leg_m))
    return directions
