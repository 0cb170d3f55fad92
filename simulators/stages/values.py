"""Values between the stages of a correction.

They are cleaned, planned, tracked; then comes a `CorrectedMotion`. Each is a batch of N motions of equal skeleton,
frame rate and length.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import ShiftedWorld

from ..body.humanoid import Humanoid
from ..contacts.contact_plan import ContactPlan
from ..contacts.dynamics import Demand
from ..results.results import Note, Repair


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor beneath N motions.

    It moves if they are in place or if its drift is kept.
    """

    displacement_m: np.ndarray
    """(N, T, 3) displacement since the first frame. Motions are stored as on a floor that stands still."""
    is_in_place: np.ndarray
    """(N,) whether they walk or run in place."""
    has_lost_glide: np.ndarray
    """(N,) whether a standing glide was removed."""
    notes: list[tuple[Note, ...]]
    """Notes on each motion."""


@dataclass(frozen=True, eq=False)
class CleanedMotions:
    """Motions after the kinematic clean-up.

    The lowest ground on which they stand is at y = 0.
    """

    original: MotionBatch
    """The original motions. They are as upright as their scene wants them."""
    motions: MotionBatch
    before_planting: MotionBatch
    """The motions before planting. Feet were not planted and limbs not lifted yet; polishing measures from them what
    was changed."""
    soles: SolePoints
    """Soles of the motions, fitted only for a single motion."""
    supports: list[tuple[Support, ...]]
    """Supports of each beside that ground."""
    raised_m: np.ndarray
    """(N,) rise that puts the ground at y = 0, in m."""
    repairs_m: dict[Repair, np.ndarray]
    """(N,) largest root move per kind of repair, in m."""
    floor: Floor
    """Movement of the floor beneath them. It is put back in the end."""

    @property
    def on_floor(self) -> ShiftedWorld:
        """View of the motions on a still floor.

        The floor beneath the given motions is at y = 0.
        """
        return ShiftedWorld(self.raised_m[:, None, None] * UP - self.floor.displacement_m)


@dataclass(frozen=True, eq=False)
class MotionPlan:
    """Plan of N motions of a body.

    They have an equal length of four frames or more.
    """

    body: Humanoid
    motions: MotionBatch
    """The motions on the body's tree."""
    contacts: ContactPlan
    """Contact forces, and what they leave unexplained."""
    supports: Sequence[Sequence[Support]]
    """Supports of each motion beside the floor."""
    friction: float
    """Coefficient of friction with which contacts explain them."""

    def __len__(self) -> int:
        return len(self.motions)

    @property
    def frames(self) -> int:
        """Length T of the motions."""
        return self.motions.root_m.shape[1]

    def select(self, motions: Sequence[int]) -> Self:
        """Return the plan of some of the motions."""
        if len(motions) == len(self):
            return self
        rows = list(motions)
        needs = self.contacts.needs
        columns = {field.name: getattr(self.contacts, field.name) for field in fields(ContactPlan)}
        columns["needs"] = Demand(*(getattr(needs, field.name)[rows] for field in fields(Demand)))
        for name in columns.keys() - {"needs"}:
            columns[name] = columns[name][rows]
        return replace(
            self,
            motions=select_motions(self.motions, rows),
            contacts=ContactPlan(**columns),
            supports=[self.supports[index] for index in rows],
        )


@dataclass(frozen=True, eq=False)
class SimulatedMotion:
    """Motion of a simulated body.

    The motion is on the body's tree, with the last good pose held where the body was given up. The wrench (S, 6) is the
    residual root force (N) and moment about the centre of mass (N m) of every simulation step, world. The loads_n (F,
    L) are vertical forces of the surroundings on each link before each frame but the first: means over the steps that
    lead to it, or the forces of the last step where no residual force acts. The body was given up at frame lost_at,
    None if it held out to the end.
    """

    motion: Motion
    wrench: np.ndarray
    loads_n: np.ndarray
    lost_at: int | None


@dataclass(frozen=True, eq=False)
class TrackingResult:
    """Planned motions and their simulations.

    Only some bodies were simulated.
    """

    cleaned: CleanedMotions
    plan: MotionPlan
    tracks: Sequence[SimulatedMotion | None]
    """Simulated motion of each, or None. None stands for a motion that was not simulated."""
    states: MotionBatch | None
    """Simulated states on the whole skeleton."""

    @property
    def simulated(self) -> list[int]:
        """Indices of the motions that were simulated."""
        return [index for index, track in enumerate(self.tracks) if track is not None]


def select_motions(motions: MotionBatch, indices: Sequence[int]) -> MotionBatch:
    """Select some motions of a batch; all of them give the batch itself."""
    if len(indices) == len(motions):
        return motions
    return MotionBatch.stack([motions[index] for index in indices])
