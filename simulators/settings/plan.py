"""Settings of supports, contacts, dynamics filter, foot placement and leg feedback."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""What supports the body: the ground that the motion shows, only the floor, or something unknown."""


@dataclass(frozen=True)
class SupportMode:
    """How the stages treat a `SupportChoice`."""

    moves_to_floor: bool
    """Whether motions and limbs are moved to the floor. Otherwise, heights are left unchanged."""
    finds_supports: bool
    """Whether steps, rungs and seats are inferred. If so, bodies without support are rejected."""


SUPPORT_MODES: dict[SupportChoice, SupportMode] = {
    "infer": SupportMode(moves_to_floor=True, finds_supports=True),
    "floor": SupportMode(moves_to_floor=True, finds_supports=False),
    "off": SupportMode(moves_to_floor=False, finds_supports=False),
}


@dataclass(frozen=True)
class ForceSettings(Positive):
    """Settings of the solver for contact forces closest to a wrench."""

    moment_weight: float = 4.0
    """Weight of moments (N m) relative to forces (N)."""
    iterations: int = 30
    """Number of ADMM iterations."""


@dataclass(frozen=True)
class ContactSettings(ForceSettings):
    """Settings of contact planning.

    The values were set by hand on CMU clips, judged by the share of the motion that contacts then explain.
    """

    required_load_bodyweights: tuple[float, float] = (0.1, 0.5)
    """Upward forces, in body weights, from which on a contact is likely and is certain. If no point may carry fully,
    the bounds widen until the next best point does."""
    height_margin: float = 1.5
    """Maximum relative increase of the height bounds."""
    speed_margin: float = 3.0
    """Maximum relative increase of the speed bounds. Real soles are soft, and turning feet slide."""
    smoothing_s: float = 0.6 / 30
    """Standard deviation of the Gaussian that smooths accelerations, in s."""
    coarse_iterations: int = 20
    """Number of ADMM iterations for coarse forces. They guide the dynamics filter, foot placement and the search for
    supports."""

    @property
    def coarse(self) -> Self:
        """These settings with the coarse number of iterations."""
        return replace(self, iterations=self.coarse_iterations)


@dataclass(frozen=True)
class FilterSettings(Positive):
    """Settings of the dynamics filter.

    The values were set by hand on CMU clips, as a compromise between explained forces and distance from the motion.
    Bodies without residual force are shifted further: see `RESIDUAL_FREE_PLAN`.
    """

    MAY_BE_ZERO: ClassVar = ("stance_rounds", "turn_rad_s")

    rounds: int = 2
    """Number of shifts. Contacts are planned again for each."""
    moment_weight: float = 9.0
    """Weight of (N m)² relative to N²."""
    shift_weight: float = 2e8
    """Weight of m² relative to N²."""
    shift_limit_m: float = 0.05
    """Maximum shift of the body in a round, in m."""
    stance_rounds: int = 0
    """Number of slow shifts that bring the body over the carrying feet; 0 for none."""
    stance_m_s: float = 0.6
    """Maximum speed at which bodies are shifted fully, in m/s. Above twice this speed, there are no slow shifts."""
    stance_weight: float = 1e6
    """Weight of m² relative to N² in slow shifts."""
    stance_moment_weight: float = 0.5
    """Weight of moments in the contact forces of slow shifts. If it is small, the missing moment guides the shift."""
    stance_smoothing_s: float = 0.15
    """Smoothing time of slow shifts, in s."""
    stance_inset: float = 0.2
    """Distance of forces from the sole's corners in slow shifts, as a share of the way to the sole's middle. It leaves
    a margin for balance."""
    turn_rad_s: float = 0.0
    """Angular frequency below which rotations of the body are suppressed, in rad/s; 0 for no rotations. Rotations let
    contacts explain more of the moments."""
    turn_limit_rad: float = 0.1
    """Maximum rotation of the body in a round, in rad."""
    lift_s: float = 0.1
    """Time before and after a penetration during which the body is lifted out of the floor, in s."""


@dataclass(frozen=True)
class PlacementSettings(Positive):
    """Settings of foot placement, which turns feet until loaded corners touch.

    The values were set by hand on CMU clips.
    """

    MAY_BE_ZERO: ClassVar = ("heel_s", "clearance_m")

    full_load_bodyweights: float = 0.3
    """Planned load from which on a corner counts fully, in body weights."""
    lever_m: float = 0.1
    """Lever that converts foot rotation to displacement, in m."""
    rise_weight: float = 0.225
    """Weight of vertical ankle displacement, relative to a corner's distance from the ground."""
    turn_weight: float = 0.75
    """Weight of foot rotations, relative to the same."""
    rise_limit_m: float = 0.03
    """Maximum displacement of an ankle, in m."""
    turn_limit_rad: float = 0.3
    """Maximum rotation of a foot about each axis, in rad."""
    min_hold_load: float = 0.3
    """Minimum load on all corners of a foot that is held in place, in full loads."""
    hold_limit_m: float = 0.05
    """Maximum displacement that holds a foot in place, in m."""
    smoothing_s: float = 0.7 / 30
    """Smoothing time of displacements and rotations, in s."""
    heel_s: float = 0.0
    """Maximum time on the heel alone, in s; 0 for no limit. A foot that stands on its heel for longer is set flat."""
    heel_margin_s: float = 0.1
    """Time before and after such a stance in which the foot is also set flat, in s."""
    clearance_m: float = 0.0
    """Minimum ground clearance of a swinging foot, in m; 0 for no minimum."""
    swing_m_s: tuple[float, float] = (0.5, 1.0)
    """Speeds above which an unloaded foot starts to swing and swings fully, in m/s."""


@dataclass(frozen=True)
class FeedbackSettings(Positive):
    """Settings of the feedback that adapts legs to the body's actual position.

    The values were set by hand on CMU clips, judged by the residual force needed.
    """

    full_load_bodyweights: float = 0.1
    """Planned load from which on a leg counts as fully standing, in body weights."""
    stand_lag_s: float = 0.15
    """Time constant of a standing foot's error, in s."""
    turn_lag_s: float = 0.015
    """Time constant of the pelvis' orientation error, in s."""
    swing_lag_s: float = 0.08
    """Time constant of a swinging foot's height, in s."""
    uprighting: float = 0.6
    """Share of the pelvis' orientation error that a standing hip corrects."""
    target_limit_m: float = 0.05
    """Maximum displacement of a target, in m."""


@dataclass(frozen=True)
class PlanSettings:
    """Settings of the plan, and of the feedback that lets legs deviate from it."""

    contacts: ContactSettings = ContactSettings()
    filter: FilterSettings = FilterSettings()
    placement: PlacementSettings = PlacementSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    has_cushions: bool = False
    """Whether seats carry thighs and pelvis, each at its resting height, and not only the pelvis."""


PLAN = PlanSettings()
"""Default plan."""


RESIDUAL_FREE_PLAN = PlanSettings(
    filter=FilterSettings(stance_rounds=2, stance_inset=0.25, turn_rad_s=6.0),
    placement=PlacementSettings(heel_s=0.25, turn_limit_rad=0.5, clearance_m=0.02),
    has_cushions=True,
)
"""Plan of bodies without residual force, which must stand over their feet. It was set on 24 passages on a single leg
and the first 4 s of 25 clips of CMU's training subjects. Without a sampling search, bodies then fall 0.04 instead of
0.22 times per second on a single leg, and 0.03 instead of 0.09 times per second in the clips."""
