"""What happens to motions of one skeleton, frame rate and length: mending, planning, simulating, judging.

This runs in worker processes, which therefore need neither PyTorch nor the rest of the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from selfcorrect.motion.body.flesh import SolePoints
from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.correction.timeline import Timeline, spans
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import PhysicalErrors, physical_errors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.carrying import onto_links, onto_skeleton
from selfcorrect.simulators.body.humanoid import Humanoid, humanoid
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.mending.precondition import Mended, PreconditionSettings, precondition
from selfcorrect.simulators.planning.contact_plan import explain
from selfcorrect.simulators.planning.dynamics_filter import clear_floor, filter_dynamics
from selfcorrect.simulators.planning.supports import above_ground_m
from selfcorrect.simulators.planning.treading import tread
from selfcorrect.simulators.settings import TrackerSettings
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


def mend(settings: PreconditionSettings, motions: MotionBatch) -> list[Outcome]:
    """Motions of one length, preconditioned."""
    mended, count = precondition(motions, settings), len(motions)
    changes = _changes(motions, mended.motions, mended)
    return _outcomes(mended, mended.motions, [""] * count, changes, [None] * count, settings)


def simulate(preconditioning: PreconditionSettings, settings: TrackerSettings, motions: MotionBatch) -> list[Outcome]:
    """Motions of one length, preconditioned and followed by a simulated humanoid."""
    return follow_mended(preconditioning, settings, motions, precondition(motions, preconditioning))


def follow_mended(
    preconditioning: PreconditionSettings, settings: TrackerSettings, motions: MotionBatch, mended: Mended
) -> list[Outcome]:
    """Motions of one length, followed by a simulated humanoid as they were mended."""
    simulator, supports = _simulator(settings), mended.supports
    body = simulator.body_of(motions.skeleton, mended.soles)
    links = clear_floor(body, onto_links(body, mended.motions), supports)
    if settings.filter_dynamics:
        links = filter_dynamics(body, links, settings.friction, supports)
        links = tread(body, links, settings.friction, supports)
    plans = explain(body, links, settings.friction, supports=supports)
    jacobians = leg_jacobians(body, links, plans)
    if preconditioning.support == "off":  # what holds the body bears its weight and helps it as ever
        settings = replace(settings, force_limit_bodyweights=settings.force_limit_bodyweights + 1)
    tracks = [
        follow(simulator.world, body, links[index], plans.of(index), jacobians[index], settings, supports[index])
        for index in range(len(motions))
    ]
    simulated = onto_skeleton(body, MotionBatch.stack([track.motion for track in tracks]), mended.motions)
    off_m = _distance_m(mended.motions, simulated)
    failures = [_failure(track, off, settings) for track, off in zip(tracks, off_m, strict=True)]
    if preconditioning.support == "infer":
        off_ground_m = above_ground_m(body, plans.points_m, supports)[..., 1].min(-1)
        missing = np.linalg.norm(plans.rest[..., :3], axis=-1) / body.weight_n
        floats = [_floats(held, motions.fps) for held in (missing > FLOATING_BODYWEIGHTS) & (off_ground_m > FLOATING_M)]
        failures = [reason or failure for reason, failure in zip(floats, failures, strict=True)]
    figures = zip(_changes(motions, simulated, mended), tracks, plans.rest, strict=True)
    diagnostics = [{**changes, **_help(body, track.wrench, rest)} for changes, track, rest in figures]
    substeps = settings.steps_per_frame(motions.fps)
    timelines = [timeline(body, track, motions.fps, substeps) for track in tracks]
    return _outcomes(mended, simulated, failures, diagnostics, timelines, preconditioning)


def _outcomes(
    mended: Mended,
    motions: MotionBatch,
    failures: list[str],
    diagnostics: list[dict[str, float]],
    timelines: Sequence[Timeline | None],
    settings: PreconditionSettings,
) -> list[Outcome]:
    down_m = [np.array([0.0, -origin_m, 0.0]) for origin_m in mended.origin_m]
    root_m = [root + shift for root, shift in zip(motions.root_m, down_m, strict=True)]
    supports = [tuple(each.moved(shift) for each in own) for own, shift in zip(mended.supports, down_m, strict=True)]
    notes = [_notes(origin_m, settings) for origin_m in mended.origin_m]
    rows = zip(root_m, motions.rotations, failures, diagnostics, timelines, supports, notes, strict=True)
    return [Outcome(*row) for row in rows]


def _notes(origin_m: float, settings: PreconditionSettings) -> tuple[str, ...]:
    if settings.support == "off":
        return ("height left alone",)
    return (f"the lowest ground lies at {-origin_m:.2f} m",) if origin_m else ()


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


def _changes(given: MotionBatch, after: MotionBatch, mended: Mended) -> list[dict[str, float]]:
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
