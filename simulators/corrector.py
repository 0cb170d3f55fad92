"""Physics corrector: motions in, what simulated bodies made of them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from math import ceil

import numpy as np

from selfcorrect.motion.correction.results import CorrectedMotion, Failure, FailureKind
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.processes import map_tasks, require_workers
from selfcorrect.simulators.body.joint_order import in_order, joint_order
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.judge import Outcome
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.pipeline import correct_kinematically, simulate
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.staging import left, left_support, settings_in

SHORTEST_FRAMES = 4
BATCH = 16
"""Motions of one skeleton, frame rate and length that are planned together: as many as a processor's cache holds."""

FRAMES_TOGETHER = 10_000
"""Frames of motions that are simulated together, at most, unless one has more."""


@dataclass(frozen=True)
class KinematicCorrector:
    """The preconditioner alone: mends by kinematics and simulates nothing. The control that shows what physics adds."""

    precondition: PreconditionSettings = field(default_factory=PreconditionSettings)

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions on any skeletons; see `PhysicsCorrector`."""
        correct, batch = partial(correct_kinematically, self.precondition), _batch(self.precondition)
        return _in_batches(correct, motions, batch, BATCH, workers=1)


@dataclass(frozen=True)
class PhysicsCorrector:
    """Tracks motions with a simulated humanoid of their own skeleton.

    A motion that the humanoid cannot follow is rejected with the reason and handed back as it came. Results are the
    same bytes for any number of `workers` (processes).
    """

    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    precondition: PreconditionSettings = field(default_factory=PreconditionSettings)
    workers: int = 1
    scene: Scene = PLAIN
    """Where, and with what body, motions are followed. In a scene that is not plain, simulated states come out as they
    are, figures are those of the body there, on a slope nothing but the floor carries, and files show the hill."""

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions of any skeletons, frame rates and lengths, in their order.

        Raises ValueError where a skeleton lacks a part of the legs, RuntimeError when a worker process dies.
        """
        precondition = replace(self.precondition, support="floor") if self.scene.slope_deg else self.precondition
        track = partial(simulate, precondition, settings_in(self.scene, self.tracker), self.scene)
        together = ENGINES.row(self.tracker.engine.name).together
        corrections = _in_batches(track, motions, _batch(self.precondition), together, self.workers)
        return corrections if self.scene.is_plain else [_out_of(self.scene, each) for each in corrections]


Correct = Callable[[Sequence[MotionBatch]], list[list[Outcome]]]


def _batch(settings: PreconditionSettings) -> int:
    """How many like motions may share a batch: soles that are fitted differ from motion to motion."""
    return 1 if settings.fit_soles else BATCH


def _in_batches(
    correct: Correct, motions: Sequence[Motion], largest: int, together: int, workers: int
) -> list[CorrectedMotion]:
    """Correct like motions in batches, of which some go together, and reject those that no method could work on."""
    require_workers(workers)
    flaws = [_flaw(motion) for motion in motions]
    corrections = [CorrectedMotion(motion, flaw) for motion, flaw in zip(motions, flaws, strict=True)]
    orders = [joint_order(motion.skeleton) for motion in motions]
    ordered = [in_order(motion, order) for motion, order in zip(motions, orders, strict=True)]
    tasks = [
        _batches(ordered, part, largest)
        for group in _grouped(ordered, [index for index, flaw in enumerate(flaws) if not flaw], _tracked_together)
        for part in _parts(ordered, group, together, workers)
    ]
    stacked = [[MotionBatch.stack([ordered[index] for index in batch]) for batch in task] for task in tasks]
    for task, done in zip(tasks, map_tasks(correct, stacked, workers), strict=True):
        for index, outcome in zip(chain(*task), chain(*done), strict=True):
            corrections[index] = _correction(motions[index], orders[index], outcome)
    return corrections


def _out_of(scene: Scene, correction: CorrectedMotion) -> CorrectedMotion:
    """A correction as large as what was given, and on the hill; one that failed is what was given."""
    supports = tuple(left_support(scene, support) for support in correction.supports)
    motion = left(scene, correction.motion) if correction.accepted else correction.motion
    return replace(correction, motion=motion, supports=supports)


def _correction(motion: Motion, order: np.ndarray, outcome: Outcome) -> CorrectedMotion:
    """A motion that failed is handed back as it came; `order` (J,) tells which of its joints the outcome's are."""
    if outcome.found.failure is None:
        motion = replace(motion, root_m=outcome.root_m, rotations=outcome.rotations[:, np.argsort(order)])
    return CorrectedMotion(
        motion=motion,
        failure=outcome.found.failure,
        before=outcome.before,
        after=outcome.after,
        help=outcome.found.help,
        figures={"moved_m": outcome.moved_m},
        timeline=outcome.found.timeline,
        supports=outcome.supports,
        notes=outcome.notes,
    )


def _flaw(motion: Motion) -> Failure | None:
    """Why a motion cannot be worked on, None where it can."""
    if len(motion) < SHORTEST_FRAMES:
        return Failure(FailureKind.TOO_SHORT, value=len(motion), limit=SHORTEST_FRAMES)
    broken = np.array(~np.isfinite(motion.rotations).all(axis=2))
    broken[:, 0] |= ~np.isfinite(motion.root_m).all(axis=1)
    if not broken.any():
        return None
    frame, joint = np.unravel_index(broken.argmax(), broken.shape)
    return Failure(FailureKind.NOT_FINITE, int(frame), joint=motion.skeleton.names[joint])


def _parts(motions: Sequence[Motion], indices: list[int], together: int, workers: int) -> list[list[int]]:
    """Motions that are tracked together, of like lengths, so few that memory is bounded and every worker has some."""
    most = min(together, ceil(len(indices) / workers))
    parts: list[list[int]] = []
    for index in sorted(indices, key=lambda index: -len(motions[index])):
        if not parts or len(parts[-1]) == most or (len(parts[-1]) + 1) * len(motions[parts[-1][0]]) > FRAMES_TOGETHER:
            parts.append([])
        parts[-1].append(index)
    return parts


def _batches(motions: Sequence[Motion], indices: list[int], largest: int) -> list[list[int]]:
    """Indices of motions of one skeleton, frame rate and length, at most `largest` together."""
    groups = _grouped(motions, indices, _alike)
    return [group[start : start + largest] for group in groups for start in range(0, len(group), largest)]


def _grouped(motions: Sequence[Motion], indices: list[int], alike: Callable[[Motion, Motion], bool]) -> list[list[int]]:
    """Indices of motions that are alike, in the order of the first of each group."""
    groups: list[list[int]] = []
    for index in indices:
        own = next((group for group in groups if alike(motions[group[0]], motions[index])), None)
        if own is None:
            groups.append([index])
        else:
            own.append(index)
    return groups


def _tracked_together(one: Motion, other: Motion) -> bool:
    trees = [(motion.skeleton.parents, motion.skeleton.parts, motion.fps) for motion in (one, other)]
    return trees[0] == trees[1]


def _alike(one: Motion, other: Motion) -> bool:
    return len(one) == len(other) and one.fps == other.fps and one.skeleton.same_as(other.skeleton)
