"""Settings of the plan before a simulation.

They cover supports, contacts, dynamics filter, foot placement and feedback.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""Support of the body: the ground that the motion shows, only the floor, or something unknown."""


@dataclass(frozen=True)
class SupportMode:
    """What a `SupportChoice` means for the stages."""

    moves_to_floor: bool
    """Motions are moved to the height of the floor, and limbs out of the floor; otherwise heights are kept."""
    finds_supports: bool
    """Steps, rungs and seats are inferred, and bodies without support are rejected."""


SUPPORT_MODES: dict[SupportChoice, SupportMode] = {
    "infer": SupportMode(moves_to_floor=True, finds_supports=True),
    "floor": SupportMode(moves_to_floor=True, finds_supports=False),
    "off": SupportMode(moves_to_floor=False, finds_supports=False),
}


@dataclass(frozen=True)
class ForceSettings(Positive):
    """Solver of the contact forces.

    They come closest to a wrench.
    """

    moment_weight: float = 4.0
    """Weight of moments (N m) against forces (N)."""
    iterations: int = 30
    """Number of ADMM iterations."""


@dataclass(frozen=True)
class ContactSettings(ForceSettings):
    """Settings of contact planning.

    They were set by hand on CMU clips, by the share of the motion that contacts then explain.
    """

    required_load_bodyweights: tuple[float, float] = (0.1, 0.5)
    """Least vertical forces of likely and of certain contacts. If no point may carry fully, the next best does."""
    height_margin: float = 1.5
    """Largest share that the bounds on height then grow by."""
    speed_margin: float = 3.0
    """Largest share that the bounds on speed then grow by: soles are soft, and turning feet slide."""
    smoothing_s: float = 0.6 / 30
    """Standard deviation of the Gaussian that smooths accelerations."""
    coarse_iterations: int = 20
    """Number of ADMM iterations if forces only guide changes: in the filter, for feet and for supports."""

    @property
    def coarse(self) -> Self:
        """These settings with the coarse number of iterations."""
        return replace(self, iterations=self.coarse_iterations)


@dataclass(frozen=True)
class FilterSettings(Positive):
    """Settings of the dynamics filter.

    They were set by hand on CMU clips as a compromise between explained forces and distance. Bodies without residual
    force are shifted further: see `RESIDUAL_FREE_PLAN`.
    """

    MAY_BE_ZERO: ClassVar = ("stance_rounds", "turn_rad_s")

    rounds: int = 2
    """Number of shifts; contacts are planned again after each."""
    moment_weight: float = 9.0
    """Weight of (N m)² against N²."""
    shift_weight: float = 2e8
    """Weight of m² against N²."""
    shift_limit_m: float = 0.05
    """Largest shift of the body in a round."""
    stance_rounds: int = 0
    """Number of slow shifts after these that move the centre of mass over the carrying feet; 0 for none."""
    stance_m_s: float = 0.6
    """Speed of a body up to which slow shifts are full; from twice as much on there are none."""
    stance_weight: float = 1e6
    """Weight of m² against N² in slow shifts."""
    stance_moment_weight: float = 0.5
    """Moment weight of contact forces in slow shifts. With a small weight, the missing moment guides the shift."""
    stance_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian that smooths each slow shift."""
    stance_inset: float = 0.2
    """Inset of forces from a sole's corners in slow shifts, as a share of the way to the sole's middle, for balance."""
    turn_rad_s: float = 0.0
    """Least rate of movements with turns of the body, so that contacts explain more of the moments; 0 for no turns."""
    turn_limit_rad: float = 0.1
    """Largest turn of the body in a round."""
    lift_s: float = 0.1
    """Time for lifting a body out of the floor."""


@dataclass(frozen=True)
class PlacementSettings(Positive):
    """Settings of foot placement.

    Feet turn so that loaded corners of soles touch. They were set by hand on CMU clips.
    """

    MAY_BE_ZERO: ClassVar = ("heel_s", "clearance_m")

    full_load_bodyweights: float = 0.3
    """Planned load from which on a corner counts fully."""
    lever_m: float = 0.1
    """Distance from the ankle where a rotation of a foot counts like a displacement."""
    rise_weight: float = 0.225
    """Weight of vertical displacements of an ankle, against the weight of a corner's distance."""
    turn_weight: float = 0.75
    """Weight of rotations of a foot."""
    rise_limit_m: float = 0.03
    """Largest displacement of an ankle."""
    turn_limit_rad: float = 0.3
    """Largest rotation of a foot about each axis."""
    min_hold_load: float = 0.3
    """Load on all of a foot's corners, as a multiple of a full load, from which on the foot stays in place."""
    hold_limit_m: float = 0.05
    """Largest displacement that keeps a foot in place."""
    smoothing_s: float = 0.7 / 30
    """Standard deviation of the Gaussian that smooths displacements and rotations over time."""
    heel_s: float = 0.0
    """Longest time of a full load only on a heel, before the foot is set flat; 0 to allow any."""
    heel_margin_s: float = 0.1
    """Time before and after of setting the foot flat, too."""
    clearance_m: float = 0.0
    """Least height of a swinging foot above the ground; 0 for any."""
    swing_m_s: tuple[float, float] = (0.5, 1.0)
    """Least speeds of a foot without load that counts as swinging, and as fully swinging."""


@dataclass(frozen=True)
class FeedbackSettings(Positive):
    """Settings of leg feedback.

    Legs follow the body's real place. They were set by hand on CMU clips by the residual force needed.
    """

    full_load_bodyweights: float = 0.1
    """Least planned load on the foot of a standing leg."""
    stand_lag_s: float = 0.15
    """Time constant of the filter of a standing foot's error."""
    turn_lag_s: float = 0.015
    """Time constant of the filter of the pelvis' orientation."""
    swing_lag_s: float = 0.08
    """Time constant of the filter of a swinging foot's height."""
    uprighting: float = 0.6
    """Share of the pelvis' error that the hip of a standing leg corrects."""
    target_limit_m: float = 0.05
    """Largest displacement of a target."""


@dataclass(frozen=True)
class PlanSettings:
    """Settings of the plan and its feedback.

    The feedback lets legs leave the plan.
    """

    contacts: ContactSettings = ContactSettings()
    filter: FilterSettings = FilterSettings()
    placement: PlacementSettings = PlacementSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    has_cushions: bool = False
    """Seats carry thighs as well as the pelvis, at the resting height."""


PLAN = PlanSettings()
"""Default plan."""


RESIDUAL_FREE_PLAN = PlanSettings(
    filter=FilterSettings(stance_rounds=2, stance_inset=0.25, turn_rad_s=6.0),
    placement=PlacementSettings(heel_s=0.25, turn_limit_rad=0.5, clearance_m=0.02),
    has_cushions=True,
)
"""Plan of bodies without residual force: such bodies must stand over the feet.

Set on 24 passages on a single leg and the first 4 s of 25 clips of CMU's training subjects. Without a sampling search,
bodies then fall 0.04 instead of 0.22 times per second on a single leg, 0.03 instead of 0.09 times in the clips.
"""
