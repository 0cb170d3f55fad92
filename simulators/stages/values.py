"""Cleaned, planned and tracked motions, which the stages pass on.

Each value is a batch of N motions of equal skeleton, frame rate and length.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import ShiftedWorld

from ..body.dynamics import Demand
from ..body.humanoid import Humanoid
from ..results.results import Note, Repair


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor beneath N motions, which moves on treadmills or if drift is kept."""

    displacement_m: np.ndarray
    """(N, T, 3) displacement since the first frame. Motions are stored as if on a floor that stands still."""
    is_in_place: np.ndarray
    """(N,) whether motions walk or run in place."""
    removed_glides_m_s: np.ndarray
    """(N,) mean speed of a standing glide that was removed, in m/s; 0 without one."""
    notes: list[tuple[Note, ...]]
    """Notes on each motion."""


@dataclass(frozen=True, eq=False)
class SlidFeet:
    """Standing feet that slid far before they were planted."""

    is_far: np.ndarray
    """(N,) whether the feet of each motion slid far."""
    ground_m: np.ndarray
    """(N, T, 2) height of the ground on which each foot was planted, in m."""


@dataclass(frozen=True, eq=False)
class CleanedMotions:
    """Motions after the kinematic clean-up, on a lowest ground at y = 0."""

    original: MotionBatch
    """The original motions, upright as their scene demands."""
    motions: MotionBatch
    before_planting: MotionBatch
    """The motions before feet were planted and limbs lifted, with which postprocessing compares."""
    soles: SolePoints
    """Soles of the motions. They are fitted only for a single motion."""
    supports: list[tuple[Support, ...]]
    """Supports of each motion beside that ground."""
    raised_m: np.ndarray
    """(N,) rise that puts the ground at y = 0, in m."""
    repairs_m: dict[Repair, np.ndarray]
    """(N,) largest root displacement by each kind of repair, in m."""
    floor: Floor
    """Movement of the floor beneath the motions, which is restored in the end."""
    believed: list[tuple[str, ...]]
    """Names of the hypotheses that changed each motion."""
    slid: SlidFeet | None
    """Feet that planting moved far; None if that was not measured."""

    @property
    def on_floor(self) -> ShiftedWorld:
        """View of the given motions on a still floor at y = 0."""
        return ShiftedWorld(self.raised_m[:, None, None] * UP - self.floor.displacement_m)


@dataclass(frozen=True, eq=False)
class ContactPlan:
    """Contact forces that explain a motion, and what remains unexplained."""

    demand: Demand
    """Forces that the motion demands."""
    points_m: np.ndarray
    """(N, T, C, 3) contact points in the world, soles first."""
    force_n: np.ndarray
    """(N, T, C, 3) contact forces, world."""
    activation: np.ndarray
    """(N, T, C) share of its load that each point can carry, in [0, 1]."""
    unexplained: np.ndarray
    """(N, T, 6) force, and moment about the centre of mass, that contacts cannot explain."""

    def map(self, change: Callable[..., np.ndarray], *others: Self) -> Self:
        """Return the plan with each array changed, given the arrays of other plans."""

        def changed(name: str, *holders: object) -> np.ndarray:
            return change(*(getattr(holder, name) for holder in holders))

        plans = (self, *others)
        demands = [plan.demand for plan in plans]
        demand = Demand(*(changed(field.name, *demands) for field in fields(Demand)))
        arrays = (field.name for field in fields(self) if field.name != "demand")
        return replace(self, demand=demand, **{name: changed(name, *plans) for name in arrays})


@dataclass(frozen=True, eq=False)
class MotionPlan:
    """Plan of N motions of a body, with an equal length of at least 4 frames."""

    body: Humanoid
    motions: MotionBatch
    """The motions on the body's link tree."""
    contacts: ContactPlan
    """Contact forces, and what they leave unexplained."""
    supports: Sequence[Sequence[Support]]
    """Supports of each motion beside the floor."""
    friction: float
    """Coefficient of friction with which contacts explain the motions."""

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
        return replace(
            self,
            motions=select_motions(self.motions, rows),
            contacts=self.contacts.map(lambda values: values[rows]),
            supports=[self.supports[index] for index in rows],
        )

    def replace_rows(self, other: Self, rows: Sequence[int]) -> Self:
        """Return the plan with some motions, and their contacts, from another plan of the same motions."""

        def merge(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            merged = mine.copy()
            merged[list(rows)] = theirs[list(rows)]
            return merged

        root_m = merge(self.motions.root_m, other.motions.root_m)
        rotations = merge(self.motions.rotations, other.motions.rotations)
        motions = replace(self.motions, root_m=root_m, rotations=rotations)
        return replace(self, motions=motions, contacts=self.contacts.map(merge, other.contacts))


@dataclass(frozen=True, eq=False)
class SimulatedMotion:
    """Motion of a simulated body."""

    motion: Motion
    """The motion on the body's link tree. Once the body is lost, the last good pose is held."""
    wrench: np.ndarray
    """(S, 6) residual force on the root (N), and moment about the centre of mass (N m), in each simulation step,
    world."""
    loads_n: np.ndarray
    """(F, L) vertical forces of the surroundings on each link, before each frame except the first. They are means over
    the steps that lead to the frame, or those of the last step if there is no residual force."""
    lost_at: int | None
    """Frame at which the body was lost; None if it followed to the end."""


@dataclass(frozen=True, eq=False)
class TrackingResult:
    """Planned motions, and the simulations of some of them."""

    cleaned: CleanedMotions
    plan: MotionPlan
    tracks: Sequence[SimulatedMotion | None]
    """Simulation of each motion; None if it was not simulated."""
    states: MotionBatch | None
    """Simulated states of the simulated motions, on the whole skeleton."""

    @property
    def simulated(self) -> list[int]:
        """Indices of the motions that were simulated."""
        return [index for index, track in enumerate(self.tracks) if track is not None]


def select_motions(motions: MotionBatch, indices: Sequence[int]) -> MotionBatch:
    """Select some motions of a batch. Selecting all returns the batch itself."""
    if len(indices) == len(motions):
        return motions
    return MotionBatch.stack([motions[index] for index in indices])
