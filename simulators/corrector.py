"""Correctors by kinematics and physics: motions in, what was made of them out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, pairwise
from math import ceil
from typing import ClassVar, cast

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.body.foot_frames import get_foot_frames, level_feet
from selfcorrect.motion.checks.body import count_t_pose_frames
from selfcorrect.motion.correction.grounding import OnFloor
from selfcorrect.motion.correction.pieces import Whole, bounded, correct_any
from selfcorrect.motion.correction.results import CorrectedMotion, Failure, FailureKind, Note, NoteKind
from selfcorrect.motion.correction.timeline import Timeline
from selfcorrect.motion.editing.loops import close_loop, is_loop, match_loop_ends, unroll_loop
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.geometry.views import LevelFeet
from selfcorrect.motion.measures.contacts import standing_speeds_m_s
from selfcorrect.motion.measures.roughness import added_by_joint_deg_s
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import FootFrames
from selfcorrect.motion.support import Support
from selfcorrect.runtime.bugs import attempted
from selfcorrect.runtime.processes import map_tasks, require_workers

from .cleanup.clean import CleanupSettings
from .cleanup.drift import StabilizeFloor
from .cleanup.levelling import FitSoles
from .cleanup.splices import JoinSplices, find_takes
from .pipeline import correct, correct_kinematically
from .settings.engine_table import ENGINES
from .settings.tracker import SimulateChoice, TrackerSettings, default_tracker
from .stages.scene import PLAIN, Scene
from .stages.staging import adapt_settings, place_on_slope
from .stages.values import select_motions

SHORTEST_FRAMES = 4


BATCH = 16
"""Motions of one skeleton, frame rate and length that are planned together: as many as a processor's cache holds."""


FRAMES_TOGETHER = 10_000
"""Frames of motions that are simulated together, at most, unless one has more."""


@dataclass(frozen=True)
class KinematicCorrector:
    """The kinematic clean-up alone, without a simulation. The control that shows what physics adds."""

    cleanup: CleanupSettings = field(default_factory=CleanupSettings)
    workers: int = 1
    together: ClassVar[int] = BATCH

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions on any skeletons; see `PhysicsCorrector`."""
        return FileCorrector(self.correct_batches, self.cleanup, self.together, self.workers)(motions)

    def correct_batches(self, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        """Correct batches of motions of one length, as they are; see `PhysicsCorrector.correct_batches`."""
        return correct_kinematically(self.cleanup, batches)


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
    """Where, and with what body, motions are followed. In a scene that is not plain, simulated states come out as they
    are, and figures are those of the body there. On a slope only the floor carries, and files show the hill."""
    simulate: SimulateChoice = "always"
    """Which motions are simulated. With "auto" a motion comes out as planned where its plan leaves a simulation nothing
    to gain. Raw simulated states always take a simulation."""

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions of any skeletons, frame rates and lengths, in their order; long ones piece by piece.

        Raises ValueError where a skeleton lacks a part of the legs, RuntimeError when a worker process dies.
        """
        if not self.scene.is_plain and any(motion.ground for motion in motions):
            raise SettingError("a scene has a floor of its own; leave out the ground")
        corrections = FileCorrector(self._simulate_batches, self._scene_cleanup, self.together, self.workers)(motions)
        return [place_on_slope(self.scene, each) for each in corrections]

    def correct_batches(self, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        """Correct batches of motions of one length, all simulated together, as a model's samples need it.

        Soles are those of the skeleton; takes, loops and T-poses are not looked for. Skeletons may differ in lengths
        and names, not in tree and parts; frame rates are one.
        """
        return [[place_on_slope(self.scene, each) for each in own] for own in self._simulate_batches(batches)]

    @property
    def together(self) -> int:
        """Bodies that are simulated at once, at most."""
        return ENGINES.row(self.tracker.engine.name).together

    @property
    def _scene_cleanup(self) -> CleanupSettings:
        """The clean-up in the scene."""
        cleanup = self.cleanup
        if not self.scene.is_plain:  # a push comes once
            cleanup = replace(cleanup, close_loops=False)
        return replace(cleanup, support="floor") if self.scene.slope_deg else cleanup

    def _simulate_batches(self, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        """The corrections of batches, the floor of the scene at y = 0."""
        tracker = adapt_settings(self.scene, self.tracker)
        return correct(self._scene_cleanup, tracker, self.scene, self.simulate, batches)


def correct_samples(
    corrector: KinematicCorrector | PhysicsCorrector, motions: MotionBatch
) -> Iterator[list[CorrectedMotion]]:
    """Correct a model's samples, a batch of motions of one length, as they are; yields those simulated together.

    Samples that are not finite are rejected.
    """
    for start in range(0, len(motions), corrector.together):
        part = range(start, min(start + corrector.together, len(motions)))
        flaws = {index: flaw for index in part if (flaw := _find_flaw(motions[index]))}
        sound = [index for index in part if index not in flaws]
        batches = [select_motions(motions, sound[first : first + BATCH]) for first in range(0, len(sound), BATCH)]
        done = chain(*corrector.correct_batches(batches))
        yield [CorrectedMotion(motions[index], flaws[index]) if index in flaws else next(done) for index in part]


Correct = Callable[[Sequence[MotionBatch]], list[list[CorrectedMotion]]]


@dataclass(frozen=True)
class FileCorrector:
    """How motions of files are corrected: of any length, with the soles, takes and loops that they show."""

    correct: Correct
    settings: CleanupSettings
    together: int
    workers: int

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions of any lengths, those on a ground that is known in the frame of its floor."""
        require_workers(self.workers)
        seen = [OnFloor.of(motion) for motion in motions]
        corrections = correct_any(self._correct_after_t_pose, [each.motion for each in seen])
        return [each.off(made) for each, made in zip(seen, corrections, strict=True)]

    def _correct_after_t_pose(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions after the T-pose in which they may open."""
        if self.settings.find_step(FitSoles) is None:
            return self.correct_segments(motions)
        opening = [0 if _find_flaw(motion) else count_t_pose_frames(motion) for motion in motions]
        if not any(opening):
            return self._correct_on_level_feet(motions)
        rest = [motion.frames(count, len(motion)) for motion, count in zip(motions, opening, strict=True)]
        each = zip(motions, opening, self._correct_after_t_pose(rest), strict=True)
        return [_prepend_t_pose(*one) for one in each]

    def _correct_on_level_feet(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions with their soles where they show them; what comes out is in their own skeletons' frames."""
        views = [LevelFeet(FootFrames() if _find_flaw(motion) else get_foot_frames(motion)) for motion in motions]
        seen = [replace(view.view(motion), feet=view.feet) for motion, view in zip(motions, views, strict=True)]
        each = zip(motions, views, self.correct_segments(seen), strict=True)
        return [_restore_foot_frames(*one, settings=self.settings) for one in each]

    def correct_segments(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct the takes of motions, loops of them unrolled, and put them together."""
        parts = [split_segments(motion, self.settings) for motion in motions]
        corrections = iter(self._correct_batches([part.motion for own in parts for part in own]))
        each = [(motion, own, [next(corrections) for _ in own]) for motion, own in zip(motions, parts, strict=True)]
        return [
            _with_added_speed(motion, merge_segments(motion, own, made, self.settings)) for motion, own, made in each
        ]

    def _correct_batches(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct like motions in batches, of which some go together, and reject those that nothing could work on."""
        flaws = [_find_flaw(motion) for motion in motions]
        corrections = [CorrectedMotion(motion, flaw) for motion, flaw in zip(motions, flaws, strict=True)]
        sound = [index for index, flaw in enumerate(flaws) if flaw is None]
        tasks = make_batches(
            motions, sound, 1 if self.settings.find_step(FitSoles) else BATCH, self.together, self.workers
        )
        stacked = [[MotionBatch.stack([motions[index] for index in batch]) for batch in task] for task in tasks]
        for task, done in zip(tasks, map_tasks(self.correct, stacked, self.workers), strict=True):
            for index, made in zip(chain(*task), chain(*done), strict=True):
                corrections[index] = replace(made, motion=_with_corrected_poses(motions[index], made))
        return corrections


def _with_corrected_poses(given: Motion, correction: CorrectedMotion) -> Motion:
    """The corrected motion with the texts of the given one, which it is where it was rejected."""
    made = correction.motion
    return replace(given, root_m=made.root_m, rotations=made.rotations) if correction.accepted else given


def make_batches(
    motions: Sequence[Motion], indices: Sequence[int], largest: int, together: int, workers: int
) -> list[list[list[int]]]:
    """Indices of motions as tasks of batches.

    The motions of a task are simulated together: bodies of one tree and frame rate, of like lengths, so few that memory
    is bounded and every worker has some. Those of a batch, at most `largest`, have one skeleton and length.
    """
    tasks = list[list[int]]()
    for group in _group_by(
        indices, lambda index: (motions[index].skeleton.tree, motions[index].fps, _tilted_up_axis(motions[index]))
    ):
        most = min(together, ceil(len(group) / workers))
        longest_first = sorted(group, key=lambda index: -len(motions[index]))
        tasks += bounded(longest_first, lambda index: len(motions[index]), FRAMES_TOGETHER, most)
    alike = [_group_by(task, lambda index: _batch_key(motions[index])) for task in tasks]
    return [
        [batch[start : start + largest] for batch in task for start in range(0, len(batch), largest)] for task in alike
    ]


def _tilted_up_axis(motion: Motion) -> tuple[float, ...] | None:
    """What is up where that is not y."""
    return tuple(motion.ground.up.tolist()) if motion.ground and motion.ground.slope_deg else None


def _batch_key(motion: Motion) -> Hashable:
    """What the motions of a batch share beside their frame rate."""
    return motion.skeleton.identity, len(motion), motion.ground


def _group_by(indices: Sequence[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Indices of equal key, in the order of the first of each group."""
    groups = defaultdict[Hashable, list[int]](list)
    for index in indices:
        groups[key(index)].append(index)
    return list(groups.values())


def _prepend_t_pose(motion: Motion, count: int, correction: CorrectedMotion) -> CorrectedMotion:
    """A motion that opens with so many frames of a T-pose, which stay, from the correction of what follows."""
    if not count:
        return correction
    timeline = correction.timeline and correction.timeline.after(count)
    if not correction.accepted:
        failure = correction.failure and correction.failure.later(count)
        return replace(correction, motion=motion, failure=failure, timeline=timeline)
    made, root_m, rotations = correction.motion, motion.root_m.copy(), motion.rotations.copy()
    root_m[count:], rotations[count:] = made.root_m, made.rotations
    return replace(
        correction,
        motion=replace(motion, root_m=root_m, rotations=rotations),
        timeline=timeline,
        supports=tuple(support.moved(np.zeros(3), count) for support in correction.supports),
        notes=(*correction.notes, Note(NoteKind.T_POSE, count)),
    )


def _restore_foot_frames(
    motion: Motion, view: LevelFeet, correction: CorrectedMotion, settings: CleanupSettings
) -> CorrectedMotion:
    """A correction of a motion in the frames of that motion's skeleton."""
    if not correction.accepted:
        return replace(correction, motion=motion)
    made = view.restore(correction.motion)
    made = replace(motion, root_m=made.root_m, rotations=made.rotations)
    corrected = match_loop_ends(made, motion) if settings.close_loops else made
    step, nothing = "speeds of standing joints are not reported", cast("tuple[float, float] | None", None)
    speeds_m_s, note = attempted(step, partial(standing_speeds_m_s, motion, corrected), nothing)
    before, after = ({}, {}) if speeds_m_s is None else ({"standing_m_s": each} for each in speeds_m_s)
    alone = replace(settings, close_loops=False)
    if _is_closed_loop(correction):  # its figures are those with its margins
        before = {**measure_errors(motion, alone), **before}
    if _is_closed_loop(correction) or correction.supports or corrected is not made:
        after = {**measure_errors(corrected, alone), **after}
    return replace(
        correction,
        motion=corrected,
        before={**correction.before, **before},
        after={**correction.after, **after},
        figures={**correction.figures, "raised_m": float(median((corrected.root_m - motion.root_m)[:, 1]))},
        notes=(*correction.notes, *((Note(words=note),) if note else ())),
    )


def _is_closed_loop(correction: CorrectedMotion) -> bool:
    return any(note.kind is NoteKind.LOOP for note in correction.notes)


def measure_errors(motion: Motion, settings: CleanupSettings) -> Mapping[str, float]:
    """The errors of a motion by name, as a correction would find them before it: on the supports that it shows."""
    files = FileCorrector(partial(correct_kinematically, settings), settings, BATCH, workers=1)
    errors, _ = attempted(
        "errors are not measured anew",
        lambda: files.correct_segments([level_feet(OnFloor.of(motion).motion)])[0].before,
        {},
    )
    return errors


def _with_added_speed(motion: Motion, correction: CorrectedMotion) -> CorrectedMotion:
    """The correction with the angular speed that it adds to joints."""
    if not correction.accepted:
        return correction
    return replace(correction, added_angular_speed_deg_s=added_by_joint_deg_s(motion, correction.motion))


def _find_flaw(motion: Motion) -> Failure | None:
    """Why a motion cannot be worked on, None where it can."""
    if len(motion) < SHORTEST_FRAMES:
        return Failure(FailureKind.TOO_SHORT, value=len(motion), limit=SHORTEST_FRAMES)
    broken = np.array(~np.isfinite(motion.rotations).all(axis=2))
    broken[:, 0] |= ~np.isfinite(motion.root_m).all(axis=1)
    if not broken.any():
        return None
    frame, joint = np.unravel_index(broken.argmax(), broken.shape)
    return Failure(FailureKind.NOT_FINITE, int(frame), joint=motion.skeleton.names[joint])


MARGIN_S = 1.5
"""Time of a loop's neighbours that is corrected with it: what begins at rest has swung in by then."""


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of a motion, from frame `start` on."""

    start: int
    given: Motion
    margin: int = 0
    """Frames with which it is unrolled on either side; 0 where it is no loop."""

    @property
    def motion(self) -> Motion:
        """The motions to correct."""
        return unroll_loop(self.given, self.margin) if self.margin else self.given

    def correct_from_unrolled(self, unrolled_one: CorrectedMotion, *, same_travel: bool) -> CorrectedMotion:
        """What became of the part, from what became of `motion`; figures of loops are those with their margins."""
        if not self.margin:
            return unrolled_one
        frames, timeline = slice(self.margin, self.margin + len(self.given)), unrolled_one.timeline
        if timeline is not None:
            timeline = timeline.frames(frames.start, frames.stop)
        cut = replace(unrolled_one, timeline=timeline, residual={**unrolled_one.residual, **_mean_residual(timeline)})
        if cut.failure is not None:
            return replace(cut, motion=self.given, failure=self._map_failure_to_loop(cut.failure))
        back_m = (self.given.root_m[0] - cut.motion.root_m[self.margin]) * (1.0, 0.0, 1.0)
        made = replace(cut.motion, root_m=cut.motion.root_m + back_m)
        return replace(
            cut,
            motion=close_loop(made, self.given, self.margin, same_travel=same_travel),
            supports=tuple(support.moved(back_m) for support in _supports_within(cut.supports, frames)),
            notes=(*cut.notes, Note(NoteKind.LOOP, self.given.seconds)),
        )

    def _map_failure_to_loop(self, failure: Failure) -> Failure:
        """A failure in the unrolled loop, at the frames of the loop that it repeats."""
        if failure.frame is None:
            return failure
        frame = (failure.frame - self.margin) % (len(self.given) - 1)
        if failure.last_frame is None:
            return replace(failure, frame=frame)
        last = min(frame + failure.last_frame - failure.frame, len(self.given) - 1)
        return replace(failure, frame=frame, last_frame=last)


def split_segments(motion: Motion, settings: CleanupSettings) -> list[Segment]:
    """The parts of a motion, in their order."""
    if not (np.isfinite(motion.root_m).all() and np.isfinite(motion.rotations).all()):
        return [Segment(0, motion)]
    splicing = settings.find_step(JoinSplices) or JoinSplices(join_takes=True)
    starts = [0] if splicing.join_takes else find_takes(motion, splicing)
    takes = [motion.frames(*span) for span in pairwise([*starts, len(motion)])] if len(starts) > 1 else [motion]
    margin = round(MARGIN_S * motion.fps)
    may_close = settings.close_loops and not (motion.ground and motion.ground.boxes)  # boxes do not repeat
    return [
        Segment(start, take, margin if may_close and is_loop(take) else 0)
        for start, take in zip(starts, takes, strict=True)
    ]


def merge_segments(
    motion: Motion, parts: Sequence[Segment], corrections: Sequence[CorrectedMotion], settings: CleanupSettings
) -> CorrectedMotion:
    """The correction of a motion from those of its parts; the first part that fails rejects it."""
    halting = settings.find_step(StabilizeFloor)
    same_travel = halting is None or not halting.remove
    own = [
        part.correct_from_unrolled(each, same_travel=same_travel) for part, each in zip(parts, corrections, strict=True)
    ]
    if len(own) == 1:
        return own[0]
    whole = Whole(motion)
    for part, correction in zip(parts, own, strict=True):
        if not correction.accepted:
            return whole.rejected(part.start, correction)
        whole.append(part.start, correction)
    cuts = Note(NoteKind.TAKES, words=", ".join(str(part.start) for part in parts[1:]))
    return replace(whole.correction, notes=(cuts, *whole.correction.notes))


def _mean_residual(timeline: Timeline | None) -> dict[str, float]:
    """The mean residual wrench of a timeline, whose first frame no step leads to."""
    if timeline is None or len(timeline) < 2:
        return {}
    return {
        "residual_force_bodyweights": float(timeline.residual_force_bodyweights[1:].mean()),
        "residual_torque_nm": float(timeline.residual_torque_nm[1:].mean()),
    }


def _supports_within(supports: Sequence[Support], frames: slice) -> Iterator[Support]:
    """Supports that carry a body in some frames, counted from the first of them."""
    last = frames.stop - frames.start - 1
    for support in supports:
        if support.first < frames.stop and support.last >= frames.start:
            first, end = max(support.first - frames.start, 0), min(support.last - frames.start, last)
            yield replace(support, first=first, last=end)
