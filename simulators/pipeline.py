"""Stages of a correction: clean, plan, track, postprocess, evaluate.

Motions of equal skeleton, frame rate and length pass in batches, many of which are simulated together. Worker processes
run this, which need neither PyTorch nor other parts of the library.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.geometry.views import JointOrder
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .batching import BATCH_SIZE
from .body.humanoid import Humanoid, build_humanoid
from .cleanup.clean import CleanupSettings, clean_motions
from .engines.world import World
from .evaluate import drop_failed_tracks, evaluate, evaluate_kinematic
from .planning import plan_motions
from .postprocess import BLEND_SIMULATION, KINEMATIC_POSTPROCESS, POSTPROCESS, PostprocessState, PostprocessStep
from .settings.engine_table import ENGINES
from .settings.plan import SupportMode
from .settings.tracker import SimulateChoice, TrackerSettings
from .stages.scene import PLAIN, Scene
from .stages.staging import adapt_body, enter_scene, leave_scene
from .stages.values import CleanedMotions, MotionPlan, SimulatedMotion, TrackingResult, select_motions
from .tracking.tracker import track_motions


@dataclass(frozen=True)
class Pipeline:
    """The stages that batches of motions pass: clean, plan, track, postprocess, evaluate."""

    cleanup: CleanupSettings
    tracker: TrackerSettings | None = None
    """Settings of the simulation; None to correct only by kinematics."""
    scene: Scene = PLAIN
    """World and body with which motions are followed."""
    simulate: SimulateChoice = "always"
    """Selection of the motions to simulate: those whose plan leaves room for a gain ("auto"), or all."""

    @property
    def bodies_together(self) -> int:
        """Most motions that are corrected together."""
        return BATCH_SIZE if self.tracker is None else ENGINES.row(self.tracker.engine.name).bodies_together

    @property
    def postprocess(self) -> tuple[PostprocessStep, ...]:
        """Steps after the simulation; none to return simulated states, as in a scene or without residual force."""
        if self.tracker is None:
            return KINEMATIC_POSTPROCESS if self.cleanup.polish else ()
        is_raw = not self.cleanup.polish or self.tracker.residual_free is not None or not self.scene.is_plain
        return () if is_raw else POSTPROCESS


@dataclass(frozen=True)
class Physics:
    """Settings of planning, tracking and post-processing."""

    tracker: TrackerSettings
    mode: SupportMode
    """Support of the body."""
    scene: Scene = PLAIN
    """World and body with which motions are followed."""
    simulate: SimulateChoice = "always"
    """Selection of the motions to simulate: those whose plan leaves room for a gain ("auto"), or all."""
    postprocess: tuple[PostprocessStep, ...] = POSTPROCESS
    """Steps after the simulation; without steps, simulated states are returned."""


def correct_batches(pipeline: Pipeline, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
    """Correct batches of motions of equal length, all simulated together, with joints in any order.

    Args:
        pipeline: Stages that they pass.
        batches: Motions of one frame rate, whose skeletons may differ in lengths and names, not in tree and parts.

    Returns:
        A correction of each motion of each batch; rejected motions are returned unchanged.
    """
    orders = [JointOrder.canonical(motions.skeleton) for motions in batches]
    ordered = [order.view(motions) for motions, order in zip(batches, orders, strict=True)]
    if pipeline.tracker is None:
        corrections = [_correct_kinematically(pipeline, motions) for motions in ordered]
    else:
        corrections = _correct_physically(pipeline, pipeline.tracker, ordered)
    restored = []
    for motions, of_batch, order in zip(batches, corrections, orders, strict=True):
        restored.append([_restore_order(motions[index], order, result) for index, result in enumerate(of_batch)])
    return restored


def _restore_order(motion: Motion, order: JointOrder, correction: CorrectedMotion) -> CorrectedMotion:
    if not correction.accepted:
        return replace(correction, motion=motion)
    return replace(correction, motion=order.restore(correction.motion))


def _correct_kinematically(pipeline: Pipeline, motions: MotionBatch) -> list[CorrectedMotion]:
    """Correct a batch by kinematics only."""
    cleaned = clean_motions(motions, pipeline.cleanup)
    corrected = cleaned.motions
    if pipeline.postprocess:
        corrected = PostprocessState.from_stages(cleaned).apply_steps(pipeline.postprocess).motions
    return evaluate_kinematic(cleaned, corrected, pipeline.cleanup.mode)


def _correct_physically(
    pipeline: Pipeline, tracker: TrackerSettings, batches: Sequence[MotionBatch]
) -> list[list[CorrectedMotion]]:
    """Correct batches by kinematics and physics, in a scene."""
    cleanup = pipeline.cleanup
    scene = pipeline.scene
    physics = Physics(tracker, cleanup.mode, scene, pipeline.simulate, pipeline.postprocess)
    in_scene = [enter_scene(scene, motions) for motions in batches]
    corrections = correct_cleaned(physics, [clean_motions(motions, cleanup) for motions in in_scene])
    return [[leave_scene(scene, correction) for correction in of_batch] for of_batch in corrections]


def correct_cleaned(physics: Physics, cleaned: Sequence[CleanedMotions]) -> list[list[CorrectedMotion]]:
    """Correct batches of cleaned motions by physics."""
    simulator = _thread_simulator(physics.tracker, physics.scene)
    plans = []
    for motions in cleaned:
        plans.append(plan_motions(motions, simulator.get_body(motions), physics.tracker))
    return [postprocess(physics, tracked) for tracked in track_plans(physics, simulator, cleaned, plans)]


def track_plans(
    physics: Physics, simulator: Simulator, cleaned: Sequence[CleanedMotions], plans: Sequence[MotionPlan]
) -> list[TrackingResult]:
    """Simulate together the motions of all plans that need it.

    Args:
        simulator: World and bodies of this thread.

    Returns:
        A result of each batch.
    """
    selections = [_select_for_simulation(physics, plan) for plan in plans]
    selected_plans = []
    for plan, indices in zip(plans, selections, strict=True):
        if indices:
            selected_plans.append(plan.select(indices))
    simulated = iter(_simulate(physics, simulator, selected_plans))
    results = []
    for motions, plan, indices in zip(cleaned, plans, selections, strict=True):
        results.append(_make_tracking_result(motions, plan, indices, next(simulated) if indices else []))
    return results


def _select_for_simulation(physics: Physics, plan: MotionPlan) -> list[int]:
    """Return the indices of the motions that are simulated."""
    if physics.simulate == "always" or not physics.postprocess:
        return list(range(len(plan)))
    return np.flatnonzero(BLEND_SIMULATION.can_gain(plan)).tolist()


def _simulate(physics: Physics, simulator: Simulator, plans: Sequence[MotionPlan]) -> list[list[SimulatedMotion]]:
    """Simulate the motions of plans."""
    if not plans:
        return []
    settings = replace(physics.tracker, drive=physics.tracker.drive.for_support_mode(physics.mode))
    if settings.residual_free is None:
        return track_motions(simulator.world, plans, settings, physics.scene)
    from .tracking.sampling_search import track_residual_free  # slow to import, and rarely needed

    return track_residual_free(simulator.world, plans, settings, physics.scene)


def _make_tracking_result(
    cleaned: CleanedMotions, planned: MotionPlan, indices: Sequence[int], simulated: Sequence[SimulatedMotion]
) -> TrackingResult:
    """Return planned motions of which some were simulated."""
    tracks: list[SimulatedMotion | None] = [None] * len(planned)
    for index, motion in zip(indices, simulated, strict=True):
        tracks[index] = motion
    states = None
    if simulated:
        simulated_links = MotionBatch.stack([track.motion for track in simulated])
        states = planned.body.link_view(select_motions(cleaned.motions, indices)).restore(simulated_links)
    return TrackingResult(cleaned, planned, tracks, states)


def postprocess(physics: Physics, tracked: TrackingResult) -> list[CorrectedMotion]:
    """Blend plan and simulation, or take simulated states as they are, and evaluate the result."""
    if physics.postprocess:
        tracked, failed = drop_failed_tracks(tracked, physics.tracker)
        state = PostprocessState.from_stages(tracked.cleaned, tracked).apply_steps(physics.postprocess)
        return evaluate(tracked, state.motions, state.shares, physics.tracker, physics.mode, failed)
    assert tracked.states is not None
    full_share = np.ones(tracked.states.root_m.shape[:2])
    return evaluate(tracked, tracked.states, full_share, physics.tracker, physics.mode)


class Simulator:
    """A world, made when it is first needed, and the latest bodies, kept for motions of like skeletons."""

    def __init__(self, settings: TrackerSettings, scene: Scene) -> None:
        self._engine = settings.engine
        self._settings = settings.body
        self._scene = scene
        self._bodies: deque[tuple[Skeleton, SolePoints, Humanoid]] = deque(maxlen=16)

    @cached_property
    def world(self) -> World:
        return ENGINES.load(self._engine.name)(self._engine)

    def get_body(self, cleaned: CleanedMotions) -> Humanoid:
        """Return the body of some motions, upright as their ground demands."""
        return self._get_level_body(cleaned.motions.skeleton, cleaned.soles).with_up_from(cleaned.motions.ground)

    def _get_level_body(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        for body_skeleton, body_soles, body in self._bodies:
            if skeleton.same_as(body_skeleton) and np.array_equal(soles.offsets_m, body_soles.offsets_m):
                return body
        body = adapt_body(self._scene, build_humanoid(skeleton, self._settings.mass_kg, soles))
        body = body.with_minimum_inertia(self._settings.minimum_inertia_kgm2)
        self._bodies.append((skeleton, soles, body))
        return body


class _ThreadState(threading.local):
    """The latest simulator of each thread, because a world and its bodies have a state."""

    simulator: tuple[TrackerSettings, Scene, Simulator] | None = None


_THREAD_STATE = _ThreadState()


def _thread_simulator(settings: TrackerSettings, scene: Scene) -> Simulator:
    """Return the simulator of this thread."""
    if _THREAD_STATE.simulator is None or _THREAD_STATE.simulator[:2] != (settings, scene):
        _THREAD_STATE.simulator = (settings, scene, Simulator(settings, scene))
    return _THREAD_STATE.simulator[2]


def release_simulator() -> None:
    """Release the simulator of this thread, which takes hundreds of MB with some engines."""
    _THREAD_STATE.simulator = None
