"""What is told of a motion and of its correction."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from selfcorrect.experiments.correction.report import Result
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.correction.pieces import PIECE_FRAMES
from selfcorrect.motion.correction.results import CorrectedMotion, NoteKind
from selfcorrect.motion.correction.timeline import Contact, Timeline, spans
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.motion import Motion


def described(blank: Result, notes: tuple[str, ...], motion: Motion, correction: CorrectedMotion) -> Result:
    """The result of a motion, `notes` being those of its file."""
    failure, odd = correction.failure, _oddities(motion, level=not correction.supports)
    result = replace(
        blank,
        verdict="accepted" if correction.accepted else "rejected",
        reason=correction.reason,
        frame=None if failure is None else failure.frame,
        failure=None if failure is None else asdict(failure),
        notes=(*notes, *map(str, odd), *map(str, correction.notes)),
        odd=tuple(finding.code for finding in odd),
        moved_because=next((str(note) for note in correction.notes if note.kind is NoteKind.MOVED_FAR), ""),
        text=motion.text,
        frames=len(motion),
        fps=motion.fps,
        before=dict(correction.before),
        after=dict(correction.after),
        help=dict(correction.help),
        over_time=_over_time(correction.timeline),
        contacts=_contacts(correction),
        supports=[asdict(support) for support in correction.supports],
    )
    return _with_distances(result, motion, correction.motion) if correction.accepted else result


_ODD = ("R", "S2", "S6", "P", "F5")


def _oddities(motion: Motion, level: bool) -> list[Finding]:
    """Signs that the file, its reading, its floor or its time is wrong, one of each kind; of ground that is not level
    no height is odd.
    """
    found = {finding.code: finding for finding in check(motion, (*_ODD, *(("F4",) if level else ())))}
    return list(found.values())


def _with_distances(result: Result, before: Motion, after: Motion) -> Result:
    names, total_m, furthest = before.skeleton.names, np.zeros(len(before.skeleton)), (-1.0, 0, 0)
    for start in range(0, len(before), PIECE_FRAMES):
        here = slice(start, start + PIECE_FRAMES)
        joints_m = [joint_positions(motion.frames(here.start, here.stop)) for motion in (before, after)]
        moved_m = np.linalg.norm(joints_m[1] - joints_m[0], axis=-1)
        total_m += moved_m.sum(axis=0)
        frame, joint = np.unravel_index(moved_m.argmax(), moved_m.shape)
        furthest = max(furthest, (float(moved_m.max()), int(start + frame), int(joint)))
    means_m = (total_m / len(before)).tolist()
    return replace(
        result,
        moved_m=float(np.mean(means_m)),
        moved_by_joint_m=dict(zip(names, means_m, strict=True)),
        furthest_m=furthest[0],
        furthest_frame=furthest[1],
        furthest_joint=names[furthest[2]],
    )


def _over_time(timeline: Timeline | None) -> dict[str, list[float]]:
    """The residual wrench of every frame, rounded."""
    if timeline is None:
        return {}
    return {
        "residual_force_bodyweights": timeline.residual_force_bodyweights.round(3).tolist(),
        "residual_torque_nm": timeline.residual_torque_nm.round(1).tolist(),
    }


def _contacts(correction: CorrectedMotion) -> list[dict[str, Any]]:
    """When which part of the body bears weight; without a simulation, when the feet stand."""
    if correction.timeline is not None:
        contacts = correction.timeline.contacts()
    elif correction.accepted:
        feet = zip(("left foot", "right foot"), foot_contacts(correction.motion).T, strict=True)
        contacts = [Contact(foot, *span) for foot, stands in feet for span in spans(stands)]
    else:
        contacts = []
    return [asdict(contact) for contact in contacts]
