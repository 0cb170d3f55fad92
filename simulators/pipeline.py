"""Stages of a correction: clean, plan, track, postprocess, evaluate.

Motions of equal skeleton, frame rate and length pass in batches, and many batches are simulated together. Worker
processes run this module, which needs neither PyTorch nor other parts of the library.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .batching import BATCH_SIZE
from .body.humanoid import Humanoid, build_humanoid
from .clean import CleanupSettings, clean_motions
from .compare.evaluate import drop_failed_tracks, evaluate, evaluate_kinematic
from .engines.checked_world import make_world
from .engines.world import World
from .planning.planner import observe_contacts, plan_motions
from .postprocess.state import PostprocessState, PostprocessStep
from .postprocess.steps import BLEND_SIMULATION, KINEMATIC_POSTPROCESS
from .results.results import CorrectedMotion
from .settings.engine_table import ENGINES
from .settings.tracker import DriveSettings, EngineSettings, SimulateChoice, TrackerSettings
from .stages.scene import PLAIN, Scene
from .stages.staging import adapt_body, adapt_settings, lean_bodies
from .stages.values import CleanedMotions, MotionPlan, SimulatedMotion, TrackingResult, select_motions
from .tracking.simulate import simulate_plans


@dataclass(frozen=True)
class Pipeline:
    """The stages that batches of motions pass: clean, plan, track, postprocess, evaluate."""

    cleanup: CleanupSettings
    tracker: TrackerSettings | None = None
    """Settings of the simulation; None to correct by kinematics only."""
    scene: Scene = PLAIN
    """World and body in which motions are tracked."""
    simulate: SimulateChoice = "always"
    """Which motions to simulate: those whose plan a simulation may improve ("auto"), or all."""

    postprocess: tuple[PostprocessStep, ...] = ()
    """Steps after simulation or clean-up. Without steps, simulated states are returned."""

    def with_tracker(
        self, engine: EngineSettings, mass_kg: float | None = None, drive: DriveSettings | None = None
    ) -> Pipeline:
        """Return the pipeline with a simulation by an engine.

        Without a mass or a drive, the pipeline keeps its own.
        """
        tracker = replace(self.tracker or TrackerSettings(), engine=engine)
        if mass_kg is not None:
            tracker = replace(tracker, body=replace(tracker.body, mass_kg=mass_kg))
        return replace(self, tracker=tracker if drive is None else replace(tracker, drive=drive))

    def in_scene(self, scene: Scene) -> Pipeline:
        """Return the pipeline in a scene, whose floor is at y = 0.

        A push comes only once, so loops are not closed in a scene. On a slope, only the floor carries the body. In a
        scene and without residual force, simulated states are returned unchanged.
        """
        cleanup = self.cleanup
        if not scene.is_plain:
            cleanup = replace(cleanup, close_loops=False)
        if scene.slope_deg:
            cleanup = replace(cleanup, support="floor")
        tracker = self.tracker and adapt_settings(scene, self.tracker)
        is_raw = not scene.is_plain or (tracker is not None and tracker.residual_free is not None)
        postprocess = () if is_raw else self.postprocess
        return replace(self, cleanup=cleanup, tracker=tracker, scene=scene, postprocess=postprocess)

    @property
    def bodies_together(self) -> int:
        """Maximum number of motions that are corrected together."""
        return BATCH_SIZE if self.tracker is None else ENGINES.row(self.tracker.engine.name).bodies_together


def correct_batches(pipeline: Pipeline, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
    """Correct batches of motions of equal length.

    If the pipeline has a tracker, all batches are simulated together.

    Args:
        pipeline: The stages.
        batches: Motions of one frame rate. Their skeletons may differ in lengths and names, but not in tree and parts.
    """
    cleaning = (clean_motions(lean_bodies(pipeline.scene, motions), pipeline.cleanup) for motions in batches)
    if pipeline.tracker is None:
        return [_finish_cleaned(pipeline, motions) for motions in cleaning]
    cleaned = list(cleaning)
    simulator = _thread_simulator(pipeline.tracker, pipeline.scene)
    plans = []
    for motions in cleaned:
        body = simulator.get_body(motions)
        plans.append(plan_motions(motions, body, pipeline.tracker, is_raw=not pipeline.postprocess))
    tracked = track_plans(pipeline, simulator, cleaned, plans)
    return [postprocess(pipeline, pipeline.tracker, results) for results in tracked]


def _finish_cleaned(pipeline: Pipeline, cleaned: CleanedMotions) -> list[CorrectedMotion]:
    """Postprocess and evaluate a batch that is corrected by kinematics only."""
    corrected = cleaned.motions
    if pipeline.postprocess:
        corrected = PostprocessState.from_stages(cleaned).apply_steps(pipeline.postprocess).motions
    return evaluate_kinematic(cleaned, corrected)


def track_plans(
    pipeline: Pipeline, simulator: Simulator, cleaned: Sequence[CleanedMotions], plans: Sequence[MotionPlan]
) -> list[TrackingResult]:
    """Simulate the plans that need it, all together.

    Motions that need no simulation stay as they were cleaned, with the contact forces that explain them.
    """
    selections = [_select_for_simulation(pipeline, plan) for plan in plans]
    selected_plans = []
    for plan, indices in zip(plans, selections, strict=True):
        if indices:
            selected_plans.append(plan.select(indices))
    with ENGINES.fence(simulator.tracker.engine.name):
        simulated = iter(_simulate(pipeline, simulator, selected_plans))
    results = []
    for motions, planned, indices in zip(cleaned, plans, selections, strict=True):
        others = [index for index in range(len(planned)) if index not in indices]
        plan = planned
        if others:
            observed = observe_contacts(motions, planned, simulator.tracker)
            plan = planned.replace_rows(observed, others) if indices else observed
        results.append(_make_tracking_result(motions, plan, indices, next(simulated) if indices else []))
    return results


def _select_for_simulation(pipeline: Pipeline, plan: MotionPlan) -> list[int]:
    """Return the indices of the motions to simulate."""
    if pipeline.simulate == "always" or not pipeline.postprocess:
        return list(range(len(plan)))
    return np.flatnonzero(BLEND_SIMULATION.can_gain(plan)).tolist()


def _simulate(pipeline: Pipeline, simulator: Simulator, plans: Sequence[MotionPlan]) -> list[list[SimulatedMotion]]:
    """Simulate the motions of plans."""
    if not plans:
        return []
    settings = replace(simulator.tracker, drive=simulator.tracker.drive.for_support_mode(pipeline.cleanup.mode))
    return simulate_plans(simulator.world, plans, settings, pipeline.scene)


def _make_tracking_result(
    cleaned: CleanedMotions, planned: MotionPlan, indices: Sequence[int], simulated: Sequence[SimulatedMotion]
) -> TrackingResult:
    """Combine a plan with the simulations of some of its motions."""
    tracks: list[SimulatedMotion | None] = [None] * len(planned)
    for index, motion in zip(indices, simulated, strict=True):
        tracks[index] = motion
    states = None
    if simulated:
        simulated_links = MotionBatch.stack([track.motion for track in simulated])
        states = planned.body.link_view(select_motions(cleaned.motions, indices)).restore(simulated_links)
    return TrackingResult(cleaned, planned, tracks, states)


def postprocess(pipeline: Pipeline, tracker: TrackerSettings, tracked: TrackingResult) -> list[CorrectedMotion]:
    """Postprocess and evaluate tracked motions.

    Plan and simulation are blended, or simulated states are taken unchanged. If nothing was simulated, motions pass the
    steps that follow a clean-up.
    """
    mode = pipeline.cleanup.mode
    if pipeline.postprocess:
        steps = pipeline.postprocess if tracked.simulated else KINEMATIC_POSTPROCESS
        tracked, failed = drop_failed_tracks(tracked, tracker)
        state = PostprocessState.from_stages(tracked.cleaned, tracked).apply_steps(steps)
        return evaluate(tracked, state.motions, state.shares, tracker, mode, failed)
    assert tracked.states is not None
    full_share = np.ones(tracked.states.root_m.shape[:2])
    return evaluate(tracked, tracked.states, full_share, tracker, mode)


class Simulator:
    """A world and its bodies, created on demand.

    The latest bodies are kept for motions of equal skeletons.
    """

    def __init__(self, settings: TrackerSettings, scene: Scene) -> None:
        self.tracker = settings
        self._scene = scene
        self._bodies: deque[tuple[Skeleton, SolePoints, Humanoid]] = deque(maxlen=16)

    @cached_property
    def world(self) -> World:
        return make_world(self.tracker.engine)

    def get_body(self, cleaned: CleanedMotions) -> Humanoid:
        """Return the body of some motions, upright on their ground."""
        return self._get_level_body(cleaned.motions.skeleton, cleaned.soles).with_up_from(cleaned.motions.ground)

    def _get_level_body(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        for body_skeleton, body_soles, body in self._bodies:
            if skeleton.same_as(body_skeleton) and np.array_equal(soles.offsets_m, body_soles.offsets_m):
                return body
        body = adapt_body(self._scene, build_humanoid(skeleton, self.tracker.body.mass_kg, soles))
        body = body.with_minimum_inertia(self.tracker.body.minimum_inertia_kgm2)
        self._bodies.append((skeleton, soles, body))
        return body


_THREAD = threading.local()
"""Each thread's latest simulator, with its settings and scene. A world and its bodies have a state, so threads do not
share them."""


def _thread_simulator(settings: TrackerSettings, scene: Scene) -> Simulator:
    """Return this thread's simulator for some settings and a scene."""
    if getattr(_THREAD, "made_for", None) != (settings, scene):
        _THREAD.made_for = (settings, scene)
        _THREAD.simulator = Simulator(settings, scene)
    return _THREAD.simulator


def release_simulator() -> None:
    """Release this thread's simulator, which takes hundreds of MB with some engines."""
    vars(_THREAD).clear()
