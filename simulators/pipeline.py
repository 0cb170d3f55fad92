"""What happens to motions of one skeleton, frame rate and length: mend, find supports, plan, track, judge.

This runs in worker processes, which therefore need neither PyTorch nor the rest of the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from selfcorrect.motion.body.flesh import SolePoints
from selfcorrect.motion.correction.support import Support, ground_of_feet_m
from selfcorrect.motion.correction.timeline import Timeline, spans
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import PhysicalErrors, physical_errors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.carrying import onto_links, onto_skeleton
from selfcorrect.simulators.body.humanoid import Humanoid, humanoid
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.engines.world import World
from selfcorrect.simulators.mending.limbs import limbs_above_floor
from selfcorrect.simulators.mending.polishing import polished
from selfcorrect.simulators.mending.precondition import (
    PreconditionSettings,
    ground_under_feet_m,
    levelled,
    origins_m,
    planted,
)
from selfcorrect.simulators.planning.contact_plan import ContactPlan, plan_contacts
from selfcorrect.simulators.planning.dynamics_filter import clear_floor, filter_dynamics
from selfcorrect.simulators.planning.foot_placement import place_feet
from selfcorrect.simulators.planning.support_inference import infer_supports
from selfcorrect.simulators.planning.supports import above_ground_m
from selfcorrect.simulators.settings import SupportMode, TrackerSettings
from selfcorrect.simulators.tracking.anchoring import leg_jacobians
from selfcorrect.simulators.tracking.diagnosis import timeline
from selfcorrect.simulators.tracking.tracker import Track, follow

FLOATING_BODYWEIGHTS, FLOATING_S, FLOATING_M = 0.5, 2.0, 0.05
"""A body floats that misses so much force for so long, and is so far off the ground; in flight it misses none."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one motion: root (T, 3), rotations (T, J, 4), why it failed ("" if not), figures by name, what the
    simulation found in each frame, what carries the body beside the floor, and what was assumed about that.
    """

    root_m: np.ndarray
    rotations: np.ndarray
    failure: str
    diagnostics: dict[str, float]
    timeline: Timeline | None
    supports: tuple[Support, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Preconditioned:
    """Mended motions, the lowest ground on which they stand at y = 0."""

    motions: MotionBatch
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    supports: list[tuple[Support, ...]]
    """What carries each beside that ground."""
    origin_m: np.ndarray
    """(N,) the height that is to be y = 0, which was there, or nearest to it, in the motion as it came."""
    unplanted: MotionBatch | None
    """The motions as they were before their feet were planted, from which corrections are told that are to be polished;
    None where they are not."""


@dataclass(frozen=True, eq=False)
class Planned:
    """What bodies shall do: motions of their links, the contact forces that explain them, and how legs may give way."""

    links: MotionBatch
    contacts: ContactPlan
    leg_jacobians: np.ndarray


def correct_kinematically(settings: PreconditionSettings, motions: MotionBatch) -> list[Outcome]:
    """Motions of one length, preconditioned and not simulated."""
    mended, count = precondition(motions, settings), len(motions)
    result = _polished(mended, mended.motions)
    changes = _changes(motions, result, mended)
    return _outcomes(mended, result, [""] * count, changes, [None] * count, settings.mode)


def simulate(preconditioning: PreconditionSettings, settings: TrackerSettings, motions: MotionBatch) -> list[Outcome]:
    """Motions of one length, preconditioned and followed by a simulated humanoid."""
    mended = precondition(motions, preconditioning)
    return simulate_preconditioned(preconditioning.mode, settings, motions, mended)


def precondition(motions: MotionBatch, settings: PreconditionSettings) -> Preconditioned:
    """Mend motions that share one length, and find what carries them.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    mode, level = settings.mode, levelled(motions, settings)
    whole, supports = planted(level, ground_under_feet_m(level, mode)), [()] * len(motions)
    if mode.finds_supports:
        supports = infer_supports(whole, level.posed.positions_m, level.posed.orientations, level.soles)
    if any(supports):
        frames = motions.root_m.shape[1]
        whole = planted(level, np.stack([ground_of_feet_m(own, frames) for own in supports]))
    if mode.moves_to_floor:
        whole = limbs_above_floor(whole)
    unplanted = level.posed.motions if settings.polish else None
    return Preconditioned(whole, level.soles, supports, origins_m(level, supports), unplanted)


def _polished(mended: Preconditioned, corrected: MotionBatch) -> MotionBatch:
    """Corrected motions without the fast part of their corrections, where that is wanted."""
    return corrected if mended.unplanted is None else polished(mended.unplanted, corrected)


def simulate_preconditioned(
    mode: SupportMode, settings: TrackerSettings, given: MotionBatch, mended: Preconditioned
) -> list[Outcome]:
    """Motions of one length, followed by a simulated humanoid as they were mended; `given` is what they came as."""
    simulator = _simulator(settings)
    body = simulator.body_of(given.skeleton, mended.soles)
    planned = _planned(body, mended, settings)
    tracks = _tracked(simulator.world, body, planned, mended.supports, _bounded(settings, mode))
    simulated = onto_skeleton(body, MotionBatch.stack([track.motion for track in tracks]), mended.motions)
    failures = _failures(tracks, _distance_m(mended.motions, simulated), settings)
    if mode.finds_supports:
        floats = _floating(body, planned.contacts, mended.supports, given.fps)
        failures = [reason or failure for reason, failure in zip(floats, failures, strict=True)]
    result = _polished(mended, simulated)
    figures = zip(_changes(given, result, mended), tracks, planned.contacts.rest, strict=True)
    diagnostics = [{**changes, **_help(body, track.wrench, rest)} for changes, track, rest in figures]
    for own, off_m in zip(diagnostics, _distance_m(simulated, result), strict=True):
        own["polished_m"] = float(off_m.mean())
    substeps = settings.steps_per_frame(given.fps)
    timelines = [timeline(body, track, given.fps, substeps) for track in tracks]
    return _outcomes(mended, result, failures, diagnostics, timelines, mode)


def _planned(body: Humanoid, mended: Preconditioned, settings: TrackerSettings) -> Planned:
    """Motions that contacts can explain as far as possible, and these contacts."""
    supports, friction = mended.supports, settings.friction
    links = clear_floor(body, onto_links(body, mended.motions), supports)
    if settings.filter_dynamics:
        links = filter_dynamics(body, links, friction, supports)
        links = place_feet(body, links, friction, supports)
    contacts = plan_contacts(body, links, friction, supports=supports)
    return Planned(links, contacts, leg_jacobians(body, links, contacts))


def _tracked(
    world: World,
    body: Humanoid,
    planned: Planned,
    supports: Sequence[tuple[Support, ...]],
    settings: TrackerSettings,
) -> list[Track]:
    """What the simulated body made of each motion."""
    return [
        follow(world, body, links, planned.contacts.of(index), planned.leg_jacobians[index], settings, supports[index])
        for index, links in enumerate(planned.links[index] for index in range(len(planned.links)))
    ]


def _bounded(settings: TrackerSettings, mode: SupportMode) -> TrackerSettings:
    """The settings with the bound on help that holds in a mode."""
    if mode.moves_to_floor:
        return settings
    limit = settings.force_limit_bodyweights + settings.bearing_limit_bodyweights
    return replace(settings, force_limit_bodyweights=limit)


def _floating(body: Humanoid, contacts: ContactPlan, supports: Sequence[Sequence[Support]], fps: float) -> list[str]:
    """Where each body floats, "" if nowhere."""
    off_ground_m = above_ground_m(body, contacts.points_m, supports)[..., 1].min(-1)
    missing = np.linalg.norm(contacts.rest[..., :3], axis=-1) / body.weight_n
    return [_floats(held, fps) for held in (missing > FLOATING_BODYWEIGHTS) & (off_ground_m > FLOATING_M)]


def _failures(tracks: Sequence[Track], off_m: np.ndarray, settings: TrackerSettings) -> list[str]:
    """Why tracks are no corrections, "" if they are; off_m: (N, T) mean distance of all joints from the targets."""
    return [_failure(track, own_m, settings) for track, own_m in zip(tracks, off_m, strict=True)]


def _outcomes(
    mended: Preconditioned,
    motions: MotionBatch,
    failures: list[str],
    diagnostics: list[dict[str, float]],
    timelines: Sequence[Timeline | None],
    mode: SupportMode,
) -> list[Outcome]:
    down_m = [np.array([0.0, -origin_m, 0.0]) for origin_m in mended.origin_m]
    root_m = [root + shift for root, shift in zip(motions.root_m, down_m, strict=True)]
    supports = [tuple(each.moved(shift) for each in own) for own, shift in zip(mended.supports, down_m, strict=True)]
    notes = [_notes(origin_m, mode) for origin_m in mended.origin_m]
    rows = zip(root_m, motions.rotations, failures, diagnostics, timelines, supports, notes, strict=True)
    return [Outcome(*row) for row in rows]


def _notes(origin_m: float, mode: SupportMode) -> tuple[str, ...]:
    """What was assumed of a motion."""
    return (*mode.notes, *((f"the lowest ground lies at {-origin_m:.2f} m",) if origin_m else ()))


def _floats(held: np.ndarray, fps: float) -> str:
    """Where something that the motion does not show must hold the body for long, "" if nowhere; held: (T,)."""
    first, last = max(spans(held, round(fps / 10)), key=lambda span: span[1] - span[0], default=(0, 0))
    if last - first < FLOATING_S * fps:
        return ""
    return f"held up by what cannot be told, or floating, from frame {first} to frame {last}; support 'off' keeps that"


def _failure(track: Track, off_m: np.ndarray, settings: TrackerSettings) -> str:
    """Why a track is no correction, "" if it is; off_m: (T,) mean distance of all joints from the target."""
    if track.lost_at is not None:
        return f"lost: the root was not within {settings.lost_root_m} m of the motion's at frame {track.lost_at}"
    if not (off_m < settings.lost_body_m).all():
        return f"off: joints were {off_m.max():.2f} m from the motion on average at frame {int(off_m.argmax())}"
    return ""


def _changes(given: MotionBatch, after: MotionBatch, mended: Preconditioned) -> list[dict[str, float]]:
    """Per motion: mean distance moved, and each of its `physical_errors` before and after."""
    before = replace(given, root_m=given.root_m + mended.origin_m[:, None, None] * [0.0, 1.0, 0.0])
    columns = {"moved_m": _distance_m(before, after).mean(1)}
    old, new = (physical_errors(motions, mended.supports) for motions in (before, after))
    for name in (error.name for error in fields(PhysicalErrors)):
        columns |= {f"{name}_before": getattr(old, name), f"{name}_after": getattr(new, name)}
    return [{name: float(column[index]) for name, column in columns.items()} for index in range(len(before))]


def _distance_m(before: MotionBatch, after: MotionBatch) -> np.ndarray:
    """Mean distance (N, T) of all joints between two batches, metres."""
    return np.linalg.norm(joint_positions(after) - joint_positions(before), axis=-1).mean(-1)


def _help(body: Humanoid, wrench: np.ndarray, rest: np.ndarray) -> dict[str, float]:
    """Mean help from outside, force in body weights and moment in newton metres.

    wrench: (S, 6) what the simulation was given; rest: (T, 6) what the motion demands of more than floor and muscles,
    which is high where a support is missing that the file does not show.
    """
    weight_n = body.weight_n
    parts = wrench[:, :3], wrench[:, 3:], rest[:, :3]
    force_n, moment_nm, unexplained_n = (float(np.linalg.norm(part, axis=1).mean()) for part in parts)
    return {
        "residual_force_bodyweights": force_n / weight_n,
        "residual_torque_nm": moment_nm,
        "unexplained_force_bodyweights": unexplained_n / weight_n,
    }


class _Simulator:
    """A world and the body last built in it, kept for the next motions of the same skeleton."""

    def __init__(self, settings: TrackerSettings) -> None:
        self.world = ENGINES.load(settings.engine)(settings)
        self._minimum_inertia_kgm2, self._mass_kg = settings.minimum_inertia_kgm2, settings.mass_kg
        self._skeleton: Skeleton | None = None

    def body_of(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        fits = self._skeleton is not None and skeleton.same_as(self._skeleton)
        if not (fits and np.array_equal(soles.offsets_m, self._soles.offsets_m)):
            self._skeleton, self._soles = skeleton, soles
            self._body = humanoid(skeleton, self._mass_kg, soles).padded(self._minimum_inertia_kgm2)
        return self._body


@lru_cache(maxsize=1)
def _simulator(settings: TrackerSettings) -> _Simulator:
    """This process' simulator."""
    return _Simulator(settings)
