"""One correction: given, cleaned, planned, tracked, judged.

Motions of one skeleton, frame rate and length go through in batches, many of which are tracked together. This runs in
worker processes, which therefore need neither PyTorch nor the rest of the library.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.geometry.views import JointOrder
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .batching import BATCH_SIZE
from .body.humanoid import Humanoid, build_humanoid
from .cleanup.clean import CleanupSettings, clean_motions
from .engines.world import World
from .evaluate import evaluate, evaluate_kinematic
from .planning import plan_motions
from .postprocess import BLEND_SIMULATION, KINEMATIC_POSTPROCESS, POSTPROCESS, PostprocessState, PostprocessStep
from .settings.engine_table import ENGINES
from .settings.plan import SupportMode
from .settings.tracker import SimulateChoice, TrackerSettings
from .stages.scene import PLAIN, Scene
from .stages.staging import adapt_body, enter_scene, leave_scene
from .stages.values import CleanedMotions, MotionPlan, SimulatedMotion, TrackingResult, select_motions
from .tracking.sampling_search import track_residual_free
from .tracking.tracker import track_motions


@dataclass(frozen=True)
class Pipeline:
    """The stages that batches of motions pass: clean, plan, track, postprocess, evaluate."""

    cleanup: CleanupSettings
    tracker: TrackerSettings | None = None
    """How bodies follow what was planned; None to correct by kinematics only."""
    scene: Scene = PLAIN
    """Where, and with what body, motions are followed."""
    simulate: SimulateChoice = "always"
    """Which motions are simulated: those whose plan leaves room for a gain ("auto"), or all."""

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
    """How cleaned motions are planned and tracked, and what of the simulation comes out."""

    tracker: TrackerSettings
    mode: SupportMode
    """What may carry the body."""
    scene: Scene = PLAIN
    """Where, and with what body, motions are followed."""
    simulate: SimulateChoice = "always"
    """Which motions are simulated: those whose plan leaves room for a gain ("auto"), or all."""
    finishing: tuple[PostprocessStep, ...] = POSTPROCESS
    """What is done to the output; with no step, simulated states come out as they are."""


def correct_batches(pipeline: Pipeline, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
    """Correct batches of motions of one length, all tracked together, whatever the order of their joints.

    Args:
        pipeline: The stages that they pass.
        batches: Their skeletons may differ in lengths and names, not in tree and parts; their frame rates are one.

    Returns:
        A correction of each motion of each batch; a motion that is rejected comes out as it was given.
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
    plans = [plan_motions(each, simulator.body_of(each), physics.tracker) for each in cleaned]
    return [postprocess(physics, tracked) for tracked in track_plans(physics, simulator, cleaned, plans)]


def track_plans(
    physics: Physics, simulator: Simulator, cleaned: Sequence[CleanedMotions], plans: Sequence[MotionPlan]
) -> list[TrackingResult]:
    """Simulate together all planned motions that need it."""
    every = physics.simulate == "always" or not physics.finishing
    gains = [np.ones(len(each), dtype=bool) if every else BLEND_SIMULATION.can_gain(each) for each in plans]
    chosen = [np.flatnonzero(own).tolist() for own in gains]
    gaining = [each.select(own) for each, own in zip(plans, chosen, strict=True) if own]
    settings = replace(physics.tracker, drive=physics.tracker.drive.for_support_mode(physics.mode))
    follow_all = track_motions if settings.residual_free is None else track_residual_free
    tracks = iter(follow_all(simulator.world, gaining, settings, physics.scene) if gaining else [])
    each = zip(cleaned, plans, chosen, strict=True)
    return [_make_tracking_result(motions, planned, own, next(tracks) if own else []) for motions, planned, own in each]


def _make_tracking_result(
    cleaned: CleanedMotions, planned: MotionPlan, here: Sequence[int], tracks: Sequence[SimulatedMotion]
) -> TrackingResult:
    """Planned motions of which those `here` were simulated."""
    own = dict(zip(here, tracks, strict=True))
    states = None
    if tracks:
        simulated = MotionBatch.stack([track.motion for track in tracks])
        states = planned.body.link_view(select_motions(cleaned.motions, here)).restore(simulated)
    return TrackingResult(cleaned, planned, [own.get(index) for index in range(len(planned))], states)


def postprocess(physics: Physics, tracked: TrackingResult) -> list[CorrectedMotion]:
    """Choose what comes out of plan and simulation, and judge it."""
    if physics.finishing:
        done = PostprocessState.from_stages(tracked.cleaned, tracked).apply_steps(physics.finishing)
        return evaluate(tracked, done.motions, done.shares, physics.tracker, physics.mode)
    assert tracked.states is not None
    whole = np.ones(tracked.states.root_m.shape[:2])
    return evaluate(tracked, tracked.states, whole, physics.tracker, physics.mode)


class Simulator:
    """A world, made when it is first needed, and the bodies last built for it, kept for motions of like skeletons."""

    def __init__(self, settings: TrackerSettings, scene: Scene) -> None:
        self._engine, self._settings, self._scene = settings.engine, settings.body, scene
        self._bodies: deque[tuple[Skeleton, SolePoints, Humanoid]] = deque(maxlen=16)

    @cached_property
    def world(self) -> World:
        return ENGINES.load(self._engine.name)(self._engine)

    def body_of(self, cleaned: CleanedMotions) -> Humanoid:
        """The body of some motions, upright as their ground demands."""
        return self._level_body_of(cleaned.motions.skeleton, cleaned.soles).with_up_from(cleaned.motions.ground)

    def _level_body_of(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        for known, known_soles, body in self._bodies:
            if skeleton.same_as(known) and np.array_equal(soles.offsets_m, known_soles.offsets_m):
                return body
        body = adapt_body(self._scene, build_humanoid(skeleton, self._settings.mass_kg, soles))
        body = body.with_minimum_inertia(self._settings.minimum_inertia_kgm2)
        self._bodies.append((skeleton, soles, body))
        return body


class _ThreadState(threading.local):
    """A world and its bodies have a state, so each thread has its own simulator: the last one that it used."""

    kept: tuple[TrackerSettings, Scene, Simulator] | None = None


_THREAD_STATE = _ThreadState()


def _thread_simulator(settings: TrackerSettings, scene: Scene) -> Simulator:
    """This thread's simulator."""
    if _THREAD_STATE.kept is None or _THREAD_STATE.kept[:2] != (settings, scene):
        _THREAD_STATE.kept = (settings, scene, Simulator(settings, scene))
    return _THREAD_STATE.kept[2]


def release_simulator() -> None:
    """Give back what this thread's simulator takes, hundreds of MB with some engines; the next correction makes one."""
    _THREAD_STATE.kept = None
