"""Foot stances, and the ground heights that they show.

Each stance has a single vote on the floor's height, however long it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..geometry.runs import find_runs
from ..geometry.vectors import median, percentile
from .foot_paths import FootPaths
from .stance_model import LIKELY, SINKS_M_S

_MIN_VOTE_DENSITY = 0.2
"""Minimum density of votes for the floor, relative to the maximum. The floor is the lowest height that reaches it."""
SHORTEST_STANCE_S = 0.1
"""Minimum duration of a contact, in s. Shorter touches and pauses do not count."""
SAME_LEVEL_M = 0.05
"""Maximum height difference within one level, in m."""
_VOTE_WIDTH_M = 0.012
"""Standard deviation of the height that a stance shows, in m."""
_CARRY_S = 0.15
"""Time for which a foot can bear the body only if something supports it, in s."""
_ALONE_WEIGHT = 3.0
"""Vote of a foot that bears the body alone, relative to others."""
_FULL_VOTE_S = 0.3
"""Duration of a stance with a full vote, in s."""
_LEVEL_WEIGHT = 0.6
"""Minimum total vote of a level other than the floor."""
OFF_M = 0.02
"""Distance from the ground, beyond noise, at which standing feet contradict it, in m."""
_MIN_ON_SLOPE = 5
"""Minimum number of stances per point to fit a slope."""
_MIN_RISE_M = 0.04
"""Minimum steady rise of the ground, in m, more than the error of captures."""
RISES_FAR_M = 0.5
"""Rise of the ground that people might also climb, on ground that stands still beneath their feet, in m."""
_PART_S = 1.0
"""Maximum duration of the parts into which a stance is split if the ground rises far, in s."""
_SPEED_TOLERANCE = 0.3
"""Maximum difference between the vertical speeds of standing feet and of ground that rises far, relative to the
ground's."""
_MAX_SLOPE = 0.36
"""Maximum slope of ground that is not stairs."""
_OFF_PLANE_M = 0.03
"""Maximum deviation of stances from a plane, in m; stances further off are on stairs."""


@dataclass(frozen=True, eq=False)
class Stance:
    """A stance of one point of a foot."""

    foot: int
    """0 for left, 1 for right."""
    part: int
    """Index of the point: 0 for the heel and 1 for the toe joint, or 0 for the ankle of a foot without a toe joint."""
    first: int
    last: int
    """Last frame, inclusive."""
    place_m: np.ndarray
    """(3,) position of the point in the slower half of the frames: mean along the floor, median height."""
    weight: float
    """Weight of its vote, at most 1."""
    carries: bool
    """True if the foot bears the body, because no other foot stands lower for a while."""

    @property
    def middle(self) -> float:
        """Middle frame."""
        return (self.first + self.last) / 2


def find_stances(standing: np.ndarray, paths: FootPaths, fps: float) -> list[Stance]:
    """Find the runs in which points stand, separated by jumps to another level.

    Args:
        standing: (T, F, K) probability that each of K points of F feet stands.
        paths: Paths of these points.
        fps: Frames per second.
    """
    feet, parts = standing.shape[1:]
    is_level = np.abs(paths.rises_m_s).reshape(standing.shape) < SINKS_M_S
    stands = (standing > LIKELY) & is_level
    heights_m = paths.places_m[..., 1].reshape(standing.shape)
    stances = []
    for foot, part in np.ndindex(feet, parts):
        other_feet = np.delete(np.arange(feet), foot)
        above_m = heights_m[:, other_feet, part] - heights_m[:, [foot], part]
        other_swings = np.logical_not(stands[:, other_feet].any(2))
        is_alone = np.all(other_swings | (above_m > SAME_LEVEL_M), axis=1)
        is_held = np.any(~other_swings & (above_m < -OFF_M), axis=1)
        is_lowest = np.all(other_swings | (above_m > -SAME_LEVEL_M), axis=1)
        path_m = paths.places_m[:, foot * parts + part]
        speeds_m_s = paths.speeds_m_s[:, foot * parts + part]
        runs = find_runs(stands[:, foot, part])
        if not runs:
            continue
        starts, stops = np.transpose(runs)
        lengths = stops - starts
        alone, held, lowest = _count_in_runs(np.stack([is_alone, is_held, is_lowest]), starts, stops)
        sums = [np.add.reduce(standing[first:stop, foot, part]) for first, stop in runs]
        weights = np.minimum(lengths / (_FULL_VOTE_S * fps), 1.0) * (sums / lengths) * (1.0 - held / lengths)
        weights = np.where(alone >= _CARRY_S * fps, weights, weights / _ALONE_WEIGHT)
        carries = lowest >= _CARRY_S * fps
        places_m = _find_positions_m(path_m, speeds_m_s, np.flatnonzero(stands[:, foot, part]), lengths)
        rows = zip(runs, places_m, weights.tolist(), carries.tolist(), strict=True)
        for (first, stop), place_m, weight, is_carrying in rows:
            stances.append(
                Stance(
                    foot=foot,
                    part=part,
                    first=first,
                    last=stop - 1,
                    place_m=place_m,
                    weight=weight,
                    carries=is_carrying,
                )
            )
    return stances


def _find_positions_m(
    path_m: np.ndarray, speeds_m_s: np.ndarray, frames: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Find where a point stands in each run, (R, 3).

    Only frames at or below the run's median speed count. Heights are medians. Horizontal positions are means, which
    rotate with the motion.

    Args:
        path_m: (T, 3) path of the point.
        speeds_m_s: (T,) speed of the point.
        frames: (S,) frames of all runs, in order.
        lengths: (R,) number of frames of each run.
    """
    run = np.repeat(np.arange(len(lengths)), lengths)
    is_slow = speeds_m_s[frames] <= _medians_in_runs(speeds_m_s[frames], run)[run]
    slow_m = path_m[frames[is_slow]]
    run = run[is_slow]
    counts = np.bincount(run)
    x_m = np.bincount(run, slow_m[:, 0]) / counts
    z_m = np.bincount(run, slow_m[:, 2]) / counts
    return np.stack([x_m, _medians_in_runs(slow_m[:, 1], run), z_m], axis=-1)


def _medians_in_runs(values: np.ndarray, run: np.ndarray) -> np.ndarray:
    """Return the median (R,) of values (S,) in each run.

    `run` (S,) is the run of each value, in order.
    """
    ordered = values[np.lexsort((values, run))]
    lengths = np.bincount(run)
    middles = np.cumsum(lengths) - lengths + lengths // 2
    return (ordered[middles - 1 + lengths % 2] + ordered[middles]) / 2


def _count_in_runs(holds: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Count in how many frames of each run conditions (K, T) hold, (K, R).

    Runs are from starts (R,) to stops (R,).
    """
    counts = np.zeros((len(holds), holds.shape[1] + 1), dtype=int)
    np.cumsum(holds, axis=1, out=counts[:, 1:])
    return counts[:, stops] - counts[:, starts]


@dataclass(frozen=True)
class GroundSlope:
    """Ground that slopes along x and z and may rise over time."""

    middle: np.ndarray
    """(3,) point of zero rise: x and z in m, and time in s."""
    slopes: np.ndarray
    """(3,) slopes along x and z, and the rise over time in m/s, zero for level ground."""

    def rises_m(self, places_m: np.ndarray, times_s: np.ndarray | float) -> np.ndarray:
        """Return how much higher the ground is than in the middle.

        Positions are (..., 3), times (...), and heights (...) in m.
        """
        times_s = np.broadcast_to(times_s, places_m.shape[:-1])
        along = np.concatenate([places_m[..., [0, 2]], times_s[..., None]], axis=-1)
        return (along - self.middle) @ self.slopes


LEVEL_GROUND = GroundSlope(np.zeros(3), np.zeros(3))

_SLOPE_PRECISION = np.diag([0.01, 0.01, 0.11, 1.0])
"""Prior precision of slopes, for height errors of 0.01 m. It corresponds to slopes of 0.1, a rate of 0.03 m/s, and a
difference of 0.01 m between the feet."""


def fit_slope(stances: Sequence[Stance], parts: int, fps: float) -> GroundSlope:
    """Fit a slope to stances with `parts` points per foot.

    The ground is level unless a slope explains the stances much better.
    """
    slope = _fit_ground(stances, parts, fps, (1.0, 1.0, 1.0))
    return slope if np.hypot(*slope.slopes[:2]) < _MAX_SLOPE else LEVEL_GROUND


def fit_rise(stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> GroundSlope:
    """Fit horizontal ground that rises or sinks at a constant rate.

    The ground does not move unless a rise explains the stances much better. For stances along a straight path, sloping
    ground looks the same. If the ground rises far, standing feet must rise as fast as it does, because people who climb
    stand still in between.

    Args:
        feet_m: (T, 2, K, 3) positions of the K points of both feet.
    """
    slope = _fit_ground(stances, feet_m.shape[2], fps, (0.0, 0.0, 1.0))
    least_m = _MIN_RISE_M
    times = [stance.middle for stance in stances if stance.weight > 0]
    if slope is LEVEL_GROUND:  # bodies that keep standing have few stances, but long ones
        stances = _split_long_stances(stances, feet_m, fps)
        slope = _fit_ground(stances, feet_m.shape[2], fps, (0.0, 0.0, 1.0))
        least_m = RISES_FAR_M
        times = [end for stance in stances if stance.weight > 0 for end in (stance.first, stance.last)]
    rise_m = np.ptp(times) / fps * np.abs(slope.slopes[2]) if times else 0.0
    is_ground = rise_m > least_m and (rise_m < RISES_FAR_M or rises_underfoot(slope, stances, feet_m, fps))
    return slope if is_ground else LEVEL_GROUND


def _split_long_stances(stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> list[Stance]:
    """Split stances into parts of at most `_PART_S`, each with its own position."""
    longest = max(round(_PART_S * fps), 1)
    split = []
    for stance in stances:
        bounds = np.linspace(stance.first, stance.last + 1, -(-(stance.last + 1 - stance.first) // longest) + 1)
        for first, stop in pairwise(bounds.round().astype(int).tolist()):
            place_m = median(feet_m[first:stop, stance.foot, stance.part], axis=0)
            split.append(replace(stance, first=first, last=stop - 1, place_m=place_m))
    return split


def rises_underfoot(slope: GroundSlope, stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> bool:
    """Return whether standing feet rise or sink as fast as the ground.

    On a slope or on stairs they do not.
    """
    speed_m_s = float(slope.slopes[2])
    return abs(_stance_rise_m_s(stances, feet_m, fps) - speed_m_s) < _SPEED_TOLERANCE * abs(speed_m_s)


def _stance_rise_m_s(stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> float:
    """Return the median vertical speed of feet in stance, or 0 without stances.

    The foremost point of each foot counts.
    """
    speeds_m_s = []
    for stance in stances:
        if stance.part == feet_m.shape[2] - 1 and stance.weight > 0 and stance.last > stance.first:
            heights_m = feet_m[stance.first : stance.last + 1, stance.foot, stance.part, 1]
            speeds_m_s.append(float(median(np.diff(heights_m))) * fps)
    return float(median(np.array(speeds_m_s))) if speeds_m_s else 0.0


def _fit_ground(stances: Sequence[Stance], parts: int, fps: float, along: tuple[float, float, float]) -> GroundSlope:
    """Fit ground that varies along x, z or time, where `along` is 1.

    The result is level ground if that explains the stances almost as well.
    """
    rows, heights_m, weights, middle = _arrange_votes(stances, parts, fps)
    if len(rows) < _MIN_ON_SLOPE * parts:
        return LEVEL_GROUND
    rest = np.ones(1 + parts)
    _, level_off_m = _fit_heights(rows, heights_m, weights, np.append(np.zeros(3), rest))
    solution, off_m = _fit_heights(rows, heights_m, weights, np.append(along, rest))
    explains_better = off_m < min(0.6 * level_off_m - 0.003, _OFF_PLANE_M)
    return GroundSlope(middle, solution[:3]) if explains_better else LEVEL_GROUND


def _arrange_votes(
    stances: Sequence[Stance], parts: int, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arrange stance votes for a fit.

    Returns:
        Rows (S, 4 + parts), heights (S,), weights (S,), and the middle (3,). Columns of rows are x, z and time from the
            middle, the side of the body, and an indicator for each part of the foot.
    """
    stances = [stance for stance in stances if stance.weight > 0]
    places_m = np.array([stance.place_m for stance in stances]).reshape(-1, 3)
    along = np.column_stack([places_m[:, [0, 2]], [stance.middle / fps for stance in stances]])
    middle = along.sum(axis=0) / max(len(along), 1)
    sides = np.array([stance.foot - 0.5 for stance in stances])
    is_part = np.array([stance.part for stance in stances])[:, None] == np.arange(parts)
    rows = np.column_stack([along - middle, sides, is_part])
    return rows, places_m[:, 1], np.array([stance.weight for stance in stances]), middle


def _fit_heights(
    rows: np.ndarray, heights_m: np.ndarray, weights: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fit heights (S,) robustly by the used columns (C,) of rows (S, C).

    Returns the coefficients and the root mean square deviation.
    """
    columns = rows * used
    precision = np.diag(1e-6 + 1 - used)
    precision[:4, :4] += _SLOPE_PRECISION
    robust_weights = weights
    solution = np.zeros(rows.shape[1])
    errors_m = heights_m
    for _ in range(8):
        normal = columns.T @ (robust_weights[:, None] * columns) + precision
        solution = np.linalg.solve(normal, columns.T @ (robust_weights * heights_m))
        errors_m = heights_m - columns @ solution
        robust_weights = weights / (1 + (errors_m / OFF_M) ** 2) ** 2
    return solution, float(np.sqrt(np.average(np.minimum(errors_m**2, 0.01), weights=weights)))


@dataclass(frozen=True, eq=False)
class Votes:
    """Ground heights according to the stances' votes."""

    floors_m: np.ndarray
    """(K,) height of each point when it stands on the floor."""
    error_m: float
    """Standard error of the last point's height."""
    levels_m: np.ndarray
    """(L,) heights of the last point when it stands on each level, the lowest first."""


def count_votes(stances: Sequence[Stance], votes_m: np.ndarray, lowest_m: np.ndarray, noise_m: float) -> Votes:
    """Count the votes of stances.

    Args:
        votes_m: Height that each stance votes for, with slopes removed.
        lowest_m: (T, K) height of each point of the lower foot.
        noise_m: Standard deviation of heights due to joint noise.
    """
    floors_m = percentile(lowest_m, 20, axis=0)
    error_m = SAME_LEVEL_M
    levels_m = floors_m[[-1]]
    width_m = _VOTE_WIDTH_M + noise_m
    for part in range(len(floors_m)):
        selected = [index for index, stance in enumerate(stances) if stance.part == part and stance.weight > 0]
        if not selected:
            continue
        heights_m = votes_m[selected]
        weights = np.array([stances[index].weight for index in selected])
        floor_m, near = _find_lowest_mode(heights_m, weights, width_m)
        floors_m[part] = floor_m
        spread_m = np.sqrt(near @ (heights_m - floor_m) ** 2 / near.sum())
        error_m = float(np.hypot(spread_m, 0.004) * np.sqrt((near**2).sum()) / near.sum())
        carries = np.array([stances[index].carries for index in selected])
        is_level = carries | (heights_m < floor_m + SAME_LEVEL_M)
        levels_m = _find_levels(heights_m[is_level], weights[is_level], floor_m)
    return Votes(floors_m, error_m, levels_m)


_MAX_PAIRS = 2**22
"""Number of pairs of votes compared at once, so that memory does not grow with the square of their number."""


def _find_lowest_mode(heights_m: np.ndarray, weights: np.ndarray, width_m: float) -> tuple[float, np.ndarray]:
    """Find the lowest height with many votes.

    Also returns the weights (S,) of votes near it.
    """
    rows = max(_MAX_PAIRS // len(heights_m), 1)
    densities = []
    for start in range(0, len(heights_m), rows):
        exponents = heights_m[start : start + rows, None] - heights_m
        exponents /= width_m
        exponents **= 2
        exponents *= -0.5
        densities.append(np.exp(exponents, out=exponents) @ weights)
    density = np.concatenate(densities)
    mode_m = heights_m[density >= _MIN_VOTE_DENSITY * density.max()].min()
    near = weights
    for _ in range(8):
        near = weights * np.exp(-0.5 * ((heights_m - mode_m) / (1.5 * width_m)) ** 2)
        mode_m = near @ heights_m / near.sum()
    return float(mode_m), near


def _find_levels(heights_m: np.ndarray, weights: np.ndarray, floor_m: float) -> np.ndarray:
    """Find the levels (L,) of heights (S,), the lowest first.

    A level with little weight counts only if it is the floor.
    """
    order = np.argsort(heights_m)
    starts = np.flatnonzero(np.diff(heights_m[order]) > SAME_LEVEL_M) + 1
    levels_m: dict[float, None] = {}
    for group in np.split(order, starts):
        is_floor = np.abs(heights_m[group] - floor_m).min(initial=np.inf) < SAME_LEVEL_M
        if is_floor:
            levels_m[floor_m] = None
        elif weights[group].sum() > _LEVEL_WEIGHT:
            levels_m[float(median(heights_m[group]))] = None
    return np.array(list(levels_m or [floor_m]))


def interpolate_ground(stances: Sequence[Stance], floors_m: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Interpolate ground heights (T, F K) between stances.

    A point without a stance is above the floor's height.
    """
    frames, feet, parts = shape
    ground_m = np.tile(floors_m, (frames, feet))
    for foot, part in np.ndindex(feet, parts):
        own_stances = [stance for stance in stances if (stance.foot, stance.part) == (foot, part)]
        if own_stances:
            times = np.array([(stance.first, stance.last + 0.5) for stance in own_stances]).ravel()
            heights_m = np.repeat([stance.place_m[1] for stance in own_stances], 2)
            ground_m[:, foot * parts + part] = np.interp(np.arange(frames), times, heights_m)
    return ground_m
