"""The state and the protocol of post-processing steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from selfcorrect.motion.body.surface import SolePoints
from selfcorrect.motion.motion import MotionBatch

from ..stages.values import CleanedMotions, SlidFeet, TrackingResult
from .jerk_bounds import JerkBounds


def is_same_motion(first: MotionBatch, second: MotionBatch) -> bool:
    """Return whether two batches have the same bytes."""
    return np.array_equal(first.root_m, second.root_m) and np.array_equal(first.rotations, second.rotations)


class PostprocessStep(Protocol):
    """A post-processing step: parameters, and a call that returns the next state."""

    def __call__(self, state: PostprocessState, /) -> PostprocessState: ...


@dataclass(frozen=True, eq=False)
class PostprocessState:
    """Motions between two steps of post-processing."""

    tracked: TrackingResult | None
    """Plans and simulations, None after a clean-up alone."""
    cleaned: MotionBatch
    """The cleaned motions, which plan and simulation follow."""
    motions: MotionBatch
    fallback: MotionBatch
    """The smoothed cleaned motions, which replace frames that stay too rough."""
    shares: np.ndarray
    """(N, T) share of the simulation in each frame."""
    soles: SolePoints
    """Soles of the motions."""
    slid: SlidFeet | None
    """Feet that slid far before they were planted, which are planted again."""
    bounds: JerkBounds
    """The largest jerk that a correction may have, given the motions before planting."""

    @classmethod
    def from_stages(cls, cleaned: CleanedMotions, tracked: TrackingResult | None = None) -> Self:
        """Return the state before the first step.

        Motions are the planned ones, or the cleaned ones if nothing was planned.
        """
        motions = cleaned.motions
        if tracked is not None:
            plan = tracked.plan
            view = plan.body.link_view(cleaned.motions)
            if not is_same_motion(view.view(cleaned.motions), plan.motions):  # else not even rounding changes it
                motions = view.restore(plan.motions)
        return cls(
            tracked=tracked,
            cleaned=cleaned.motions,
            motions=motions,
            fallback=cleaned.motions,
            shares=np.zeros(cleaned.motions.root_m.shape[:2]),
            soles=cleaned.soles,
            slid=cleaned.slid,
            bounds=JerkBounds.from_motions(cleaned.before_planting),
        )

    def apply_steps(self, steps: Sequence[PostprocessStep]) -> PostprocessState:
        """Return the state after some steps."""
        state = self
        for step in steps:
            state = step(state)
        return state
