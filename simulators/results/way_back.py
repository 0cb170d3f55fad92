"""Map corrections of parts back to the whole motion.

A view shows a part: fewer frames, another world, or both. `map_time` maps the correction of a part to the frames of the
whole, `map_space` to its world, and `map_skeleton` to its joints. `join` combines the corrections of several parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import FrameChange, ShiftedWorld, TurnedWorld

from .motion_world import FloorDecision, MotionWorld
from .results import CorrectedMotion, Failure, Note, Stage, note_facts


def map_time(correction: CorrectedMotion, bounds: Sequence[int]) -> CorrectedMotion:
    """Map a part's correction to the frames of the whole motion.

    Frames of failure, contacts, supports and notes are mapped; motion and timeline are left unchanged.

    Args:
        correction: Correction of a part of P frames.
        bounds: (P + 1,) for each frame of the part, the first frame of the whole that it stands for, and then the frame
            after the last. For frames `start` to `stop` of the whole, this is `range(start, stop + 1)`.
    """
    supports = []
    for support in correction.supports:
        supports.append(replace(support, first=bounds[support.first], last=bounds[support.last + 1] - 1))
    standing_feet = []
    for contact in correction.standing_feet:
        last_frame = bounds[contact.last_frame + 1] - 1
        standing_feet.append(replace(contact, first_frame=bounds[contact.first_frame], last_frame=last_frame))
    return replace(
        correction,
        failure=correction.failure and _map_failure(correction.failure, bounds),
        standing_feet=tuple(standing_feet),
        supports=tuple(supports),
        remarks=tuple(_map_note(note, bounds) for note in correction.remarks),
        kept_stretches=tuple((bounds[first], bounds[last]) for first, last in correction.kept_stretches),
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
    supports = [support.shift(shifts_m[support.middle]) for support in correction.supports]
    if turned is not None:
        motion = turned.restore(motion)
        supports = [_turn_support(support, turned) for support in supports]
    return replace(correction, motion=motion, supports=tuple(supports))


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
        supports=tuple(support for correction in corrections for support in correction.supports),
        remarks=tuple(dict.fromkeys(all_remarks)),
        large_moves=tuple(dict.fromkeys(move for correction in corrections for move in correction.large_moves)),
        missed_contacts=tuple(words for correction in corrections for words in correction.missed_contacts),
        kept_stretches=tuple(stretch for correction in corrections for stretch in correction.kept_stretches),
        loops_s=tuple(seconds for correction in corrections for seconds in correction.loops_s),
        believed=tuple(dict.fromkeys(name for correction in corrections for name in correction.believed)),
        is_carried=any(correction.is_carried for correction in corrections),
        removed_glide_m_s=max((correction.removed_glide_m_s for correction in corrections), default=0.0),
        is_simulation_dropped=any(correction.is_simulation_dropped for correction in corrections),
        world=MotionWorld.join([correction.world for correction in corrections]),
        floor=FloorDecision.join([correction.floor for correction in corrections]),
    )
    return joined if weights is None else replace(joined, **average_figures(corrections, weights))


def average_figures(corrections: Sequence[CorrectedMotion], weights: Sequence[int]) -> dict[str, dict[str, float]]:
    """Average figures, weighted, by field of `CorrectedMotion`.

    Only figures that all corrections have count.
    """
    means = {}
    for field in ("before", "after", "residual", "figures"):
        means[field] = average_tables([getattr(correction, field) for correction in corrections], weights)
    return means


def average_tables(tables: Sequence[Mapping[str, float]], weights: Sequence[int]) -> dict[str, float]:
    """Average tables of figures, weighted; only figures that all tables have count."""
    shared = [name for name in (tables[0] if tables else ()) if all(name in table for table in tables)]
    return {name: float(np.average([table[name] for table in tables], weights=weights)) for name in shared}
