"""The views of every motion, outermost first.

They are `VIEWS`. Each shows less of what a clean-up should not have to know: no unrelated poses, no bodies that
something unseen carries, no copies of frames, no exchanged legs, no copies of channels, no lost path, no lift, no tilt,
no T-poses, no cuts, no ends of loops, no order of joints.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.editing.loops import match_loop_ends
from selfcorrect.motion.motion import Motion, replace_keeping_stances
from selfcorrect.motion.perception.foot_frames import get_foot_frames
from selfcorrect.motion.perception.held_channels import HeldChannels
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.motion.views import JointOrder, LevelFeet

from .choose import choose_on_floor, keep_failures
from .cleanup.clean import CleanupSettings
from .cleanup.drift import StabilizeFloor
from .cleanup.levelling import FitSoles, LevelFloor
from .cleanup.noise import find_noisy_keys
from .cleanup.splices import JoinSplices
from .compare.comparison import include_repair
from .pipeline import Pipeline
from .results.results import CorrectedMotion, Note, NoteKind
from .results.view import CorrectionView
from .results.way_back import map_skeleton
from .stages.staging import place_on_slope
from .views.carried import skip_carried
from .views.exchanged_legs import restore_legs
from .views.floor import MotionOnFloor
from .views.lost_path import restore_lost_path
from .views.pieces import is_one_piece, split_into_pieces
from .views.repeated_frames import restore_frames_of_file
from .views.rides import Ride
from .views.segments import TPoseEnds, split_into_takes
from .views.unrelated_poses import skip_unrelated_poses


def _view_level_ground(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion on level ground.

    The scene puts its correction onto a slope.
    """
    if not pipeline.scene.is_plain and motion.ground:
        raise SettingError("a scene has its own floor; leave out the ground")
    return CorrectionView.from_part(motion, partial(place_on_slope, pipeline.scene))


def _restore_exchanged_legs(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion with exchanged legs restored.

    Its legs keep their sides where they were exchanged for some frames.
    """
    restored, frames = restore_legs(motion)
    if not frames:
        return CorrectionView.from_part(motion)
    return CorrectionView.from_part(
        restored, partial(include_repair, motion, Note(NoteKind.LEGS_RESTORED, frames=frames))
    )


def _skip_carried(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion unless something unseen carries it.

    Neither the file nor people show it.
    """
    is_told = motion.ground is not None or (motion.contacts is not None and np.isinf(motion.contacts).any())
    if is_told or not pipeline.scene.is_plain or pipeline.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(motion)
    return skip_carried(motion)


def _skip_unrelated_poses(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion without unrelated poses.

    Such poses are not motion.
    """
    return skip_unrelated_poses(motion)


def _view_samples(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View the samples of a motion.

    Its file repeats frames.
    """
    repeats = FrameRepeats.from_motion(motion)
    if not len(repeats.sources) and (spacing := find_noisy_keys(motion)):
        repeats = FrameRepeats.from_keys(motion, spacing, is_curved=True) or repeats
    frame_times = pipeline.cleanup.frame_times
    restore = partial(restore_frames_of_file, repeats, motion, choice=frame_times)
    return CorrectionView.from_part(repeats.prepare(motion, frame_times), restore)


def _even_out_channels(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion with even channels.

    Channels of a lower rate than the pose are made even, unless all frame times are kept.
    """
    held = HeldChannels(motion) if pipeline.cleanup.frame_times == "keep" else HeldChannels.from_motion(motion)
    if not held:
        return CorrectionView.from_part(motion)
    note = Note(NoteKind.CHANNELS_HELD, held.spacing, held.list_names())
    return CorrectionView.from_part(held.motion, partial(include_repair, motion, note))


def _restore_lost_path(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion with its lost path restored.

    It lost path length for some strides. The path stays if it is to be kept.
    """
    floor = pipeline.cleanup.find_step(StabilizeFloor)
    restored, frames = (motion, ()) if floor is None or floor.keep_path else restore_lost_path(motion)
    if not frames:
        return CorrectionView.from_part(motion)
    return CorrectionView.from_part(
        restored, partial(include_repair, motion, Note(NoteKind.WAY_RESTORED, frames=frames))
    )


def _view_from_moving_ground(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion from moving ground.

    The ground carries it up or down, or rises steadily.
    """
    if pipeline.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(motion)
    ride = Ride.from_motion(motion, levels=pipeline.cleanup.level)
    return CorrectionView.from_part(ride.view(motion), ride.restore)


def _view_on_floor(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion on its floor.

    It is the floor of its ground, or the plane under its feet if the floor is estimated.
    """
    if motion.ground is not None or pipeline.cleanup.find_step(LevelFloor) is None:
        view = MotionOnFloor.from_ground(motion)
    else:
        view = MotionOnFloor.from_estimated_plane(
            motion, levels=pipeline.cleanup.level, moves_floor=not pipeline.cleanup.keep_level
        )
    moves_feet = not pipeline.postprocess or _should_change_path(pipeline.cleanup)
    choose = partial(choose_on_floor, view, moves_feet=moves_feet)
    return CorrectionView.from_part(view.motion, view.restore, choose)


def _should_change_path(settings: CleanupSettings) -> bool:
    """Return whether feet are moved on purpose.

    Somebody asked to join takes or to remove the drift of the root.
    """
    join_splices = settings.find_step(JoinSplices)
    stabilize_floor = settings.find_step(StabilizeFloor)
    return (join_splices is not None and join_splices.join_takes) or (
        stabilize_floor is not None and stabilize_floor.remove
    )


def _split_into_pieces(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return the pieces of a long motion."""
    return split_into_pieces(motion)


def _skip_t_poses(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return what lies between T-poses at a motion's ends."""
    if pipeline.cleanup.find_step(FitSoles) is None:
        return CorrectionView.from_part(motion)
    ends = TPoseEnds.from_motion(motion)
    return CorrectionView.from_part(ends.rest, ends.restore)


def _view_with_level_feet(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion with level feet.

    Its soles are where they show; without a known floor its height does not change them.
    """
    cleanup = pipeline.cleanup
    if cleanup.find_step(FitSoles) is None:
        return CorrectionView.from_part(motion)
    is_floor_known = motion.ground is not None or cleanup.find_step(LevelFloor) is None
    view = LevelFeet(get_foot_frames(motion) if is_floor_known else observe_ground(motion).feet)

    def restore(correction: CorrectedMotion) -> CorrectedMotion:
        restored = map_skeleton(correction, motion, view)
        if not (cleanup.close_loops and restored.accepted):
            return restored
        return replace(restored, motion=match_loop_ends(restored.motion, motion))

    return CorrectionView.from_part(replace_keeping_stances(view.view(motion), feet=view.feet), restore)


def _split_into_takes(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """Return the takes of a motion, each loop unrolled."""
    return split_into_takes(motion, pipeline.cleanup)


def _view_in_anatomical_order(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion in anatomical joint order."""
    order = JointOrder.canonical(motion.skeleton)
    return CorrectionView.from_part(order.view(motion), partial(map_skeleton, motion=motion, change=order))


def _keep_failed_stretches(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View a motion that may keep failed stretches.

    A stretch is kept if it cannot be corrected, and that saves most of the motion.
    """
    return CorrectionView.from_part(motion, improve=partial(keep_failures, motion))


def _keep_failed_pieces(motion: Motion, pipeline: Pipeline) -> CorrectionView:
    """View pieces that may keep failed stretches.

    A stretch is kept if most of a piece of the motion cannot be corrected.
    """
    return CorrectionView.from_part(motion) if is_one_piece(motion) else _keep_failed_stretches(motion, pipeline)


ViewMotion: TypeAlias = Callable[[Motion, Pipeline], CorrectionView]

SAMPLE_VIEWS: tuple[ViewMotion, ...] = (_view_level_ground, _view_in_anatomical_order)
"""Views of a model's samples."""

VIEWS: tuple[ViewMotion, ...] = (
    _view_level_ground,
    _skip_unrelated_poses,
    _skip_carried,
    _view_samples,
    _restore_exchanged_legs,
    _even_out_channels,
    _restore_lost_path,
    _view_from_moving_ground,
    _view_on_floor,
    _keep_failed_pieces,
    _split_into_pieces,
    _skip_t_poses,
    _view_with_level_feet,
    _keep_failed_stretches,
    _split_into_takes,
    _view_in_anatomical_order,
)
"""Views of a correction, passed in reverse at its end."""
