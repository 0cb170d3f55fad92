"""What happens to motions: mend, find supports, plan, track, keep, judge.

Motions of one skeleton, frame rate and length are mended, planned and judged in batches, many of which are tracked
together.

This runs in worker processes, which therefore need neither PyTorch nor the rest of the library.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from selfcorrect.motion.body.flesh import SolePoints
from selfcorrect.motion.correction.support import ground_of_feet_m
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.humanoid import Humanoid, humanoid
from selfcorrect.simulators.body.links import onto_links, onto_skeleton
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.judge import Finding, Outcome, failure_of, floating, help_of, joint_distances_m, outcomes
from selfcorrect.simulators.mending.limbs import limbs_above_floor
from selfcorrect.simulators.mending.polishing import calmed, polished
from selfcorrect.simulators.mending.precondition import (
    Preconditioned,
    PreconditionSettings,
    ground_under_feet_m,
    levelled,
    origins_m,
    planted,
)
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.planning.dynamics_filter import clear_floor, filter_dynamics
from selfcorrect.simulators.planning.foot_placement import place_feet
from selfcorrect.simulators.planning.gain import between, shares_of_gain
from selfcorrect.simulators.planning.standing import standing_as
from selfcorrect.simulators.planning.support_inference import infer_supports
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.support import SupportMode
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.staging import body_in, entered
from selfcorrect.simulators.tracking.diagnosis import timeline
from selfcorrect.simulators.tracking.leg_feedback import leg_jacobians
from selfcorrect.simulators.tracking.script import Planned
from selfcorrect.simulators.tracking.tracker import Track, follow
from selfcorrect.simulators.tracking.unaided import follow_unaided


def correct_kinematically(settings: PreconditionSettings, batches: Sequence[MotionBatch]) -> list[list[Outcome]]:
    """Batches of motions of one length, preconditioned and not simulated."""
    corrected = []
    for motions in batches:
        mended = precondition(motions, settings)
        made, nothing = _calmed(mended, _polished(mended, mended.motions)), [Finding()] * len(motions)
        corrected.append(outcomes(motions, mended, made, nothing, settings.mode))
    return corrected


def simulate(
    preconditioning: PreconditionSettings, settings: TrackerSettings, scene: Scene, batches: Sequence[MotionBatch]
) -> list[list[Outcome]]:
    """Batches of motions of one length, preconditioned and followed by humanoids, all together, in a scene.

    Their skeletons may differ in lengths and names, not in tree and parts, and their frame rates are one.
    """
    batches = [entered(scene, motions) for motions in batches]
    mended = [precondition(motions, preconditioning) for motions in batches]
    return simulate_preconditioned(preconditioning.mode, settings, batches, mended, scene)


def precondition(motions: MotionBatch, settings: PreconditionSettings) -> Preconditioned:
    """Mend motions that share one length, and find what carries them.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    mode, level = settings.mode, levelled(motions, settings)
    whole, supports = planted(level, ground_under_feet_m(level, settings), settings.feet), [()] * len(motions)
    if mode.finds_supports:
        posed = level.posed
        supports = infer_supports(whole, posed.positions_m, posed.orientations, level.soles, settings.inference)
    if any(supports):
        frames = motions.root_m.shape[1]
        whole = planted(level, np.stack([ground_of_feet_m(own, frames) for own in supports]), settings.feet)
    if mode.moves_to_floor:
        whole = limbs_above_floor(whole)
    unplanted = level.posed.motions if settings.polish else None
    origins = origins_m(level, supports, settings.floor)
    repairs_m = level.repairs_m | {"it is put on the floor": np.abs(level.raised_m - origins)}
    return Preconditioned(whole, level.soles, supports, origins, repairs_m, unplanted, settings.polishing)


def _polished(mended: Preconditioned, corrected: MotionBatch) -> MotionBatch:
    """Corrected motions without the fast part of their corrections, where that is wanted."""
    return corrected if mended.unplanted is None else polished(mended.unplanted, corrected, mended.polishing)


def _calmed(mended: Preconditioned, made: MotionBatch) -> MotionBatch:
    """Polished motions, with smoother corrections where they are rougher than before, where polish is wanted."""
    return made if mended.unplanted is None else calmed(mended.unplanted, made, mended.polishing)


def simulate_preconditioned(
    mode: SupportMode,
    settings: TrackerSettings,
    given: Sequence[MotionBatch],
    mended: Sequence[Preconditioned],
    scene: Scene = PLAIN,
) -> list[list[Outcome]]:
    """Batches as for `simulate`, followed as they were mended; `given` is what they came as."""
    simulator = _simulator(settings, scene)
    bodies = [simulator.body_of(motions.skeleton, each.soles) for motions, each in zip(given, mended, strict=True)]
    planned = [_planned(body, each, settings) for body, each in zip(bodies, mended, strict=True)]
    bearing = replace(settings, drive=settings.drive.bearing(mode))
    track = follow if settings.unaided is None else follow_unaided
    tracks = track(simulator.world, planned, bearing, scene)
    # What a scene changes is to be kept, and what only muscles and contacts have done.
    as_simulated = settings.unaided is not None or not scene.is_plain
    keepable = [replace(each, unplanted=None) for each in mended] if as_simulated else mended
    judged = zip(given, keepable, planned, tracks, strict=True)
    return [_judged(mode, settings, *each) for each in judged]


def _judged(
    mode: SupportMode,
    settings: TrackerSettings,
    given: MotionBatch,
    mended: Preconditioned,
    planned: Planned,
    tracks: Sequence[Track],
) -> list[Outcome]:
    """What became of motions that were tracked as planned."""
    body = planned.body
    simulated = onto_skeleton(body, MotionBatch.stack([track.motion for track in tracks]), mended.motions)
    off_m = joint_distances_m(mended.motions, simulated)
    found = _findings(planned, tracks, off_m, given.skeleton.names, settings)
    if mode.finds_supports:
        floats = floating(body, planned.contacts, mended.supports, given.fps, settings.acceptance)
        found = [replace(each, failure=held or each.failure) for each, held in zip(found, floats, strict=True)]
    result, shares = _worth_keeping(body, mended, planned, simulated, settings)
    found = _with_polish(found, joint_distances_m(simulated, result), shares)
    return outcomes(given, mended, result, found, mode)


def _worth_keeping(
    body: Humanoid, mended: Preconditioned, planned: Planned, simulated: MotionBatch, settings: TrackerSettings
) -> tuple[MotionBatch, np.ndarray]:
    """The motions as simulated where that gained something, else as planned, polished; and the shares (N, T) of the
    simulation. Without polish, the simulated states.
    """
    if mended.unplanted is None:
        return simulated, np.ones(simulated.root_m.shape[:2])
    shares = shares_of_gain(
        body, planned.contacts.rest, simulated, settings.engine.friction, mended.supports, settings.plan
    )
    followed = onto_skeleton(body, planned.links, mended.motions)
    kept = _polished(mended, between(followed, simulated, shares, mended.polishing.fast_s, settings.plan.gain))
    standing = standing_as(kept, _polished(mended, mended.motions), shares, settings.plan.standing)
    return _calmed(mended, standing), shares


def _with_polish(found: Sequence[Finding], polish_m: np.ndarray, shares: np.ndarray) -> list[Finding]:
    """What was found, how far polishing moved the joints (N, T, J) from where the simulation had them, and how much of
    the simulation (N, T) it kept.
    """
    figures = zip(found, polish_m.mean(-1), shares, strict=True)
    return [
        replace(each, help={**each.help, "polished_m": float(own_m.mean()), "simulated_share": float(share.mean())})
        for each, own_m, share in figures
    ]


def _planned(body: Humanoid, mended: Preconditioned, settings: TrackerSettings) -> Planned:
    """Motions that contacts can explain as far as possible, and these contacts."""
    supports, friction = mended.supports, settings.engine.friction
    links = clear_floor(body, onto_links(body, mended.motions), supports, settings.plan.filter)
    if settings.filter_dynamics:
        links = filter_dynamics(body, links, friction, supports, settings.plan)
        links = place_feet(body, links, friction, supports, settings.plan)
    contacts = plan_contacts(body, links, friction, supports, settings.plan.contacts)
    return Planned(body, links, contacts, leg_jacobians(body, links, contacts), supports)


def _findings(
    planned: Planned, tracks: Sequence[Track], off_m: np.ndarray, names: Sequence[str], settings: TrackerSettings
) -> list[Finding]:
    """What the simulation tells of each motion; off_m: (N, T, J) distances of the named joints from their targets."""
    body = planned.body
    fps = planned.links.fps
    return [
        Finding(
            failure=failure_of(track, own_m, names, settings),
            help=help_of(body, track.wrench, rest),
            timeline=timeline(body, track, fps, settings.engine.steps_per_frame(fps)),
        )
        for track, own_m, rest in zip(tracks, off_m, planned.contacts.rest, strict=True)
    ]


class _Simulator:
    """A world, and the bodies last built for it, kept for the next motions of the same skeletons."""

    def __init__(self, settings: TrackerSettings, scene: Scene) -> None:
        self.world = ENGINES.load(settings.engine.name)(settings.engine)
        self._settings, self._scene = settings.body, scene
        self._bodies: deque[tuple[Skeleton, SolePoints, Humanoid]] = deque(maxlen=16)

    def body_of(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        for known, known_soles, body in self._bodies:
            if skeleton.same_as(known) and np.array_equal(soles.offsets_m, known_soles.offsets_m):
                return body
        body = body_in(self._scene, humanoid(skeleton, self._settings.mass_kg, soles))
        body = body.padded(self._settings.minimum_inertia_kgm2)
        self._bodies.append((skeleton, soles, body))
        return body


@lru_cache(maxsize=1)
def _simulator(settings: TrackerSettings, scene: Scene) -> _Simulator:
    """This process' simulator."""
    return _Simulator(settings, scene)
