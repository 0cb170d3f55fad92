"""What happens to motions of one skeleton, frame rate and length: mend, find supports, plan, track, keep, judge.

This runs in worker processes, which therefore need neither PyTorch nor the rest of the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from selfcorrect.motion.body.flesh import SolePoints
from selfcorrect.motion.correction.support import Support, ground_of_feet_m
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.humanoid import Humanoid, humanoid
from selfcorrect.simulators.body.links import onto_links, onto_skeleton
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.engines.world import World
from selfcorrect.simulators.judge import Finding, Outcome, failure_of, floating, help_of, joint_distances_m, outcomes
from selfcorrect.simulators.mending.limbs import limbs_above_floor
from selfcorrect.simulators.mending.polishing import polished
from selfcorrect.simulators.mending.precondition import (
    Preconditioned,
    PreconditionSettings,
    ground_under_feet_m,
    levelled,
    origins_m,
    planted,
)
from selfcorrect.simulators.planning.contact_plan import ContactPlan, plan_contacts
from selfcorrect.simulators.planning.dynamics_filter import clear_floor, filter_dynamics
from selfcorrect.simulators.planning.foot_placement import place_feet
from selfcorrect.simulators.planning.gain import between, shares_of_gain
from selfcorrect.simulators.planning.standing import standing_as
from selfcorrect.simulators.planning.support_inference import infer_supports
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings import SupportMode, TrackerSettings
from selfcorrect.simulators.staging import body_in, entered
from selfcorrect.simulators.tracking.diagnosis import timeline
from selfcorrect.simulators.tracking.leg_feedback import leg_jacobians
from selfcorrect.simulators.tracking.tracker import Track, follow


@dataclass(frozen=True, eq=False)
class Planned:
    """What bodies shall do: motions of their links, the contact forces that explain them, and how legs may give way."""

    links: MotionBatch
    contacts: ContactPlan
    leg_jacobians: np.ndarray


def correct_kinematically(settings: PreconditionSettings, motions: MotionBatch) -> list[Outcome]:
    """Motions of one length, preconditioned and not simulated."""
    mended = precondition(motions, settings)
    return outcomes(motions, mended, _polished(mended, mended.motions), [Finding()] * len(motions), settings.mode)


def simulate(
    preconditioning: PreconditionSettings, settings: TrackerSettings, scene: Scene, motions: MotionBatch
) -> list[Outcome]:
    """Motions of one length, preconditioned and followed by a simulated humanoid, as they are in the scene."""
    motions = entered(scene, motions)
    mended = precondition(motions, preconditioning)
    return simulate_preconditioned(preconditioning.mode, settings, motions, mended, scene)


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
    return Preconditioned(whole, level.soles, supports, origins_m(level, supports, settings.floor), unplanted)


def _polished(mended: Preconditioned, corrected: MotionBatch) -> MotionBatch:
    """Corrected motions without the fast part of their corrections, where that is wanted."""
    return corrected if mended.unplanted is None else polished(mended.unplanted, corrected)


def simulate_preconditioned(
    mode: SupportMode, settings: TrackerSettings, given: MotionBatch, mended: Preconditioned, scene: Scene = PLAIN
) -> list[Outcome]:
    """Motions of one length, followed by a simulated humanoid as they were mended; `given` is what they came as."""
    simulator = _simulator(settings, scene)
    body = simulator.body_of(given.skeleton, mended.soles)
    planned = _planned(body, mended, settings)
    tracks = _tracked(
        simulator.world, body, planned, mended.supports, replace(settings, drive=settings.drive.bearing(mode)), scene
    )
    simulated = onto_skeleton(body, MotionBatch.stack([track.motion for track in tracks]), mended.motions)
    off_m = joint_distances_m(mended.motions, simulated)
    found = _findings(body, planned, tracks, off_m, given.skeleton.names, settings)
    if mode.finds_supports:
        floats = floating(body, planned.contacts, mended.supports, given.fps, settings.acceptance)
        found = [replace(each, failure=held or each.failure) for each, held in zip(found, floats, strict=True)]
    keepable = mended if scene.is_plain else replace(mended, unplanted=None)  # what a scene changes is to be kept
    result, shares = _worth_keeping(body, keepable, simulated, settings.engine.friction)
    found = _with_polish(found, joint_distances_m(simulated, result), shares)
    return outcomes(given, mended, result, found, mode)


def _worth_keeping(
    body: Humanoid, mended: Preconditioned, simulated: MotionBatch, friction: float
) -> tuple[MotionBatch, np.ndarray]:
    """The motions as simulated where that gained something, else as mended, polished; and the shares (N, T) of the
    simulation. Without polish, the simulated states.
    """
    if mended.unplanted is None:
        return simulated, np.ones(simulated.root_m.shape[:2])
    shares = shares_of_gain(body, mended.motions, simulated, friction, mended.supports)
    kept = _polished(mended, between(mended.motions, simulated, shares))
    return standing_as(kept, _polished(mended, mended.motions)), shares


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
    return Planned(links, contacts, leg_jacobians(body, links, contacts))


def _tracked(
    world: World,
    body: Humanoid,
    planned: Planned,
    supports: Sequence[tuple[Support, ...]],
    settings: TrackerSettings,
    scene: Scene,
) -> list[Track]:
    """What the simulated body made of each motion."""
    return [
        follow(
            world,
            body,
            links,
            planned.contacts.of(index),
            planned.leg_jacobians[index],
            settings,
            supports[index],
            scene,
        )
        for index, links in enumerate(planned.links[index] for index in range(len(planned.links)))
    ]


def _findings(
    body: Humanoid,
    planned: Planned,
    tracks: Sequence[Track],
    off_m: np.ndarray,
    names: Sequence[str],
    settings: TrackerSettings,
) -> list[Finding]:
    """What the simulation tells of each motion; off_m: (N, T, J) distances of the named joints from their targets."""
    fps = planned.links.fps
    return [
        Finding(
            failure=failure_of(track, own_m, names, settings.acceptance),
            help=help_of(body, track.wrench, rest),
            timeline=timeline(body, track, fps, settings.engine.steps_per_frame(fps)),
        )
        for track, own_m, rest in zip(tracks, off_m, planned.contacts.rest, strict=True)
    ]


class _Simulator:
    """A world and the body last built in it, kept for the next motions of the same skeleton."""

    def __init__(self, settings: TrackerSettings, scene: Scene) -> None:
        self.world = ENGINES.load(settings.engine.name)(settings.engine)
        self._settings = settings.body
        self._scene = scene
        self._skeleton: Skeleton | None = None

    def body_of(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        fits = self._skeleton is not None and skeleton.same_as(self._skeleton)
        if not (fits and np.array_equal(soles.offsets_m, self._soles.offsets_m)):
            self._skeleton, self._soles = skeleton, soles
            body = humanoid(skeleton, self._settings.mass_kg, soles)
            self._body = body_in(self._scene, body).padded(self._settings.minimum_inertia_kgm2)
        return self._body


@lru_cache(maxsize=1)
def _simulator(settings: TrackerSettings, scene: Scene) -> _Simulator:
    """This process' simulator."""
    return _Simulator(settings, scene)
