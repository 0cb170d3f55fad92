"""Decide whether planting feet gains enough to be kept.

Errors that remain after a correction are small, so a second correction gains nothing and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from selfcorrect.motion.geometry.runs import holds_throughout
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.observation import observe

from .solid_feet import solid_foot_heights_m, solid_foot_points_m
from .stance import PosedMotions

_MIN_GAIN = 0.12
"""Minimum gain in mean sliding, of soles or joints, as a share of the sliding before."""
_MIN_GAIN_M_S = 0.03
"""Minimum gain in mean sliding, in m/s."""
_MIN_GAIN_M = 0.004
"""Minimum gain in the mean height of low soles, in m. Of CMU's training clips, in pieces of 12 s, 9 in 10 gain less
than all three when corrected again."""
_LOCAL_FACTOR = 5.0
"""Multiple of the absolute gains from which on a gain counts that lasts only for `_LOCAL_S`. One slide in a long motion
hardly changes the means. Of those clips, 9 in 10 gain less, too."""
_LOCAL_S = 0.2
"""Duration of a local gain, in s."""
_MAX_REPEAT_M = 1e-5
"""Maximum joint displacement in a repeated frame, in m."""


def gains_by_planting(
    given: PosedMotions, planted: MotionBatch, ground_m: np.ndarray, *, is_floor_known: bool
) -> np.ndarray:
    """Return which motions (N,) clearly stand better once planted.

    Motions with known contacts always do. For an estimated floor, the height does not count, because it is never known
    to the centimetre and seems to differ once feet are planted. Frames that repeat the frame before do not count,
    either.

    To choose between whole corrections would be too late: standing feet of noisy captures would slide at 65 instead of
    76 mm/s, but bodies in endless flight would be moved by 34 mm, and second corrections would change noisy motions.

    Args:
        given: N motions of T frames with poses, before planting.
        planted: The same motions with planted feet.
        ground_m: (N, T, 2) height of the ground beneath each foot.
        is_floor_known: Whether the ground is exactly at these heights.
    """
    if given.motions.contacts is not None:
        return np.ones(len(planted), dtype=bool)
    steps_m = np.abs(np.diff(given.positions_m, axis=1)).max((2, 3))
    is_sampled = np.pad(steps_m > _MAX_REPEAT_M, ((0, 0), (1, 0)), constant_values=True)
    stands = given.stands_on(ground_m) & is_sampled[..., None]
    posed_again = PosedMotions.from_motions(planted, given.soles)
    heights_m = solid_foot_heights_m(given, solid_foot_points_m(given), ground_m)
    planted_heights_m = solid_foot_heights_m(posed_again, solid_foot_points_m(posed_again), ground_m)
    usual_m = 0.0 if is_floor_known else None
    window = max(1, round(_LOCAL_S * given.motions.fps))
    is_gain = np.zeros(len(planted), dtype=bool)
    for index, motion_stands in enumerate(stands):
        before = _StandingErrors.measure(motion_stands, given.speeds_m_s[index], heights_m[index], usual_m)
        after = _StandingErrors.measure(motion_stands, posed_again.speeds_m_s[index], planted_heights_m[index], usual_m)
        is_gain[index] = (
            _is_slower(before.speed_m_s, after.speed_m_s)
            or after.offset_m < before.offset_m - _MIN_GAIN_M
            or _has_lasting_gain(before, after, window)
            or _has_slower_joints(given.motions[index], planted[index], float(is_sampled[index].mean()))
        )
    return is_gain


@dataclass(frozen=True, eq=False)
class _StandingErrors:
    """Foot errors of one motion, 0 where a foot does not stand."""

    stands: np.ndarray
    """(T, 2) stances of the given motion."""
    is_low: np.ndarray
    """(T, 2) whether a foot stands, or is lower than standing feet usually are."""
    speeds_m_s: np.ndarray
    """(T, 2) of the soles that stand."""
    offsets_m: np.ndarray
    """(T, 2) height error of low soles, in m relative to the usual height of standing soles."""

    @classmethod
    def measure(
        cls, stands: np.ndarray, speeds_m_s: np.ndarray, heights_m: np.ndarray, usual_m: float | None
    ) -> _StandingErrors:
        """Measure the errors of one motion.

        Args:
            stands: (T, 2) stances of the motion.
            speeds_m_s: (T, 2) of the soles along the floor.
            heights_m: (T, 2) of the feet's lowest solid points above the ground.
            usual_m: Usual height of standing soles; None for their median.
        """
        if usual_m is None:
            usual_m = float(median(heights_m[stands])) if stands.any() else -np.inf
        is_low = stands | (heights_m < usual_m)
        offsets_m = np.where(is_low, np.abs(heights_m - usual_m), 0.0)
        return cls(stands, is_low, np.where(stands, speeds_m_s, 0.0), offsets_m)

    @property
    def speed_m_s(self) -> float:
        """Mean speed of standing soles."""
        return float(self.speeds_m_s[self.stands].mean()) if self.stands.any() else 0.0

    @property
    def offset_m(self) -> float:
        """Mean distance of low soles from the usual height."""
        return float(self.offsets_m[self.is_low].mean()) if self.is_low.any() else 0.0


def _is_slower(before_m_s: float, after_m_s: float, sampled_share: float = 1.0) -> bool:
    """Return whether a mean speed falls clearly.

    Frames that are not sampled repeat others, and so lower the mean.
    """
    return before_m_s - after_m_s > max(_MIN_GAIN * before_m_s, _MIN_GAIN_M_S * sampled_share)


def _has_slower_joints(given: Motion, planted: Motion, sampled_share: float) -> bool:
    """Return whether the joints of standing feet slide clearly more slowly."""
    observation = observe(given)
    return _is_slower(observation.standing_speed_m_s(given), observation.standing_speed_m_s(planted), sampled_share)


def _has_lasting_gain(before: _StandingErrors, after: _StandingErrors, window: int) -> bool:
    """Return whether soles stand clearly better throughout a window of frames."""
    slower_m_s = _largest_lasting_value(before.speeds_m_s - after.speeds_m_s, before.stands, window)
    nearer_m = _largest_lasting_value(before.offsets_m - after.offsets_m, before.is_low, window)
    return slower_m_s > _LOCAL_FACTOR * _MIN_GAIN_M_S or nearer_m > _LOCAL_FACTOR * _MIN_GAIN_M


def _largest_lasting_value(values: np.ndarray, is_valid: np.ndarray, window: int) -> float:
    """Return the largest mean of values (T, 2) over a window of valid frames, or 0."""
    if len(values) < window:
        return 0.0
    means = sliding_window_view(values, window, axis=0).mean(axis=-1)
    return float(np.max(means[holds_throughout(is_valid, window)], initial=0.0))
