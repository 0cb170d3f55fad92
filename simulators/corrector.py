"""Correctors by kinematics and physics: motions in, corrected motions out.

`correct_motions` corrects motions of files, of any length, with the soles, takes and loops that they show.
`correct_samples` corrects a model's samples, which have one length and stand on a known floor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.body.foot_frames import get_foot_frames
from selfcorrect.motion.checks.comparison import measure_correction
from selfcorrect.motion.corrector_interface.grounding import MotionOnFloor, find_feet_on_any_floor
from selfcorrect.motion.corrector_interface.pieces import PIECE_FRAMES, CorrectionMerger, is_one_piece, split_pieces
from selfcorrect.motion.corrector_interface.repeats import FrameRepeats
from selfcorrect.motion.corrector_interface.results import CorrectedMotion, Note, NoteKind
from selfcorrect.motion.corrector_interface.rides import Ride
from selfcorrect.motion.editing.loops import match_loop_ends
from selfcorrect.motion.geometry.views import LevelFeet
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import FootFrames
from selfcorrect.runtime.processes import map_tasks, require_workers
from selfcorrect.runtime.progress import part_of_work, split_work

from .batching import BATCH_SIZE, find_flaw, make_batches
from .cleanup.clean import CleanupSettings
from .cleanup.drift import StabilizeFloor
from .cleanup.levelling import FitSoles, LevelFloor
from .cleanup.splices import JoinSplices
from .kept_stretches import KeptStretch
from .pipeline import Pipeline, correct_batches
from .segments import TPoseEnds, merge_segments, split_segments
from .settings.tracker import SimulateChoice, TrackerSettings, default_tracker
from .stages.scene import PLAIN, Scene
from .stages.staging import adapt_settings, place_on_slope
from .stages.values import select_motions

_FIRST_SHARE = 0.95
"""Share of the work before motions whose feet got worse are corrected again."""
_SLIDES_MORE_M_S = 0.002
"""Feet on an estimated plane that slide faster by less have not got worse."""
_SLIDES_MUCH_MORE_M_S = 0.02
"""Feet of other motions must slide faster by this, and by the next share, so that the motion is kept."""
_SLIDES_MUCH_MORE = 0.25
_SLIDES_PER_GAIN_HZ = 1.0
"""They may slide faster by this for the depth and height by which a body no longer sinks or floats."""
_LARGEST_GAIN_M = 0.02
"""A larger gain allows no more: feet that were deeper in the floor than this are on other ground."""


@dataclass(frozen=True)
class KinematicCorrector:
    """The kinematic clean-up without a simulation: the control that shows what physics adds."""

    cleanup: CleanupSettings = field(default_factory=CleanupSettings)
    workers: int = 1

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions on any skeletons; see `PhysicsCorrector`."""
        return correct_motions(motions, self.pipeline, self.workers)

    def correct_batches(self, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        """Correct batches of motions of one length, as they are; see `PhysicsCorrector.correct_batches`."""
        return correct_batches(self.pipeline, batches)

    @property
    def pipeline(self) -> Pipeline:
        """The stages that a batch passes."""
        return Pipeline(self.cleanup)


@dataclass(frozen=True)
class PhysicsCorrector:
    """Tracks motions with a simulated humanoid of their own skeleton.

    A motion that the humanoid cannot follow is rejected with the reason and returned unchanged. Results are the
    same bytes for any number of `workers` (processes).
    """

    tracker: TrackerSettings = field(default_factory=default_tracker)
    cleanup: CleanupSettings = field(default_factory=CleanupSettings)
    workers: int = 1
    scene: Scene = PLAIN
    """World and body with which motions are followed. In a scene that is not plain, simulated states come out as they
    are, and figures are those of the body there. On a slope only the floor carries, and files show the hill."""
    simulate: SimulateChoice = "always"
    """Selection of the motions to simulate. With "auto" a motion comes out as planned if a simulation cannot gain
    anything over its plan. Raw simulated states always take a simulation."""

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions of any skeletons, frame rates and lengths, in their order; long ones piece by piece.

        Args:
            motions: Motions of at least four frames each; shorter ones are rejected.

        Returns:
            A correction of each motion.

        Raises:
            InputError: A skeleton lacks a part of the legs.
            SettingError: A motion has a ground, and so has the scene.
            WorkerError: A worker process died.
        """
        return correct_motions(motions, self.pipeline, self.workers)

    def correct_batches(self, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        """Correct batches of motions of one length, all simulated together, as a model's samples need it.

        Soles are those of the skeleton; takes, loops and T-poses are not looked for. Skeletons may differ in lengths
        and names, not in tree and parts; frame rates are one.
        """
        corrections = correct_batches(self.pipeline, batches)
        return [[place_on_slope(self.scene, correction) for correction in batch] for batch in corrections]

    @property
    def pipeline(self) -> Pipeline:
        """The stages that a batch passes, with the floor of the scene at y = 0."""
        cleanup = self.cleanup
        if not self.scene.is_plain:  # a push comes once
            cleanup = replace(cleanup, close_loops=False)
        if self.scene.slope_deg:
            cleanup = replace(cleanup, support="floor")
        return Pipeline(cleanup, adapt_settings(self.scene, self.tracker), self.scene, self.simulate)


def correct_samples(
    corrector: KinematicCorrector | PhysicsCorrector, motions: MotionBatch
) -> Iterator[list[CorrectedMotion]]:
    """Correct a model's samples, a batch of motions of one length, as they are; yields those simulated together.

    Samples that are not finite are rejected.
    """
    bodies_together = corrector.pipeline.bodies_together
    for start in range(0, len(motions), bodies_together):
        together = range(start, min(start + bodies_together, len(motions)))
        flaws = {index: flaw for index in together if (flaw := find_flaw(motions[index]))}
        sound = [index for index in together if index not in flaws]
        batches = []
        for first in range(0, len(sound), BATCH_SIZE):
            batches.append(select_motions(motions, sound[first : first + BATCH_SIZE]))
        sound_corrections = chain(*corrector.correct_batches(batches))
        corrections = []
        for index in together:
            if index in flaws:
                corrections.append(CorrectedMotion(motions[index], flaws[index]))
            else:
                corrections.append(next(sound_corrections))
        yield corrections


def correct_motions(motions: Sequence[Motion], pipeline: Pipeline, workers: int = 1) -> list[CorrectedMotion]:
    """Correct motions of any lengths, those on a ground that is known in the frame of its floor.

    Motions of one piece are corrected together, longer ones one after another.

    Args:
        motions: Motions of any skeletons, frame rates and lengths.
        pipeline: The stages that their batches pass.

    Returns:
        A correction of each motion, in their order.

    Raises:
        SettingError: A motion has a ground, and so has the scene.
    """
    require_workers(workers)
    if not pipeline.scene.is_plain and any(motion.ground for motion in motions):
        raise SettingError("a scene has its own floor; leave out the ground")
    repeats = [FrameRepeats() if find_flaw(motion) else FrameRepeats.from_motion(motion) for motion in motions]
    frame_times = pipeline.cleanup.frame_times
    samples = [of_motion.prepare(motion, frame_times) for of_motion, motion in zip(repeats, motions, strict=True)]
    rides = [Ride() if find_flaw(motion) else Ride.from_motion(motion) for motion in samples]
    views = []
    for ride, motion in zip(rides, samples, strict=True):
        views.append(_see_on_floor(ride.view(motion), pipeline.cleanup))
    with part_of_work(0.0, _FIRST_SHARE):
        corrections = _correct_views(views, pipeline, workers)
    with part_of_work(_FIRST_SHARE, 1.0):
        corrections = _keep_feet_from_worsening(views, corrections, pipeline, workers)
    corrections = [ride.restore(correction) for ride, correction in zip(rides, corrections, strict=True)]
    return [
        place_on_slope(pipeline.scene, of_motion.restore(motion, correction, frame_times))
        for motion, of_motion, correction in zip(motions, repeats, corrections, strict=True)
    ]


def _see_on_floor(motion: Motion, settings: CleanupSettings) -> MotionOnFloor:
    """Return a motion on the floor of its ground, or on the plane under its feet if the floor is estimated."""
    has_floor = motion.ground is not None or settings.find_step(LevelFloor) is None
    if has_floor or find_flaw(motion):
        return MotionOnFloor.from_motion(motion)
    return MotionOnFloor.from_estimated_plane(motion, levels=settings.level)


def _correct_views(views: Sequence[MotionOnFloor], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct motions on their floors; what comes out is in the worlds of the given motions."""
    is_long = [len(view.motion) > PIECE_FRAMES for view in views]
    short = [view.motion for view, motion_is_long in zip(views, is_long, strict=True) if not motion_is_long]
    long = [view.motion for view, motion_is_long in zip(views, is_long, strict=True) if motion_is_long]
    short_share = sum(map(len, short)) / max(sum(len(view.motion) for view in views), 1)
    with part_of_work(0.0, short_share):
        short_corrections = iter(_correct_pieces(short, pipeline, workers))
    with part_of_work(short_share, 1.0):
        long_corrections = iter(_correct_long_motions(long, pipeline, workers))
    corrections = []
    for view, motion_is_long in zip(views, is_long, strict=True):
        correction = next(long_corrections if motion_is_long else short_corrections)
        corrections.append(measure_correction(view.given, view.restore(correction)))
    return corrections


def _keep_feet_from_worsening(
    views: Sequence[MotionOnFloor], corrections: Sequence[CorrectedMotion], pipeline: Pipeline, workers: int
) -> list[CorrectedMotion]:
    """Return corrections in which no standing foot slides faster than in the given motion.

    A motion on an estimated plane whose feet do is corrected as on a level floor. If they do there, too, the motion is
    kept as it is. Raw simulated states and paths that somebody asked to change come out as they are.
    """
    results = list(corrections)
    if not pipeline.postprocess or _should_change_path(pipeline.cleanup):
        return results
    on_planes = [index for index, view in enumerate(views) if view.plane.is_tilted and not view.levels]
    retried = [index for index in on_planes if _added_slide_m_s(results[index]) > _SLIDES_MORE_M_S]
    given = [MotionOnFloor(views[index].given, views[index].given) for index in retried]
    for index, correction in zip(retried, _correct_views(given, pipeline, workers), strict=True):
        if _added_slide_m_s(correction) < _added_slide_m_s(results[index]):
            note = Note(NoteKind.TILT_IGNORED, views[index].plane.tilt_deg)
            results[index] = replace(correction, notes=(note, *correction.notes))
    return [
        _keep_if_feet_worsen(view, correction, is_tilted=view.plane.is_tilted)
        for view, correction in zip(views, results, strict=True)
    ]


def _should_change_path(settings: CleanupSettings) -> bool:
    """Return whether somebody asked to join takes or to remove the drift of the root: feet are moved on purpose."""
    join_splices = settings.find_step(JoinSplices)
    stabilize_floor = settings.find_step(StabilizeFloor)
    return (join_splices is not None and join_splices.join_takes) or (
        stabilize_floor is not None and stabilize_floor.remove
    )


def _keep_if_feet_worsen(view: MotionOnFloor, correction: CorrectedMotion, *, is_tilted: bool) -> CorrectedMotion:
    """Return the correction, or the motion as it was given if its standing feet slide much less.

    Args:
        view: The motion before correction.
        is_tilted: Whether its floor seems to be tilted, so that a small difference is clear.
    """
    added_m_s = _added_slide_m_s(correction)
    before_m_s = correction.before.get("skate_m_s", 0.0)
    allowed_m_s = _SLIDES_MORE_M_S if is_tilted else max(_SLIDES_MUCH_MORE_M_S, _SLIDES_MUCH_MORE * before_m_s)
    allowed_m_s += _SLIDES_PER_GAIN_HZ * _gained_height_m(correction)
    if added_m_s <= allowed_m_s:
        return correction
    notes = [note for note in correction.notes if note.kind is not NoteKind.MOVED_FAR]
    kept = CorrectedMotion(
        motion=view.motion if view.levels else view.given,
        notes=(*notes, Note(NoteKind.FEET_KEPT, added_m_s)),
        floor=correction.floor,
    )
    return measure_correction(view.given, kept)


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


def _correct_long_motions(motions: Sequence[Motion], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct long motions one after another, each in pieces, so that memory does not grow with their length."""
    corrections = []
    for motion, (first, last) in zip(motions, split_work(list(map(len, motions))), strict=True):
        with part_of_work(first, last):
            corrections.append(_correct_long_motion(motion, pipeline, workers))
    return corrections


def _correct_long_motion(motion: Motion, pipeline: Pipeline, workers: int) -> CorrectedMotion:
    if is_one_piece(motion):
        return _correct_pieces([motion], pipeline, workers)[0]
    merger = CorrectionMerger(motion)
    for group in split_pieces(motion):
        with part_of_work(*group.shares):
            corrections = _correct_pieces(group.motions, pipeline, workers)
        for start, correction in zip(group.starts, corrections, strict=True):
            merger.append(start, correction)
        if merger.rejection is not None:
            break
    return merger.correction


def _correct_pieces(motions: Sequence[Motion], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct motions of one piece each: between T-poses at their ends, with their soles where they show."""
    if pipeline.cleanup.find_step(FitSoles) is None:
        return _correct_segments(motions, pipeline, workers)
    ends = [TPoseEnds.from_motion(motion) for motion in motions]
    corrections = _correct_on_level_feet([between.rest for between in ends], pipeline, workers)
    return [between.restore(correction) for between, correction in zip(ends, corrections, strict=True)]


def _correct_on_level_feet(motions: Sequence[Motion], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct motions with their soles where they show them; what comes out is in their own skeletons' frames."""
    views = []
    levelled = []
    for motion in motions:
        view = LevelFeet(_choose_foot_frames(motion, pipeline.cleanup))
        views.append(view)
        levelled.append(replace(view.view(motion), feet=view.feet))
    corrections = _correct_segments(levelled, pipeline, workers)
    restored = []
    for motion, view, correction in zip(motions, views, corrections, strict=True):
        restored.append(_restore_foot_frames(motion, view, correction, pipeline.cleanup))
    return restored


def _choose_foot_frames(motion: Motion, settings: CleanupSettings) -> FootFrames:
    """Return the foot frames in which a motion is corrected; without a known floor its height does not change them."""
    if find_flaw(motion):
        return FootFrames()
    is_floor_known = motion.ground is not None or settings.find_step(LevelFloor) is None
    return get_foot_frames(motion) if is_floor_known else find_feet_on_any_floor(motion)


def _correct_segments(motions: Sequence[Motion], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct the takes of motions, loops of them unrolled, and merge them."""
    segments_of_motions = [split_segments(motion, pipeline.cleanup) for motion in motions]
    unrolled = [segment.motion for segments in segments_of_motions for segment in segments]
    corrections = iter(_correct_in_batches(unrolled, pipeline, workers))
    merged = []
    for motion, segments in zip(motions, segments_of_motions, strict=True):
        of_segments = [next(corrections) for _ in segments]
        correction = merge_segments(motion, segments, of_segments, pipeline.cleanup)
        merged.append(_with_added_speed(motion, correction))
    return _correct_around_failures(motions, merged, pipeline, workers)


def _correct_around_failures(
    motions: Sequence[Motion], corrections: Sequence[CorrectedMotion], pipeline: Pipeline, workers: int
) -> list[CorrectedMotion]:
    """Return corrections in which stretches that cannot be corrected are kept, if that saves most of a motion."""
    results = list(corrections)
    for index, (motion, correction) in enumerate(zip(motions, corrections, strict=True)):
        stretch = KeptStretch.from_failure(motion, correction.failure)
        if stretch is None:
            continue
        restored = stretch.restore(_correct_segments(stretch.parts, pipeline, workers))
        if restored is not None:
            results[index] = _with_added_speed(motion, restored)
    return results


def _correct_in_batches(motions: Sequence[Motion], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct like motions in batches, of which some go together, and reject those that nothing could work on."""
    flaws = [find_flaw(motion) for motion in motions]
    sound = [index for index, flaw in enumerate(flaws) if flaw is None]
    batch_size = 1 if pipeline.cleanup.find_step(FitSoles) else BATCH_SIZE
    tasks = make_batches(motions, sound, batch_size, pipeline.bodies_together, workers)
    stacked = []
    for task in tasks:
        stacked.append([MotionBatch.stack([motions[index] for index in batch]) for batch in task])
    results = map_tasks(partial(correct_batches, pipeline), stacked, workers)
    corrections = [CorrectedMotion(motion, flaw) for motion, flaw in zip(motions, flaws, strict=True)]
    for task, batches in zip(tasks, results, strict=True):
        for index, correction in zip(chain(*task), chain(*batches), strict=True):
            corrections[index] = _with_texts_of(motions[index], correction)
    return corrections


def _with_texts_of(motion: Motion, correction: CorrectedMotion) -> CorrectedMotion:
    """Return a correction whose motion has the texts of the original one, which it is if it was rejected."""
    if not correction.accepted:
        return replace(correction, motion=motion)
    corrected = correction.motion
    return replace(correction, motion=replace(motion, root_m=corrected.root_m, rotations=corrected.rotations))


def _restore_foot_frames(
    motion: Motion, view: LevelFeet, correction: CorrectedMotion, settings: CleanupSettings
) -> CorrectedMotion:
    """Return the correction of a motion in the frames of that motion's skeleton."""
    if not correction.accepted:
        return replace(correction, motion=motion)
    restored = view.restore(correction.motion)
    restored = replace(motion, root_m=restored.root_m, rotations=restored.rotations)
    corrected = match_loop_ends(restored, motion) if settings.close_loops else restored
    return replace(correction, motion=corrected)


def _with_added_speed(motion: Motion, correction: CorrectedMotion) -> CorrectedMotion:
    """Return the correction with the angular speed that it adds to joints."""
    if not correction.accepted:
        return correction
    return replace(correction, added_angular_speed_deg_s=added_by_joint_deg_s(motion, correction.motion))
