"""Choose between a motion and its corrections.

Only this module discards a whole correction, or a stretch of it. Feet must not slide faster than before, contacts must
not be lost, and a stretch that cannot be corrected is left unchanged. For example, a jump over an obstacle that the
file does not show takes longer than gravity allows, because something that cannot be inferred holds the body up. The
steps before and after such a jump are still corrected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np

from selfcorrect.motion.checks.measure import measure
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.curves import FADING_S, smoothstep
from selfcorrect.motion.geometry.filters import maximum_filter1d
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.geometry.runs import find_runs
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.observation import observe
from selfcorrect.motion.perception.observed_ground import STAIR_STEP_M

from .compare.evaluate import explain_large_move
from .hypotheses.table import HYPOTHESES
from .results.comparison import MeasuredCorrection, find_clear_gains, measure_correction
from .results.results import (
    NOTED_M,
    Beliefs,
    CorrectedMotion,
    Failure,
    FailureKind,
    Forces,
    GroundContacts,
    Note,
    NoteKind,
    Repair,
    Stage,
)
from .results.view import CorrectParts, Part
from .results.way_back import join, map_time
from .stages.changes import keep_changes
from .world import MotionOnFloor

_SLIDE_TOLERANCE_M_S = 0.002
"""Tolerated increase in foot sliding on an estimated plane, in m/s."""
_MAX_ADDED_SLIDE_M_S = 0.02
"""Increase in foot sliding that discards a correction on known or level ground, in m/s. It must also exceed
`_MAX_ADDED_SLIDE`."""
_MAX_ADDED_SLIDE = 0.25
"""Relative increase in foot sliding that discards such a correction."""
_SLIDE_PER_GAIN_HZ = 1.0
"""Further tolerated increase in foot sliding, in m/s per m by which a body sinks or floats less."""
_MAX_HEIGHT_GAIN_M = 0.02
"""Maximum of that gain that counts, in m. Feet deeper in the floor than this stood on other ground."""
_MAX_LOST_CONTACTS = 0.25
"""Maximum share of contacts that a correction may lose."""
_HEIGHT_ERRORS = ("penetration_m", "floating_m")
"""Errors in a body's height."""
_CLEAR_HEIGHT_GAIN = 2.0
"""Smallest gain in these errors that counts by itself, in multiples of a clear gain. Soles are fitted anew in each
correction: second corrections of 204 captures gain up to 1.6."""
_MIN_SIMULATED_SHARE = 0.01
"""Minimum share of simulated states in a correction that counts as simulated."""
_MAX_DEPTH_M = 0.5
"""Mean depth in the ground above which a motion is rejected, in m: about the length of a shank."""
_MAX_JERK_RATIO = 0.8
"""Maximum ratio of jerk after to jerk before of a correction that removes noise."""


_FLOOR_ERROR_M = 0.005
"""Distance of an observed floor from y = 0 within which it stays if nothing else is corrected, in m. The heights of
stances vary by as much, so that the floor that is observed a second time may be as far from the first."""

SHORTEST_S = 1.0
"""Minimum duration of a corrected part beside a kept stretch, in s."""
LOST_S = 0.4
"""Time kept before and after the frame in which a body was lost, in s."""
LARGEST_SHARE = 0.5
"""Maximum share of a motion that may be kept. Beyond it, the motion is rejected."""
SLIDES_MORE_M_S = 0.1
"""Increase in foot sliding above which a frame is kept uncorrected, in m/s."""


@dataclass(frozen=True, eq=False)
class KeptStretch:
    """A stretch that is kept uncorrected, and the parts around it.

    Parts overlap the stretch by the frames in which they fade.
    """

    motion: Motion
    spans: tuple[tuple[int, int], ...]
    """First and last frame (exclusive) of each corrected part."""
    fading: int
    """Number of frames in which each part fades, within the stretch."""

    @classmethod
    def from_failure(cls, motion: Motion, failure: Failure | None) -> Self | None:
        """Return the stretch to keep after a body floated or was lost.

        Returns:
            The stretch; None for other failures, and if too little of the motion is left.
        """
        if failure is None or failure.frame is None or failure.kind not in (FailureKind.FLOATING, FailureKind.LOST):
            return None
        around = round(LOST_S * motion.fps) if failure.last_frame is None else 0
        first = max(failure.frame - around, 0)
        stop = min((failure.last_frame or failure.frame) + around, len(motion) - 1) + 1
        room = 2 * round(FADING_S * motion.fps)  # to fade, even at the motion's end
        first = min(first, max(len(motion) - room, 0))
        stop = max(stop, min(room, len(motion)))
        shortest = SHORTEST_S * motion.fps
        fading = max(1, min(round(FADING_S * motion.fps), (stop - first) // 2))
        spans = []
        if first >= shortest:
            spans.append((0, first + fading))
        if len(motion) - stop >= shortest:
            spans.append((stop - fading, len(motion)))
        stretch = cls(motion, tuple(spans), fading)
        return stretch if stretch.leaves_enough_after(0) else None

    def leaves_enough_after(self, kept: int) -> bool:
        """Return whether the parts, without `kept` frames, are most of the motion."""
        return sum(stop - start for start, stop in self.spans) - kept >= (1 - LARGEST_SHARE) * len(self.motion)

    def restore(self, corrections: Sequence[CorrectedMotion]) -> CorrectedMotion | None:
        """Merge corrected parts around the kept stretch.

        A part that failed, or whose floor differs from that of the longest part, is kept with the stretch. The stretch
        keeps its poses and its path, but is raised as its neighbouring parts are.

        Returns:
            The correction; None if too little of the motion is left.
        """
        raises_m = self._measure_raises_m(corrections)
        lengths = [len(correction.motion) * correction.accepted for correction in corrections]
        longest_m = raises_m[int(np.argmax(lengths))]
        usable = []
        for index, raise_m in enumerate(raises_m):
            if lengths[index] and abs(raise_m - longest_m) <= STAIR_STEP_M:
                usable.append(index)
        remaining = replace(self, spans=tuple(self.spans[index] for index in usable))
        kept = sum(_count_kept_frames(corrections[index]) for index in usable)
        if not remaining.leaves_enough_after(kept):
            return None
        return remaining._merge([corrections[index] for index in usable], [raises_m[index] for index in usable])

    def _merge(self, corrections: Sequence[CorrectedMotion], raised_m: Sequence[float]) -> CorrectedMotion:
        """Merge the corrections of parts that are raised by some heights."""
        base = self._raise_motion(raised_m)
        root_m = base.root_m.copy()
        rotations = base.rotations.copy()
        is_kept = np.ones(len(base), dtype=bool)
        placed = []
        for (start, stop), part in zip(self.spans, corrections, strict=True):
            correction = map_time(part, range(start, stop + 1))
            frames = np.arange(start, stop)
            from_stretch = stop - 1 - frames if start == 0 else frames - start
            share = smoothstep(from_stretch / self.fading)
            is_kept[frames] = share < 1
            corrected = correction.motion
            fading = np.flatnonzero(share < 1)
            blended = slerp(rotations[start + fading], corrected.rotations[fading], share[fading, None, None])
            root_m[frames] += share[:, None] * (corrected.root_m - root_m[frames])
            rotations[frames] = corrected.rotations
            rotations[start + fading] = blended
            placed.append(correction)
        kept_frames = np.flatnonzero(is_kept)
        kept = (int(kept_frames[0]), int(kept_frames[-1]))
        weights = [stop - start for start, stop in self.spans]
        motion = replace(self.motion, root_m=root_m, rotations=rotations)
        joined = join(motion, placed, weights=weights)
        kept_stretches = (kept, *joined.changes.kept_stretches)
        return replace(joined, changes=replace(joined.changes, kept_stretches=kept_stretches))

    def _measure_raises_m(self, corrections: Sequence[CorrectedMotion]) -> list[float]:
        """Return by how much the correction raises each part (median, in m)."""
        raises_m = []
        for (start, stop), correction in zip(self.spans, corrections, strict=True):
            raises_m.append(float(median((correction.motion.root_m - self.motion.root_m[start:stop])[:, 1])))
        return raises_m

    def _raise_motion(self, raises_m: Sequence[float]) -> Motion:
        """Raise the motion as its parts are, with linear interpolation between parts."""
        knots = np.ravel([(start, stop - 1) for start, stop in self.spans])
        raised_m = np.interp(np.arange(len(self.motion)), knots, np.repeat(raises_m, 2))
        return raise_motion(self.motion, raised_m)


def keep_failed_stretch(whole: Part, correction: CorrectedMotion, correct: CorrectParts) -> CorrectedMotion:
    """Keep a failed stretch uncorrected if that saves most of a motion.

    Args:
        correct: Correction of the parts beside the stretch. Stretches of these are kept in turn.
    """
    stretch = KeptStretch.from_failure(whole.motion, correction.failure)
    if stretch is None:
        return correction
    parts = [whole.frames(*span) for span in stretch.spans]
    corrections = []
    for part, corrected in zip(parts, correct(parts), strict=True):
        corrections.append(keep_failed_stretch(part, corrected, correct))
    restored = stretch.restore(corrections)
    return correction if restored is None else restored


def fade_where_feet_slide(given: Motion, corrected: Motion) -> tuple[Motion, tuple[tuple[int, int], ...]] | None:
    """Undo a correction where standing feet slide faster.

    Returns the motion, unchanged around these frames, and the stretches; None if there are none or they are most of the
    motion. A leap within a correction, as over an impossible stretch, drags feet through a few frames, and should not
    cost the other frames their correction.
    """
    observation = observe(given)
    added_m_s = observation.standing.max(-1) * (observation.speeds_of(corrected) - observation.speeds_of(given))
    is_sliding = added_m_s.max(axis=1) > SLIDES_MORE_M_S
    fading = round(FADING_S * given.fps)
    is_kept = maximum_filter1d(is_sliding, 2 * (fading // 2) + 1, mode="nearest")
    if not is_kept.any() or is_kept.mean() > LARGEST_SHARE:
        return None
    from_kept = np.abs(np.arange(len(given))[:, None] - np.flatnonzero(is_kept)).min(axis=1)
    share = smoothstep(np.minimum(from_kept / fading, 1.0))
    faded = keep_changes(MotionBatch.stack([given]), MotionBatch.stack([corrected]), share[None])
    stretches = tuple((start, stop - 1) for start, stop in find_runs(is_kept))
    return replace(given, root_m=faded.root_m[0], rotations=faded.rotations[0]), stretches


def _count_kept_frames(correction: CorrectedMotion) -> int:
    """Count the frames in the kept stretches of a correction."""
    kept: set[int] = set()
    for first, last in correction.changes.kept_stretches:
        kept |= set(range(first, last + 1))
    return len(kept)


def measure_on_floor(view: MotionOnFloor, correction: CorrectedMotion) -> MeasuredCorrection:
    """Measure a restored correction.

    A large move is attributed to the move of the floor if that is most of it.
    """
    candidate = MeasuredCorrection.from_correction(view.given, correction)
    restored = candidate.correction
    moved_m = abs(restored.floor.moved_m)
    if moved_m <= NOTED_M:
        return candidate
    large_moves = explain_large_move(restored.figures.get("furthest_m", 0.0), {Repair.FLOOR: moved_m})
    is_explained = any(move.repair is Repair.FLOOR for move in large_moves)
    if not is_explained:
        return candidate
    changes = replace(restored.changes, large_moves=large_moves)
    return replace(candidate, correction=replace(restored, changes=changes))


def choose_on_floor(
    view: MotionOnFloor, correction: CorrectedMotion, correct: CorrectParts, *, moves_feet: bool
) -> CorrectedMotion:
    """Choose the best of a motion's corrections.

    The motion itself is one of them. The choice is rejected if it is deep in the ground, and so is a motion that was
    deep in a known ground: legs that fold by half a metre are no correction.

    Args:
        correction: Correction that the view has restored. It is measured here.
        moves_feet: Whether feet are moved on request, so that they may slide faster.
    """
    candidate = measure_on_floor(view, correction)
    chosen = candidate.correction if moves_feet else keep_feet_from_worsening(view, candidate, correct)
    measured = chosen.after if view.given.ground is None else chosen.before
    if not chosen.accepted or measured.get("penetration_m", 0.0) <= _MAX_DEPTH_M:
        return chosen
    depth_m = _measure_depth_m(chosen)
    if depth_m <= _MAX_DEPTH_M:
        return chosen
    failure = Failure(FailureKind.SUNK, value=depth_m, limit=_MAX_DEPTH_M)
    return replace(chosen, motion=view.given, after=chosen.before, failure=failure)


def _measure_depth_m(correction: CorrectedMotion) -> float:
    """Measure mean penetration outside kept stretches, in m; in a known ground, before the correction.

    Unless the ground is known, each part between cuts and kept stretches is measured on its own, because a cut or a
    stretch may lead to another level.
    """
    motion = correction.motion
    bounds = {0, *correction.world.takes, len(motion)}
    is_kept = np.zeros(len(motion), dtype=bool)
    for first, last in correction.changes.kept_stretches:
        bounds |= {first, last + 1}
        is_kept[first : last + 1] = True
    spans = [span for span in pairwise(sorted(bounds)) if not is_kept[span[0]]]
    if motion.ground is not None:
        return correction.before["penetration_m"]
    if len(bounds) == 2 or not spans:
        return correction.after["penetration_m"]
    depths_m = [measure(motion.frames(*span)).penetration_m for span in spans]
    return float(np.average(depths_m, weights=[stop - first for first, stop in spans]))


def keep_feet_from_worsening(
    view: MotionOnFloor, candidate: MeasuredCorrection, correct: CorrectParts
) -> CorrectedMotion:
    """Return a correction only if it is clearly better.

    No standing foot may slide faster; otherwise, the given motion is returned. If feet slide faster on an estimated
    plane, the motion is corrected as on a level floor. If they do there, too, the motion is left unchanged.
    """
    is_on_plane = view.world.plane.is_tilted and not view.world.levels
    if is_on_plane and _added_slide_m_s(candidate.correction) > _SLIDE_TOLERANCE_M_S:
        level_view = view.on_level_floor()
        (corrected,) = correct([level_view.part])
        on_level_floor = measure_on_floor(level_view, level_view.restore(corrected))
        if _added_slide_m_s(on_level_floor.correction) < _added_slide_m_s(candidate.correction):
            note = Note(NoteKind.TILT_IGNORED, view.world.plane.tilt_deg)
            remarks = (note, *on_level_floor.correction.remarks)
            candidate = replace(on_level_floor, correction=replace(on_level_floor.correction, remarks=remarks))
    return _keep_if_feet_worsen(view, candidate)


def _keep_if_feet_worsen(view: MotionOnFloor, candidate: MeasuredCorrection) -> CorrectedMotion:
    """Undo a correction where feet get worse.

    The given motion is kept wherever its standing feet slide much less. A correction is discarded if it loses many
    contacts without removing noise, or if it has no clear gain.
    """
    correction = candidate.correction
    slides_more = _has_worse_feet(view, correction)
    lost_share = correction.figures.get("lost_contacts", 0.0)
    is_calmer = correction.after.get("jerk_m_s3", 0.0) < _MAX_JERK_RATIO * correction.before.get("jerk_m_s3", 0.0)
    keeps_contacts = not slides_more and (lost_share <= _MAX_LOST_CONTACTS or is_calmer)
    if keeps_contacts:
        return correction if _has_clear_gain(view, correction) else _drop_without_gain(view, candidate)
    reason = Note(NoteKind.CONTACTS_KEPT, lost_share)
    if slides_more:
        reason = Note(NoteKind.FEET_KEPT, _added_slide_m_s(correction))
    kept = _keep_motion(view, correction, reason)
    faded = None
    if slides_more and not view.world.is_levelled:
        faded = fade_where_feet_slide(kept.motion, correction.motion)
    if faded is not None:
        motion, stretches = faded
        kept_stretches = (*stretches, *correction.changes.kept_stretches)
        changes = replace(correction.changes, kept_stretches=kept_stretches)
        partly = measure_correction(view.given, replace(correction, motion=motion, changes=changes))
        if not _has_worse_feet(view, partly):
            return partly
    return measure_correction(view.given, kept)


def _has_worse_feet(view: MotionOnFloor, correction: CorrectedMotion) -> bool:
    """Return whether standing feet slide too much faster."""
    allowed_m_s = _SLIDE_TOLERANCE_M_S
    if not view.world.plane.is_tilted:
        before_m_s = correction.before.get("skate_m_s", 0.0)
        allowed_m_s = max(_MAX_ADDED_SLIDE_M_S, _MAX_ADDED_SLIDE * before_m_s)
    return _added_slide_m_s(correction) > allowed_m_s + _SLIDE_PER_GAIN_HZ * _gained_height_m(
        correction.before, correction.after
    )


def _has_clear_gain(view: MotionOnFloor, correction: CorrectedMotion) -> bool:
    """Return whether a correction clearly improves a motion.

    A clear gain is less skating or jerk. Corrections that contacts, a loop or a hypothesis ask for, and those with
    simulated states, always count as a gain.
    """
    is_asked_for = view.given.contacts is not None or bool(correction.beliefs.loops_s)
    is_asked_for |= any(HYPOTHESES.row(name).is_gain for name in correction.beliefs.names)
    is_simulated = correction.forces.residual.get("simulated_share", 0.0) > _MIN_SIMULATED_SHARE
    return is_asked_for or is_simulated or correction.figures.get("clear_gain", 1.0) >= 1.0


def _keep_motion(
    view: MotionOnFloor, correction: CorrectedMotion, *reasons: Note, least_m: float = 0.0
) -> CorrectedMotion:
    """Keep the given motion with its floor at 0, if it is at least `least_m` away, and the world of its correction.

    If corrections are levelled, so is the motion.
    """
    motion = view.motion if view.world.is_levelled else view.given
    remarks = (*correction.remarks, *reasons)
    beliefs = Beliefs(is_carried=correction.beliefs.is_carried)
    kept = CorrectedMotion(motion, remarks=remarks, world=correction.world, beliefs=beliefs)
    return view.decide_floor(kept, least_m)


def _drop_without_gain(view: MotionOnFloor, candidate: MeasuredCorrection) -> CorrectedMotion:
    """Discard a correction without a clear gain.

    The given motion is returned with its floor near 0. The correction is returned after all if it clearly lowers any
    error.
    """
    correction = candidate.correction
    kept = _keep_motion(view, correction, least_m=_FLOOR_ERROR_M)
    if candidate.comparison is None:
        return correction
    on_same_floor = candidate.comparison.measure_other(kept.see_level(view.given)[1])
    measured = candidate.comparison.measures_after
    trades_heights = _gained_height_m(on_same_floor.errors, measured.errors) <= 0.0
    gains = find_clear_gains(on_same_floor, measured, kept.motion.fps)
    if trades_heights:  # a body that sinks less floats as much more
        gains = {name: gain for name, gain in gains.items() if name not in _HEIGHT_ERRORS}
    for name in _HEIGHT_ERRORS:
        if name in gains:
            gains[name] /= _CLEAR_HEIGHT_GAIN
    if max(gains.values()) >= 1.0:
        return correction
    forces = Forces(correction.forces.residual, correction.forces.timeline)
    contacts = GroundContacts(supports=correction.contacts.supports)
    kept = replace(kept, stage=Stage.CLEANED, forces=forces, contacts=contacts)
    return measure_on_floor(view, kept).correction


def _gained_height_m(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return by how much less a body sinks and its standing feet float, in m.

    The gain is limited, and 0 if they do so more.
    """
    gains_m = [before.get(name, 0.0) - after.get(name, 0.0) for name in _HEIGHT_ERRORS]
    return min(max(sum(gains_m), 0.0), _MAX_HEIGHT_GAIN_M)


def _added_slide_m_s(correction: CorrectedMotion) -> float:
    """Return how much faster standing feet slide, in m/s; 0 if that was not measured."""
    if not correction.accepted or "skate_m_s" not in correction.after:
        return 0.0
    added_m_s = correction.after["skate_m_s"] - correction.before.get("skate_m_s", 0.0)
    return added_m_s if np.isfinite(added_m_s) else 0.0


def keep_failures(part: Part, correction: CorrectedMotion, correct: CorrectParts) -> CorrectedMotion:
    """Keep failed stretches, and measure the angular speed added to each joint."""
    kept = keep_failed_stretch(part, correction, correct)
    if not kept.accepted:
        return kept
    added_deg_s = added_by_joint_deg_s(part.motion, kept.motion)
    return replace(kept, changes=replace(kept.changes, added_angular_speed_deg_s=added_deg_s))
