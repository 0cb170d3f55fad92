"""Evaluate corrected motions.

Results have distances moved, residual forces, and reasons to reject motions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import cached_poses, forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.stances import SHORTEST_STANCE_S
from selfcorrect.motion.support import Support
from selfcorrect.runtime.bugs import try_optional

from ..body.contact_points import above_ground_m
from ..body.humanoid import Humanoid
from ..results.results import (
    LARGE_MOVE_M,
    Beliefs,
    CorrectedMotion,
    Failure,
    FailureKind,
    Forces,
    GroundContacts,
    LargeMove,
    MotionChanges,
    Note,
    NoteKind,
    Repair,
    Stage,
)
from ..results.timeline import Timeline
from ..results.way_back import map_space
from ..settings.plan import SupportMode
from ..settings.tracker import AcceptanceSettings, TrackerSettings
from ..stages.values import CleanedMotions, MotionPlan, SimulatedMotion, TrackingResult, select_motions

UNEXPLAINED_BODYWEIGHTS = 0.4
"""Mean unexplained force above which a motion has an error, in body weights. One in 155 of CMU's training clips has
more (an acrobat in someone's hands), and so have most clips that play at twice the speed while their feet glide."""


_LYING_SHANK_M = 0.02
"""Maximum height difference between the ends of a lying shank, in m."""


_MAIN_SHARE = 0.5
"""Share of a large move above which a repair is its cause. For the simulation, this is also the minimum share of
simulated states."""


def evaluate(
    tracked: TrackingResult,
    corrected: MotionBatch,
    shares: np.ndarray,
    settings: TrackerSettings,
    mode: SupportMode,
    not_followed: Sequence[int] = (),
) -> list[CorrectedMotion]:
    """Evaluate planned motions of which some were simulated, after post-processing.

    Args:
        tracked: Plans and simulations of N motions.
        corrected: The post-processed motions.
        shares: (N, T) share of the simulation in each frame of the corrected motions.
        settings: Settings of the tracker, with the acceptance limits.
        mode: Supports that may carry the body.
        not_followed: Indices of motions whose simulations failed and were dropped.

    Returns:
        A correction of each motion, with figures, notes, and the reason if it is rejected.
    """
    findings = _findings(tracked, corrected, shares, settings, mode)
    for index in not_followed:
        forces = replace(findings[index].forces, is_simulation_dropped=True)
        findings[index] = replace(findings[index], forces=forces)
    cleaned = tracked.cleaned
    furthest_m = joint_distances_m(cleaned.motions, corrected).max((1, 2))
    simulation_m = np.where(shares.mean(1) > _MAIN_SHARE, furthest_m, 0.0)
    return _build_results(cleaned, corrected, findings, {Repair.SIMULATION: simulation_m})


def evaluate_kinematic(cleaned: CleanedMotions, corrected: MotionBatch) -> list[CorrectedMotion]:
    """Evaluate motions that were corrected by kinematics only."""
    findings = [CorrectedMotion(corrected[index], stage=Stage.CLEANED) for index in range(len(corrected))]
    return _build_results(cleaned, corrected, findings, {})


def _build_results(
    cleaned: CleanedMotions,
    corrected: MotionBatch,
    findings: Sequence[CorrectedMotion],
    later_repairs_m: Mapping[Repair, np.ndarray],
) -> list[CorrectedMotion]:
    """Complete findings into results.

    Distances, supports and notes are added, and motions are moved back to their height.

    Args:
        cleaned: N motions after the clean-up.
        findings: Findings about each motion so far.
        later_repairs_m: (N,) largest joint move by each repair after the clean-up, in m.
    """
    corrected = _restore_rigid_joints(cleaned.original, corrected)
    distances_m = joint_distances_m(cleaned.on_floor.view(cleaned.original), corrected)
    moved_m = distances_m.mean(-1).mean(1)
    furthest_m = distances_m.max((1, 2))
    repairs_m = {**cleaned.repairs_m, **later_repairs_m}
    results = []
    for index, finding in enumerate(findings):
        repairs_of_motion_m = {repair: float(by_m[index]) for repair, by_m in repairs_m.items()}
        remarks = (*cleaned.floor.notes[index], *finding.remarks, *_unexplained_force_note(finding.forces.residual))
        on_floor = replace(
            finding,
            motion=corrected[index],
            figures={"moved_m": float(moved_m[index])},
            contacts=GroundContacts(supports=cleaned.supports[index]),
            beliefs=Beliefs(is_carried=bool(cleaned.floor.is_in_place[index]), names=cleaned.believed[index]),
            changes=MotionChanges(
                large_moves=explain_large_move(float(furthest_m[index]), repairs_of_motion_m),
                removed_glide_m_s=float(cleaned.floor.removed_glides_m_s[index]),
            ),
            remarks=remarks,
        )
        shift_m = cleaned.on_floor.shift_m[index, : len(on_floor.motion)]
        results.append(map_space(on_floor, -shift_m))
    return results


def _findings(
    tracked: TrackingResult, corrected: MotionBatch, shares: np.ndarray, settings: TrackerSettings, mode: SupportMode
) -> list[CorrectedMotion]:
    """Return the findings of plan and simulation."""
    plan = tracked.plan
    fps = plan.motions.fps
    names = tracked.cleaned.motions.skeleton.names
    floats: list[Failure | None] = [None] * len(corrected)
    if mode.finds_supports and not settings.has_fallback:
        floats = _find_floating(plan, settings.acceptance)
    errors_m = _measure_tracking_errors_m(tracked)
    findings = []
    for index, share in enumerate(shares):
        rest = plan.contacts.unexplained[index]
        track = tracked.tracks[index]
        failure = None
        if track is None:
            residual = mean_residual(plan.body, rest, rest)
            make = partial(make_planned_timeline, plan, index)
        else:
            residual = mean_residual(plan.body, track.wrench, rest)
            residual["polished_m"] = _measure_polish_m(tracked, corrected, index)
            failure = find_failure(track, errors_m[index], names, settings)
            steps = settings.engine.steps_per_frame(fps)
            make = partial(make_timeline, plan.body, track, fps, steps, plan.supports[index : index + 1])
        timeline, note = try_optional("no timeline", make, None)
        finding = CorrectedMotion(
            corrected[index],
            failure=floats[index] or failure,
            stage=Stage.SIMULATED if share.any() else Stage.PLANNED,
            forces=Forces({**residual, "simulated_share": float(share.mean())}, timeline),
            remarks=(Note(words=note),) if note else (),
        )
        findings.append(finding)
    return findings


def _measure_tracking_errors_m(tracked: TrackingResult) -> dict[int, np.ndarray]:
    """Measure distances between simulated and cleaned joints.

    Returns:
        (T, J) by the index of each motion that was simulated.
    """
    if tracked.states is None:
        return {}
    simulated = tracked.simulated
    errors_m = joint_distances_m(select_motions(tracked.cleaned.motions, simulated), tracked.states)
    return dict(zip(simulated, errors_m, strict=True))


def _measure_polish_m(tracked: TrackingResult, corrected: MotionBatch, index: int) -> float:
    """Measure the mean distance by which polishing moved simulated joints, in m."""
    assert tracked.states is not None
    row = tracked.simulated.index(index)
    distances_m = joint_distances_m(select_motions(tracked.states, [row]), select_motions(corrected, [index]))
    return float(distances_m.mean(-1)[0].mean())


def drop_failed_tracks(tracked: TrackingResult, settings: TrackerSettings) -> tuple[TrackingResult, list[int]]:
    """Drop simulations whose joints strayed from the motion.

    The root could follow, so the motion is possible, and the plan is still better than the motion before.

    Returns:
        The result without these simulations, and the indices of their motions.
    """
    names = tracked.cleaned.motions.skeleton.names
    errors_m = _measure_tracking_errors_m(tracked)
    tracks = list(tracked.tracks)
    failed = []
    for index, motion_errors_m in errors_m.items():
        track = tracks[index]
        assert track is not None
        failure = find_failure(track, motion_errors_m, names, settings)
        if failure is not None and failure.kind is FailureKind.OFF:
            failed.append(index)
            tracks[index] = None
    if not failed or tracked.states is None:
        return tracked, []
    rows = [row for row, index in enumerate(errors_m) if index not in failed]
    states = select_motions(tracked.states, rows) if rows else None
    return replace(tracked, tracks=tracks, states=states), failed


def _restore_rigid_joints(original: MotionBatch, corrected: MotionBatch) -> MotionBatch:
    """Restore the rotations of rigid joints, for which files store no other rotations."""
    names = corrected.skeleton.names
    rigid = [joint for joint, name in enumerate(names) if name in corrected.skeleton.rigid]
    if not rigid:
        return corrected
    rotations = corrected.rotations.copy()
    rotations[..., rigid, :] = original.rotations[..., rigid, :]
    return replace(corrected, rotations=rotations)


def joint_distances_m(first: MotionBatch, second: MotionBatch) -> np.ndarray:
    """Return joint distances (N, T, J) between two batches, in m."""
    first_m, _ = cached_poses(first)
    second_m, _ = cached_poses(second)
    return norms(second_m - first_m)


def _unexplained_force_note(residual: Mapping[str, float]) -> tuple[Note, ...]:
    """Return a note if the unexplained force is large."""
    force = residual.get("unexplained_force_bodyweights", 0.0)
    return (Note(NoteKind.UNEXPLAINED, force),) if force > UNEXPLAINED_BODYWEIGHTS else ()


def explain_large_move(furthest_m: float, repairs_m: Mapping[Repair, float]) -> tuple[LargeMove, ...]:
    """Attribute a large move to a repair.

    The repair moved the root by most of the distance. A smaller move gives ().
    """
    if furthest_m <= LARGE_MOVE_M:
        return ()
    repair, by_m = max(repairs_m.items(), key=lambda item: item[1])
    main_repair = repair if by_m > _MAIN_SHARE * furthest_m else Repair.OTHER
    return (LargeMove(furthest_m, main_repair),)


def find_failure(
    track: SimulatedMotion, distances_m: np.ndarray, names: Sequence[str], settings: TrackerSettings
) -> Failure | None:
    """Return why a simulated motion is rejected, or None if it is accepted.

    Args:
        track: The simulated motion of T frames.
        distances_m: (T, J) distances of its joints from their targets.
        settings: Settings of the tracker, with the acceptance limits.
    """
    bounds = settings.acceptance
    if track.lost_at is not None:
        has_residual_force = settings.residual_free is None or settings.has_fallback
        kind = FailureKind.LOST if has_residual_force else FailureKind.FELL
        return Failure(kind, track.lost_at, limit=bounds.lost_root_m)
    body_errors_m = distances_m.mean(-1)
    if (body_errors_m < bounds.lost_body_m).all():
        return None
    frame = int(body_errors_m.argmax())
    worst_joint = names[int(distances_m[frame].argmax())]
    largest_m = float(body_errors_m.max())
    return Failure(FailureKind.OFF, frame, joint=worst_joint, value=largest_m, limit=bounds.lost_body_m)


def _find_floating(plan: MotionPlan, settings: AcceptanceSettings) -> list[Failure | None]:
    """Return a failure for each body that floats without support for long, else None."""
    body = plan.body
    contacts = plan.contacts
    off_ground_m = above_ground_m(body, contacts.points_m, plan.supports)[..., 1].min(-1)
    missing = np.linalg.norm(contacts.unexplained[..., :3], axis=-1) / body.weight_n
    is_floating = (missing > settings.floating_bodyweights) & (off_ground_m > settings.floating_m)
    return [_longest_float(is_floating[index], plan.motions.fps, settings.floating_s) for index in range(len(plan))]


def _longest_float(is_floating: np.ndarray, fps: float, shortest_s: float) -> Failure | None:
    """Return the longest float in frames (T,) as a failure; None if it is too short."""
    floats = spans(is_floating, round(SHORTEST_STANCE_S * fps))
    first, last = max(floats, key=lambda span: span[1] - span[0], default=(0, 0))
    return Failure(FailureKind.FLOATING, first, last) if last - first >= shortest_s * fps else None


def mean_residual(body: Humanoid, wrench: np.ndarray, rest: np.ndarray) -> dict[str, float]:
    """Return mean residual and unexplained forces.

    Forces are in body weights, and the residual moment is in N m.

    Args:
        wrench: (S, 6) residual wrench in each simulation step.
        rest: (T, 6) wrench that the motion demands beyond floor and muscles. It is high if a support is missing that
            the file does not show.
    """
    force_n = _mean_norm(wrench[:, :3])
    torque_nm = _mean_norm(wrench[:, 3:])
    unexplained_n = _mean_norm(rest[:, :3])
    return {
        "residual_force_bodyweights": force_n / body.weight_n,
        "residual_torque_nm": torque_nm,
        "unexplained_force_bodyweights": unexplained_n / body.weight_n,
    }


def _mean_norm(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=1).mean())


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
"""Name of a link by the body part of its joint. Heel and toes are one foot."""


def make_timeline(
    body: Humanoid, track: SimulatedMotion, fps: float, steps_per_frame: int, supports: Sequence[Sequence[Support]] = ()
) -> Timeline:
    """Make the timeline of a simulated motion.

    No step leads to the first frame, so it repeats the second.
    """
    wrench = track.wrench.reshape(-1, steps_per_frame, 2, 3)
    force_n, moment_nm = np.linalg.norm(wrench, axis=-1).mean(axis=1).T
    rows = np.maximum(np.arange(len(force_n) + 1) - 1, 0)
    loads_n = _move_ankle_loads_to_feet(body, track, supports)
    return _timeline(body, fps, force_n[rows], moment_nm[rows], loads_n[rows])


def _move_ankle_loads_to_feet(
    body: Humanoid, track: SimulatedMotion, supports: Sequence[Sequence[Support]]
) -> np.ndarray:
    """Move the loads on the shanks' ankle ends to the feet.

    A shank's capsule ends in a ball around the ankle, which reaches as deep as the heel of a low foot. The load is the
    ball's if that end is nearer to the ground than the knee by more than `_LYING_SHANK_M`.

    Returns:
        (F, L) in newtons.
    """
    loads_n = track.loads_n.copy()
    motion = track.motion
    frames = slice(1, 1 + len(loads_n))
    poses = forward_kinematics(body.tree, motion.root_m[frames], motion.rotations[frames])
    points_m = body.contact_points.lowest_points(*poses)
    above_m = above_ground_m(body, points_m[None], supports)[0, ..., 1]
    for shank, foot in _find_shanks_and_feet(body):
        knee_m, ankle_m = above_m[:, body.contact_points.links == shank].T
        on_ankle_n = np.where(ankle_m < knee_m - _LYING_SHANK_M, loads_n[:, shank], 0.0)
        loads_n[:, shank] -= on_ankle_n
        loads_n[:, foot] += on_ankle_n
    return loads_n


def _find_shanks_and_feet(body: Humanoid) -> list[tuple[int, int]]:
    """Return the links of shank and foot of each leg."""
    parts = body.tree.parts
    return [(parts.index(f"{side}_knee"), parts.index(f"{side}_ankle")) for side in ("left", "right")]


def make_planned_timeline(plan: MotionPlan, index: int) -> Timeline:
    """Make a planned motion's timeline of unexplained wrenches and contact forces."""
    body = plan.body
    contacts = plan.contacts
    wrench = contacts.unexplained[index].reshape(-1, 2, 3)
    force_n, moment_nm = np.linalg.norm(wrench, axis=-1).T
    bearing = body.contact_points.links.copy()
    for shank, foot in _find_shanks_and_feet(body):
        ankle_end = np.flatnonzero(bearing == shank)[1:]
        bearing[ankle_end] = foot
    is_on_link = bearing[:, None] == np.arange(len(body))
    loads_n = contacts.force_n[index, :, :, 1] @ is_on_link
    return _timeline(body, plan.motions.fps, force_n, moment_nm, loads_n)


def _timeline(body: Humanoid, fps: float, force_n: np.ndarray, moment_nm: np.ndarray, loads_n: np.ndarray) -> Timeline:
    """Make a timeline by body part.

    Args:
        force_n: (T,).
        moment_nm: (T,).
        loads_n: (T, L) on links.
    """
    sides = [part.rpartition("_") for part in body.tree.parts]
    names = [f"{side} {_PARTS.get(part, part)}".strip() for side, _, part in sides]
    parts = tuple(dict.fromkeys(names))
    part_loads_n = []
    for part in parts:
        is_part = [name == part for name in names]
        part_loads_n.append(loads_n[:, is_part].sum(axis=1))
    return Timeline(
        fps=fps,
        residual_force_bodyweights=force_n / body.weight_n,
        residual_torque_nm=moment_nm,
        parts=parts,
        loads_bodyweights=np.stack(part_loads_n, axis=1) / body.weight_n,
    )
