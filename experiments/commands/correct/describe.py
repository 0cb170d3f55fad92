"""Describe a motion and its correction for records and reports."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from selfcorrect.motion.checks.check import CheckResult, RuleChoice, check_features, check_samples
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.editing.transforms import heading_rad
from selfcorrect.motion.measures.moves import JointMoves
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.compare.evaluate import LARGE_MOVE_M
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.simulators.results.timeline import ResidualSpan, Timeline

from .body_moves import BodyMove, find_body_moves
from .file_result import FileContent, FileFigures, FileResult, FileVerdict

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
    blank: FileResult, notes: tuple[str, ...], motion: Motion, correction: CorrectedMotion
) -> FileResult:
    """Describe the correction of a motion.

    Args:
        blank: Result as it is before the correction.
        notes: Notes on how the file was read.
        motion: The input.
        correction: Its correction.

    Returns:
        The result with figures, contacts, supports and notes. If a step of the description fails, a note says so.
    """
    failure = correction.failure
    steps = _OptionalSteps()
    check_input = partial(_check_input, motion, correction)
    input_check = steps.attempt("oddities are not reported", check_input, CheckResult())
    list_residuals = partial(_list_residuals, correction.timeline)
    residuals = steps.attempt("residual wrenches are not reported", list_residuals, {})
    find_carried = partial(_find_residual_spans, correction.timeline)
    carried = steps.attempt("times of residual force are not reported", find_carried, [])
    contacts = steps.attempt("contacts are not reported", partial(_list_contacts, correction), [])
    reasons = [str(move.note) for move in correction.large_moves if correction.accepted]
    not_corrected = [str(note) for note in correction.notes if note.kind.is_left]
    figures = replace(
        blank.figures,
        large_move_reason=reasons[0] if reasons else "",
        not_corrected="; ".join(not_corrected),
        contacts_missed=_describe_missed_contacts(correction),
        before=dict(correction.before),
        after=dict(correction.after),
        residual=dict(correction.residual),
        added_angular_speed_deg_s=dict(correction.added_angular_speed_deg_s),
        over_time=residuals,
        carried=[asdict(span) for span in carried],
        contacts=contacts,
        supports=[asdict(support) for support in correction.supports],
        floor_m=correction.floor.moved_m,
        lost_contacts=correction.figures.get("lost_contacts", 0.0),
        lost_contacts_height_m=correction.figures.get("lost_contacts_height_m", 0.0),
    )
    body_moves: list[BodyMove] = []
    result_check = CheckResult()
    if correction.accepted and not blank.figures.in_scene:
        check_result = partial(_check_result, motion, correction)
        result_check = steps.attempt("feet that still slide are not reported", check_result, CheckResult())
    if correction.accepted:
        measure = partial(_with_distances, figures, *correction.see_level(motion))
        figures = steps.attempt("distances of joints are not reported", measure, figures)
    if correction.accepted and not blank.figures.in_scene:
        find_moves = partial(find_body_moves, *correction.see_level(motion))
        body_moves = steps.attempt("moves of the whole body are not reported", find_moves, [])
        figures = replace(figures, body_moves=list(map(asdict, body_moves)))
        large = [str(move) for move in body_moves if move.size_m > LARGE_MOVE_M]
        if large and not figures.large_move_reason:
            figures = replace(figures, large_move_reason="; ".join(large))
    faults_left = tuple(map(str, result_check.findings))
    all_notes = [*notes, *map(str, input_check.findings), *map(str, correction.notes)]
    all_notes += map(str, body_moves)
    all_notes += [f"after the correction: {fault}" for fault in faults_left]
    if carried:
        all_notes.append(f"residual force in frames {', '.join(map(str, carried))}")
    all_notes += [*input_check.notes, *steps.notes]
    parts = zip(motion.skeleton.parts, motion.skeleton.names, strict=True)
    content = FileContent(
        assumed=blank.content.assumed,
        damage=blank.content.damage,
        notes=tuple(all_notes),
        failed_checks=tuple(finding.code for finding in input_check.findings),
        hypotheses=correction.hypotheses if correction.accepted else (),
        faults_left=faults_left,
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
    missed = correction.missed_contacts
    if not missed:
        return ""
    contacts = "1 contact is" if len(missed) == 1 else f"{len(missed)} contacts are"
    return f"{contacts} not held; {missed[0]}"


_REPORTED_RULES = ("R", "S2", "S6", "P", "F5", "F7")


def _check_input(motion: Motion, correction: CorrectedMotion) -> CheckResult:
    """Check an input for errors of the file, its reading, the floor or the time, with at most one finding per rule.

    Frames that repeat other frames are skipped. Height and tilt of the floor are not checked if the motion stands on
    several levels.
    """
    of_level_floor = () if correction.supports else ("F4", "F6")
    choice = RuleChoice((*_REPORTED_RULES, *of_level_floor))

    def check(samples: Motion) -> CheckResult:
        ground = observe_ground(samples)
        if correction.world.plane.stances:
            ground = ground.on_plane(correction.world.plane)
        return check_features(MotionFeatures(samples, ground=ground), choice)

    checkup = check_samples(motion, check)
    finding_by_code = {finding.code: finding for finding in checkup.findings}
    return replace(checkup, findings=tuple(finding_by_code.values()))


_SLIDING = ("F11", "F3")
"""Rules for feet that slide far or fast while bearing weight. The second counts where the first finds nothing."""
_RISING_STANCE = "F10"
_NEARLY_ALL = 0.8
"""Share of frames with sliding feet from which on the feet may glide on purpose."""
_GLIDES_S = 4.0
"""Minimum duration of a motion whose feet may glide on purpose, in s."""


def _check_result(motion: Motion, correction: CorrectedMotion) -> CheckResult:
    """Check whether feet still rise or slide while they bear weight.

    Rising feet are accepted if supports were inferred or heights were kept. Feet that slide nearly all the time in a
    long motion glide on purpose, as a skater's do. Repeated frames are searched only if the input has some.
    """
    if correction.is_carried:
        return CheckResult()
    may_rise = bool(correction.supports) or correction.world.is_height_kept
    choice = RuleChoice(_SLIDING if may_rise else (*_SLIDING, _RISING_STANCE))
    _, corrected = correction.see_level(motion)

    def check(samples: Motion) -> CheckResult:
        return check_features(MotionFeatures(samples), choice)

    result = check_samples(corrected, check) if FrameRepeats.from_motion(motion).has_repeats else check(corrected)
    far, fast = (tuple(finding for finding in result.findings if finding.code == code) for code in _SLIDING)
    slides_far = _mark_frames(far, len(corrected))
    fast = tuple(finding for finding in fast if not slides_far[finding.start : finding.stop].any())
    slides = slides_far | _mark_frames(fast, len(corrected))
    glides = slides.mean() > _NEARLY_ALL and len(corrected) >= _GLIDES_S * corrected.fps
    rising = tuple(finding for finding in result.findings if finding.code == _RISING_STANCE)
    return replace(result, findings=rising if glides else (*rising, *far, *fast))


def _mark_frames(findings: Iterable[Finding], frames: int) -> np.ndarray:
    """Return a mask (T,) of the frames with findings."""
    is_broken = np.zeros(frames, dtype=bool)
    for finding in findings:
        is_broken[finding.start : finding.stop] = True
    return is_broken


def _with_distances(figures: FileFigures, before: Motion, after: Motion) -> FileFigures:
    """Add to the figures how far joints moved, and how much travel and turn changed."""
    names = before.skeleton.names
    moves = JointMoves.from_motions(before, after)
    x_m, z_m, turn_rad = measure_travel(after) - measure_travel(before)
    smallest_turn_rad = (turn_rad + np.pi) % (2 * np.pi) - np.pi
    return replace(
        figures,
        travel_changed_m=float(np.hypot(x_m, z_m)),
        turn_changed_deg=float(np.degrees(abs(smallest_turn_rad))),
        moved_m=moves.moved_m,
        raised_m=moves.raised_m,
        moved_by_joint_m=dict(zip(names, moves.by_joint_m.tolist(), strict=True)),
        furthest_m=moves.furthest_m,
        furthest_frame=moves.furthest_frame,
        furthest_joint=names[moves.furthest_joint],
    )


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
    if correction.timeline is not None:
        contacts = correction.timeline.contacts()
    elif correction.accepted:
        contacts = list(correction.standing_feet)
    else:
        contacts = []
    return [asdict(contact) for contact in contacts]
