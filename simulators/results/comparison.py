"""Compare a motion with its correction.

Both are measured in the stance of the given motion, on the ground that the correction decided (`FloorDecision`), with
the same soles. Feet that a correction lifts neither slide nor sink, so if the corrected stance decided, they would look
cured although they are not. Here the given motion decides which feet stand in which frames. A standing foot that hangs
in the air afterwards still slides as fast as it moves, floats as high as it hangs, and has lost its contact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from selfcorrect.motion.checks.body import OFF_FLOOR_M
from selfcorrect.motion.checks.floor import find_unsupported_frames
from selfcorrect.motion.checks.measure import Measures, measure_features
from selfcorrect.motion.checks.missing_force import AVERAGED_S
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.measures.moves import JointMoves
from selfcorrect.motion.measures.physical import ERRORS, TOLERANCE_M
from selfcorrect.motion.measures.skating import find_belts_m_s
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import IN_AIR_M, get_foot_frames
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.stances import SHORTEST_STANCE_S
from selfcorrect.motion.skeleton import SIDES, FootFrames
from selfcorrect.motion.support import Surroundings
from selfcorrect.runtime.bugs import try_optional

from .motion_world import FloorDecision, MotionWorld
from .results import LARGE_MOVE_M, PIECE_FRAMES, CorrectedMotion, LargeMove, Note
from .timeline import Contact, Timeline, list_standing_feet

_MIN_RISE_M = 0.02
"""Minimum rise of a lifted sole, in m. A sole that was as high before has lost nothing."""


_MIN_REPEATABILITY = 0.05
"""Minimum repeatability of an error, relative to the error. It replaces a smaller repeatability over the whole clip."""
_CLEAR_GAIN = 2.5
"""Smallest gain that counts, in multiples of the repeatability. First corrections of 45 captures gain at least 3.9
times the repeatability, and second corrections mostly less than 2.1 times."""
_MIN_OVERALL_GAIN = 0.15
"""Smallest relative gain that counts, over the whole motion."""
_MIN_LOCAL_GAIN = 2.5
"""Smallest local gain that counts without such a relative gain, in multiples of a clear gain. It is for faults of a few
frames. The largest of some twenty windows that only vary at random exceeds their deviation by √(2 ln 20) = 2.4."""
_PATH_ERRORS = ("skate_m_s", "jerk_m_s3")
"""Errors that do not depend on body height."""


@dataclass(frozen=True, eq=False)
class MotionComparison:
    """A motion and its correction on the same ground, over T frames.

    T-poses of the rig at both ends are left out.
    """

    before: MotionFeatures
    after: MotionFeatures
    stands: np.ndarray
    """(T, 2) whether each foot stands before the correction, left foot first."""
    world: MotionWorld
    """The world of the motion, in frames that count T-poses before the motion, too."""
    floor: FloorDecision
    """Where the correction put the floor."""

    @classmethod
    def from_correction(cls, motion: Motion, correction: CorrectedMotion) -> MotionComparison:
        """Compare a motion with its correction, above a level floor."""
        world = correction.world
        first, last = world.find_frames_between_t_poses(motion)
        before, after = correction.see_level(motion)
        if last - first < len(motion):
            before = before.frames(first, last)
            after = after.frames(first, last)
        supports = tuple(support.shift(np.zeros(3), -first) for support in correction.contacts.supports)
        feet, feet_after = _find_common_feet(before, after, abs(correction.floor.moved_m))
        belt_m_s, belt_after_m_s = find_belts_m_s(before, after)
        belt_m = _compute_belt_path(before, belt_m_s)
        belt_after_m = _compute_belt_path(before, belt_after_m_s)
        seen_before = MotionFeatures(before, Surroundings(belt_m=belt_m), feet=feet)
        seen_after = MotionFeatures(after, Surroundings(belt_m=belt_after_m), feet=feet_after)
        ground_m = correction.floor.ground_m
        return cls(
            before=seen_before.with_surroundings(Surroundings(supports, ground_m, belt_m)),
            after=seen_after.with_surroundings(Surroundings(supports, ground_m, belt_after_m)),
            stands=observe(before).stands,
            world=world,
            floor=correction.floor,
        )

    @property
    def first_frame(self) -> int:
        """Number of T-pose frames before the motion."""
        return self.world.t_poses.opening

    @property
    def cuts(self) -> tuple[int, ...]:
        """First frame of each take except the first."""
        return self.world.takes if self.first_frame + len(self.before) <= PIECE_FRAMES else ()

    @property
    def floor_raised_m(self) -> float:
        """Height by which the floor was raised to y = 0, in m; 0 if it was lowered."""
        return max(-self.floor.moved_m, 0.0)

    @cached_property
    def errors(self) -> tuple[dict[str, float], dict[str, float]]:
        """Errors before and after the correction, by the names of `ERRORS`."""
        return self.measures_before.errors, self.measures_after.errors

    @cached_property
    def measures_before(self) -> Measures:
        """Errors of the given motion, by frame."""
        return self._measure(self.before)

    @cached_property
    def measures_after(self) -> Measures:
        """Errors of the correction in the stance of the given motion, by frame."""
        return self._measure(self.after)

    def measure_other(self, other: Motion) -> Measures:
        """Measure another correction on the same ground with the same soles.

        Args:
            other: The other corrected motion above a level floor, with its T-poses.
        """
        frames = other.frames(self.first_frame, self.first_frame + len(self.before))
        return self._measure(MotionFeatures(frames, self.after.around, feet=self.after.feet))

    def _measure(self, features: MotionFeatures) -> Measures:
        """Measure features in the stance of the given motion."""
        return measure_features(features, self.before, self.stands, self.cuts)

    @property
    def clear_gains(self) -> dict[str, float]:
        """Gain of the correction in each error: see `find_clear_gains`."""
        return find_clear_gains(self.measures_before, self.measures_after, self.before.fps)

    @cached_property
    def _sunk_m(self) -> float:
        """Height, below 0, of the feet of a body that stands in the floor; else 0."""
        return min(float(median(self.before.sole_heights_m[self.stands])), 0.0) if self.stands.any() else 0.0

    @cached_property
    def hangs(self) -> np.ndarray:
        """(T, 2) whether a standing foot was lifted into the air.

        The foot stands in the given motion. Feet of a body that stood in the floor may rise by as much as they were too
        low, and all feet may rise with their floor.
        """
        heights_m = self.after.sole_heights_m - self.floor_raised_m
        before_m = self.before.sole_heights_m
        is_in_air = (heights_m > IN_AIR_M) & (before_m < IN_AIR_M)
        is_lifted = is_in_air & (heights_m - before_m + self._sunk_m > _MIN_RISE_M)
        return _drop_short_runs(self.stands & is_lifted, self.before.fps)

    @property
    def lost_contacts(self) -> tuple[float, float]:
        """Share and height of the contacts that the correction loses.

        The share is that of the contact frames, from 0 to 1, and the height is the mean of what lost contact, in m.
        Contacts are those of feet, or of the body as a whole if it loses a larger share.
        """
        by_foot = _count_lost(self.stands, self.hangs, self.after.sole_heights_m)
        touches = (self.before.lowest_m <= self._sunk_m + TOLERANCE_M)[:, None]
        clear_m = self.after.clear_m - self.floor_raised_m
        in_air = find_unsupported_frames(self.after, clear_m, OFF_FLOOR_M)[:, None]
        body_is_lifted = _drop_short_runs(touches & in_air, self.before.fps)
        by_body = _count_lost(touches, body_is_lifted, self.after.lowest_m[:, None])
        return max(by_foot, by_body, key=lambda lost: lost[0])

    def find_standing_feet(self) -> tuple[Contact, ...]:
        """Find the feet that stand both before and after the correction."""
        return list_standing_feet(self.stands & np.logical_not(self.hangs), self.first_frame)

    def unload_hanging_feet(self, timeline: Timeline) -> Timeline:
        """Remove the loads of feet from a timeline while they hang in the air."""
        loads_bodyweights = timeline.loads_bodyweights.copy()
        for foot, side in enumerate(SIDES):
            if f"{side} foot" in timeline.parts:
                hangs = self.first_frame + np.flatnonzero(self.hangs[:, foot])
                loads_bodyweights[hangs, timeline.parts.index(f"{side} foot")] = 0.0
        return replace(timeline, loads_bodyweights=loads_bodyweights)


@dataclass(frozen=True, eq=False)
class MeasuredCorrection:
    """A correction with its measurements and its comparison with the given motion."""

    correction: CorrectedMotion
    comparison: MotionComparison | None = None
    """Comparison with the given motion; None if the correction was not measured."""

    @classmethod
    def from_correction(cls, motion: Motion, correction: CorrectedMotion) -> MeasuredCorrection:
        """Measure a correction.

        A rejected correction, or one that cannot be measured, is returned unchanged.
        """
        unmeasured = cls(correction)
        if not correction.accepted or len(motion) < 2:
            return unmeasured
        step = "errors are not reported"
        candidate, note = try_optional(step, partial(_measure_correction, motion, correction), unmeasured)
        return candidate.with_remarks(Note(words=note)) if note else candidate

    def with_remarks(self, *remarks: Note) -> MeasuredCorrection:
        """Return this with further remarks at the end."""
        return replace(self, correction=replace(self.correction, remarks=(*self.correction.remarks, *remarks)))


def measure_correction(motion: Motion, correction: CorrectedMotion) -> CorrectedMotion:
    """Measure a correction: see `MeasuredCorrection.from_correction`."""
    return MeasuredCorrection.from_correction(motion, correction).correction


def include_slip(motion: Motion, correction: CorrectedMotion) -> CorrectedMotion:
    """Add the slip of a motion and of its accepted correction to the errors, each measured on its own."""
    if not correction.accepted or len(motion) < 2:
        return correction
    unmeasured: tuple[dict[str, float], ...] = ({}, {})
    slips, note = try_optional("slip is not reported", partial(_measure_slips, motion, correction.motion), unmeasured)
    before, after = slips
    remarks = (*correction.remarks, Note(words=note)) if note else correction.remarks
    errors = {**correction.before, **before}
    return replace(correction, before=errors, after={**correction.after, **after}, remarks=remarks)


def _measure_slips(before: Motion, after: Motion) -> tuple[dict[str, float], ...]:
    return measure_slip(before).figures, measure_slip(after).figures


def include_repair(motion: Motion, note: Note, correction: CorrectedMotion) -> CorrectedMotion:
    """Turn the correction of a repaired motion into one of the given motion.

    Args:
        motion: The motion before the repair.
        note: Note on the repair.
        correction: Correction of the repaired motion.
    """
    if not correction.accepted:
        return replace(correction, motion=motion)
    return measure_correction(motion, replace(correction, remarks=(note, *correction.remarks)))


def _measure_correction(motion: Motion, correction: CorrectedMotion) -> MeasuredCorrection:
    comparison = MotionComparison.from_correction(motion, correction)
    moves = JointMoves.from_motions(*correction.see_level(motion))
    before, after = comparison.errors
    gains = comparison.clear_gains
    clear_gain = max(gains[name] for name in _PATH_ERRORS)
    contacts = dict(zip(("lost_contacts", "lost_contacts_height_m"), comparison.lost_contacts, strict=True))
    timeline = correction.forces.timeline and comparison.unload_hanging_feet(correction.forces.timeline)
    large_moves = tuple(_limit_moves(correction.changes.large_moves, moves.figures["furthest_m"]))
    measured = replace(
        correction,
        before=before,
        after=after,
        figures={**correction.figures, **moves.figures, **contacts, "clear_gain": clear_gain},
        forces=replace(correction.forces, timeline=timeline),
        contacts=replace(correction.contacts, standing_feet=comparison.find_standing_feet()),
        changes=replace(correction.changes, large_moves=large_moves),
    )
    return MeasuredCorrection(measured, comparison)


def _limit_moves(large_moves: Sequence[LargeMove], furthest_m: float) -> Iterator[LargeMove]:
    """Limit large moves to the distance by which the motion has moved.

    A loop is corrected in a longer row of its repetitions, of which the last move further than the loop.
    """
    for move in large_moves:
        distance_m = min(move.distance_m, furthest_m)
        if distance_m > LARGE_MOVE_M:
            yield replace(move, distance_m=distance_m)


def find_clear_gains(before: Measures, after: Measures, fps: float) -> dict[str, float]:
    """Find the largest gain in each error over two seconds, the time over which forces are averaged, too.

    Gains are multiples of the smallest gain that is clear. If the gain over the whole motion is small, the local gain
    must be larger.
    """
    window = round(AVERAGED_S * fps)
    gains = {}
    for error in ERRORS:
        errors_before = _average_windows(before.by_frame(error.key), window)
        errors_after = _average_windows(after.by_frame(error.key), window)
        least = _CLEAR_GAIN * np.maximum(_MIN_REPEATABILITY * errors_before, error.repeatability)
        gain = max(0.0, float(((errors_before - errors_after) / least).max()))
        whole = before.errors[error.key]
        share = (whole - after.errors[error.key]) / max(whole, 1e-9)
        gains[error.key] = min(gain, max(share / _MIN_OVERALL_GAIN, gain / _MIN_LOCAL_GAIN))
    return gains


def _find_common_feet(before: Motion, after: Motion, floor_moved_m: float) -> tuple[FootFrames, FootFrames]:
    """Find common foot frames and soles of a motion and its correction.

    Foot frames are the same for both, and soles nearly so; bodies with different skeletons keep their own. Soles that
    explain the height of only one of the motions would hide that it floats or sinks. The median of both sole depths and
    the usual depth hides neither. Soles may differ from the median by as much as the floor was moved.
    """
    feet = get_foot_frames(before)
    corrected_feet = get_foot_frames(after)
    if not before.skeleton.same_as(after.skeleton):
        return feet, corrected_feet
    if feet.soles_m is None or corrected_feet.soles_m is None:
        common = corrected_feet if feet.soles_m is None else feet
        return common, common
    usual_m = observe(before).sole_depth_m
    soles_m = np.array([feet.soles_m, corrected_feet.soles_m, (usual_m, usual_m)])
    common_m = median(soles_m, axis=0)
    near_m = np.clip(soles_m[:2], common_m - floor_moved_m, common_m + floor_moved_m)
    (left_m, right_m), (left_after_m, right_after_m) = near_m.tolist()
    return replace(feet, soles_m=(left_m, right_m)), replace(feet, soles_m=(left_after_m, right_after_m))


def _compute_belt_path(motion: Motion, velocity_m_s: np.ndarray) -> np.ndarray:
    """Return the path (T, 3) of a belt with velocity (2,), along x and z."""
    times_s = np.arange(len(motion)) / motion.fps
    return np.outer(times_s, np.insert(velocity_m_s, 1, 0.0))


def _drop_short_runs(is_lost: np.ndarray, fps: float) -> np.ndarray:
    """Drop losses of contact (T, K) that are too short to matter."""
    lasting = np.zeros_like(is_lost)
    for column, lost in enumerate(is_lost.T):
        for start, stop in find_runs(lost, SHORTEST_STANCE_S * fps):
            lasting[start:stop, column] = True
    return lasting


def _count_lost(has_contact: np.ndarray, is_lost: np.ndarray, heights_m: np.ndarray) -> tuple[float, float]:
    if not is_lost.any():
        return 0.0, 0.0
    return float(is_lost.sum() / has_contact.sum()), float(heights_m[is_lost].mean())


def _average_windows(values: np.ndarray, window: int) -> np.ndarray:
    """Return means (W,) of known values in sliding windows, 0 if none is known.

    Args:
        values: (T, ...) values of consecutive frames; NaN for unknown ones.
        window: Number of frames; all if there are fewer.
    """
    if not values.size:
        return np.zeros(1)
    known = np.isfinite(values).reshape(len(values), -1)
    sums = np.where(known, values.reshape(known.shape), 0.0).sum(axis=1)
    totals = np.insert(np.cumsum(sums), 0, 0.0)
    counts = np.insert(np.cumsum(known.sum(axis=1)), 0, 0)
    window = max(1, min(window, len(values)))
    return (totals[window:] - totals[:-window]) / np.maximum(counts[window:] - counts[:-window], 1)
