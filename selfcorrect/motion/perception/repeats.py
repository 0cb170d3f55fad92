"""Detection of repeated and interpolated frames.

A repeated frame copies the frame before; an interpolated frame lies on a line between keys. Files whose frame rate
differs from the recording's repeat frames at regular intervals: at 60 frames per second, a recording with 30 shows each
frame twice, and at 30, a recording with 25 shows every fifth frame twice. The recording was even, so its samples are
spread evenly over the file's frames. A recorder that misses frames repeats the last frame at irregular intervals. Then
samples keep their times, and only the copies are wrong.

Steps are compared with the largest steps nearby. Noise added after copying makes all steps large, but it has no
preferred direction: along the body's motion, the mean step onto a copy is zero. So if no pattern is found otherwise,
the mean steps of all regular patterns are compared, relative to the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..geometry.rotations import steps_between
from ..geometry.runs import find_runs
from ..geometry.vectors import median, median_of_known, norms, standard_lengths
from ..kinematics import in_chunks, make_continuous
from ..motion import SLAB, Motion
from .frame_times import FrameTimes

_LONGEST_PERIOD = 30
"""Maximum number of frames in a period, which allows 29 samples in 30 frames."""
_NEIGHBOURS = (3, 8)
"""Numbers of neighbouring steps to compare with. The smaller one finds patterns that change, the larger one finds
samples that are held for up to eight frames."""
_LOW_RATIO = 0.45
"""Maximum typical size of steps onto copies, relative to the largest steps nearby."""
_HIGH_RATIO = 0.7
"""Minimum typical size of all other steps, relative to the largest steps nearby."""
_LOW_PART_RATIO = 0.8
"""Maximum size of steps onto copies relative to steps onto samples, for the root and for most joints."""
_COPY_ADVANCE = 0.3
"""Maximum advance of steps onto copies along the path, relative to the mean step, as a median over periods."""
_SAMPLE_ADVANCE = 0.4
"""Minimum advance of steps onto samples, likewise."""
_SPACING_SHARE = 0.7
"""Minimum median advance of steps onto samples, relative to the spacing of samples."""
_CLEAR_ERRORS = 10.0
"""Minimum median step along a path, in standard errors of noise."""
_WINDOW = 6
"""Half window for the direction of the path, in frames, if periods are long. For short periods it is a multiple of the
period."""
_SIMILAR_RATIO = 0.3
"""Minimum ratio of the mean steps before and after a frame. Below it, the body starts or stops."""
_STRAY_SHARE = 0.1
"""Maximum share of frames that contradict a pattern: copies outside, or samples where it has copies."""
_LINEAR_RATIO = 0.05
"""Maximum change of velocity between linear keys, relative to the change at keys."""
_MIN_PERIODS = 3
"""Minimum number of periods, or of copies, in a pattern or from a recorder that misses frames."""
_FEW_COPIES = 12
"""Minimum number of copies that suffice to estimate the noise on copies."""
_COPY_TOLERANCE = 1e-6
"""Maximum difference between exact copies, in m and quaternion components."""
_LONGEST_HOLD = 10
"""Maximum number of consecutive irregular copies."""
_MIN_HOLDS = 5
"""Minimum number of samples that are held irregularly."""
_HELD_SHARE = 0.2
"""Minimum number of irregular copies, relative to the number of steps that move."""
_EVEN_RATIO = 1.8
"""Maximum ratio between the speed across copies and the speeds nearby, if the channel moves evenly."""
_EVEN_SHARE = 0.7
"""Minimum share of held samples around which the channel moves evenly."""
_CATCH_UP_RATIO = 1.4
"""Minimum ratio of steps that follow a copy to steps that follow a sample, if the recorder missed frames."""
_DENSE_FPS = 24.0
"""Minimum rate of samples that are corrected on their own, in frames per second. Frames between samples have no white
noise."""
_SAMPLES_BETWEEN = 4
"""Number of samples in an interpolation polynomial."""


@dataclass(frozen=True, eq=False)
class FrameRepeats:
    """Which frames are samples of the recording."""

    sources: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    """(T,) index of the sample that each frame shows. Empty if every frame is a sample."""
    times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(S,) time of each sample, in frames."""
    spacing: float = 0.0
    """Frames per sample, or 0 if it is not constant."""
    is_linear: bool = False
    """True if frames between samples are interpolated linearly, false if they are copies."""
    is_dense: bool = False
    """True if samples lie on frames and are dense enough to be corrected without the frames between them."""
    is_curved: bool = False
    """True if frames between such keys lie on curves."""

    @classmethod
    def from_keys(cls, motion: Motion, spacing: int, *, is_curved: bool = False) -> FrameRepeats | None:
        """Return the samples of a motion that was interpolated between dense keys.

        The first frame is a key. Frames after the last key must repeat it, otherwise the result is None.
        """
        last_key = (len(motion) - 1) // spacing * spacing
        if (_measure_steps(motion)[last_key:] > _COPY_TOLERANCE).any():
            return None
        times = np.arange(0, last_key + 1, spacing, dtype=float)
        sources = np.arange(len(motion)) // spacing
        return cls(sources, times, float(spacing), is_linear=True, is_dense=True, is_curved=is_curved)

    @classmethod
    def from_motion(cls, motion: Motion) -> FrameRepeats:
        """Find a motion's samples, with a cache."""
        if (repeats := _REPEATS.get(motion)) is None:
            repeats = _REPEATS[motion] = cls._find(motion)
        return repeats

    @classmethod
    def _find(cls, motion: Motion) -> FrameRepeats:
        steps = _measure_steps(motion)
        for beside in _NEIGHBOURS:
            ratios = _compare_with_neighbours(steps, beside)
            is_copy, spacing = _find_pattern(ratios, _LOW_RATIO)
            if spacing and _is_whole_body(motion, is_copy, beside) and _pauses_midway(motion, is_copy):
                return cls._from_copies(is_copy, spacing, ratios, motion.fps)
        is_linear, spacing = _find_linear_frames(motion)
        if spacing:
            is_dense = motion.fps >= _DENSE_FPS * spacing and not is_linear[:: round(spacing)].any()
            if is_dense and (repeats := cls.from_keys(motion, round(spacing))) is not None:
                return repeats
            times = np.flatnonzero(~is_linear).astype(float)
            return cls(np.cumsum(~is_linear) - 1, times, spacing, is_linear=True)
        ratios = _compare_with_neighbours(steps)
        is_copy = np.append(False, (steps < _COPY_TOLERANCE) & (ratios < _LOW_RATIO))
        if is_copy.sum() >= _MIN_PERIODS:
            return cls._from_copies(is_copy, 0.0, ratios) if _catches_up(is_copy, ratios) else cls()
        is_copy, spacing, shares = _find_noisy_pattern(motion)  # noise on top leaves no exact copies
        return cls._from_copies(is_copy, spacing, shares, motion.fps) if spacing else cls()

    @classmethod
    def _from_copies(cls, is_copy: np.ndarray, spacing: float, ratios: np.ndarray, fps: float = 0.0) -> FrameRepeats:
        """Return the frames that are not copies as samples.

        If `spacing` is not constant, samples keep their frames' times. Samples count as dense if `fps`, the motion's
        rate, is known and all of them lie on frames: between frames, interpolated feet would leave their places.
        """
        times = np.flatnonzero(~is_copy).astype(float)
        is_dense = False
        if _catches_up(is_copy, ratios):
            spacing = 0.0
        if spacing:
            even = spacing * np.arange(len(times))
            is_whole = spacing == round(spacing)
            times = even + (np.median(times - even) if is_whole else np.mean(times - even))  # the first may be cut off
            is_dense = is_whole and fps >= _DENSE_FPS * spacing
        return cls(np.cumsum(~is_copy) - 1, times, spacing, is_dense=is_dense)

    @property
    def has_repeats(self) -> bool:
        """True if frames repeat the frame before."""
        return bool(len(self.sources)) and not self.is_linear

    @property
    def count(self) -> int:
        """Number of frames that show each sample: 1 without repeats, 0 if samples differ in it."""
        if not self.has_repeats:
            return 1
        count = round(self.spacing)
        return count if abs(self.spacing - count) < 1e-3 else 0

    def are_all_kept(self, choice: FrameTimes) -> bool:
        """Return whether a correction keeps all frames."""
        return not len(self.sources) or (self.is_linear and choice == "keep")

    def are_alone(self, choice: FrameTimes) -> bool:
        """Return whether samples are corrected without frames between them.

        They are if they are dense, or if their copies stay although the samples lie between frames. Otherwise frames
        between them are filled, because a few samples per step do not show when feet stand.
        """
        return self.is_dense or (choice == "keep" and not np.array_equal(self.times, self.starts))

    def prepare(self, motion: Motion, choice: FrameTimes) -> Motion:
        """Return the motion to correct: samples only, or new frames between samples."""
        if self.are_all_kept(choice):
            return motion
        return self.drop(motion) if self.are_alone(choice) else self.fill(motion)

    def drop(self, motion: Motion) -> Motion:
        """Return the samples alone, at their own rate.

        If noise makes copies differ, each sample is the mean of its copies.
        """
        samples = replace(motion.select_frames(self.starts), fps=motion.fps / self.spacing)
        if self.is_linear:
            return samples
        copies = np.flatnonzero(np.diff(self.sources, prepend=-1) == 0)
        if _measure_steps(motion)[copies - 1].max(initial=0.0) < _COPY_TOLERANCE:
            return samples
        counts = np.diff(self.find_bounds())
        root_m = np.add.reduceat(motion.root_m, self.starts, axis=0) / counts[:, None]
        rotations = np.add.reduceat(make_continuous(motion.rotations), self.starts, axis=0)
        return replace(samples, root_m=root_m, rotations=rotations / norms(rotations)[..., None])

    def fill(self, motion: Motion) -> Motion:
        """Return the motion with frames interpolated between samples.

        Samples that coincide with a frame are unchanged.
        """
        filled = self.spread(motion.select_frames(self.starts), motion)
        root_m = filled.root_m.copy()
        rotations = filled.rotations.copy()
        frames = self._clip_to_samples(len(motion))
        is_sample = np.isin(frames, self.times)
        is_sample &= self.starts[self.sources] == np.arange(len(motion))
        root_m[is_sample] = motion.root_m[is_sample]
        rotations[is_sample] = motion.rotations[is_sample]
        return replace(motion, root_m=root_m, rotations=rotations)

    def spread(self, samples: Motion, motion: Motion) -> Motion:
        """Interpolate samples at the frame times of `motion`."""
        sample_rotations = make_continuous(samples.rotations)
        frames = self._clip_to_samples(len(motion))
        root_m = np.empty_like(motion.root_m)
        rotations = np.empty_like(motion.rotations)
        for start in range(0, len(motion), SLAB):
            part = slice(start, start + SLAB)
            rows, weights = _lagrange_weights(self.times, frames[part])
            root_m[part] = np.einsum("ts,tsi->ti", weights, samples.root_m[rows])
            between = np.einsum("ts,tsji->tji", weights, sample_rotations[rows])
            rotations[part] = between / norms(between)[..., None]
        return replace(motion, root_m=root_m, rotations=rotations)

    def _clip_to_samples(self, count: int) -> np.ndarray:
        """Return frame times (T,), clamped to the first and the last sample."""
        return np.clip(np.arange(count, dtype=float), self.times[0], self.times[-1])

    @property
    def starts(self) -> np.ndarray:
        """First frame that shows each sample."""
        return np.flatnonzero(np.diff(self.sources, prepend=-1))

    def find_bounds(self) -> list[int]:
        """Return the first frame of each sample, and the number of frames."""
        return [*self.starts.tolist(), len(self.sources)]

    def describe(self, fps: float) -> str:
        """Describe the repeats in one sentence."""
        if self.count:
            return f"each frame stands {self.count} times in a row: checked at {fps / self.count:g} fps"
        copies = len(self.sources) - len(self.times)
        return f"frames are repeated: {copies} of {len(self.sources)} repeat the frame before; checked without them"


_REPEATS: WeakKeyDictionary[Motion, FrameRepeats] = WeakKeyDictionary()


def find_exact_copies(steps: np.ndarray, least_step: float) -> FrameRepeats | None:
    """Find exact copies in a single channel, at regular intervals or not.

    Args:
        steps: (T − 1,) size of the channel's steps.
        least_step: Minimum median step after irregular copies. Smaller steps come from rounding.

    Returns:
        The samples, or None if the channel has no copies, or has them because it rests.
    """
    is_same = steps < _COPY_TOLERANCE
    if is_same.sum() < _MIN_PERIODS or is_same.all():
        return None
    can_be_regular = is_same.sum() >= len(steps) // _LONGEST_PERIOD  # a copy in each period
    for beside in _NEIGHBOURS if can_be_regular else ():
        ratios = _compare_with_neighbours(steps, beside)
        is_copy, spacing = _find_pattern(ratios, _LOW_RATIO)
        if spacing and is_same[is_copy[1:]].all():
            return FrameRepeats._from_copies(is_copy, spacing, ratios)
    is_copy = _find_irregular_copies(steps, is_same, least_step)
    return FrameRepeats(np.cumsum(~is_copy) - 1, np.flatnonzero(~is_copy).astype(float)) if is_copy.any() else None


def _find_irregular_copies(steps: np.ndarray, is_same: np.ndarray, least_step: float) -> np.ndarray:
    """Find copies (T,) at irregular intervals.

    Apart from them, the channel moves on evenly. After copies, it catches up: its speed across the copies and the next
    step equals the speed nearby. A channel that rests continues slowly. Longer holds do not count as copies.
    """
    is_copy = np.zeros(len(steps) + 1, dtype=bool)
    for start, stop in find_runs(is_same):
        if stop - start <= _LONGEST_HOLD:
            is_copy[start + 1 : stop + 1] = True
    is_last = np.flatnonzero(~is_copy)[-1] < np.arange(len(is_copy))
    samples = np.flatnonzero(~is_copy | is_last)
    spans = np.diff(samples)
    path = np.concatenate([[0.0], np.cumsum(steps)])
    speeds = np.diff(path[samples]) / spans
    is_held = spans > 1
    nothing = np.zeros(len(steps) + 1, dtype=bool)
    if len(speeds) < 3 or is_held.sum() < _MIN_HOLDS or is_copy.sum() < _HELD_SHARE * np.count_nonzero(~is_same):
        return nothing
    around = (np.append(speeds[1:], speeds[-1]) + np.insert(speeds[:-1], 0, speeds[0])) / 2
    ratios = speeds[is_held] / np.maximum(around[is_held], 1e-12)
    is_even = (ratios > 1 / _EVEN_RATIO) & (ratios < _EVEN_RATIO)
    steps_after = np.diff(path[samples])[is_held]
    return is_copy if is_even.mean() > _EVEN_SHARE and median(steps_after) > least_step else nothing


def _measure_steps(motion: Motion) -> np.ndarray:
    """Measure steps (T − 1,) of the whole body, in m and quaternion components."""
    turns = in_chunks(_measure_mean_turns, motion.rotations[:-1], motion.rotations[1:])
    shifts = np.square(np.diff(motion.root_m, axis=0)).sum(-1)
    return np.sqrt(turns + shifts)


def _measure_mean_turns(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the mean square difference (T,) between rotations (T, J, 4), with signs aligned to one hemisphere."""
    signs = np.where(np.einsum("...i,...i", after, before) < 0, -1.0, 1.0)
    return np.square(after * signs[..., None] - before).sum(-1).mean(-1)


def _is_whole_body(motion: Motion, is_copy: np.ndarray, beside: int) -> bool:
    """Return whether the root and most joints pause in copies (T,).

    Otherwise a single part that moves far could decide.
    """
    shifts = norms(np.diff(motion.root_m, axis=0))
    turns = norms(np.diff(make_continuous(motion.rotations), axis=0))
    root_share = _compare_copies_with_samples(shifts, is_copy, beside)
    joint_shares = [_compare_copies_with_samples(steps, is_copy, beside) for steps in turns.T]
    shares = [share for share in joint_shares if np.isfinite(share)]
    is_root_still = not np.isfinite(root_share)
    if not shares:
        return root_share < _LOW_PART_RATIO
    return (is_root_still or root_share < _LOW_PART_RATIO) and float(median(shares)) < _LOW_PART_RATIO


def _compare_copies_with_samples(steps: np.ndarray, is_copy: np.ndarray, beside: int) -> float:
    """Return the typical step onto copies relative to steps onto samples.

    The result is NaN for a part at rest. Both are taken relative to the largest steps nearby, so the ratio is not low
    in an even motion.

    Args:
        steps: (S,) size of the part's steps.
        is_copy: (S + 1,) whether each frame is a copy.
        beside: Number of neighbouring steps to compare with.
    """
    ratios = _compare_with_neighbours(steps, beside)
    copies = ratios[is_copy[1:]]
    samples = ratios[~is_copy[1:]]
    if not np.isfinite(copies).any() or not np.isfinite(samples).any():
        return np.nan
    return float(median_of_known(copies) / max(float(median_of_known(samples)), _COPY_TOLERANCE))


def _pauses_midway(motion: Motion, is_copy: np.ndarray) -> bool:
    """Return whether the body pauses in copies (T,), rather than turning back there."""
    shares = _measure_shares(_stack_poses(motion), _WINDOW)
    known = shares[is_copy[1:] & np.isfinite(shares)]
    return not len(known) or _makes_no_progress(known, _COPY_ADVANCE)


def _compare_with_neighbours(steps: np.ndarray, beside: int = _NEIGHBOURS[0]) -> np.ndarray:
    """Return each step (S,) relative to the largest steps nearby.

    The smaller of the largest steps before and after is used, so that a body that starts or stops does not seem to
    repeat. The ratio is NaN if the body rests on either side.
    """
    if len(steps) < 2 * beside:
        return np.full(len(steps), np.nan)
    padded = np.pad(steps, beside)
    largest = sliding_window_view(padded, beside).max(axis=1)
    least_m = np.minimum(largest[: len(steps)], largest[beside + 1 :])
    return np.where(least_m > 10 * _COPY_TOLERANCE, steps / np.maximum(least_m, _COPY_TOLERANCE), np.nan)


def _find_pattern(ratios: np.ndarray, low: float) -> tuple[np.ndarray, float]:
    """Find the shortest regular pattern of low steps.

    Args:
        ratios: (S,) steps relative to those nearby, NaN where unknown.
        low: Maximum typical low step, over all periods.

    Returns:
        Which frames (S + 1,) follow a low step, and the number of frames per sample, or 0 if there is no pattern.
    """
    is_rare = np.count_nonzero(ratios < low) < 0.5 / _LONGEST_PERIOD * len(ratios)
    for period in () if is_rare else range(2, _LONGEST_PERIOD + 1):
        folded = _fold(ratios, period)
        counts = np.isfinite(folded).sum(0)
        if counts.min() < _MIN_PERIODS:
            break
        if (2 * np.count_nonzero(folded < low, axis=0) < counts).all():  # no median is low
            continue
        is_low = _find_low_steps(median_of_known(folded), low, _HIGH_RATIO)
        if is_low is not None:
            repeated = np.resize(is_low, len(ratios))
            strays = np.sum((ratios < 0.5 * low) & ~repeated) + np.sum((ratios > _HIGH_RATIO) & repeated)
            if strays <= _STRAY_SHARE * repeated.sum():
                return np.append(False, repeated), period / int(np.sum(~is_low))
    return np.zeros(len(ratios) + 1, dtype=bool), 0.0


def _fold(values: np.ndarray, period: int) -> np.ndarray:
    """Fold values (S,) into one row per period, filling the last with NaN."""
    folded = np.full((-(-len(values) // period), period), np.nan)
    folded.flat[: len(values)] = values
    return folded


def find_noisy_copies(path: np.ndarray) -> FrameRepeats | None:
    """Find regular copies with added noise in a channel's path (T, D).

    Steps onto copies must be small as well, because a path that shakes sometimes makes no progress. Returns None if
    there are no copies.
    """
    patterns = list(_list_noisy_patterns(path[:SLAB], lambda: path))
    if not patterns:
        return None
    steps = np.diff(path, axis=0)
    noise = [float(np.mean(np.square(steps[is_copy[1:]]))) for is_copy, *_ in patterns]
    largest = (1 + 3 * np.sqrt(2 / steps.size)) * min(noise)  # by three standard errors of white noise
    explaining = [pattern for pattern, level in zip(patterns, noise, strict=True) if level <= largest]
    is_copy, spacing, shares, _ = max(explaining, key=lambda pattern: pattern[1])  # half a period may seem to be one
    if median(norms(steps[is_copy[1:]])) > _LOW_RATIO * median(norms(steps[~is_copy[1:]])):
        return None
    return FrameRepeats._from_copies(is_copy, spacing, shares)


def _find_noisy_pattern(motion: Motion) -> tuple[np.ndarray, float, np.ndarray]:
    """Find a pattern of copies under noise as large as the steps.

    Returns the results of `_find_pattern`, and the shares (S,) of `_measure_shares`.
    """
    part = motion.frames(0, SLAB)
    for is_copy, spacing, shares, window in _list_noisy_patterns(_stack_poses(part), lambda: _stack_poses(motion)):
        if _pauses_as_whole(part, is_copy, window):
            return is_copy, spacing, shares
    return np.zeros(len(motion), dtype=bool), 0.0, np.zeros(0)


def _list_noisy_patterns(
    part: np.ndarray, get_poses: Callable[[], np.ndarray]
) -> Iterator[tuple[np.ndarray, float, np.ndarray, int]]:
    """Yield patterns under noise.

    A pattern has copies (T,), spacing, shares (S,) of `_measure_shares`, and their window.

    Args:
        part: (P, D) first poses, in which patterns are searched.
        get_poses: Returns all poses (T, D).
    """
    shares_by_window: dict[int, np.ndarray] = {}
    for period in range(2, _LONGEST_PERIOD + 1):
        window = _WINDOW if period > 2 * _WINDOW else period * max(1, round(4 / period))
        if window not in shares_by_window:
            shares_by_window[window] = _measure_shares(part, window)
        folded = _fold(shares_by_window[window], period)
        counts = np.isfinite(folded).sum(axis=0)
        if counts.min() < _MIN_PERIODS or (np.count_nonzero(folded < _COPY_ADVANCE, axis=0) <= counts // 2).all():
            continue
        typical = np.take_along_axis(np.sort(folded, axis=0), counts[None] // 2, axis=0)[0]
        is_low = _find_low_steps(typical, _COPY_ADVANCE, _SAMPLE_ADVANCE)
        if is_low is None:
            continue
        shares = shares_by_window[window]
        if len(part) == SLAB:
            shares = _measure_shares(get_poses(), window)
        is_copy = np.append(False, np.resize(is_low, len(shares)))
        spacing = period / int(np.sum(~is_low))
        if _has_copies(shares, is_copy, spacing):
            yield is_copy, spacing, shares, window


def _stack_poses(motion: Motion) -> np.ndarray:
    """Stack root position and rotations (T, D).

    Rotations are continuous over time, and all joints together weigh as much as the root.
    """
    rotations = make_continuous(motion.rotations).reshape(len(motion), -1)
    return np.concatenate([motion.root_m, rotations / np.sqrt(len(motion.skeleton))], axis=1)


def _measure_shares(poses: np.ndarray, window: int) -> np.ndarray:
    """Measure the advance of each step (S,) along the path.

    It is relative to the mean step nearby, and NaN at both ends and at rest.

    Args:
        poses: (T, D) root and rotations of a motion.
        window: Number of frames before and after the step, without the step's own.
    """
    steps = len(poses) - 1
    shares = np.full(steps, np.nan)
    for start in range(window + 1, steps - window - 1, SLAB):
        stop = min(start + SLAB, steps - window - 1)
        shares[start:stop] = _measure_shares_of(poses[start - window - 1 : stop + window + 2], window)
    return shares


def _measure_shares_of(poses: np.ndarray, window: int) -> np.ndarray:
    """Measure the shares of `_measure_shares` without the ends.

    Values (T, …, D) give (T − 3 − 2 · window, …) shares.
    """
    still = 100 * _COPY_TOLERANCE**2
    means = poses[window:] - poses[:-window]
    means /= window
    before = means[: -window - 3]
    after = means[window + 3 :]
    path_step = before + after
    step = np.diff(poses[window + 1 : -window - 1], axis=0)
    squares = np.einsum("...i,...i", means, means)
    before_squares = squares[: -window - 3]
    after_squares = squares[window + 3 :]
    larger = np.maximum(before_squares, after_squares)
    is_moving = np.minimum(before_squares, after_squares) > np.maximum(still, _SIMILAR_RATIO**2 * larger)
    along = 2 * np.einsum("...i,...i", step, path_step)
    along /= np.maximum(np.einsum("...i,...i", path_step, path_step), 4 * _COPY_TOLERANCE**2)
    return np.where(is_moving, along, np.nan)


def _pauses_as_whole(motion: Motion, is_copy: np.ndarray, window: int) -> bool:
    """Return whether the root and most joints advance less onto copies."""
    onto_copies = is_copy[window + 2 : len(motion) - window - 1]
    root = _measure_shares_of(motion.root_m, window)[onto_copies]
    joints = _measure_shares_of(make_continuous(motion.rotations), window)
    is_turning = np.isfinite(joints[onto_copies]).sum(axis=0) >= _MIN_PERIODS
    is_turning &= _find_progress(joints[~onto_copies])
    is_root_still = np.isfinite(root).sum() < _MIN_PERIODS
    if not is_turning.any():
        return False
    copies = median_of_known(joints[onto_copies][:, is_turning])
    samples = median_of_known(joints[~onto_copies][:, is_turning])
    is_pose_still = (
        float(median(copies)) < _LOW_PART_RATIO / 2 and float(median(samples - copies)) > _LOW_PART_RATIO / 2
    )
    return is_pose_still and (is_root_still or float(median_of_known(root)) < _LOW_PART_RATIO)


def _find_progress(shares: np.ndarray) -> np.ndarray:
    """Return which of J joints (J,) advance along their paths.

    Others move to and fro by noise.

    Args:
        shares: (S, J) steps onto samples, as in `_measure_shares`.
    """
    counts = np.isfinite(shares).sum(axis=0)
    typical = median_of_known(shares)
    spread = median_of_known(standard_lengths((shares - typical)[..., None], 1))
    return typical * np.sqrt(counts) > _CLEAR_ERRORS * spread


def _has_copies(shares: np.ndarray, is_copy: np.ndarray, spacing: float) -> bool:
    """Return whether steps onto copies are only noise.

    The noise is estimated from backward steps, or from the spread of steps onto samples if few steps go backwards.

    Args:
        shares: (S,) steps, as in `_measure_shares`.
        is_copy: (S + 1,) whether each frame is a copy.
        spacing: Frames per sample.
    """
    is_known = np.isfinite(shares)
    copies = shares[is_copy[1:] & is_known]
    samples = shares[~is_copy[1:] & is_known]
    backward = -copies[copies < 0]
    noise = float(median(standard_lengths(backward[:, None], 1))) if len(backward) > _MIN_PERIODS else 0.0
    typical = float(median(samples))
    spread = float(median(standard_lengths((samples - typical)[:, None], 1)))
    return (
        float(np.mean(copies > _SAMPLE_ADVANCE + 3 * noise)) <= _STRAY_SHARE
        and float(np.mean(np.abs(samples) < _STRAY_SHARE)) < _COPY_ADVANCE
        and _makes_no_progress(copies, _STRAY_SHARE)
        and typical > _SPACING_SHARE * spacing
        and typical * np.sqrt(len(copies)) > _CLEAR_ERRORS * max(noise, spread if len(copies) < _FEW_COPIES else 0.0)
    )


def _makes_no_progress(shares: np.ndarray, largest: float) -> bool:
    """Return whether steps (C,) onto copies do not advance.

    Their median must not exceed `largest`, or what noise explains. Noise goes forwards as often as backwards. Small
    steps that all go forwards belong to a rhythmic motion, for example at the top of hops.
    """
    onward = float(median(shares))
    deviation = float(median(standard_lengths((shares - onward)[:, None], 1)))
    error = deviation * np.sqrt(np.pi / 2 / len(shares))  # of a median
    return onward < max(largest, 3 * error)


def _find_low_steps(typical: np.ndarray, low: float, high: float) -> np.ndarray | None:
    """Return which steps (P,) of a period are low.

    The result is None unless every step is either low or high and samples are spaced as evenly as whole frames allow.
    """
    is_low = typical < low
    if is_low.all() or not is_low.any() or not np.logical_or(is_low, typical > high).all():
        return None
    starts = np.flatnonzero(np.tile(~is_low, 3))
    fit = np.polyval(np.polyfit(np.arange(len(starts)), starts, 1), np.arange(len(starts)))
    return is_low if np.ptp(starts - fit) < 1.0 else None


def _find_linear_frames(motion: Motion) -> tuple[np.ndarray, float]:
    """Find frames (T,) on straight lines between regular keys.

    Also returns the spacing of keys in frames, or 0 if there are none.
    """
    shifts = np.square(np.diff(motion.root_m, 2, axis=0)).sum(-1)
    root_ratios = _compare_with_neighbours(np.sqrt(shifts))
    if (
        np.sum(root_ratios < _LINEAR_RATIO) < 0.3 * np.isfinite(root_ratios).sum()
    ):  # at least half of all frames are linear
        return np.zeros(len(motion), dtype=bool), 0.0
    turns = np.square(np.diff(steps_between(motion.rotations), axis=0)).sum(-1).mean(-1)
    is_linear, spacing = _find_pattern(_compare_with_neighbours(np.sqrt(shifts + turns)), _LINEAR_RATIO)
    return np.append(is_linear, False), spacing if spacing == round(spacing) else 0.0


def _catches_up(is_copy: np.ndarray, ratios: np.ndarray) -> bool:
    """Return whether the body catches up after copies.

    It does if steps after copies are larger than steps after samples, by their medians.
    """
    is_step = ~is_copy[1:]
    follows_copy = is_copy[:-1]
    after_copies = ratios[is_step & follows_copy]
    after_samples = ratios[is_step & ~follows_copy]
    if not np.isfinite(after_copies).any() or not np.isfinite(after_samples).any():
        return False
    return bool(median_of_known(after_copies) / median_of_known(after_samples) > _CATCH_UP_RATIO)


def _lagrange_weights(times: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest samples (T, K) and their interpolation weights (T, K)."""
    count = min(_SAMPLES_BETWEEN, len(times))
    first = np.clip(np.searchsorted(times, at, side="right") - count // 2, 0, len(times) - count)
    rows = first[:, None] + np.arange(count)
    knots = times[rows]
    weights = np.ones(rows.shape)
    for knot in range(count):
        for other in range(count):
            if other != knot:
                weights[:, knot] *= (at - knots[:, other]) / (knots[:, knot] - knots[:, other])
    return rows, weights
