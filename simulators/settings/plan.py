"""Settings of the plan before a simulation.

They cover supports, contacts, dynamics filter, foot placement and feedback.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""What supports the body: the ground that the motion shows, only the floor, or something unknown."""


@dataclass(frozen=True)
class SupportMode:
    """What a `SupportChoice` means for the stages."""

    moves_to_floor: bool
    """Whether motions and limbs are moved to the floor. Otherwise heights are kept."""
    finds_supports: bool
    """Whether steps, rungs and seats are inferred. Bodies without support are then rejected."""


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
    """Minimum loads of likely and certain contacts, in body weights. If no point may carry fully, the next best
    does."""
    height_margin: float = 1.5
    """Maximum relative growth of the height bounds."""
    speed_margin: float = 3.0
    """Maximum relative growth of the speed bounds. Soles are soft, and turning feet slide."""
    smoothing_s: float = 0.6 / 30
    """Standard deviation of the Gaussian that smooths accelerations."""
    coarse_iterations: int = 20
    """Number of ADMM iterations for coarse forces. They guide changes in the filter, of feet and of supports."""

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
    """Number of slow shifts over the carrying feet; 0 for none."""
    stance_m_s: float = 0.6
    """Maximum speed of fully shifted bodies, in m/s. From twice as much on there are no slow shifts."""
    stance_weight: float = 1e6
    """Weight of m² against N² in slow shifts."""
    stance_moment_weight: float = 0.5
    """Moment weight of contact forces in slow shifts. With a small weight, the missing moment guides the shift."""
    stance_smoothing_s: float = 0.15
    """Smoothing time of each slow shift, in s."""
    stance_inset: float = 0.2
    """Inset of forces in slow shifts, for balance, as a share of the way from a sole's corners to its middle."""
    turn_rad_s: float = 0.0
    """Minimum rate of body rotations, in rad/s; 0 for none. Contacts then explain more of the moments."""
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
    """Lever at which foot rotation equals displacement, in m."""
    rise_weight: float = 0.225
    """Weight of vertical ankle displacement, relative to the weight of a corner's distance."""
    turn_weight: float = 0.75
    """Weight of rotations of a foot."""
    rise_limit_m: float = 0.03
    """Largest displacement of an ankle."""
    turn_limit_rad: float = 0.3
    """Largest rotation of a foot about each axis."""
    min_hold_load: float = 0.3
    """Load on all of a foot's corners that holds it, in full loads."""
    hold_limit_m: float = 0.05
    """Largest displacement that keeps a foot in place."""
    smoothing_s: float = 0.7 / 30
    """Smoothing time of displacements and rotations, in s."""
    heel_s: float = 0.0
    """Maximum time on the heel alone, in s; 0 for any. The foot is set flat afterwards."""
    heel_margin_s: float = 0.1
    """Time around it in which the foot is also flat, in s."""
    clearance_m: float = 0.0
    """Minimum clearance of a swinging foot, in m; 0 for any."""
    swing_m_s: tuple[float, float] = (0.5, 1.0)
    """Speeds of a swinging and a fully swinging foot, in m/s. It bears no load."""


@dataclass(frozen=True)
class FeedbackSettings(Positive):
    """Settings of leg feedback.

    Legs follow the body's real place. They were set by hand on CMU clips by the residual force needed.
    """

    full_load_bodyweights: float = 0.1
    """Minimum planned load of a standing leg, in body weights."""
    stand_lag_s: float = 0.15
    """Time constant of a standing foot's error, in s."""
    turn_lag_s: float = 0.015
    """Time constant of the filter of the pelvis' orientation."""
    swing_lag_s: float = 0.08
    """Time constant of a swinging foot's height, in s."""
    uprighting: float = 0.6
    """Share of pelvis error that a standing hip corrects."""
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
    """Whether seats carry thighs, too. They carry them and the pelvis at the resting height."""


PLAN = PlanSettings()
"""Default plan."""


RESIDUAL_FREE_PLAN = PlanSettings(
    filter=FilterSettings(stance_rounds=2, stance_inset=0.25, turn_rad_s=6.0),
    placement=PlacementSettings(heel_s=0.25, turn_limit_rad=0.5, clearance_m=0.02),
    has_cushions=True,
)
"""Plan of bodies without residual force. They must stand over the feet. It was set on 24 passages on a single leg and
the first 4 s of 25 clips of CMU's training subjects. Without a sampling search, bodies then fall 0.04 instead of
0.22 times per second on a single leg, 0.03 instead of 0.09 times in the clips."""
