"""Physics corrector: motions in, what simulated bodies made of them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial

import numpy as np

from selfcorrect.motion.body import SolePoints
from selfcorrect.motion.correction import MotionCorrection
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.physical import PhysicalErrors, physical_errors
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.anchoring import leg_jacobians
from selfcorrect.simulators.carrying import onto_links, onto_skeleton
from selfcorrect.simulators.contact_plan import explain
from selfcorrect.simulators.dynamics_filter import clear_floor, filter_dynamics
from selfcorrect.simulators.humanoid import Humanoid, humanoid
from selfcorrect.simulators.pool import map_tasks
from selfcorrect.simulators.precondition import PreconditionSettings, precondition
from selfcorrect.simulators.settings import TrackerSettings
from selfcorrect.simulators.tracker import Track, follow
from selfcorrect.simulators.world import GRAVITY_M_S2, PyBulletWorld

SHORTEST_FRAMES = 4
BATCH = 16
"""Motions of one skeleton, frame rate and length that are planned together; results do not depend on workers."""


@dataclass(frozen=True)
class KinematicCorrector:
    """The preconditioner alone: mends by kinematics and simulates nothing. The control that shows what physics adds."""

    precondition: PreconditionSettings = field(default_factory=PreconditionSettings)

    def __call__(self, motions: Sequence[Motion]) -> list[MotionCorrection]:
        """Correct motions on any skeletons; see `PhysicsCorrector`."""
        return _in_batches(partial(_mend, self.precondition), motions, _batch(self.precondition), workers=1)


@dataclass(frozen=True)
class PhysicsCorrector:
    """Tracks motions with a simulated humanoid of their own skeleton.

    A motion that the humanoid cannot follow is rejected with the reason and handed back as it came. Results are the
    same bytes for any number of `workers` (processes).
    """

    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    precondition: PreconditionSettings = field(default_factory=PreconditionSettings)
    workers: int = 1

    def __call__(self, motions: Sequence[Motion]) -> list[MotionCorrection]:
        """Correct motions of any skeletons, frame rates and lengths, in their order.

        Raises ValueError where a skeleton lacks a part of the legs, RuntimeError when a worker process dies.
        """
        simulate = partial(_simulate, self.precondition, self.tracker)
        return _in_batches(simulate, motions, _batch(self.precondition), self.workers)


Correct = Callable[[list[Motion]], list[MotionCorrection]]


def _batch(settings: PreconditionSettings) -> int:
    """How many like motions may share a batch: soles that are fitted differ from motion to motion."""
    return 1 if settings.fit_soles else BATCH


def _in_batches(correct: Correct, motions: Sequence[Motion], largest: int, workers: int) -> list[MotionCorrection]:
    """Correct like motions together, and reject those that no method could work on."""
    corrections = {}
    for index, motion in enumerate(motions):
        if flaw := _flaw(motion):
            corrections[index] = MotionCorrection(motion, accepted=False, reason=flaw)
    batches = _batches(motions, [index for index in range(len(motions)) if index not in corrections], largest)
    done = map_tasks(correct, [[motions[index] for index in batch] for batch in batches], workers)
    for batch, results in zip(batches, done, strict=True):
        for index, correction in zip(batch, results, strict=True):
            # A process hands back copies: the skeleton, labels and rejected motions shall be the caller's own.
            kept = replace(motions[index], root_m=correction.motion.root_m, rotations=correction.motion.rotations)
            corrections[index] = replace(correction, motion=kept if correction.accepted else motions[index])
    return [corrections[index] for index in range(len(motions))]


def _flaw(motion: Motion) -> str:
    """Why a motion cannot be worked on, "" where it can."""
    if len(motion) < SHORTEST_FRAMES:
        return f"too short: {len(motion)} frames, at least {SHORTEST_FRAMES} are needed"
    finite = np.isfinite(motion.root_m).all(1) & np.isfinite(motion.rotations).all((1, 2))
    return "" if finite.all() else f"not finite at frame {int(finite.argmin())}"


def _batches(motions: Sequence[Motion], indices: list[int], largest: int) -> list[list[int]]:
    """Indices of motions of one skeleton, frame rate and length, at most `largest` together."""
    groups: list[list[int]] = []
    for index in indices:
        open_group = next((group for group in groups if _alike(motions[group[0]], motions[index])), None)
        if open_group is None:
            groups.append([index])
        else:
            open_group.append(index)
    return [group[start : start + largest] for group in groups for start in range(0, len(group), largest)]


def _alike(one: Motion, other: Motion) -> bool:
    return len(one) == len(other) and one.fps == other.fps and one.skeleton.same_as(other.skeleton)


def _mend(settings: PreconditionSettings, motions: list[Motion]) -> list[MotionCorrection]:
    given = MotionBatch.stack(motions)
    mended, _ = precondition(given, settings)
    changes = _changes(given, mended)
    return [
        MotionCorrection(_with_poses(motion, mended, index), diagnostics=changes[index])
        for index, motion in enumerate(motions)
    ]


def _simulate(
    preconditioning: PreconditionSettings, settings: TrackerSettings, motions: list[Motion]
) -> list[MotionCorrection]:
    simulator = _simulator(settings)
    given = MotionBatch.stack(motions)
    mended, soles = precondition(given, preconditioning)
    body = simulator.body_of(given.skeleton, soles)
    links = clear_floor(body, onto_links(body, mended))
    if settings.filter_dynamics:
        links = filter_dynamics(body, links, settings.friction)
    plans = explain(body, links, settings.friction)
    jacobians = leg_jacobians(body, links, plans)
    tracks = [
        follow(simulator.world, body, links[index], plans.of(index), jacobians[index], settings)
        for index in range(len(motions))
    ]
    simulated = onto_skeleton(body, MotionBatch.stack([track.motion for track in tracks]), mended)
    off_m, changes = _distance_m(mended, simulated), _changes(given, simulated)
    return [
        MotionCorrection(
            _with_poses(motion, simulated, index),
            accepted=not (reason := _failure(track, off_m[index], settings)),
            reason=reason,
            diagnostics={**changes[index], **_residual(track, body)},
        )
        for index, (motion, track) in enumerate(zip(motions, tracks, strict=True))
    ]


def _failure(track: Track, off_m: np.ndarray, settings: TrackerSettings) -> str:
    """Why a track is no correction, "" if it is; off_m: (T,) mean distance of all joints from the target."""
    if track.lost_at is not None:
        return f"lost: the root was not within {settings.lost_root_m} m of the motion's at frame {track.lost_at}"
    if not (off_m < settings.lost_body_m).all():
        return f"off: joints were {off_m.max():.2f} m from the motion on average at frame {int(off_m.argmax())}"
    return ""


def _with_poses(motion: Motion, poses: MotionBatch, index: int) -> Motion:
    return replace(motion, root_m=poses.root_m[index], rotations=poses.rotations[index])


def _changes(before: MotionBatch, after: MotionBatch) -> list[dict[str, float]]:
    """Per motion: mean distance moved, and each of its `physical_errors` before and after."""
    columns = {"moved_m": _distance_m(before, after).mean(1)}
    old, new = physical_errors(before), physical_errors(after)
    for name in (error.name for error in fields(PhysicalErrors)):
        columns |= {f"{name}_before": getattr(old, name), f"{name}_after": getattr(new, name)}
    return [{name: float(column[index]) for name, column in columns.items()} for index in range(len(before))]


def _distance_m(before: MotionBatch, after: MotionBatch) -> np.ndarray:
    """Mean distance (N, T) of all joints between two batches, metres."""
    return np.linalg.norm(joint_positions(after) - joint_positions(before), axis=-1).mean(-1)


def _residual(track: Track, body: Humanoid) -> dict[str, float]:
    """Mean size of the residual root force, in body weights, and of its torque, in newton metres."""
    force_n, moment_nm = (np.linalg.norm(part, axis=1).mean() for part in np.split(track.wrench, 2, axis=1))
    return {
        "residual_force_bodyweights": float(force_n / (body.total_mass_kg * GRAVITY_M_S2)),
        "residual_torque_nm": float(moment_nm),
    }


class _Simulator:
    """A world and the body last built in it, kept for the next motions of the same skeleton."""

    def __init__(self, settings: TrackerSettings) -> None:
        self.world = PyBulletWorld(settings)
        self._minimum_inertia_kgm2 = settings.minimum_inertia_kgm2
        self._skeleton: Skeleton | None = None

    def body_of(self, skeleton: Skeleton, soles: SolePoints) -> Humanoid:
        fits = self._skeleton is not None and skeleton.same_as(self._skeleton)
        if not (fits and np.array_equal(soles.offsets_m, self._soles.offsets_m)):
            self._skeleton, self._soles = skeleton, soles
            self._body = humanoid(skeleton, soles=soles).padded(self._minimum_inertia_kgm2)
        return self._body


@lru_cache(maxsize=1)
def _simulator(settings: TrackerSettings) -> _Simulator:
    """This process' simulator."""
    return _Simulator(settings)
