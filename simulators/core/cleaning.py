"""The state and the protocol of clean-up steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self, TypeVar

import numpy as np

from selfcorrect.motion.body.surface import SolePoints, sole_points
from selfcorrect.motion.geometry.vectors import UP, norms
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import ShiftedWorld

from ..results.results import Note, Repair
from ..settings.plan import SupportMode
from ..stages.values import Floor, SlidFeet
from .stance import PosedMotions

Kind = TypeVar("Kind", bound="CleanupStep")


def find_step(kind: type[Kind], steps: Iterable[CleanupStep]) -> Kind | None:
    """Return the first step of a kind, or None."""
    return next((step for step in steps if isinstance(step, kind)), None)


def name_hypothesis(step: CleanupStep) -> str:
    """Return the name of the hypothesis that a step is, or ""."""
    return getattr(step, "hypothesis", "")


def list_changed_motions(before: CleanupState, after: CleanupState) -> list[int]:
    """Find the motions that a step changed, or for which it found supports."""
    is_moved = np.zeros(len(before.motions), dtype=bool)
    if after.motions is not before.motions:
        for values in ("root_m", "rotations"):
            is_different = getattr(before.motions, values) != getattr(after.motions, values)
            is_moved |= is_different.reshape(len(is_moved), -1).any(axis=1)
    return [index for index, moved in enumerate(is_moved) if moved or after.supports[index] != before.supports[index]]


def repair_each(motions: MotionBatch, indices: Iterable[int], repair: Callable[[Motion], Motion]) -> MotionBatch:
    """Repair the motions of a batch that have the given indices.

    Returns the batch itself if `repair` returns each of them as it is.
    """
    repairs = {index: repair(motions[index]) for index in indices}
    if all(repaired is motions[index] for index, repaired in repairs.items()):
        return motions
    root_m = motions.root_m.copy()
    rotations = motions.rotations.copy()
    for index, repaired in repairs.items():
        root_m[index, : len(repaired)] = repaired.root_m
        rotations[index, : len(repaired)] = repaired.rotations
    return replace(motions, root_m=root_m, rotations=rotations)


class CleanupStep(Protocol):
    """A clean-up step: parameters, and a call that returns the next state.

    A step that is a special case has its name in `hypotheses.table` as the class attribute `hypothesis`. A step that
    moves bodies to the floor has the class attribute `moves_to_floor`, and is left out if that is not wanted.
    """

    def __call__(self, cleaning: CleanupState, /) -> CleanupState: ...


@dataclass(frozen=True, eq=False)
class CleanupState:
    """Motions between two clean-up steps, with the findings of earlier steps."""

    steps: Sequence[CleanupStep]
    """All steps of the clean-up."""
    mode: SupportMode
    """Supports that may carry the bodies."""
    motions: MotionBatch
    soles: SolePoints
    """Soles of the motions. They are fitted only for a single motion."""
    noisy: np.ndarray
    """(N,) whether a motion is noisy throughout."""
    floor: Floor
    """Movement of the floor beneath the bodies."""
    supports: list[tuple[Support, ...]]
    """Supports of each motion beside the lowest ground."""
    repairs_m: Mapping[Repair, np.ndarray]
    """(N,) largest root displacement by each kind of repair, in m."""
    raised_m: np.ndarray
    """(N,) rise that brings the lowest ground to y = 0, in m."""
    unplanted: PosedMotions | None = None
    """The motions before planting; None if feet were not planted yet."""
    slid: SlidFeet | None = None
    """Feet that planting moved far; None if that was not measured."""

    @classmethod
    def from_motions(cls, motions: MotionBatch, steps: Sequence[CleanupStep], mode: SupportMode) -> Self:
        """Return the state before the first step.

        Args:
            motions: Motions of equal length.
            steps: All steps of the clean-up.
            mode: Supports that may carry the bodies.
        """
        lowered_m = motions.feet.floor_m if motions.feet else 0.0
        if lowered_m:
            motions = ShiftedWorld(-lowered_m * UP).view(motions)
        nobody = np.zeros(len(motions), dtype=bool)
        no_notes: list[tuple[Note, ...]] = [()] * len(motions)
        return cls(
            steps=steps,
            mode=mode,
            motions=motions,
            soles=sole_points(motions.skeleton),
            noisy=nobody,
            floor=Floor(np.zeros_like(motions.root_m), nobody, np.zeros(len(motions)), no_notes),
            supports=[()] * len(motions),
            repairs_m={},
            raised_m=np.full(len(motions), -lowered_m),
        )

    def find_step(self, kind: type[Kind]) -> Kind | None:
        """Return the step of a kind, or None."""
        return find_step(kind, self.steps)

    @cached_property
    def posed(self) -> PosedMotions:
        """The motions with their poses."""
        return PosedMotions.from_motions(self.motions, self.soles)

    def with_posed_motions(self, posed: PosedMotions) -> Self:
        """Return the state with motions whose poses are known."""
        state = replace(self, motions=posed.motions)
        vars(state)["posed"] = posed
        return state

    @property
    def before_planting(self) -> PosedMotions:
        """The motions before their feet were planted."""
        return self.unplanted or self.posed

    def record_repair(self, repair: Repair, since: MotionBatch) -> dict[Repair, np.ndarray]:
        """Return the repairs with a further one.

        Its size is the largest displacement of each root since some earlier motions.
        """
        return {**self.repairs_m, repair: norms(self.motions.root_m - since.root_m).max(1)}
