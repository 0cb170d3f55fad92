"""View motions from ground that rises or sinks, such as a lift.

A body that rises or sinks evenly for longer than any flight is carried. If its feet do not travel, and move up or down
together, the ground below them moves. Seen from that ground, the motion stands on a single level, and at a constant
speed forces are the same. The same view suits ground that rises steadily under all steps, as sloping captured floors
do.
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
    """Hide that the ground carries the motion up or down, or rises steadily.

    If floors are not estimated, the motion is seen as it is.
    """
    if settings.cleanup.find_step(LevelFloor) is None:
        return CorrectionView.from_part(motion)
    ride = Ride.from_motion(motion, levels=settings.cleanup.level)
    return CorrectionView.from_part(ride.view(motion), ride.restore)


@dataclass(frozen=True, eq=False)
class Ride:
    """Height of moving ground under T frames."""

    rises_m: np.ndarray | None = None
    """(T,) ground height relative to the first frame, or to the middle for ground that rises steadily; None if the
    ground does not move."""
    kind: NoteKind = NoteKind.RIDE

    @classmethod
    def from_motion(cls, motion: Motion, *, levels: bool = False) -> Ride:
        """Return the ride of a motion.

        If there is none, it is the steady rise of the ground, unless that is a tilted plane.

        Args:
            motion: A motion. Without ankles or on known ground, it has no ride.
            levels: Whether to remove a steady rise.
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
        """View a motion from the ground that carries it."""
        return motion if self.rises_m is None else raise_motion(motion, -self.rises_m)

    def restore(self, correction: CorrectedMotion) -> CorrectedMotion:
        """Restore a correction from the moving ground to the world, with a note."""
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
