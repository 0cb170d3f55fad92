"""Map corrections of parts back to the whole motion.

A view shows a part: fewer frames, another world, or both. `map_time` maps the correction of a part to the frames of the
whole, `map_space` to its world, and `map_skeleton` to its joints. `join` combines the corrections of several parts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import FrameChange, ShiftedWorld, TurnedWorld

from .motion_world import FloorDecision, MotionWorld
from .results import (
    Beliefs,
    CorrectedMotion,
    Failure,
    Forces,
    GroundContacts,
    LeftFaults,
    MotionChanges,
    Note,
    Stage,
    note_facts,
)


def map_time(correction: CorrectedMotion, bounds: Sequence[int]) -> CorrectedMotion:
    """Map a part's correction to the frames of the whole motion.

    Frames of failure, contacts, supports and notes are mapped; motion and timeline are left unchanged.

    Args:
        correction: Correction of a part of P frames.
        bounds: (P + 1,) for each frame of the part, the first frame of the whole that it stands for, and then the frame
            after the last. For frames `start` to `stop` of the whole, this is `range(start, stop + 1)`.
    """
    supports = []
    for support in correction.contacts.supports:
        supports.append(replace(support, first=bounds[support.first], last=bounds[support.last + 1] - 1))
    standing_feet = []
    for contact in correction.contacts.standing_feet:
        last_frame = bounds[contact.last_frame + 1] - 1
        standing_feet.append(replace(contact, first_frame=bounds[contact.first_frame], last_frame=last_frame))
    changes = correction.changes
    kept_stretches = tuple((bounds[first], bounds[last]) for first, last in changes.kept_stretches)
    return replace(
        correction,
        failure=correction.failure and _map_failure(correction.failure, bounds),
        contacts=GroundContacts(tuple(standing_feet), tuple(supports)),
        remarks=tuple(_map_note(note, bounds) for note in correction.remarks),
        changes=replace(changes, kept_stretches=kept_stretches),
        world=correction.world.map_time(bounds),
    )


def _map_failure(failure: Failure, bounds: Sequence[int]) -> Failure:
    frame = None if failure.frame is None else bounds[failure.frame]
    last_frame = None if failure.last_frame is None else bounds[failure.last_frame]
    return replace(failure, frame=frame, last_frame=last_frame)


def _map_note(note: Note, bounds: Sequence[int]) -> Note:
    return replace(note, frames=tuple(bounds[frame] for frame in note.frames))


def map_space(
    correction: CorrectedMotion, shift_m: Sequence[float] | np.ndarray, turned: TurnedWorld | None = None
) -> CorrectedMotion:
    """Map a correction to the world of the whole motion.

    The correction is shifted with its supports, and then turned back from a turned world.

    Args:
        correction: An accepted correction of T frames.
        shift_m: (3,) or (T, 3) shift. Supports are shifted as their middle frame is.
        turned: The turned world in which the motion was seen; None for its own world.
    """
    shifts_m = np.broadcast_to(shift_m, correction.motion.root_m.shape)
    motion = ShiftedWorld(shifts_m).view(correction.motion)
    supports = [support.shift(shifts_m[support.middle]) for support in correction.contacts.supports]
    if turned is not None:
        motion = turned.restore(motion)
        supports = [_turn_support(support, turned) for support in supports]
    return replace_supports(replace(correction, motion=motion), supports)


def replace_supports(correction: CorrectedMotion, supports: Iterable[Support]) -> CorrectedMotion:
    """Return a correction with other supports."""
    return replace(correction, contacts=replace(correction.contacts, supports=tuple(supports)))


def map_skeleton(correction: CorrectedMotion, motion: Motion, change: FrameChange) -> CorrectedMotion:
    """Map a correction to the skeleton of its motion.

    Everything else comes from the motion, and a rejected correction gives the motion itself.

    Args:
        correction: Correction of the motion in the changed frames.
        motion: The given motion.
        change: Change of the joints' frames or order.
    """
    if not correction.accepted:
        return replace(correction, motion=motion)
    restored = change.restore(correction.motion)
    return replace(correction, motion=replace(motion, root_m=restored.root_m, rotations=restored.rotations))


def _turn_support(support: Support, turned: TurnedWorld) -> Support:
    x, y, z = turned.invert().view_points_m(np.array(support.top_m)).tolist()
    return replace(support, top_m=(x, y, z))


def join(
    motion: Motion,
    corrections: Sequence[CorrectedMotion],
    remarks: Sequence[Note] = (),
    weights: Sequence[int] | None = None,
) -> CorrectedMotion:
    """Join the corrections of a motion's parts.

    Args:
        motion: The corrected motion with all of its parts.
        corrections: Accepted corrections, in the frames and the world of the motion.
        remarks: Notes on the whole, which come first. Equal notes of several parts are merged.
        weights: Weights of the parts in means of their figures, such as numbers of frames; None for no figures.
    """
    all_remarks = [*remarks]
    for correction in corrections:
        all_remarks += [*note_facts(correction), *correction.remarks]
    joined = CorrectedMotion(
        motion,
        stage=Stage.last(correction.stage for correction in corrections),
        forces=Forces(is_simulation_dropped=any(each.forces.is_simulation_dropped for each in corrections)),
        contacts=GroundContacts(supports=tuple(support for each in corrections for support in each.contacts.supports)),
        beliefs=Beliefs(
            is_carried=any(each.beliefs.is_carried for each in corrections),
            loops_s=tuple(seconds for each in corrections for seconds in each.beliefs.loops_s),
            names=tuple(dict.fromkeys(name for each in corrections for name in each.beliefs.names)),
        ),
        changes=MotionChanges(
            large_moves=tuple(dict.fromkeys(move for each in corrections for move in each.changes.large_moves)),
            removed_glide_m_s=max((each.changes.removed_glide_m_s for each in corrections), default=0.0),
            kept_stretches=tuple(stretch for each in corrections for stretch in each.changes.kept_stretches),
        ),
        left=LeftFaults(missed_contacts=tuple(words for each in corrections for words in each.left.missed_contacts)),
        remarks=tuple(dict.fromkeys(all_remarks)),
        world=MotionWorld.join([correction.world for correction in corrections]),
        floor=FloorDecision.join([correction.floor for correction in corrections]),
    )
    if weights is None:
        return joined
    residual = average_tables([each.forces.residual for each in corrections], weights)
    return replace(
        joined,
        before=average_tables([each.before for each in corrections], weights),
        after=average_tables([each.after for each in corrections], weights),
        figures=average_tables([each.figures for each in corrections], weights),
        forces=replace(joined.forces, residual=residual),
    )


def average_tables(tables: Sequence[Mapping[str, float]], weights: Sequence[int]) -> dict[str, float]:
    """Average tables of figures, weighted; only figures that all tables have count."""
    shared = [name for name in (tables[0] if tables else ()) if all(name in table for table in tables)]
    return {name: float(np.average([table[name] for table in tables], weights=weights)) for name in shared}
