"""One correction: given, cleaned, planned, tracked, judged.

Motions of one skeleton, frame rate and length go through in batches, many of which are tracked together. This runs in
worker processes, which therefore need neither PyTorch nor the rest of the library.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.geometry.views import JointOrder
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton

from .body.humanoid import Humanoid, humanoid
from .cleanup.clean import CleanupSettings, clean
from .engines.world import World
from .finishing import FINISHING, FINISHING_ALONE, KEEP_GAIN, Finishing, FinishingStep
from .judge import judge, judge_cleaned
from .planning import plan
from .settings.engine_table import ENGINES
from .settings.plan import SupportMode
from .settings.tracker import SimulateChoice, TrackerSettings
from .stages.scene import PLAIN, Scene
from .stages.staging import CorrectBatches, at_size_of, body_in
from .stages.values import Cleaned, MotionPlan, Track, Tracked, taken
from .tracking.residual_free import follow_residual_free
from .tracking.tracker import follow


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
    finishing: tuple[FinishingStep, ...] = FINISHING
    """What is done to the output; with no step, simulated states come out as they are."""


def correct_kinematically(cleanup: CleanupSettings, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
    """Correct batches of motions of one length by kinematics alone."""
    return _in_usual_order(lambda ordered: [_cleaned(cleanup, motions) for motions in ordered], batches)


def _cleaned(cleanup: CleanupSettings, motions: MotionBatch) -> list[CorrectedMotion]:
    """What becomes of a batch by kinematics alone."""
    cleaned = clean(motions, cleanup)
    made = Finishing.of(cleaned).after(FINISHING_ALONE).made if cleanup.polish else cleaned.motions
    return judge_cleaned(cleaned, made, cleanup.mode)


def correct(
    cleanup: CleanupSettings,
    tracker: TrackerSettings,
    scene: Scene,
    simulate: SimulateChoice,
    batches: Sequence[MotionBatch],
) -> list[list[CorrectedMotion]]:
    """Correct batches of motions of one length by kinematics and physics, all tracked together, in a scene.

    Their skeletons may differ in lengths and names, not in tree and parts, and their frame rates are one.
    """
    # The effect of a scene, or of muscles alone, is kept.
    finishes = cleanup.polish and tracker.residual_free is None and scene.is_plain
    physics = Physics(tracker, cleanup.mode, scene, simulate, FINISHING if finishes else ())

    def corrected(motions: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        return correct_cleaned(physics, [clean(each, cleanup) for each in motions])

    return _in_usual_order(partial(at_size_of, scene, corrected), batches)


def _in_usual_order(correct: CorrectBatches, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
    """Correct batches whatever the order of their joints; what fails comes out as it was given."""
    orders = [JointOrder.usual(motions.skeleton) for motions in batches]
    corrected = correct([order.view(motions) for motions, order in zip(batches, orders, strict=True)])
    return [
        [
            replace(made, motion=order.back(made.motion) if made.accepted else motions[index])
            for index, made in enumerate(own)
        ]
        for motions, own, order in zip(batches, corrected, orders, strict=True)
    ]


def correct_cleaned(physics: Physics, cleaned: Sequence[Cleaned]) -> list[list[CorrectedMotion]]:
    """Correct batches of cleaned motions by physics."""
    simulator = _simulator(physics.tracker, physics.scene)
    plans = [plan(each, simulator.body_of(each), physics.tracker) for each in cleaned]
    return [finish(physics, tracked) for tracked in track(physics, simulator, cleaned, plans)]


def track(
    physics: Physics, simulator: Simulator, cleaned: Sequence[Cleaned], plans: Sequence[MotionPlan]
) -> list[Tracked]:
    """Simulate together all planned motions that need it."""
    every = physics.simulate == "always" or not physics.finishing
    gains = [np.ones(len(each), dtype=bool) if every else KEEP_GAIN.possible(each) for each in plans]
    chosen = [np.flatnonzero(own).tolist() for own in gains]
    gaining = [each.taken(own) for each, own in zip(plans, chosen, strict=True) if own]
    settings = replace(physics.tracker, drive=physics.tracker.drive.bearing(physics.mode))
    follow_all = follow if settings.residual_free is None else follow_residual_free
    tracks = iter(follow_all(simulator.world, gaining, settings, physics.scene) if gaining else [])
    each = zip(cleaned, plans, chosen, strict=True)
    return [_tracked(motions, planned, own, next(tracks) if own else []) for motions, planned, own in each]


def _tracked(cleaned: Cleaned, planned: MotionPlan, here: Sequence[int], tracks: Sequence[Track]) -> Tracked:
    """Planned motions of which those `here` were simulated."""
    own = dict(zip(here, tracks, strict=True))
    states = None
    if tracks:
        simulated = MotionBatch.stack([track.motion for track in tracks])
        states = planned.body.joints_of(taken(cleaned.motions, here)).back(simulated)
    return Tracked(cleaned, planned, [own.get(index) for index in range(len(planned))], states)


def finish(physics: Physics, tracked: Tracked) -> list[CorrectedMotion]:
    """Choose what comes out of plan and simulation, and judge it."""
    if physics.finishing:
        done = Finishing.of(tracked.cleaned, tracked).after(physics.finishing)
        return judge(tracked, done.made, done.shares, physics.tracker, physics.mode)
    assert tracked.states is not None
    whole = np.ones(tracked.states.root_m.shape[:2])
    return judge(tracked, tracked.states, whole, physics.tracker, physics.mode)


class Simulator:
    """A world, made when it is first needed, and the bodies last built for it, kept for motions of like skeletons."""

    def __init__(self, settings: TrackerSettings, scene: Scene) -> None:
        self._engine, self._settings, self._scene = settings.engine, settings.body, scene
        self._bodies: deque[tuple[Skeleton, SolePoints, Humanoid]] = deque(maxlen=16)

    @cached_property
    def world(self) -> World:
        return ENGINES.load(self._engine.name)(self._engine)

    def body_of(self, cleaned: Cleaned) -> Humanoid:
        """The body of some motions, upright as their ground demands."""
        return self._level_body_of(cleaned.motions.skeleton, cleaned.soles).upright_along(cleaned.motions.ground)

    def _level_body_of(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        for known, known_soles, body in self._bodies:
            if skeleton.same_as(known) and np.array_equal(soles.offsets_m, known_soles.offsets_m):
                return body
        body = body_in(self._scene, humanoid(skeleton, self._settings.mass_kg, soles))
        body = body.padded(self._settings.minimum_inertia_kgm2)
        self._bodies.append((skeleton, soles, body))
        return body


class _OfThread(threading.local):
    """A world and its bodies have a state, so each thread has its own simulator: the last one that it used."""

    kept: tuple[TrackerSettings, Scene, Simulator] | None = None


_OWN = _OfThread()


def _simulator(settings: TrackerSettings, scene: Scene) -> Simulator:
    """This thread's simulator."""
    if _OWN.kept is None or _OWN.kept[:2] != (settings, scene):
        _OWN.kept = (settings, scene, Simulator(settings, scene))
    return _OWN.kept[2]


def free_simulator() -> None:
    """Give back what this thread's simulator takes, hundreds of MB with some engines; the next correction makes one."""
    _OWN.kept = None
