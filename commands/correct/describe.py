"""Describe a motion and its correction for records and reports."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from selfcorrect.motion.checks.check import CheckResult, RuleChoice
from selfcorrect.motion.editing.transforms import heading_rad
from selfcorrect.motion.measures.moves import JointMoves
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.compare.evaluate import LARGE_MOVE_M
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.simulators.results.timeline import ResidualSpan, Timeline

from ..check.check_files import check_motion
from .body_moves import BodyMove, find_body_moves
from .file_result import (
    BodyFigures,
    CheckFigures,
    ContactFigures,
    FileContent,
    FileFigures,
    FileResult,
    FileVerdict,
    JointFigures,
)
from .left_findings import LeftFinding, explain_findings
from .options import CorrectionOptions

_T = TypeVar("_T")


@dataclass
class _OptionalSteps:
    """Runs steps that only describe a correction. If one fails, it leaves a note, and the others continue."""

    notes: list[str] = field(default_factory=list)

    def attempt(self, step: str, work: Callable[[], _T], otherwise: _T) -> _T:
        result, note = try_optional(step, work, otherwise)
        if note:
            self.notes.append(note)
        return result


def describe_correction(
    blank: FileResult, notes: tuple[str, ...], motion: Motion, correction: CorrectedMotion, options: CorrectionOptions
) -> FileResult:
    """Describe the correction of a motion.

    Args:
        blank: Result as it is before the correction.
        notes: Notes on how the file was read.
        motion: The input.
        correction: Its correction, with the motion of the written file.
        options: Options of the correction.

    Returns:
        The result with figures, contacts, supports and notes. If a step of the description fails, a note says so.
    """
    failure = correction.failure
    steps = _OptionalSteps()
    check_input = partial(check_motion, motion, RuleChoice(), None)
    input_check = CheckResult()
    if options.verify:
        input_check = steps.attempt("what is wrong in the input is not reported", check_input, input_check)
    found = {finding.code: finding for finding in reversed(input_check.findings)}  # the first of each rule
    found = dict(reversed(found.items()))
    list_residuals = partial(_list_residuals, correction.forces.timeline)
    residuals = steps.attempt("residual wrenches are not reported", list_residuals, {})
    find_carried = partial(_find_residual_spans, correction.forces.timeline)
    carried = steps.attempt("times of residual force are not reported", find_carried, [])
    contacts = steps.attempt("contacts are not reported", partial(_list_contacts, correction), [])
    reasons = [str(move.note) for move in correction.changes.large_moves if correction.accepted]
    not_corrected = [str(note) for note in correction.notes if note.kind.is_left]
    figures = FileFigures(
        before=dict(correction.before),
        after=dict(correction.after),
        body=BodyFigures(floor_m=correction.floor.moved_m),
        joints=JointFigures(added_angular_speed_deg_s=dict(correction.changes.added_angular_speed_deg_s)),
        ground=ContactFigures(
            contacts=contacts,
            supports=[asdict(support) for support in correction.contacts.supports],
            lost_contacts=correction.figures.get("lost_contacts", 0.0),
            lost_contacts_height_m=correction.figures.get("lost_contacts_height_m", 0.0),
            contacts_missed=_describe_missed_contacts(correction),
        ),
        simulation=replace(
            blank.figures.simulation,
            residual=dict(correction.forces.residual),
            over_time=residuals,
            carried=[asdict(span) for span in carried],
        ),
        large_move_reason=reasons[0] if reasons else "",
        not_corrected="; ".join(not_corrected),
    )
    body_moves: list[BodyMove] = []
    explain = partial(explain_findings, motion, correction, options)
    nothing: tuple[LeftFinding, ...] = ()
    left = steps.attempt("what is left is not reported", explain, nothing) if correction.accepted else nothing
    if correction.accepted:
        measure = partial(_with_distances, figures, *correction.see_level(motion))
        figures = steps.attempt("distances of joints are not reported", measure, figures)
    if correction.accepted and not blank.figures.simulation.in_scene:
        find_moves = partial(find_body_moves, *correction.see_level(motion))
        body_moves = steps.attempt("moves of the whole body are not reported", find_moves, [])
        figures = replace(figures, body=replace(figures.body, body_moves=list(map(asdict, body_moves))))
        large = [str(move) for move in body_moves if move.size_m > LARGE_MOVE_M]
        if large and not figures.large_move_reason:
            figures = replace(figures, large_move_reason="; ".join(large))
    faults_left = tuple(str(each) for each in left if not each.reason)
    left_on_purpose = tuple(str(each) for each in left if each.reason)
    all_notes = [*notes, *map(str, found.values()), *map(str, correction.notes)]
    all_notes += map(str, body_moves)
    all_notes += [f"after the correction: {fault}" for fault in faults_left]
    all_notes += [f"left on purpose: {finding}" for finding in left_on_purpose]
    if carried:
        all_notes.append(f"residual force in frames {', '.join(map(str, carried))}")
    all_notes += [*input_check.notes, *steps.notes]
    parts = zip(motion.skeleton.parts, motion.skeleton.names, strict=True)
    checked = CheckFigures(
        failed_checks=tuple(found),
        findings=[LeftFinding(finding).to_values() for finding in input_check.findings],
        findings_left=[each.to_values() for each in left],
        faults_left=faults_left,
        left_on_purpose=left_on_purpose,
    )
    content = FileContent(
        assumed=blank.content.assumed,
        damage=blank.content.damage,
        notes=tuple(all_notes),
        checked=checked,
        hypotheses=correction.hypotheses if correction.accepted else (),
        text=motion.text,
        frames=len(motion),
        fps=motion.fps,
        parts={part: name for part, name in parts if part},
    )
    described = replace(blank, reason=correction.reason, content=content, figures=figures)
    if failure is not None:
        described = replace(described, frame=failure.frame, failure=asdict(failure))
    if not correction.accepted:
        return replace(described, verdict="rejected", stage="")
    verdict: FileVerdict = "unchanged" if correction.is_unchanged else "accepted"
    return replace(described, verdict=verdict, stage=str(correction.stage or ""))


def _describe_missed_contacts(correction: CorrectedMotion) -> str:
    """Describe how many contacts are not held, and the worst one; "" if all are held."""
    missed = correction.left.missed_contacts
    if not missed:
        return ""
    contacts = "1 contact is" if len(missed) == 1 else f"{len(missed)} contacts are"
    return f"{contacts} not held; {missed[0]}"


def _with_distances(figures: FileFigures, before: Motion, after: Motion) -> FileFigures:
    """Add to the figures how far joints moved, and how much travel and turn changed."""
    names = before.skeleton.names
    moves = JointMoves.from_motions(before, after)
    x_m, z_m, turn_rad = measure_travel(after) - measure_travel(before)
    smallest_turn_rad = (turn_rad + np.pi) % (2 * np.pi) - np.pi
    body = replace(
        figures.body,
        moved_m=moves.moved_m,
        raised_m=moves.raised_m,
        travel_changed_m=float(np.hypot(x_m, z_m)),
        turn_changed_deg=float(np.degrees(abs(smallest_turn_rad))),
    )
    joints = replace(
        figures.joints,
        moved_by_joint_m=dict(zip(names, moves.by_joint_m.tolist(), strict=True)),
        furthest_m=moves.furthest_m,
        furthest_joint=names[moves.furthest_joint],
        furthest_frame=moves.furthest_frame,
    )
    return replace(figures, body=body, joints=joints)


def measure_travel(motion: Motion) -> np.ndarray:
    """Return the root's displacement along x and z (m) and its change of heading (rad), from first to last frame."""
    first_rad, last_rad = heading_rad(motion.rotations[[0, -1], 0])
    return np.array([*(motion.root_m[-1] - motion.root_m[0])[[0, 2]], last_rad - first_rad])


def _list_residuals(timeline: Timeline | None) -> dict[str, list[float]]:
    """Return the residual wrench of each frame, rounded."""
    if timeline is None:
        return {}
    return {
        "residual_force_bodyweights": timeline.residual_force_bodyweights.round(3).tolist(),
        "residual_torque_nm": timeline.residual_torque_nm.round(1).tolist(),
    }


def _find_residual_spans(timeline: Timeline | None) -> list[ResidualSpan]:
    """Find the frames with a residual root force. Returns [] if it acts in all frames."""
    carried = [] if timeline is None else timeline.find_residual_spans()
    frames = sum(span.last_frame - span.first_frame + 1 for span in carried)
    return carried if timeline is not None and frames < len(timeline) else []


def _list_contacts(correction: CorrectedMotion) -> list[dict[str, Any]]:
    """List when body parts bear weight or, without a simulation, when feet stand."""
    if correction.forces.timeline is not None:
        contacts = correction.forces.timeline.contacts()
    elif correction.accepted:
        contacts = list(correction.contacts.standing_feet)
    else:
        contacts = []
    return [asdict(contact) for contact in contacts]
