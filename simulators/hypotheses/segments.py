"""Correct the motion between T-poses, takes and loops separately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from selfcorrect.motion.editing.loops import close_loop, is_loop, unroll_loop
from selfcorrect.motion.geometry.curves import FADING_S, smoothstep
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.geometry.vectors import ALONG_FLOOR
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.support import Support

from ..core.drift import StabilizeFloor
from ..core.pieces import merge_corrections
from ..core.settings import ViewSettings
from ..results.motion_world import TPoses
from ..results.results import SHORTEST_FRAMES, CorrectedMotion, Failure, Note, NoteKind
from ..results.timeline import Timeline
from ..results.view import CorrectionView, Part
from ..results.way_back import map_space, map_time, replace_supports
from .splices import count_lost_frames

MARGIN_S = 1.5
"""Time by which a loop is unrolled on either side, in s. Filters and simulations that start at rest have settled by
then."""


def skip_t_poses(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide T-poses of the rig at both ends of a motion, which are left unchanged."""
    if not part.world.t_poses:
        return CorrectionView.from_part(part)
    first, last = part.world.find_frames_between_t_poses(part.motion)
    return CorrectionView.from_part(part.frames(first, last), partial(_restore_t_poses, part))


def _restore_t_poses(part: Part, correction: CorrectedMotion) -> CorrectedMotion:
    """Extend the correction between T-poses to the whole part."""
    motion = part.motion
    t_poses = part.world.t_poses
    first, last = part.world.find_frames_between_t_poses(motion)
    timeline = correction.forces.timeline
    timeline = timeline and timeline.pad(before=t_poses.opening)
    correction = map_time(correction, range(first, last + 1))
    if not correction.accepted:
        return replace(correction, motion=motion, forces=replace(correction.forces, timeline=timeline))
    given = motion.frames(first, last)
    share = _find_faded_share(t_poses, last - first, motion.fps)[:, None]
    root_m = motion.root_m.copy()
    rotations = motion.rotations.copy()
    root_m[first:last] = correction.motion.root_m
    rotations[first:last] = correction.motion.rotations
    if (share < 1).any():
        root_m[first:last] = given.root_m + share * (root_m[first:last] - given.root_m)
        fading = np.flatnonzero(share < 1)
        blended = slerp(given.rotations[fading], correction.motion.rotations[fading], share[fading, None])
        rotations[first + fading] = blended
    remarks = list(correction.remarks)
    if t_poses.opening:
        remarks.append(Note(NoteKind.T_POSE, t_poses.opening))
    if t_poses.closing:
        remarks.append(Note(NoteKind.T_POSE_AT_END, t_poses.closing))
    return replace(
        correction,
        motion=replace(motion, root_m=root_m, rotations=rotations),
        forces=replace(correction.forces, timeline=timeline and timeline.pad(after=t_poses.closing)),
        remarks=tuple(remarks),
    )


def _find_faded_share(t_poses: TPoses, frames: int, fps: float) -> np.ndarray:
    """Return the share (T,) of the correction in each of the frames between T-poses."""
    numbers = np.arange(frames)
    fading_frames = FADING_S * fps
    share = np.ones(frames)
    if t_poses.fades_in:
        share *= smoothstep(numbers / fading_frames)
    if t_poses.fades_out:
        share *= smoothstep(numbers[::-1] / fading_frames)
    return share


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
        timeline = correction.forces.timeline
        residual = dict(correction.forces.residual)
        if timeline is not None:
            timeline = timeline.frames(frames.start, frames.stop)
            residual |= _mean_residual(timeline)
        cut = replace(correction, forces=replace(correction.forces, timeline=timeline, residual=residual))
        if cut.failure is not None:
            return replace(cut, motion=self.take, failure=self._map_failure_to_loop(cut.failure))
        same_travel = same_travel and not cut.changes.removed_glide_m_s
        back_m = (self.take.root_m[0] - cut.motion.root_m[self.margin]) * ALONG_FLOOR
        moved = map_space(replace_supports(cut, _supports_within(cut.contacts.supports, frames)), back_m)
        closed = close_loop(moved.motion, self.take, self.margin, same_travel=same_travel)
        return replace(moved, motion=closed, beliefs=replace(moved.beliefs, loops_s=(self.take.seconds,)))

    def _map_failure_to_loop(self, failure: Failure) -> Failure:
        """Map the frames of a failure in an unrolled loop to the loop."""
        if failure.frame is None:
            return failure
        frame = (failure.frame - self.margin) % (len(self.take) - 1)
        if failure.last_frame is None:
            return replace(failure, frame=frame)
        last = min(frame + failure.last_frame - failure.frame, len(self.take) - 1)
        return replace(failure, frame=frame, last_frame=last)


def split_into_takes(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide cuts between takes, and where loops end.

    Takes are shown one by one, and loops unrolled. Loops are not unrolled if they are not to be closed, or on known
    boxes.
    """
    cleanup = settings.cleanup
    motion = part.motion
    starts = _drop_short_takes([0, *part.world.takes], len(motion))
    if len(starts) > 1:
        takes = [motion.frames(start, stop) for start, stop in pairwise([*starts, len(motion)])]
    else:
        takes = [motion]
    margin = round(MARGIN_S * motion.fps)
    has_boxes = bool(motion.ground and motion.ground.boxes)  # boxes do not repeat
    may_close = cleanup.close_loops and cleanup.considers("loops") and not has_boxes
    segments = []
    for start, take in zip(starts, takes, strict=True):
        segments.append(Segment(start, take, margin if may_close and is_loop(take) else 0))
    stabilizing = cleanup.find_step(StabilizeFloor)
    same_travel = stabilizing is None or not stabilizing.remove
    restore = partial(_merge_segments, motion, segments, same_travel=same_travel)
    return CorrectionView([Part(segment.motion) for segment in segments], restore)


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
    return replace(merged, remarks=(*_remark_on_takes(motion, segments), *merged.remarks))


def _remark_on_takes(motion: Motion, segments: Sequence[Segment]) -> Iterator[Note]:
    """Yield notes on the first frames of takes, and on frames that were lost before."""
    takes = []
    for segment in segments[1:]:
        if lost := count_lost_frames(motion, segment.start):
            yield Note(NoteKind.FRAMES_LOST, lost, frames=(segment.start,))
        else:
            takes.append(segment.start)
    if takes:
        yield Note(NoteKind.TAKES, frames=tuple(takes))


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
