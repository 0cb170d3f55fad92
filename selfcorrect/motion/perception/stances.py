"""Foot stances, and the ground they show.

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

_MANY_VOTES = 0.2
"""Minimum vote density of the floor, relative to the largest. The lowest such height counts."""
SAME_LEVEL_M = 0.05
"""Maximum height of the same level, in m."""
_VOTE_WIDTH_M = 0.012
"""Standard deviation of the height that a stance shows."""
_CARRIES_S = 0.15
"""Time after which a bearing foot may stand anywhere, in s."""
_ALONE_WEIGHS = 3.0
"""Vote factor of feet that bear the body alone."""
_FULL_VOTE_S = 0.3
"""A stance of this duration has a full vote."""
_LEVEL_WEIGHT = 0.6
"""Minimum vote weight of another level."""
OFF_M = 0.02
"""Distance of contradicting feet, in m. Feet that stand contradict the ground if they are further from it than this,
beyond their noise."""
_FEWEST_ON_SLOPE = 5
"""Minimum number of stances per point for a slope."""
_RISES_M = 0.04
"""Minimum steady rise of ground, in m. Captures are off by less."""
RISES_FAR_M = 0.5
"""Minimum rise of far rising ground, in m. People climb as much, on ground that stands still beneath their feet."""
_PART_S = 1.0
"""Longest part of a stance that has a place of its own while the ground rises far."""
_STANCES_AGREE = 0.3
"""Maximum difference of the rising speeds of standing feet and ground, relative to the ground's, where it rises
further."""
_STEEPEST = 0.36
"""Largest slope of ground that is not stairs."""
_OFF_PLANE_M = 0.03
"""Maximum deviation of stances from a plane, in m. Beyond are stairs."""


@dataclass(frozen=True, eq=False)
class Stance:
    """A point of a foot that stands."""

    foot: int
    """0 for the left foot, 1 for the right foot."""
    part: int
    """Index of the point. It is 0 for the heel, 1 for the toe joint; 0 for the ankle of feet without a toe joint."""
    first: int
    last: int
    """The last frame, inclusive."""
    place_m: np.ndarray
    """(3,) position of the point: the median over the slower half of the frames."""
    weight: float
    """Weight of the vote, at most 1."""
    carries: bool
    """True if the foot carries the body. No other foot stands lower for a while."""

    @property
    def middle(self) -> float:
        """The frame in its middle."""
        return (self.first + self.last) / 2


def find_stances(standing: np.ndarray, paths: FootPaths, fps: float) -> list[Stance]:
    """Find runs in which points stand.

    They stand with a probability (T, F, K). Jumps to another level part them.
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
        weights = np.where(alone >= _CARRIES_S * fps, weights, weights / _ALONE_WEIGHS)
        carries = lowest >= _CARRIES_S * fps
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
    """Find where a point stands in each run.

    The frames are those whose speed (T,) is its median or less; positions are (T, 3), runs (R, 3). Heights are medians.
    Places on the floor are means, which turn with the motion.

    Args:
        frames: (S,) the frames of all runs, in order.
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
    """Return each run's median (R,).

    Values are (S,); run: (S,) index of the run of each, in order.
    """
    ordered = values[np.lexsort((values, run))]
    lengths = np.bincount(run)
    middles = np.cumsum(lengths) - lengths + lengths // 2
    return (ordered[middles - 1 + lengths % 2] + ordered[middles]) / 2


def _count_in_runs(holds: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Count frames per run (K, R).

    Something, in (K, T), holds there, from starts (R,) to stops.
    """
    counts = np.zeros((len(holds), holds.shape[1] + 1), dtype=int)
    np.cumsum(holds, axis=1, out=counts[:, 1:])
    return counts[:, stops] - counts[:, starts]


@dataclass(frozen=True)
class GroundSlope:
    """Ground that slopes along x, z and time."""

    middle: np.ndarray
    """(3,) origin of measurement: x and z in metres, and seconds."""
    slopes: np.ndarray
    """(3,) slopes along x, z and in time. The last is in m/s; all are zero for level ground."""

    def rises_m(self, places_m: np.ndarray, times_s: np.ndarray | float) -> np.ndarray:
        """Return the rise at positions and times.

        The ground beneath positions (..., 3) is higher at times (...) than in the middle.
        """
        times_s = np.broadcast_to(times_s, places_m.shape[:-1])
        along = np.concatenate([places_m[..., [0, 2]], times_s[..., None]], axis=-1)
        return (along - self.middle) @ self.slopes


LEVEL_GROUND = GroundSlope(np.zeros(3), np.zeros(3))

_SLOPE_PRECISION = np.diag([0.01, 0.01, 0.11, 1.0])
"""Prior precision of slopes, in units of an error of 0.01 m in heights: slopes of 0.1, a rate of 0.03 m/s, and a
difference of 0.01 m between feet."""


def fit_slope(stances: Sequence[Stance], parts: int, fps: float) -> GroundSlope:
    """Fit a slope to stances.

    Each foot has `parts` points. The slope is level unless another one explains stances far better.
    """
    slope = _fit_ground(stances, parts, fps, (1.0, 1.0, 1.0))
    return slope if np.hypot(*slope.slopes[:2]) < _STEEPEST else LEVEL_GROUND


def fit_rise(stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> GroundSlope:
    """Fit ground that rises or sinks steadily.

    It is level in space; level in time, too, unless a rise explains far more. Ground that slopes along a straight path
    is the same to stances there. If it rises far, feet must rise as fast as the ground while they stand: who climbs
    stands still in between.

    Args:
        feet_m: (T, 2, K, 3) places of the K points of both feet.
    """
    slope = _fit_ground(stances, feet_m.shape[2], fps, (0.0, 0.0, 1.0))
    least_m = _RISES_M
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
    """Split stances that last over a second.

    Each part is in a place of its own.
    """
    longest = max(round(_PART_S * fps), 1)
    split = []
    for stance in stances:
        bounds = np.linspace(stance.first, stance.last + 1, -(-(stance.last + 1 - stance.first) // longest) + 1)
        for first, stop in pairwise(bounds.round().astype(int).tolist()):
            place_m = median(feet_m[first:stop, stance.foot, stance.part], axis=0)
            split.append(replace(stance, first=first, last=stop - 1, place_m=place_m))
    return split


def rises_underfoot(slope: GroundSlope, stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> bool:
    """Return whether standing feet rise with the ground.

    They rise or sink as fast as it does, as they do on no slope and no stairs.
    """
    speed_m_s = float(slope.slopes[2])
    return abs(_stance_rise_m_s(stances, feet_m, fps) - speed_m_s) < _STANCES_AGREE * abs(speed_m_s)


def _stance_rise_m_s(stances: Sequence[Stance], feet_m: np.ndarray, fps: float) -> float:
    """Return the usual upward speed in stance.

    The foremost points of feet are seen; 0 without stances.
    """
    speeds_m_s = []
    for stance in stances:
        if stance.part == feet_m.shape[2] - 1 and stance.weight > 0 and stance.last > stance.first:
            heights_m = feet_m[stance.first : stance.last + 1, stance.foot, stance.part, 1]
            speeds_m_s.append(float(median(np.diff(heights_m))) * fps)
    return float(median(np.array(speeds_m_s))) if speeds_m_s else 0.0


def _fit_ground(stances: Sequence[Stance], parts: int, fps: float, along: tuple[float, float, float]) -> GroundSlope:
    """Fit ground along x, z or time.

    It changes along those that are 1, and is level if that explains hardly more.
    """
    rows, heights_m, weights, middle = _arrange_votes(stances, parts, fps)
    if len(rows) < _FEWEST_ON_SLOPE * parts:
        return LEVEL_GROUND
    rest = np.ones(1 + parts)
    _, level_off_m = _fit_heights(rows, heights_m, weights, np.append(np.zeros(3), rest))
    solution, off_m = _fit_heights(rows, heights_m, weights, np.append(along, rest))
    explains_better = off_m < min(0.6 * level_off_m - 0.003, _OFF_PLANE_M)
    return GroundSlope(middle, solution[:3]) if explains_better else LEVEL_GROUND


def _arrange_votes(
    stances: Sequence[Stance], parts: int, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Arrange the stances' votes for a fit.

    Returns what heights depend on, the heights (S,), the weights (S,), and the middle (3,). Columns (S, 4 + parts): x,
    z and time from the middle, side of the body, and part of the foot.
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
    """Fit heights (S,) robustly by columns.

    Columns (C,) of rows (S, C) may be unused. Returns coefficients and deviation.
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
    """Result of the votes on ground height."""

    floors_m: np.ndarray
    """(K,) height of each point's stance on the floor."""
    error_m: float
    """Standard error of the height of the last point."""
    levels_m: np.ndarray
    """(L,) heights of the ground's levels, lowest first. The last point's stances stand there."""


def count_votes(stances: Sequence[Stance], votes_m: np.ndarray, lowest_m: np.ndarray, noise_m: float) -> Votes:
    """Count the votes of stances.

    Args:
        votes_m: Heights of the votes, without a slope.
        lowest_m: (T, K) height of each point of the lower foot.
        noise_m: Standard deviation of the heights, from joint noise.
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


_MOST_PAIRS = 2**22
"""Number of vote pairs compared at once. Memory then does not grow with the square of votes."""


def _find_lowest_mode(heights_m: np.ndarray, weights: np.ndarray, width_m: float) -> tuple[float, np.ndarray]:
    """Find the lowest height with many votes.

    Also returns the weights (S,) of the votes nearby.
    """
    rows = max(_MOST_PAIRS // len(heights_m), 1)
    densities = []
    for start in range(0, len(heights_m), rows):
        exponents = heights_m[start : start + rows, None] - heights_m
        exponents /= width_m
        exponents **= 2
        exponents *= -0.5
        densities.append(np.exp(exponents, out=exponents) @ weights)
    density = np.concatenate(densities)
    mode_m = heights_m[density >= _MANY_VOTES * density.max()].min()
    near = weights
    for _ in range(8):
        near = weights * np.exp(-0.5 * ((heights_m - mode_m) / (1.5 * width_m)) ** 2)
        mode_m = near @ heights_m / near.sum()
    return float(mode_m), near


def _find_levels(heights_m: np.ndarray, weights: np.ndarray, floor_m: float) -> np.ndarray:
    """Find the levels (L,) of heights (S,).

    The lowest comes first; a level with little weight counts only as floor.
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

    They are measured in stances. Points without a stance stand on the floor.
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
