"""What may carry a body, and what is planned before a motion is simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""What carries the body: what the motion shows, the floor alone, or something unknown."""


@dataclass(frozen=True)
class SupportMode:
    """What a `SupportChoice` means for each stage of the pipeline."""

    moves_to_floor: bool
    """Motions are brought to the height of the floor, and limbs out of it; otherwise heights are left alone."""
    finds_supports: bool
    """Steps, rungs and seats are inferred, and bodies rejected that nothing is found to hold up."""


SUPPORT_MODES: dict[SupportChoice, SupportMode] = {
    "infer": SupportMode(moves_to_floor=True, finds_supports=True),
    "floor": SupportMode(moves_to_floor=True, finds_supports=False),
    "off": SupportMode(moves_to_floor=False, finds_supports=False),
}


@dataclass(frozen=True)
class ForceSettings(Positive):
    """How contact forces are found that come closest to a wrench."""

    moment_weight: float = 4.0
    """Weight of moments (N m) against forces (N)."""
    iterations: int = 30
    """Of ADMM."""


@dataclass(frozen=True)
class ContactSettings(ForceSettings):
    """How contacts are planned. Set by hand on CMU clips, by how much of their motion is then explained."""

    free_height_m: float = 0.003
    """A point carries freely up to this height."""
    highest_m: float = 0.015
    """A point carries nothing above this height."""
    free_speed_m_s: float = 0.1
    """A point carries freely up to this speed over the floor."""
    fastest_m_s: float = 0.4
    """A point carries nothing above this speed."""
    borne_bodyweights: tuple[float, float] = (0.1, 0.5)
    """Vertical force that something must give, perhaps and surely. Where no point carries freely, the next best
    does."""
    further: float = 1.5
    """Share by which the bounds on height then grow at most."""
    faster: float = 3.0
    """Share by which the bounds on speed then grow at most: soles are soft, and feet slide as they turn."""
    smoothing_s: float = 0.6 / 30
    """Standard deviation of the Gaussian that smooths accelerations."""
    coarse_iterations: int = 20
    """Of ADMM, where forces only show what to change: in the filter, for feet and for supports."""

    @property
    def coarse(self) -> Self:
        """The same with so many iterations."""
        return replace(self, iterations=self.coarse_iterations)


@dataclass(frozen=True)
class FilterSettings(Positive):
    """The dynamics filter, set by hand on CMU clips, where explained forces are traded against distance.

    Bodies that get no residual force are shifted further: see `RESIDUAL_FREE_PLAN`.
    """

    MAY_BE_ZERO: ClassVar = ("stance_rounds",)

    rounds: int = 2
    """Shifts, each of which is planned anew."""
    moment_weight: float = 9.0
    """Weight of (N m)² against N²."""
    shift_weight: float = 2e8
    """Weight of m² against N²."""
    shift_limit_m: float = 0.05
    """Furthest that a round shifts the body."""
    stance_rounds: int = 0
    """Slow shifts after these, which put the centre of mass over the feet that carry it; 0 for none."""
    stance_m_s: float = 0.6
    """Up to this speed a body is shifted fully in them, from twice as much on not at all."""
    stance_weight: float = 1e6
    """Weight of m² against N² in them."""
    stance_moment_weight: float = 0.5
    """Of contact forces in them. With little, contacts fall short in moment, which shows where to shift."""
    stance_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian that smooths each of them."""
    stance_inset: float = 0.2
    """Where forces act in them, as a share of the way from a sole's corners to its middle: a margin for balance."""
    lift_s: float = 0.1
    """Time over which a body is lifted out of the floor."""


@dataclass(frozen=True)
class PlacementSettings(Positive):
    """How feet turn so that loaded corners of their soles touch, set by hand on CMU clips."""

    MAY_BE_ZERO: ClassVar = ("heel_s",)

    full_load_bodyweights: float = 0.3
    """A corner that is to carry this much counts fully."""
    lever_m: float = 0.1
    """Distance from the ankle at which turning a foot counts like moving it."""
    rise_reluctance: float = 0.225
    """Weight of moving an ankle up and down, against that of a corner's distance."""
    turn_reluctance: float = 0.75
    """Weight of turning a foot."""
    rise_limit_m: float = 0.03
    """Furthest that an ankle moves."""
    turn_limit_rad: float = 0.3
    """Furthest that a foot turns about each axis."""
    least_load: float = 0.3
    """Load on a foot's corners together, over a full one, from which on it is held in its place."""
    hold_limit_m: float = 0.05
    """A foot is held only as far as that moves it by no more than this."""
    smoothing_s: float = 0.7 / 30
    """Standard deviation of the Gaussian that smooths both over time."""
    heel_s: float = 0.0
    """A foot that carries a full load on its heel alone for longer is set flat; 0 for none."""
    heel_around_s: float = 0.1
    """Time before and after in which it is set flat, too."""


@dataclass(frozen=True)
class FeedbackSettings(Positive):
    """How legs give way to where the body really is, set by hand on CMU clips by the residual force needed."""

    full_load_bodyweights: float = 0.1
    """Planned load on a foot from which on its leg counts as standing."""
    stand_lag_s: float = 0.15
    """Time constant with which the error of a standing foot is followed."""
    turn_lag_s: float = 0.015
    """That of the pelvis' orientation."""
    swing_lag_s: float = 0.08
    """That of a swinging foot's height."""
    uprighting: float = 0.6
    """Share of the pelvis' error that the hip of a standing leg turns back."""
    limit_m: float = 0.05
    """Furthest that a target is moved."""


@dataclass(frozen=True)
class PlanSettings:
    """What is planned before a motion is simulated, and how legs may leave the plan."""

    contacts: ContactSettings = ContactSettings()
    filter: FilterSettings = FilterSettings()
    placement: PlacementSettings = PlacementSettings()
    feedback: FeedbackSettings = FeedbackSettings()


PLAN = PlanSettings()
"""The defaults."""


RESIDUAL_FREE_PLAN = PlanSettings(
    filter=FilterSettings(stance_rounds=2), placement=PlacementSettings(heel_s=0.25, turn_limit_rad=0.5)
)
"""The plan of bodies that get no residual force: nothing else holds them up, so they must stand over their feet.

Set on 24 passages on one leg and the first 4 s of 25 clips of CMU's training subjects. Without a search among copies,
bodies then fall 0.04 instead of 0.22 times per second on one leg, 0.03 instead of 0.09 times in the clips.
"""
