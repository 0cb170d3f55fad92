"""Motions between two steps of their clean-up, and what a step is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self, TypeVar

import numpy as np

from selfcorrect.motion.body.surface import SolePoints, sole_points
from selfcorrect.motion.correction.results import Note, Repair
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import Support

from ..settings.plan import SupportMode
from ..stages.values import Floor
from .stance import PosedMotions

Kind = TypeVar("Kind", bound="CleanupStep")


def find_step(kind: type[Kind], steps: Iterable[CleanupStep]) -> Kind | None:
    """The step of a kind among some, None without one."""
    return next((step for step in steps if isinstance(step, kind)), None)


class CleanupStep(Protocol):
    """A step of a clean-up: a value with its parameters, which takes motions on."""

    def __call__(self, cleaning: CleanupState, /) -> CleanupState: ...


@dataclass(frozen=True, eq=False)
class CleanupState:
    """Motions between two steps of their clean-up, and what the steps before have found."""

    steps: Sequence[CleanupStep]
    """All that are done."""
    mode: SupportMode
    """What may carry the bodies."""
    motions: MotionBatch
    unraised: MotionBatch
    """The motions before the steps that look for the floor."""
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    noisy: np.ndarray
    """(N,) whether noise is everywhere in a motion."""
    floor: Floor
    """How it moves beneath them."""
    supports: list[tuple[Support, ...]]
    """What carries each beside the lowest ground."""
    repairs_m: Mapping[Repair, np.ndarray]
    """(N,) furthest that each kind of repair has moved their roots."""
    unplanted: PosedMotions | None = None
    """The motions before their feet were planted; None until then."""

    @classmethod
    def from_motions(cls, motions: MotionBatch, steps: Sequence[CleanupStep], mode: SupportMode) -> Self:
        """Motions before the first step."""
        still_m, nobody = np.zeros_like(motions.root_m), np.zeros(len(motions), dtype=bool)
        nothing: list[tuple[Note, ...]] = [()] * len(motions)
        soles = sole_points(motions.skeleton)
        floor = Floor(still_m, nobody, nothing)
        return cls(steps, mode, motions, motions, soles, nobody, floor, [()] * len(motions), {})

    def find_step(self, kind: type[Kind]) -> Kind | None:
        """The step of a kind that is done, None without one."""
        return find_step(kind, self.steps)

    @cached_property
    def posed(self) -> PosedMotions:
        """The motions with their poses."""
        return PosedMotions.from_motions(self.motions, self.soles)

    def with_repaired_motions(self, motions: MotionBatch) -> Self:
        """With repaired motions, whose floor is yet to be found."""
        return replace(self, motions=motions, unraised=motions)

    def with_posed_motions(self, posed: PosedMotions) -> Self:
        """With motions that are posed already."""
        moved = replace(self, motions=posed.motions)
        vars(moved)["posed"] = posed
        return moved

    @property
    def before_planting(self) -> PosedMotions:
        """The motions with their feet as they were found."""
        return self.unplanted or self.posed

    @property
    def raised_m(self) -> np.ndarray:
        """(N,) by which the motions were raised so that their lowest ground is at y = 0."""
        return (self.before_planting.motions.root_m - self.unraised.root_m)[:, 0, 1]

    def record_repair(self, repair: Repair, since: MotionBatch) -> dict[Repair, np.ndarray]:
        """The repairs with one that moved roots from where they were since some motions."""
        return {**self.repairs_m, repair: norms(self.motions.root_m - since.root_m).max(1)}
