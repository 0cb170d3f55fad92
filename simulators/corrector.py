"""Kinematic and physics-based correctors of motions.

`correct_through_views` corrects motions from files, of any length, through `view_table.VIEWS`. `correct_samples`
corrects a model's samples, which all have one length and stand on a known floor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import ceil

from selfcorrect.core.checks import check_count
from selfcorrect.core.grouping import group_by_size
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.runtime.memory import release_freed_memory
from selfcorrect.runtime.processes import get_core_limit, map_tasks, stream_tasks
from selfcorrect.runtime.progress import part_of_work, split_work

from .batching import BATCH_SIZE, MAX_FRAMES_TOGETHER, find_input_failure, make_batches
from .clean import CleanupSettings
from .core.levelling import FitSoles
from .pipeline import Pipeline, correct_batches, release_simulator
from .postprocess.state import PostprocessStep
from .postprocess.steps import KINEMATIC_POSTPROCESS, POSTPROCESS
from .results.results import CorrectedMotion
from .results.view import CorrectionView, Part, restore_views
from .settings.tracker import SimulateChoice, TrackerSettings, default_tracker
from .stages.scene import PLAIN, Scene
from .view_table import SAMPLE_VIEWS, VIEWS, ViewPart

_FIRST_SHARE = 0.95
"""Share of the work before views improve corrections, which makes some corrections again."""


@dataclass(frozen=True)
class KinematicCorrector:
    """Kinematic clean-up without simulation, the control that shows what physics adds."""

    cleanup: CleanupSettings = field(default_factory=CleanupSettings)
    workers: int = 1
    postprocess: tuple[PostprocessStep, ...] = KINEMATIC_POSTPROCESS
    """Steps after the clean-up."""

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions on any skeletons; see `PhysicsCorrector`."""
        return correct_through_views(motions, self.pipeline, self.workers)

    @property
    def pipeline(self) -> Pipeline:
        """The stages that each batch passes."""
        return Pipeline(self.cleanup, postprocess=self.postprocess)


@dataclass(frozen=True)
class PhysicsCorrector:
    """Track motions with a simulated humanoid.

    A motion that the humanoid cannot follow is rejected with a reason and returned unchanged. Results have the same
    bytes for any number of `workers` (processes).
    """

    tracker: TrackerSettings = field(default_factory=default_tracker)
    cleanup: CleanupSettings = field(default_factory=CleanupSettings)
    workers: int = 1
    scene: Scene = PLAIN
    """World and body in which motions are tracked. In a scene that is not plain, simulated states are returned
    unchanged, and figures are those of the body there. On a slope, only the floor carries the body, and files show the
    hill."""
    simulate: SimulateChoice = "always"
    """Which motions to simulate. With "auto", the plan is returned if a simulation cannot improve it. Raw simulated
    states always need a simulation."""
    postprocess: tuple[PostprocessStep, ...] = POSTPROCESS
    """Steps after the simulation. Without steps, in a scene, or without residual force, simulated states are returned
    unchanged."""

    def __call__(self, motions: Sequence[Motion]) -> list[CorrectedMotion]:
        """Correct motions of any kind, in order.

        Skeletons, frame rates and lengths may differ. Long motions are corrected in pieces.

        Args:
            motions: Motions of at least four frames; shorter ones are rejected.

        Raises:
            InputError: A skeleton lacks a part of the legs.
            SettingError: A motion has a ground, and so has the scene.
            WorkerError: A worker process died.
        """
        return correct_through_views(motions, self.pipeline, self.workers)

    @property
    def pipeline(self) -> Pipeline:
        """The stages that each batch passes."""
        pipeline = Pipeline(self.cleanup, self.tracker, simulate=self.simulate, postprocess=self.postprocess)
        return pipeline.in_scene(self.scene)


MIN_SAMPLES = 16
"""Minimum number of samples per process. Fewer take less time than starting another process."""


def correct_samples(pipeline: Pipeline, motions: MotionBatch) -> Iterator[list[CorrectedMotion]]:
    """Correct a model's samples, and yield those that were simulated together.

    Samples have one length and are corrected as they are: soles are the skeleton's, and takes, loops and T-poses are
    not searched for. Samples that are not finite are rejected. As many processes work as `get_core_limit` allows, and
    results have the same bytes for any number.
    """
    workers = max(1, min(get_core_limit(), len(motions) // MIN_SAMPLES))
    together = max(1, min(pipeline.bodies_together, ceil(len(motions) / workers)))
    starts = range(0, len(motions), together)
    tasks = [[motions[index] for index in range(start, min(start + together, len(motions)))] for start in starts]
    yield from stream_tasks(partial(correct_through_views, pipeline=pipeline, views=SAMPLE_VIEWS), tasks, workers)


def correct_through_views(
    motions: Sequence[Motion], pipeline: Pipeline, workers: int = 1, views: Sequence[ViewPart] = VIEWS
) -> list[CorrectedMotion]:
    """Correct motions of any length through views.

    Motions pass the views in order, are corrected in batches, and pass back through the views in reverse.

    Args:
        motions: Motions of any skeletons, frame rates and lengths.
        pipeline: The stages that batches pass.
        views: Views from the outermost to the innermost.

    Raises:
        SettingError: A motion has a ground, and so has the scene.
    """
    check_count("workers", workers, 1)
    return _correct_parts([Part(motion) for motion in motions], pipeline, workers, views)


def _correct_parts(
    whole: Sequence[Part], pipeline: Pipeline, workers: int, views: Sequence[ViewPart]
) -> list[CorrectedMotion]:
    """Correct motions or parts of motions through the remaining views."""
    levels = []
    parts = list(whole)
    for see in views:
        level = []
        for part in parts:
            level.append(CorrectionView.from_part(part) if find_input_failure(part.motion) else see(part, pipeline))
        levels.append(level)
        parts = [part for view in levels[-1] for part in view.parts]
        if workers == 1 and len(parts) > len(levels[-1]) and sum(map(len, parts)) > MAX_FRAMES_TOGETHER:
            corrections = _correct_in_groups(parts, pipeline, views[len(levels) :])
            break
    else:
        corrections = _correct_in_batches([part.motion for part in parts], pipeline, workers)
    parts.clear()
    is_long = sum(map(len, whole)) > MAX_FRAMES_TOGETHER
    with part_of_work(_FIRST_SHARE, 1.0):
        while levels:
            below = partial(_correct_parts, pipeline=pipeline, workers=workers, views=views[len(levels) :])
            corrections = restore_views(levels.pop(), corrections, below)
            if is_long:
                release_freed_memory()
    return corrections


def _correct_in_groups(parts: Sequence[Part], pipeline: Pipeline, views: Sequence[ViewPart]) -> list[CorrectedMotion]:
    """Correct pieces of long motions through the remaining views.

    Views copy the motions that they show. To save memory, only some pieces are corrected at a time.
    """
    groups = list(group_by_size(parts, len, MAX_FRAMES_TOGETHER))
    shares = split_work([sum(map(len, group)) for group in groups])
    corrections = []
    for group, (first, last) in zip(groups, shares, strict=True):
        with part_of_work(_FIRST_SHARE * first, _FIRST_SHARE * last):
            corrections += _correct_parts(group, pipeline, 1, views)
        release_simulator()  # the next pieces have other soles, thus other bodies
        release_freed_memory()
    return corrections


def _correct_in_batches(parts: Sequence[Motion], pipeline: Pipeline, workers: int) -> list[CorrectedMotion]:
    """Correct motions that have passed all views.

    The motions of a task are corrected together.
    """
    batch_size = 1 if pipeline.cleanup.find_step(FitSoles) else BATCH_SIZE
    tasks = make_batches(parts, batch_size, pipeline.bodies_together, workers)
    with part_of_work(0.0, _FIRST_SHARE):

        def stack(task: list[list[int]]) -> list[MotionBatch]:
            return [MotionBatch.stack([parts[index] for index in batch]) for batch in task]

        if workers == 1 or len(tasks) == 1:  # one task's copies are in memory at a time
            results = map_tasks(lambda task: correct_batches(pipeline, stack(task)), tasks, workers)
        else:
            results = map_tasks(partial(correct_batches, pipeline), list(map(stack, tasks)), workers)
    return _collect_corrections(parts, tasks, results)


def _collect_corrections(
    motions: Sequence[Motion],
    tasks: Sequence[Sequence[Sequence[int]]],
    results: Sequence[Sequence[Sequence[CorrectedMotion]]],
) -> list[CorrectedMotion]:
    """Collect each motion's correction from the results of all tasks.

    Motions that are in no task are rejected.
    """
    corrections = [CorrectedMotion(motion, find_input_failure(motion)) for motion in motions]
    for task, batches in zip(tasks, results, strict=True):
        for index, correction in zip(chain(*task), chain(*batches), strict=True):
            corrections[index] = correction
    return corrections
