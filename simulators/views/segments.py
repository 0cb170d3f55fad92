"""Correct the motion between T-poses, takes and loops separately.

`TPoseEnds` is a motion between T-poses at both ends, and `split_into_takes` views the takes of a motion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from selfcorrect.motion.checks.body import count_held_t_pose_frames, count_t_pose_frames
from selfcorrect.motion.editing.loops import close_loop, is_loop, unroll_loop
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.geometry.vectors import ALONG_FLOOR
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.support import Support

from ..body.curves import smoothstep
from ..cleanup.drift import StabilizeFloor
from ..cleanup.levelling import FitSoles
from ..cleanup.splices import JoinSplices, find_takes
from ..results.results import SHORTEST_FRAMES, CorrectedMotion, Failure, Note, NoteKind
from ..results.timeline import Timeline
from ..results.view import CorrectionView
from ..results.way_back import map_space, map_time
from .pieces import merge_corrections
from .settings import ViewSettings

MARGIN_S = 1.5
"""Time by which a loop is unrolled on either side, in s. Filters and simulations that start at rest have settled by
then."""


_FADING_S = 0.3
"""Time in which the original and the correction are blended where the motion leaves or enters a T-pose smoothly, in
s."""


def skip_t_poses(motion: Motion, settings: ViewSettings) -> CorrectionView:
    """Hide T-poses of the rig at both ends of a motion.

    This is done if soles are fitted.
    """
    if settings.cleanup.find_step(FitSoles) is None:
        return CorrectionView.from_part(motion)
    ends = TPoseEnds.from_motion(motion)
    return CorrectionView.from_part(ends.rest, ends.restore)


@dataclass(frozen=True, eq=False)
class TPoseEnds:
    """A motion between T-poses of its rig, which are left unchanged."""

    motion: Motion
    opening: int
    """Number of T-pose frames at the beginning."""
    closing: int
    """Number of T-pose frames at the end."""
    fades_in: bool
    """Whether the motion leaves the opening T-pose smoothly."""
    fades_out: bool
    """Whether the motion enters the closing T-pose smoothly."""

    @classmethod
    def from_motion(cls, motion: Motion) -> TPoseEnds:
        """Find opening and closing T-poses.

        The motion jumps out of a T-pose, or holds one rigidly.
        """
        opening, fades_in = _count_opening_frames(motion)
        rest = motion.frames(opening, len(motion))
        reversed_rest = replace(rest, root_m=rest.root_m[::-1], rotations=rest.rotations[::-1], contacts=None)
        closing, fades_out = _count_opening_frames(reversed_rest)
        return cls(motion, opening, closing, fades_in, fades_out)

    @property
    def rest(self) -> Motion:
        """The motion between the T-poses."""
        if not (self.opening or self.closing):
            return self.motion
        return self.motion.frames(self.opening, len(self.motion) - self.closing)

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Extend the correction of the rest to the whole motion."""
        if not (self.opening or self.closing):
            return correction
        motion = self.motion
        timeline = correction.timeline and correction.timeline.pad(before=self.opening)
        correction = map_time(correction, range(self.opening, len(motion) - self.closing + 1))
        if not correction.accepted:
            return replace(correction, motion=motion, timeline=timeline)
        frames = slice(self.opening, len(motion) - self.closing)
        root_m = motion.root_m.copy()
        rotations = motion.rotations.copy()
        root_m[frames] = correction.motion.root_m
        rotations[frames] = correction.motion.rotations
        share = self._share_of_correction()[:, None]
        if (share < 1).any():
            original = self.rest
            root_m[frames] = original.root_m + share * (root_m[frames] - original.root_m)
            fading = np.flatnonzero(share < 1)
            blended = slerp(original.rotations[fading], correction.motion.rotations[fading], share[fading, None])
            rotations[self.opening + fading] = blended
        remarks = list(correction.remarks)
        if self.opening:
            remarks.append(Note(NoteKind.T_POSE, self.opening))
        if self.closing:
            remarks.append(Note(NoteKind.T_POSE_AT_END, self.closing))
        return replace(
            correction,
            motion=replace(motion, root_m=root_m, rotations=rotations),
            timeline=timeline and timeline.pad(after=self.closing),
            remarks=tuple(remarks),
            world=replace(correction.world, t_pose_frames=(self.opening, self.closing)),
        )

    def _share_of_correction(self) -> np.ndarray:
        """Return the share (T,) of the corrected motion in each frame of the rest."""
        frames = np.arange(len(self.rest))
        fading_frames = _FADING_S * self.motion.fps
        share = np.ones(len(frames))
        if self.fades_in:
            share *= smoothstep(frames / fading_frames)
        if self.fades_out:
            share *= smoothstep(frames[::-1] / fading_frames)
        return share


def _count_opening_frames(motion: Motion) -> tuple[int, bool]:
    """Count opening T-pose frames.

    Also returns whether the motion leaves the last one smoothly.
    """
    rest = motion
    while len(rest) >= SHORTEST_FRAMES and (frames := count_t_pose_frames(rest)):
        rest = rest.frames(frames, len(rest))
    held_count = 0 if len(rest) < SHORTEST_FRAMES else count_held_t_pose_frames(rest)
    return len(motion) - len(rest) + held_count, held_count > 0


@dataclass(frozen=True, eq=False)
class Segment:
    """A take of a motion, or all of it, from frame `start` on."""

    start: int
    take: Motion
    margin: int = 0
    """Number of frames by which a loop is unrolled on either side; 0 without a loop."""

    @property
    def motion(self) -> Motion:
        """The motion to correct, unrolled if it is a loop."""
        return unroll_loop(self.take, self.margin) if self.margin else self.take

    def restore(self, correction: CorrectedMotion, *, same_travel: bool) -> CorrectedMotion:
        """Restore the take's correction from that of `motion`.

        Figures of loops include the margins.
        """
        if not self.margin:
            return correction
        frames = slice(self.margin, self.margin + len(self.take))
        timeline = correction.timeline
        residual = dict(correction.residual)
        if timeline is not None:
            timeline = timeline.frames(frames.start, frames.stop)
            residual |= _mean_residual(timeline)
        cut = replace(correction, timeline=timeline, residual=residual)
        if cut.failure is not None:
            return replace(cut, motion=self.take, failure=self._map_failure_to_loop(cut.failure))
        same_travel = same_travel and not cut.world.is_glide_removed
        back_m = (self.take.root_m[0] - cut.motion.root_m[self.margin]) * ALONG_FLOOR
        moved = map_space(replace(cut, supports=tuple(_supports_within(cut.supports, frames))), back_m)
        closed = close_loop(moved.motion, self.take, self.margin, same_travel=same_travel)
        remarks = (*cut.remarks, Note(NoteKind.LOOP, self.take.seconds))
        return replace(moved, motion=closed, remarks=remarks, closes_loop=True)

    def _map_failure_to_loop(self, failure: Failure) -> Failure:
        """Map the frames of a failure in an unrolled loop to the loop."""
        if failure.frame is None:
            return failure
        frame = (failure.frame - self.margin) % (len(self.take) - 1)
        if failure.last_frame is None:
            return replace(failure, frame=frame)
        last = min(frame + failure.last_frame - failure.frame, len(self.take) - 1)
        return replace(failure, frame=frame, last_frame=last)


def split_into_takes(motion: Motion, settings: ViewSettings) -> CorrectionView:
    """Hide cuts between takes, and where loops end.

    Takes are shown one by one, and loops unrolled. Takes that are to be joined are not split. Loops are not unrolled if
    they are not to be closed, or on known boxes.
    """
    cleanup = settings.cleanup
    splicing = cleanup.find_step(JoinSplices) or JoinSplices(join_takes=True)
    starts = [0] if splicing.join_takes else _drop_short_takes(find_takes(motion), len(motion))
    if len(starts) > 1:
        takes = [motion.frames(start, stop) for start, stop in pairwise([*starts, len(motion)])]
    else:
        takes = [motion]
    margin = round(MARGIN_S * motion.fps)
    may_close = cleanup.close_loops and not (motion.ground and motion.ground.boxes)  # boxes do not repeat
    segments = []
    for start, take in zip(starts, takes, strict=True):
        segments.append(Segment(start, take, margin if may_close and is_loop(take) else 0))
    stabilizing = cleanup.find_step(StabilizeFloor)
    same_travel = stabilizing is None or not stabilizing.remove
    restore = partial(_merge_segments, motion, segments, same_travel=same_travel)
    return CorrectionView([segment.motion for segment in segments], restore)


def _drop_short_takes(starts: Sequence[int], frames: int) -> list[int]:
    """Return the first frames of takes that are long enough.

    A take that is too short to be corrected belongs to a neighbour.
    """
    long_enough = [0]
    for start in starts[1:]:
        if min(start - long_enough[-1], frames - start) >= SHORTEST_FRAMES:
            long_enough.append(start)
    return long_enough


def _merge_segments(
    motion: Motion, segments: Sequence[Segment], corrections: Sequence[CorrectedMotion], *, same_travel: bool
) -> CorrectedMotion:
    """Merge the corrections of segments.

    The first segment that fails rejects the motion.
    """
    restored = []
    for segment, correction in zip(segments, corrections, strict=True):
        restored.append(segment.restore(correction, same_travel=same_travel))
    if len(restored) == 1:
        return restored[0]
    merged = merge_corrections(motion, [segment.start for segment in segments], restored)
    if not merged.accepted:
        return merged
    takes = tuple(segment.start for segment in segments[1:])
    remarks = (Note(NoteKind.TAKES, frames=takes), *merged.remarks)
    return replace(merged, remarks=remarks, world=replace(merged.world, takes=takes))


def _mean_residual(timeline: Timeline) -> dict[str, float]:
    """Return a timeline's mean residual wrench.

    The first frame does not count, because no step leads to it.
    """
    if len(timeline) < 2:
        return {}
    return {
        "residual_force_bodyweights": float(timeline.residual_force_bodyweights[1:].mean()),
        "residual_torque_nm": float(timeline.residual_torque_nm[1:].mean()),
    }


def _supports_within(supports: Sequence[Support], frames: slice) -> Iterator[Support]:
    """Yield the supports used within frames, counted from the first of these frames."""
    last = frames.stop - frames.start - 1
    for support in supports:
        if support.first < frames.stop and support.last >= frames.start:
            first = max(support.first - frames.start, 0)
            end = min(support.last - frames.start, last)
            yield replace(support, first=first, last=end)
