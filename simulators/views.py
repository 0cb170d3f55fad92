"""Views through which every motion is corrected, the outermost first: `VIEWS`.

Each shows less of what a clean-up should not have to know: no unrelated poses, no bodies that something unseen carries,
no copies of frames, no lost way, no lift, no tilt, no T-poses, no cuts, no ends of loops, no order of joints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.body.foot_frames import get_foot_frames
from selfcorrect.motion.checks.comparison import measure_correction
from selfcorrect.motion.corrector_interface.grounding import MotionOnFloor
from selfcorrect.motion.corrector_interface.pieces import is_one_piece, see_in_pieces
from selfcorrect.motion.corrector_interface.repeats import FrameRepeats
from selfcorrect.motion.corrector_interface.results import CorrectedMotion, CorrectMotions, Note, NoteKind, Repair
from selfcorrect.motion.corrector_interface.rides import Ride
from selfcorrect.motion.corrector_interface.views import CorrectionView
from selfcorrect.motion.editing.loops import match_loop_ends
from selfcorrect.motion.geometry.views import FrameChange, JointOrder, LevelFeet
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observed_ground import ObservedGround

from .carried import see_unless_carried
from .cleanup.clean import CleanupSettings
from .cleanup.drift import StabilizeFloor
from .cleanup.levelling import FitSoles, LevelFloor
from .cleanup.splices import JoinSplices
from .evaluate import explain_large_move
from .kept_stretches import fade_where_feet_slide, keep_failed_stretch
from .lost_way import note_restored_way, restore_lost_way
from .pipeline import Pipeline
from .segments import TPoseEnds, see_takes
from .stages.staging import place_on_slope
from .unrelated_poses import see_beside_unrelated_poses

_SLIDES_MORE_M_S = 0.002
"""Feet on an estimated plane that slide faster by less have not got worse."""
_SLIDES_MUCH_MORE_M_S = 0.02
"""Feet of other motions must slide faster by this, and by the next share, so that the motion is kept."""
_SLIDES_MUCH_MORE = 0.25
_SLIDES_PER_GAIN_HZ = 1.0
"""They may slide faster by this for the depth and height by which a body no longer sinks or floats."""
_LARGEST_GAIN_M = 0.02
"""A larger gain allows no more: feet that were deeper in the floor than this are on other ground."""
_MANY_LOST = 0.25
"""Largest share of contacts that a correction may lose."""
_CALMER = 0.8
"""Least remaining share of the jerk of a motion whose noise was not removed."""


def _see_off_slope(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion on the floor from which a scene puts its correction onto a slope."""
    if not pipeline.scene.is_plain and motion.ground:
        raise SettingError("a scene has its own floor; leave out the ground")
    return CorrectionView.from_part(motion, partial(place_on_slope, pipeline.scene))


def _see_unless_carried(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion unless something carries it that neither the file nor people show."""
    is_told = motion.ground is not None or (motion.contacts is not None and np.isinf(motion.contacts).any())
    if is_told or not pipeline.scene.is_plain or pipeline.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(motion)
    return see_unless_carried(motion)


def _see_beside_unrelated_poses(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return what of a motion lies beside unrelated poses, which are no motion."""
    return see_beside_unrelated_poses(motion)


def _see_samples(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return the samples of a motion whose file repeats frames."""
    repeats = FrameRepeats.from_motion(motion)
    frame_times = pipeline.cleanup.frame_times
    restore = partial(repeats.restore, motion, choice=frame_times)
    return CorrectionView.from_part(repeats.prepare(motion, frame_times), restore)


def _see_on_its_way(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion with the way that it lost for some strides, unless its path is to be kept."""
    floor = pipeline.cleanup.find_step(StabilizeFloor)
    restored, frames = (motion, ()) if floor is None or floor.keep_path else restore_lost_way(motion)
    if not frames:
        return CorrectionView.from_part(motion)
    return CorrectionView.from_part(restored, partial(note_restored_way, motion, frames))


def _see_from_ride(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion seen from the ground that carries it up or down, or that rises steadily."""
    if pipeline.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(motion)
    ride = Ride.from_motion(motion, levels=pipeline.cleanup.level)
    return CorrectionView.from_part(ride.view(motion), ride.restore)


def _see_on_floor(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion on the floor of its ground, or on the plane under its feet if the floor is estimated."""
    if motion.ground is not None or pipeline.cleanup.find_step(LevelFloor) is None:
        view = MotionOnFloor.from_motion(motion)
    else:
        view = MotionOnFloor.from_estimated_plane(
            motion, levels=pipeline.cleanup.level, moves_floor=not pipeline.cleanup.keep_level
        )
    may_move_feet = not pipeline.postprocess or _should_change_path(pipeline.cleanup)
    improve = [] if may_move_feet else [partial(keep_feet_from_worsening, view)]
    return CorrectionView.from_part(view.motion, partial(_restore_from_floor, view), *improve)


def _restore_from_floor(view: MotionOnFloor, correction: CorrectedMotion) -> CorrectedMotion:
    restored = measure_correction(view.given, view.restore(correction))
    moved = next((note for note in restored.notes if note.kind is NoteKind.FLOOR_MOVED), None)
    if moved is None or moved.value is None:
        return restored
    far = explain_large_move(restored.figures.get("furthest_m", 0.0), {Repair.FLOOR: abs(moved.value)})
    if not far or far[0].repair is not Repair.FLOOR:
        return restored
    return replace(restored, notes=(*(note for note in restored.notes if note.kind is not NoteKind.MOVED_FAR), *far))


def keep_feet_from_worsening(
    view: MotionOnFloor, correction: CorrectedMotion, correct: CorrectMotions
) -> CorrectedMotion:
    """Return a correction in which no standing foot slides faster than in the given motion.

    A motion on an estimated plane whose feet do is corrected as on a level floor. If they do there, too, the motion is
    kept as it is.
    """
    is_on_plane = view.plane.is_tilted and not view.levels
    if is_on_plane and _added_slide_m_s(correction) > _SLIDES_MORE_M_S:
        (corrected,) = correct([view.given])
        level_view = MotionOnFloor(view.given, view.given, moves_floor=view.moves_floor)
        on_level_floor = _restore_from_floor(level_view, corrected)
        if _added_slide_m_s(on_level_floor) < _added_slide_m_s(correction):
            note = Note(NoteKind.TILT_IGNORED, view.plane.tilt_deg)
            correction = replace(on_level_floor, notes=(note, *on_level_floor.notes))
    return _keep_if_feet_worsen(view, correction)


def _keep_if_feet_worsen(view: MotionOnFloor, correction: CorrectedMotion) -> CorrectedMotion:
    """Return the correction, or what of the motion was given wherever its standing feet slide much less.

    A correction that loses many contacts, although it removes no noise, is dropped, too.
    """
    slides_more = _do_feet_worsen(view, correction)
    lost_share = correction.figures.get("lost_contacts", 0.0)
    is_calmer = correction.after.get("jerk_m_s3", 0.0) < _CALMER * correction.before.get("jerk_m_s3", 0.0)
    if not slides_more and (lost_share <= _MANY_LOST or is_calmer):
        return correction
    height_kinds = (NoteKind.MOVED_FAR, NoteKind.LOWEST_GROUND, NoteKind.FLOOR_MOVED)
    notes = tuple(note for note in correction.notes if note.kind not in height_kinds)
    reason = Note(NoteKind.CONTACTS_KEPT, lost_share)
    if slides_more:
        reason = Note(NoteKind.FEET_KEPT, _added_slide_m_s(correction))
    kept = CorrectedMotion(
        motion=view.motion if view.levels else view.given,
        notes=(*notes, reason),
        floor=correction.floor,
    )
    kept = view.put_floor_at_zero(kept)
    faded = fade_where_feet_slide(kept.motion, correction.motion) if slides_more and not view.levels else None
    if faded is not None:
        motion, stretch = faded
        partly = measure_correction(view.given, replace(correction, motion=motion, notes=(stretch, *correction.notes)))
        if not _do_feet_worsen(view, partly):
            return partly
    return measure_correction(view.given, kept)


def _do_feet_worsen(view: MotionOnFloor, correction: CorrectedMotion) -> bool:
    """Return whether standing feet slide faster than before by more than is allowed."""
    allowed_m_s = _SLIDES_MORE_M_S
    if not view.plane.is_tilted:
        before_m_s = correction.before.get("skate_m_s", 0.0)
        allowed_m_s = max(_SLIDES_MUCH_MORE_M_S, _SLIDES_MUCH_MORE * before_m_s)
    return _added_slide_m_s(correction) > allowed_m_s + _SLIDES_PER_GAIN_HZ * _gained_height_m(correction)


def _should_change_path(settings: CleanupSettings) -> bool:
    """Return whether somebody asked to join takes or to remove the drift of the root: feet are moved on purpose."""
    join_splices = settings.find_step(JoinSplices)
    stabilize_floor = settings.find_step(StabilizeFloor)
    return (join_splices is not None and join_splices.join_takes) or (
        stabilize_floor is not None and stabilize_floor.remove
    )


def _gained_height_m(correction: CorrectedMotion) -> float:
    """Return by how much less the body sinks and its standing feet float, up to a limit; 0 if they do so more."""
    gains_m = []
    for name in ("penetration_m", "floating_m"):
        gains_m.append(correction.before.get(name, 0.0) - correction.after.get(name, 0.0))
    return min(max(sum(gains_m), 0.0), _LARGEST_GAIN_M)


def _added_slide_m_s(correction: CorrectedMotion) -> float:
    """Return by how much faster than before standing feet slide; 0 if that was not measured."""
    if not correction.accepted or "skate_m_s" not in correction.after:
        return 0.0
    added_m_s = correction.after["skate_m_s"] - correction.before.get("skate_m_s", 0.0)
    return added_m_s if np.isfinite(added_m_s) else 0.0


def _see_piece_by_piece(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return the pieces of a long motion."""
    return see_in_pieces(motion)


def _see_between_t_poses(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return what lies between T-poses at a motion's ends."""
    if pipeline.cleanup.find_step(FitSoles) is None:
        return CorrectionView.from_part(motion)
    ends = TPoseEnds.from_motion(motion)
    return CorrectionView.from_part(ends.rest, ends.restore)


def _see_on_level_feet(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion with its soles where they show; without a known floor its height does not change them."""
    cleanup = pipeline.cleanup
    if cleanup.find_step(FitSoles) is None:
        return CorrectionView.from_part(motion)
    is_floor_known = motion.ground is not None or cleanup.find_step(LevelFloor) is None
    view = LevelFeet(get_foot_frames(motion) if is_floor_known else ObservedGround(motion).feet)
    restore = partial(_restore_frames, motion, view, close_loops=cleanup.close_loops)
    return CorrectionView.from_part(replace(view.view(motion), feet=view.feet), restore)


def _see_in_usual_order(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion with its joints in the order that anatomy gives."""
    order = JointOrder.canonical(motion.skeleton)
    return CorrectionView.from_part(order.view(motion), partial(_restore_frames, motion, order, close_loops=False))


def _restore_frames(
    motion: Motion, change: FrameChange, correction: CorrectedMotion, *, close_loops: bool
) -> CorrectedMotion:
    """Return the correction of a motion in the frames of that motion's skeleton, with all else that the motion has."""
    if not correction.accepted:
        return replace(correction, motion=motion)
    restored = change.restore(correction.motion)
    restored = replace(motion, root_m=restored.root_m, rotations=restored.rotations)
    return replace(correction, motion=match_loop_ends(restored, motion) if close_loops else restored)


def _see_with_failures(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion of which a stretch is kept if it cannot be corrected, and that saves most of the motion."""
    return CorrectionView.from_part(motion, improve=partial(_keep_failures, motion))


def _see_with_failing_pieces(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return a motion of many pieces of which a stretch is kept if most of a piece cannot be corrected."""
    return CorrectionView.from_part(motion) if is_one_piece(motion) else _see_with_failures(motion, pipeline)


def _keep_failures(motion: Motion, correction: CorrectedMotion, correct: CorrectMotions) -> CorrectedMotion:
    """Return a correction around stretches that failed, with the angular speed that it adds to joints."""
    kept = keep_failed_stretch(motion, correction, correct)
    if not kept.accepted:
        return kept
    return replace(kept, added_angular_speed_deg_s=added_by_joint_deg_s(motion, kept.motion))


SeeMotion: TypeAlias = Callable[[Motion, Pipeline], CorrectionView]

SAMPLE_VIEWS: tuple[SeeMotion, ...] = (_see_off_slope, _see_in_usual_order)
"""Views by which the correction of a model's samples begins."""

VIEWS: tuple[SeeMotion, ...] = (
    _see_off_slope,
    _see_beside_unrelated_poses,
    _see_unless_carried,
    _see_samples,
    _see_on_its_way,
    _see_from_ride,
    _see_on_floor,
    _see_with_failing_pieces,
    _see_piece_by_piece,
    _see_between_t_poses,
    _see_on_level_feet,
    _see_with_failures,
    see_takes,
    _see_in_usual_order,
)
"""Views by which a correction begins; it ends with the same in reverse."""
