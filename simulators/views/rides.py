"""Motions on ground that rises or sinks.

They are seen from that ground, such as a lift, and put back. A body that rises or sinks evenly for longer than any
flight is carried. If its feet do not travel and move up or down together, the ground below them moves. Seen from there,
the motion stands on a single level: at a constant speed, forces are the same. So it is with ground that rises steadily
under all steps, as captured floors do that slope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observed_ground import observe_ground

from ..cleanup.levelling import LevelFloor
from ..results.results import CorrectedMotion, Note, NoteKind
from ..results.view import CorrectionView
from ..results.way_back import map_space
from .settings import ViewSettings


def see_from_moving_ground(motion: Motion, settings: ViewSettings) -> CorrectionView:
    """Hide that the ground carries the motion up or down, or rises steadily, if floors are estimated."""
    if settings.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(motion)
    ride = Ride.from_motion(motion, levels=settings.cleanup.level)
    return CorrectionView.from_part(ride.view(motion), ride.restore)


@dataclass(frozen=True, eq=False)
class Ride:
    """Height of the ground that carries a motion of T frames."""

    rises_m: np.ndarray | None = None
    """(T,) ground height above the first frame, or above the middle for ground that rises steadily. None if the ground
    does not move."""
    kind: NoteKind = NoteKind.RIDE

    @classmethod
    def from_motion(cls, motion: Motion, *, levels: bool = False) -> Ride:
        """Return the ride of a motion, or else the steady rise of its ground if that is not a tilted plane.

        Args:
            motion: A motion; without ankles or on a known ground it has no ride.
            levels: Whether a steady rise is to be removed.
        """
        if motion.ground is not None:
            return cls()
        ground = observe_ground(motion)
        if ground.feet_seen.lift_m.any():
            return cls(ground.feet_seen.lift_m)
        seen = ground.feet_seen
        kind = NoteKind.RISE_REMOVED if levels else NoteKind.RISES
        does_rise = seen.rise_m.any() and (seen.rises_underfoot or not ground.plane.is_tilted)
        return cls(seen.rise_m, kind) if does_rise else cls()

    def view(self, motion: Motion) -> Motion:
        """See a motion from the ground that carries it."""
        return motion if self.rises_m is None else raise_motion(motion, -self.rises_m)

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Restore the correction of the motion as seen from the ground, and note the ride or rise."""
        rises_m = self.rises_m
        if rises_m is None:
            return correction
        extent_m = rises_m - rises_m[0]
        note = Note(self.kind, round(float(extent_m[np.abs(extent_m).argmax()]), 3))
        correction = replace(correction, remarks=(note, *correction.remarks))
        if self.kind is NoteKind.RISE_REMOVED and correction.accepted:
            return replace(correction, world=replace(correction.world, levels=correction.world.is_levelled))
        is_carried = correction.world.is_carried or self.kind is NoteKind.RIDE
        remarks = tuple(note for note in correction.remarks if note.kind is not NoteKind.LOOP)
        world = replace(correction.world, is_carried=is_carried)
        carried = replace(correction, world=world, remarks=remarks, closes_loop=False)
        return map_space(carried, rises_m[:, None] * UP)
