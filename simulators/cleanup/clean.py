"""Kinematic clean-up: repair by kinematics what the simulation should not have to fight, one step after another.

`FILES`, `RESIDUAL_FREE` and `SAMPLES` list the steps. Each stands beside its functions, with its numbers, and says what
it minimises or fits. All of it is vectorised over frames and takes a few thousandths of the motion's duration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.correction.results import Repair
from selfcorrect.motion.motion import MotionBatch

from ..settings.plan import SUPPORT_MODES, SupportChoice, SupportMode
from ..stages.values import CleanedMotions
from .cleaning import CleanupState, CleanupStep, Kind, find_step
from .drift import StabilizeFloor
from .foot_lock import FEET
from .knees import TurnKnees
from .levelling import FitSoles, LevelFloor, find_origins_m
from .noise import Denoise, Despike
from .planting import LiftLimbs, LiftTrunk, PlantFeet
from .splices import JoinSplices
from .supports import FindSupports

FILES: tuple[CleanupStep, ...] = (
    TurnKnees(),
    Denoise(),
    JoinSplices(),
    Despike(),
    StabilizeFloor(),
    FitSoles(),
    LevelFloor(),
    LiftTrunk(),
    PlantFeet(),
    FindSupports(),
    LiftLimbs(),
)
"""What is done to motions of files, whose floor, soles and supports are found."""


RESIDUAL_FREE = tuple(FindSupports(lowest_m=0.03) if isinstance(step, FindSupports) else step for step in FILES)
"""The same for bodies without residual force, which fall where a step is missed."""


SAMPLES: tuple[CleanupStep, ...] = (
    Denoise(must_calm=False),
    JoinSplices(join_takes=True),
    Despike(of_whole_body=False),
    LiftTrunk(),
    PlantFeet(replace(FEET, sliding=0.0), soft=None),
    LiftLimbs(spread_s=0.0),
)
"""What is done to samples of a model, which are on a known, level floor and are then simulated.

Estimates of floor and drift would throw them about.
"""


@dataclass(frozen=True)
class CleanupSettings:
    """What is done to motions by kinematics, step by step; a step that is off is not among them."""

    steps: tuple[CleanupStep, ...] = FILES
    """In their order; `PlantFeet` is always one of them."""
    support: SupportChoice = "infer"
    """What carries the body. "infer": steps, rungs and seats where the motion shows them. "floor": the floor alone.
    "off": something unknown; the body keeps its height. The steps that this rules out are left out."""
    close_loops: bool = True
    """Correct a motion that ends in its first pose as a cycle, so that it closes."""
    polish: bool = True
    """Keep of a simulation what it gains, and leave out what roughens a motion: the steps of `finishing.POSTPROCESS`.
    Without, simulated states come out as they are."""

    def __post_init__(self) -> None:
        if self.support not in SUPPORT_MODES:
            raise SettingError(f"support must be one of {', '.join(SUPPORT_MODES)}, got {self.support!r}")

    @classmethod
    def for_samples(cls) -> Self:
        """Settings for samples of a model: see `SAMPLES`. Simulated states come out as they are."""
        return cls(SAMPLES, support="floor", close_loops=False, polish=False)

    @property
    def mode(self) -> SupportMode:
        """What `support` means."""
        return SUPPORT_MODES[self.support]

    @property
    def enabled_steps(self) -> Iterator[CleanupStep]:
        """The steps that are done, in their order."""
        raising, mode = (LevelFloor, LiftTrunk, LiftLimbs), self.mode
        for step in self.steps:
            left_out = not mode.moves_to_floor if isinstance(step, raising) else not mode.finds_supports
            if not (left_out and isinstance(step, (*raising, FindSupports))):
                yield step

    def find_step(self, kind: type[Kind]) -> Kind | None:
        """The step of a kind that is done, None without one."""
        return find_step(kind, self.enabled_steps)

    def without_steps(self, *kinds: type[CleanupStep]) -> Self:
        """The same without steps of some kinds."""
        return replace(self, steps=tuple(step for step in self.steps if not isinstance(step, kinds)))

    def with_steps(self, *steps: CleanupStep) -> Self:
        """The same with steps in the places of those of their kinds."""
        others = {type(step): step for step in steps}
        return replace(self, steps=tuple(others.get(type(step), step) for step in self.steps))


def clean_motions(given: MotionBatch, settings: CleanupSettings) -> CleanedMotions:
    """Clean up motions that share one length by kinematics, and find what carries them.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    steps = tuple(settings.enabled_steps)
    cleaning = CleanupState.from_motions(given, steps, settings.mode)
    for step in steps:
        cleaning = step(cleaning)
    origins = find_origins_m(cleaning, settings.find_step(LevelFloor) or LevelFloor())
    return CleanedMotions(
        given=given,
        motions=cleaning.motions,
        unplanted=cleaning.before_planting.motions,
        soles=cleaning.soles,
        supports=cleaning.supports,
        origin_m=origins,
        repairs_m={**cleaning.repairs_m, Repair.FLOOR: np.abs(cleaning.raised_m - origins)},
        floor=cleaning.floor,
        fitted_soles=settings.find_step(FitSoles) is not None,
    )
