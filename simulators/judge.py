"""What became of motions: how far they moved, what is left of their errors, what help they took, and why they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from selfcorrect.motion.correction.results import Failure, FailureKind, Note, NoteKind
from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.correction.timeline import Timeline, spans
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import PhysicalErrors, physical_errors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.vectors import lengths
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.mending.precondition import Preconditioned
from selfcorrect.simulators.planning.contact_plan import ContactPlan
from selfcorrect.simulators.planning.ground import above_ground_m
from selfcorrect.simulators.settings.support import SupportMode
from selfcorrect.simulators.settings.tracker import AcceptanceSettings, TrackerSettings
from selfcorrect.simulators.tracking.tracker import Track

FAR_M = 0.2
"""Errors of captures move no joint further: what does was perhaps meant, and is told."""


UNEXPLAINED_BODYWEIGHTS = 0.4
"""Mean force beyond which something is wrong: one in 155 of CMU's training clips misses more (an acrobat, in someone's
hands), and most of those that are sped up twice while their feet glide."""


_TOUCH_S = 0.1
"""Gaps so short do not end the time in which a body is held up by nothing."""

_MAIN_SHARE = 0.5
"""A repair is why a motion moved far that moved its root by more than this share of the way."""


@dataclass(frozen=True, eq=False)
class Finding:
    """What only a simulation can tell of a motion; nothing where none was made."""

    failure: Failure | None = None
    help: dict[str, float] = field(default_factory=dict)
    timeline: Timeline | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one motion, as its worker hands it back: see `CorrectedMotion`."""

    root_m: np.ndarray
    """(T, 3)."""
    rotations: np.ndarray
    """(T, J, 4)."""
    moved_m: float
    """Mean over frames and joints."""
    before: dict[str, float]
    after: dict[str, float]
    supports: tuple[Support, ...]
    notes: tuple[Note, ...]
    found: Finding


def outcomes(
    given: MotionBatch, mended: Preconditioned, made: MotionBatch, found: Sequence[Finding], mode: SupportMode
) -> list[Outcome]:
    """What became of the motions `given` that were mended, and then made into others.

    All are told against the ground on which they stand, and then put to the height from which they came.
    """
    origins_m = mended.origin_m[:, None] * (0.0, 1.0, 0.0)
    given = replace(given, root_m=given.root_m + origins_m[:, None])
    distances_m = joint_distances_m(given, made)
    moved_m, furthest_m = distances_m.mean(-1).mean(1), distances_m.max((1, 2))
    before, after = (_errors(motions, mended.supports) for motions in (given, made))
    return [
        Outcome(
            root_m=made.root_m[index] - origin_m,
            rotations=made.rotations[index],
            moved_m=float(moved_m[index]),
            before=before[index],
            after=after[index],
            supports=tuple(support.moved(-origin_m) for support in mended.supports[index]),
            notes=(
                *_notes(float(origin_m[1]), mode),
                *_unexplained(found[index].help),
                *_far(float(furthest_m[index]), {why: float(by_m[index]) for why, by_m in mended.repairs_m.items()}),
            ),
            found=found[index],
        )
        for index, origin_m in enumerate(origins_m)
    ]


def joint_distances_m(one: MotionBatch, other: MotionBatch) -> np.ndarray:
    """Distances (N, T, J) between the joints of two batches."""
    return lengths(joint_positions(other) - joint_positions(one))


def _errors(motions: MotionBatch, supports: Sequence[Sequence[Support]]) -> list[dict[str, float]]:
    """The `physical_errors` of each motion by name."""
    errors = physical_errors(motions, supports)
    names = [error.name for error in fields(PhysicalErrors)]
    return [{name: float(getattr(errors, name)[index]) for name in names} for index in range(len(motions))]


def _notes(origin_m: float, mode: SupportMode) -> tuple[Note, ...]:
    """What was assumed of a motion whose height `origin_m` above its lowest ground is to be y = 0."""
    kept = () if mode.moves_to_floor else (Note(NoteKind.HEIGHT_KEPT),)
    return (*kept, *((Note(NoteKind.LOWEST_GROUND, -origin_m),) if origin_m else ()))


def _unexplained(given: Mapping[str, float]) -> tuple[Note, ...]:
    """What is said of a motion whose forces nothing explains, by the help that it was given."""
    force = given.get("unexplained_force_bodyweights", 0.0)
    return (Note(NoteKind.UNEXPLAINED, force),) if force > UNEXPLAINED_BODYWEIGHTS else ()


def _far(furthest_m: float, repairs_m: Mapping[str, float]) -> tuple[Note, ...]:
    """Why a motion moved by so much at its furthest, if that is far: for what moved its root by most of that."""
    if furthest_m <= FAR_M:
        return ()
    why, by_m = max(repairs_m.items(), key=lambda repair: repair[1])
    return (
        Note(
            NoteKind.MOVED_FAR,
            furthest_m,
            why if by_m > _MAIN_SHARE * furthest_m else "spikes, limbs or steps are mended",
        ),
    )


def failure_of(
    track: Track, distances_m: np.ndarray, names: Sequence[str], settings: TrackerSettings
) -> Failure | None:
    """Why a track is no correction, None if it is one; distances_m: (T, J) of the named joints from their targets."""
    bounds = settings.acceptance
    if track.lost_at is not None:
        kind = FailureKind.LOST if settings.unaided is None else FailureKind.FELL
        return Failure(kind, track.lost_at, limit=bounds.lost_root_m)
    off_m = distances_m.mean(-1)
    if (off_m < bounds.lost_body_m).all():
        return None
    frame = int(off_m.argmax())
    worst = names[int(distances_m[frame].argmax())]
    return Failure(FailureKind.OFF, frame, joint=worst, value=float(off_m.max()), limit=bounds.lost_body_m)


def floating(
    body: Humanoid,
    contacts: ContactPlan,
    supports: Sequence[Sequence[Support]],
    fps: float,
    settings: AcceptanceSettings,
) -> list[Failure | None]:
    """Where each body is held up for long by what the motion does not show, None if nowhere."""
    off_ground_m = above_ground_m(body, contacts.points_m, supports)[..., 1].min(-1)
    missing = np.linalg.norm(contacts.rest[..., :3], axis=-1) / body.weight_n
    held = (missing > settings.floating_bodyweights) & (off_ground_m > settings.floating_m)
    return [_floats(own, fps, settings.floating_s) for own in held]


def _floats(held: np.ndarray, fps: float, shortest_s: float) -> Failure | None:
    """The longest time, if it is long, in which something must hold the body; held: (T,)."""
    first, last = max(spans(held, round(_TOUCH_S * fps)), key=lambda span: span[1] - span[0], default=(0, 0))
    return Failure(FailureKind.FLOATING, first, last) if last - first >= shortest_s * fps else None


def help_of(body: Humanoid, wrench: np.ndarray, rest: np.ndarray) -> dict[str, float]:
    """Mean help from outside, force in body weights and torque in newton metres.

    wrench: (S, 6) what the simulation was given; rest: (T, 6) what the motion demands of more than floor and muscles,
    which is high where a support is missing that the file does not show.
    """
    parts = wrench[:, :3], wrench[:, 3:], rest[:, :3]
    force_n, torque_nm, unexplained_n = (float(np.linalg.norm(part, axis=1).mean()) for part in parts)
    return {
        "residual_force_bodyweights": force_n / body.weight_n,
        "residual_torque_nm": torque_nm,
        "unexplained_force_bodyweights": unexplained_n / body.weight_n,
    }
