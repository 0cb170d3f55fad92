"""What became of motions: how far they moved, what is left of their errors, their residual force, and why they fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial

import numpy as np

from selfcorrect.motion.body.foot_frames import level_feet
from selfcorrect.motion.correction.results import CorrectedMotion, Failure, FailureKind, Note, NoteKind, Repair, Stage
from selfcorrect.motion.correction.timeline import Timeline, spans
from selfcorrect.motion.geometry.kinematics import cached_poses, forward_kinematics
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.geometry.views import LevelFeet
from selfcorrect.motion.measures.physical import PhysicalErrors, errors_of_poses
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import FootFrames
from selfcorrect.motion.support import Support
from selfcorrect.runtime.bugs import attempted

from .body.humanoid import Humanoid
from .contacts.contact_plan import above_ground_m
from .settings.plan import SupportMode
from .settings.tracker import AcceptanceSettings, TrackerSettings
from .stages.values import CleanedMotions, MotionPlan, SimulatedMotion, TrackingResult, select_motions

FAR_M = 0.2
"""Errors of captures move no joint further: larger moves may undo what was meant, and are reported."""


UNEXPLAINED_BODYWEIGHTS = 0.4
"""Mean force beyond which something is wrong. One in 155 of CMU's training clips misses more (an acrobat, in someone's
hands). So do most of those that are sped up twice while their feet glide."""


_TOUCH_S = 0.1
"""Gaps so short do not end the time in which a body is held up by nothing."""


_LEVEL_M = 0.02
"""A shank whose ends differ less in height above the ground may lie on it with all its length."""


_MAIN_SHARE = 0.5
"""A repair is why a motion moved far that moved its root by more than this share of the way, and the simulation one of
which more than this share of it is made and that moved a joint so far."""


def evaluate(
    tracked: TrackingResult, made: MotionBatch, shares: np.ndarray, settings: TrackerSettings, mode: SupportMode
) -> list[CorrectedMotion]:
    """What became of motions that were planned, some of them simulated, and then made into others.

    shares: (N, T) how much of the simulation is in each frame of `made`.
    """
    found = _findings(tracked, made, shares, settings, mode)
    cleaned = tracked.cleaned
    by_m = np.where(shares.mean(1) > _MAIN_SHARE, joint_distances_m(cleaned.motions, made).max((1, 2)), 0.0)
    return _build_results(cleaned, made, found, mode, {Repair.SIMULATION: by_m})


def evaluate_kinematic(cleaned: CleanedMotions, made: MotionBatch, mode: SupportMode) -> list[CorrectedMotion]:
    """What became of motions that were cleaned, and then made into others by kinematics alone."""
    found = [CorrectedMotion(made[index], stage=Stage.CLEANED) for index in range(len(made))]
    return _build_results(cleaned, made, found, mode, {})


def _build_results(
    cleaned: CleanedMotions,
    made: MotionBatch,
    found: Sequence[CorrectedMotion],
    mode: SupportMode,
    since_m: Mapping[Repair, np.ndarray],
) -> list[CorrectedMotion]:
    """Findings about motions, completed, which were made of cleaned ones and moved (N,) at most `since_m` after that.

    All are measured against the ground on which they stand, and then put back to their original height. Feet that walk
    on the spot are measured against the treadmill; where the drift of a floor is kept, they slide with it.
    """
    floor, given = cleaned.floor, cleaned.given
    made = _restore_rigid_joints(given, made)
    given, placed = cleaned.on_floor.view(given), cleaned.on_floor.restore(made)
    distances_m = joint_distances_m(given, made)
    moved_m, furthest_m = distances_m.mean(-1).mean(1), distances_m.max((1, 2))
    by_what_m = {**cleaned.repairs_m, **since_m}
    drift_m = np.where(floor.in_place[:, None, None], 0.0, floor.moved_m)
    shown = made
    if drift_m.any():
        given, shown = (replace(motions, root_m=motions.root_m + drift_m) for motions in (given, made))
    if cleaned.fitted_soles:
        shown = _fit_soles_of_single(placed, shown.root_m)
    (before, after), unmeasured = _measure_errors_before_after(given, shown, cleaned.supports)
    return [
        replace(
            found[index],
            motion=placed[index],
            before=before[index],
            after=after[index],
            figures={"moved_m": float(moved_m[index])},
            supports=tuple(
                support.shift(-own_m[(support.first + support.last) // 2]) for support in cleaned.supports[index]
            ),
            notes=(
                *_height_notes(float(own_m[0, 1]), mode),
                *floor.notes[index],
                *found[index].notes,
                *unmeasured,
                *_unexplained_force_note(found[index].residual),
                *explain_large_move(
                    float(furthest_m[index]), {why: float(by_m[index]) for why, by_m in by_what_m.items()}
                ),
            ),
        )
        for index, own_m in enumerate(cleaned.on_floor.shift_m)
    ]


def _findings(
    tracked: TrackingResult, made: MotionBatch, shares: np.ndarray, settings: TrackerSettings, mode: SupportMode
) -> list[CorrectedMotion]:
    """Findings of plan and simulation about each motion."""
    plan, own = tracked.plan, dict[int, CorrectedMotion]()
    if tracked.states is not None:
        here = tracked.simulated
        off_m = joint_distances_m(select_motions(tracked.cleaned.motions, here), tracked.states)
        polish_m = joint_distances_m(tracked.states, select_motions(made, here)).mean(-1)
        for index, each_m, away_m in zip(here, off_m, polish_m, strict=True):
            own[index] = _simulation_findings(tracked, index, made[index], each_m, float(away_m.mean()), settings)
    found = [own.get(index) or _plan_findings(plan, index, made[index]) for index in range(len(made))]
    if mode.finds_supports and not settings.falls_back:
        floats = _find_floating(plan, settings.acceptance)
        found = [replace(each, failure=held or each.failure) for each, held in zip(found, floats, strict=True)]
    return [
        replace(
            each,
            stage=Stage.SIMULATED if share.any() else Stage.PLANNED,
            residual={**each.residual, "simulated_share": float(share.mean())},
        )
        for each, share in zip(found, shares, strict=True)
    ]


def _plan_findings(plan: MotionPlan, index: int, made: Motion) -> CorrectedMotion:
    """Findings of the plan about one motion that was not simulated."""
    rest = plan.contacts.rest[index]
    found = CorrectedMotion(made, residual=mean_residual(plan.body, rest, rest))
    return _with_timeline(found, partial(make_planned_timeline, plan, index))


def _simulation_findings(
    tracked: TrackingResult, index: int, made: Motion, off_m: np.ndarray, polished_m: float, settings: TrackerSettings
) -> CorrectedMotion:
    """Findings of the simulation about one motion.

    off_m: (T, J) distances of the joints from where they should be; polished_m: that of what came out from them.
    """
    plan, track = tracked.plan, tracked.tracks[index]
    names = tracked.cleaned.motions.skeleton.names
    assert track is not None
    residual = {**mean_residual(plan.body, track.wrench, plan.contacts.rest[index]), "polished_m": polished_m}
    steps = settings.engine.steps_per_frame(plan.links.fps)
    return _with_timeline(
        CorrectedMotion(made, find_failure(track, off_m, names, settings), residual=residual),
        partial(make_timeline, plan.body, track, plan.links.fps, steps, plan.supports[index : index + 1]),
    )


def _with_timeline(found: CorrectedMotion, work: Callable[[], Timeline]) -> CorrectedMotion:
    """Findings with what happened in each frame, or a note where that is unknown."""
    told, note = attempted("no timeline", work, None)
    return replace(found, timeline=told, notes=(Note(words=note),) if note else ())


def _restore_rigid_joints(given: MotionBatch, made: MotionBatch) -> MotionBatch:
    """The motions `made`, their rigid joints turned as those given: files do not hold other turns."""
    names = made.skeleton.names
    rigid = [joint for joint, name in enumerate(names) if name in made.skeleton.rigid]
    if not rigid:
        return made
    rotations = made.rotations.copy()
    rotations[..., rigid, :] = given.rotations[..., rigid, :]
    return replace(made, rotations=rotations)


def joint_distances_m(one: MotionBatch, other: MotionBatch) -> np.ndarray:
    """Distances (N, T, J) between the joints of two batches."""
    return norms(cached_poses(other)[0] - cached_poses(one)[0])


def _fit_soles_of_single(motions: MotionBatch, roots_m: np.ndarray) -> MotionBatch:
    """The one motion, where its file has it, with soles where it shows them, and then its root elsewhere (1, T, 3).

    The soles of the input would flatter it: a foot that was lifted from them neither sinks nor slides.
    """
    written = LevelFeet(motions.feet or FootFrames()).restore(motions[0])
    return MotionBatch.stack([replace(level_feet(written), root_m=roots_m[0])])


def _measure_errors_before_after(
    given: MotionBatch, made: MotionBatch, supports: Sequence[Sequence[Support]]
) -> tuple[list[list[dict[str, float]]], tuple[Note, ...]]:
    """The errors of the motions before and after, none of them with a note where they cannot be measured."""
    nothing: list[list[dict[str, float]]] = [[{}] * len(given)] * 2
    errors, note = attempted(
        "errors are not reported", lambda: [_measure_errors(motions, supports) for motions in (given, made)], nothing
    )
    return errors, (Note(words=note),) if note else ()


def _measure_errors(motions: MotionBatch, supports: Sequence[Sequence[Support]]) -> list[dict[str, float]]:
    """The `physical_errors` of each motion by name."""
    errors = errors_of_poses(motions, *cached_poses(motions), supports)
    names = [error.name for error in fields(PhysicalErrors)]
    return [{name: float(getattr(errors, name)[index]) for name in names} for index in range(len(motions))]


def _height_notes(origin_m: float, mode: SupportMode) -> tuple[Note, ...]:
    """The assumption about a motion whose height `origin_m` above its lowest ground becomes y = 0."""
    kept = () if mode.moves_to_floor else (Note(NoteKind.HEIGHT_KEPT),)
    return (*kept, *((Note(NoteKind.LOWEST_GROUND, -origin_m),) if origin_m else ()))


def _unexplained_force_note(given: Mapping[str, float]) -> tuple[Note, ...]:
    """The note on a motion whose forces nothing explains, by the residual force that it was given."""
    force = given.get("unexplained_force_bodyweights", 0.0)
    return (Note(NoteKind.UNEXPLAINED, force),) if force > UNEXPLAINED_BODYWEIGHTS else ()


def explain_large_move(furthest_m: float, repairs_m: Mapping[Repair, float]) -> tuple[Note, ...]:
    """Why a motion moved by so much at its furthest, if that is far: for what moved its root by most of that."""
    if furthest_m <= FAR_M:
        return ()
    repair, by_m = max(repairs_m.items(), key=lambda each: each[1])
    main = repair if by_m > _MAIN_SHARE * furthest_m else Repair.OTHER
    return (Note(NoteKind.MOVED_FAR, furthest_m, repair=main),)


def find_failure(
    track: SimulatedMotion, distances_m: np.ndarray, names: Sequence[str], settings: TrackerSettings
) -> Failure | None:
    """Why a track is no correction, None if it is one; distances_m: (T, J) of the named joints from their targets."""
    bounds = settings.acceptance
    if track.lost_at is not None:
        helped = settings.residual_free is None or settings.falls_back
        kind = FailureKind.LOST if helped else FailureKind.FELL
        return Failure(kind, track.lost_at, limit=bounds.lost_root_m)
    off_m = distances_m.mean(-1)
    if (off_m < bounds.lost_body_m).all():
        return None
    frame = int(off_m.argmax())
    worst = names[int(distances_m[frame].argmax())]
    return Failure(FailureKind.OFF, frame, joint=worst, value=float(off_m.max()), limit=bounds.lost_body_m)


def _find_floating(plan: MotionPlan, settings: AcceptanceSettings) -> list[Failure | None]:
    """Where each body is held up for long by what the motion does not show, None if nowhere."""
    body, contacts = plan.body, plan.contacts
    off_ground_m = above_ground_m(body, contacts.points_m, plan.supports)[..., 1].min(-1)
    missing = np.linalg.norm(contacts.rest[..., :3], axis=-1) / body.weight_n
    held = (missing > settings.floating_bodyweights) & (off_ground_m > settings.floating_m)
    return [_longest_float(own, plan.links.fps, settings.floating_s) for own in held]


def _longest_float(held: np.ndarray, fps: float, shortest_s: float) -> Failure | None:
    """The longest time, if it is long, in which something must hold the body; held: (T,)."""
    first, last = max(spans(held, round(_TOUCH_S * fps)), key=lambda span: span[1] - span[0], default=(0, 0))
    return Failure(FailureKind.FLOATING, first, last) if last - first >= shortest_s * fps else None


def mean_residual(body: Humanoid, wrench: np.ndarray, rest: np.ndarray) -> dict[str, float]:
    """Mean root residual force in body weights, and moment in newton metres.

    wrench: (S, 6) what the simulation was given. rest: (T, 6) what the motion demands beyond floor and muscles. It is
    high where a support is missing that the file does not show.
    """
    parts = wrench[:, :3], wrench[:, 3:], rest[:, :3]
    force_n, torque_nm, unexplained_n = (float(np.linalg.norm(part, axis=1).mean()) for part in parts)
    return {
        "residual_force_bodyweights": force_n / body.weight_n,
        "residual_torque_nm": torque_nm,
        "unexplained_force_bodyweights": unexplained_n / body.weight_n,
    }


_PARTS = {
    "spine1": "trunk and head",
    "spine2": "trunk and head",
    "spine3": "trunk and head",
    "hip": "thigh",
    "knee": "shank",
    "ankle": "foot",
    "shoulder": "upper arm",
    "elbow": "forearm and hand",
}
"""What a link is called, by the body part whose joint it hangs on."""


def link_part_names(body: Humanoid) -> list[str]:
    """Of each link; heel and toes are one foot."""
    sides = [part.rpartition("_") for part in body.tree.parts]
    return [f"{side} {_PARTS.get(part, part)}".strip() for side, _, part in sides]


def make_timeline(
    body: Humanoid, track: SimulatedMotion, fps: float, steps_per_frame: int, supports: Sequence[Sequence[Support]] = ()
) -> Timeline:
    """A track as it is reported; the first frame, to which no step leads, is like the second.

    supports: those of this one motion, or none.
    """
    wrench = track.wrench.reshape(-1, steps_per_frame, 2, 3)
    force_n, moment_nm = np.linalg.norm(wrench, axis=-1).mean(axis=1).T
    started = np.maximum(np.arange(len(force_n) + 1) - 1, 0)
    loads_n = _move_ankle_loads_to_feet(body, track, supports)
    return _timeline(body, fps, force_n[started], moment_nm[started], loads_n[started])


def _move_ankle_loads_to_feet(
    body: Humanoid, track: SimulatedMotion, supports: Sequence[Sequence[Support]]
) -> np.ndarray:
    """The loads (F, L) of a track, in newtons, those on the ankle's end of a shank as loads of its foot.

    The shank's capsule ends in a ball around the ankle, which reaches as deep as a low foot's heel. It touches there
    alone where that end is nearer to the ground than the knee by more than `_LEVEL_M`.
    """
    loads_n, motion = track.loads_n.copy(), track.motion
    frames = slice(1, 1 + len(loads_n))
    poses = forward_kinematics(body.tree, motion.root_m[frames], motion.rotations[frames])
    above_m = above_ground_m(body, body.contact_points.lowest_points(*poses)[None], supports)[0, ..., 1]
    for shank, foot in _find_shanks_and_feet(body):
        knee_m, ankle_m = above_m[:, body.contact_points.links == shank].T
        on_ankle_n = np.where(ankle_m < knee_m - _LEVEL_M, loads_n[:, shank], 0.0)
        loads_n[:, shank] -= on_ankle_n
        loads_n[:, foot] += on_ankle_n
    return loads_n


def _find_shanks_and_feet(body: Humanoid) -> list[tuple[int, int]]:
    """The links of shank and foot of each leg."""
    parts = body.tree.parts
    return [(parts.index(f"{side}_knee"), parts.index(f"{side}_ankle")) for side in ("left", "right")]


def make_planned_timeline(plan: MotionPlan, index: int) -> Timeline:
    """One motion of a plan as it is reported: what contacts leave unexplained, and the forces that they give."""
    body, contacts = plan.body, plan.contacts
    force_n, moment_nm = np.linalg.norm(contacts.rest[index].reshape(-1, 2, 3), axis=-1).T
    bearing = body.contact_points.links.copy()
    for shank, foot in _find_shanks_and_feet(body):
        bearing[np.flatnonzero(bearing == shank)[1:]] = foot  # the ankle's end of its capsule
    loads_n = contacts.force_n[index, :, :, 1] @ (bearing[:, None] == np.arange(len(body)))
    return _timeline(body, plan.links.fps, force_n, moment_nm, loads_n)


def _timeline(body: Humanoid, fps: float, force_n: np.ndarray, moment_nm: np.ndarray, loads_n: np.ndarray) -> Timeline:
    """The sizes (T,) of force and moment, and the loads (T, L) on links, by parts of the body."""
    names = link_part_names(body)
    parts = tuple(dict.fromkeys(names))
    loads_n = np.stack([loads_n[:, [name == part for name in names]].sum(axis=1) for part in parts], axis=1)
    return Timeline(
        fps=fps,
        residual_force_bodyweights=force_n / body.weight_n,
        residual_torque_nm=moment_nm,
        parts=parts,
        loads_bodyweights=loads_n / body.weight_n,
    )
