"""Detect joint names with left and right swapped, by where toes, knees and elbows point."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from selfcorrect.motion.geometry.vectors import cosines, median, normalize_safely, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import swap_sides

from .naming import ARM_PARTS, LEG_PARTS
from .samples import sample_frames

SWAPPED_NOTE = "left and right are swapped in the names; corrected by where toes, knees and elbows point"

ARMS_NOTE = "left and right arms are swapped in the names; corrected by how shoulders lie over the hips"

_OPPOSITE = -0.5
"""Arms are swapped if the median cosine between the lines through hips and shoulders is below this."""
BENT = 0.02
"""Smallest bend of a knee or elbow that counts: its distance from the line between the limb's ends, in leg lengths."""
_CONTRARY = -0.3
"""Names are contradicted if the mean cosine between the line through the hips and the expected line is below this."""
_MIN_CUES = 2

_LIMBS = {1.0: LEG_PARTS[:3], -1.0: ARM_PARTS[1:]}
"""Joints of limbs, by the direction along z in which the middle joint is off the line between the other two."""


def unswap_sides(motion: Motion) -> tuple[Motion, tuple[str, ...]]:
    """Correct swapped left and right parts, with a note for each swap.

    Arms are swapped if the line through the shoulders is opposite to the line through the hips. All parts are swapped
    only if at least two of toes, knees and elbows clearly contradict the names, and the mean of all of them does, too.
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
    """Swap left and right in the parts with these endings."""
    skeleton = motion.skeleton
    parts = tuple(swap_sides(part) if part.endswith(endings) else part for part in skeleton.parts)
    return replace(motion, skeleton=replace(skeleton, parts=parts))


def _has_swapped_arms(motion: Motion) -> bool:
    """Return whether the shoulders mostly point opposite to the hips, which no person can twist so far to do."""
    positions_m = _find_positions(motion)
    if not {"hip", "shoulder"} <= positions_m.keys():
        return False
    across_m = {limb: positions_m[limb][:, 0] - positions_m[limb][:, 1] for limb in ("hip", "shoulder")}
    return float(median(cosines(across_m["hip"], across_m["shoulder"]))) < _OPPOSITE


def has_swapped_sides(motion: Motion) -> bool:
    """Return whether the body shows that left and right are swapped."""
    cosines_to_left = sorted(measure_sides(motion))
    if len(cosines_to_left) < _MIN_CUES:
        return False
    return cosines_to_left[1] < _CONTRARY and sum(cosines_to_left) < 0.0


def measure_sides(motion: Motion) -> list[float]:
    """Measure how well toes, knees and elbows agree with the sides of the hips.

    For each of them that shows a direction, the result is the mean cosine between the line from right to left hip and
    the direction to the left that it implies.
    """
    positions_m = _find_positions(motion)
    if not {"hip", "shoulder"} <= positions_m.keys():
        return []
    hips_m = positions_m["hip"]
    shoulders_m = positions_m["shoulder"]
    up = shoulders_m.mean(axis=1) - hips_m.mean(axis=1)
    across = hips_m[:, 0] - hips_m[:, 1]
    means = []
    for ahead, is_shown in _find_directions(positions_m):
        towards = np.cross(up, ahead)
        if is_shown.any():
            means.append(float(np.mean(cosines(towards, across)[is_shown])))
    return means


def _find_positions(motion: Motion) -> dict[str, np.ndarray]:
    """Return the left and right positions (T, 2, 3) of parts in sampled frames, by the part's name without side."""
    if not len(motion):
        return {}
    positions_m = joint_positions(sample_frames(motion))
    pairs = {part: motion.skeleton.pair(part) for part in ("foot", *chain(*_LIMBS.values()))}
    return {part: positions_m[:, joints] for part, joints in pairs.items() if joints is not None}


def _find_directions(positions_m: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the directions (T, 3) in which toes, knees and elbows point, each with the frames (T,) that show it."""
    directions: list[tuple[np.ndarray, np.ndarray]] = []
    if "ankle" not in positions_m:
        return directions
    ankles_m = positions_m["ankle"]
    leg_m = float(median(norms(positions_m["hip"] - ankles_m)))
    if "foot" in positions_m:
        directions.append(((positions_m["foot"] - ankles_m).sum(axis=1), np.ones(len(ankles_m), dtype=bool)))
    for forwards, limb in _LIMBS.items():
        if set(limb) <= positions_m.keys():
            start, middle, end = limb
            bulge_m = _find_bulge_m(positions_m[start], positions_m[middle], positions_m[end]).sum(axis=1)
            directions.append((forwards * bulge_m, norms(bulge_m) > 2 * BENT * leg_m))
    return directions


def _find_bulge_m(starts_m: np.ndarray, middles_m: np.ndarray, ends_m: np.ndarray) -> np.ndarray:
    """Return how far (..., 3) the middles of limbs are beside the lines from their starts to their ends.

    The part along the line only shows that both bones have different lengths.
    """
    line = normalize_safely(ends_m - starts_m)
    from_start_m = middles_m - starts_m
    return from_start_m - np.sum(from_start_m * line, axis=-1, keepdims=True) * line
