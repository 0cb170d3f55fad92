"""The stages of a correction, in their order: cleaned, planned, tracked; then it is a `CorrectedMotion`.

Each is a batch of N motions of one skeleton, frame rate and length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.correction.results import Note, Repair
from selfcorrect.motion.geometry.views import ShiftedWorld
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Support

from ..body.humanoid import Humanoid
from ..contacts.contact_plan import ContactPlan
from ..contacts.dynamics import Demand


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor beneath N motions, which moves where they are in place or where its drift is kept."""

    moved_m: np.ndarray
    """(N, T, 3) where it has moved to since the first frame. Motions are given as on a floor that stands still."""
    in_place: np.ndarray
    """(N,) whether they walk or run in place."""
    notes: list[tuple[Note, ...]]
    """What is said of each."""


@dataclass(frozen=True, eq=False)
class CleanedMotions:
    """Motions after the kinematic clean-up, the lowest ground on which they stand at y = 0."""

    given: MotionBatch
    """The original motions, as large and as upright as their scene wants them."""
    motions: MotionBatch
    unplanted: MotionBatch
    """The motions before feet were planted and limbs lifted, from which polishing measures what was changed."""
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    supports: list[tuple[Support, ...]]
    """What carries each beside that ground."""
    origin_m: np.ndarray
    """(N,) the height that becomes y = 0: the one there, or nearest to it, in the original motion."""
    repairs_m: dict[Repair, np.ndarray]
    """(N,) furthest that each kind of repair has moved their roots."""
    floor: Floor
    """How it moves beneath them, which is put back in the end."""
    fitted_soles: bool
    """Whether soles are where the motion shows them, which holds for a single one."""

    @property
    def on_floor(self) -> ShiftedWorld:
        """The view in which the floor beneath the given motions is at y = 0 and stands still."""
        return ShiftedWorld(self.origin_m[:, None, None] * (0.0, 1.0, 0.0) - self.floor.moved_m)


@dataclass(frozen=True, eq=False)
class MotionPlan:
    """What one body shall do in each of N motions, four frames or more and all of one length."""

    body: Humanoid
    links: MotionBatch
    """The motions on the body's tree."""
    contacts: ContactPlan
    """The contact forces that explain them, and what these leave unexplained."""
    supports: Sequence[Sequence[Support]]
    """What carries the body in each of them beside the floor."""
    friction: float
    """Coefficient of friction with which contacts explain them."""

    def __len__(self) -> int:
        return len(self.links)

    @property
    def frames(self) -> int:
        """Length T of the motions."""
        return self.links.root_m.shape[1]

    def select(self, motions: Sequence[int]) -> Self:
        """Those of some of the motions."""
        if len(motions) == len(self):
            return self
        here, plan = list(motions), self.contacts
        needs = Demand(**{each.name: getattr(plan.needs, each.name)[here] for each in fields(Demand)})
        arrays = (getattr(plan, each.name)[here] for each in fields(ContactPlan) if each.name != "needs")
        supports = [self.supports[index] for index in here]
        return replace(
            self, links=select_motions(self.links, here), contacts=ContactPlan(needs, *arrays), supports=supports
        )


@dataclass(frozen=True, eq=False)
class SimulatedMotion:
    """What a simulated body did.

    The motion is on the body's tree, with the last good pose held where the body was given up. The wrench (S, 6) is the
    residual root force (N) and moment about the centre of mass (N m) of every simulation step, world. The loads_n (F,
    L) are vertical forces of the surroundings on each link before each frame but the first: means over the steps that
    lead to it, or those of the last step where no residual force acts. The body was given up at frame lost_at, None if
    it held out to the end.
    """

    motion: Motion
    wrench: np.ndarray
    loads_n: np.ndarray
    lost_at: int | None


@dataclass(frozen=True, eq=False)
class TrackingResult:
    """Planned motions, and what simulated bodies did that followed some or all of them."""

    cleaned: CleanedMotions
    plan: MotionPlan
    tracks: Sequence[SimulatedMotion | None]
    """That of each motion, None for one that was not simulated."""
    states: MotionBatch | None
    """The simulated states of those that were, on the whole skeleton."""

    @property
    def simulated(self) -> list[int]:
        """Indices of the motions that were simulated."""
        return [index for index, track in enumerate(self.tracks) if track is not None]


def select_motions(motions: MotionBatch, some: Sequence[int]) -> MotionBatch:
    """Some of the motions, which have one length."""
    return motions if len(some) == len(motions) else MotionBatch.stack([motions[index] for index in some])
