"""How hard the humanoid is driven, and how finely time is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self, TypeAlias

from selfcorrect.errors import SettingError
from selfcorrect.simulators.engines.table import ENGINES

STRENGTHS = {"faithful": 0.0, "balanced": 0.7, "physical": 1.0}
"""Named points on the dial of `TrackerSettings.at_strength`."""

UNAIDED = "unaided"
"""The word for no help at all, which is beyond the dial: see `TrackerSettings.without_help`."""

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""What carries the body: what the motion shows, nothing but the floor, or whatever it may be, left alone."""


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

_FRONTIER = {
    "horizontal_rad_s": (22.0, 10.0),
    "vertical_rad_s": (13.0, 7.0),
    "angular_rad_s": (22.0, 12.0),
    "yaw_rad_s": (22.0, 14.0),
    "linear_damping": (0.5, 0.4),
    "angular_damping": (0.5, 0.3),
}
"""The drive at strengths 0 and 1."""


def _at(strength: float, name: str) -> float:
    """A value of the drive on the way between, in equal ratios."""
    stiff, soft = _FRONTIER[name]
    return stiff * (soft / stiff) ** strength


def _check_positive(settings: Any, may_be_zero: Sequence[str] = ()) -> None:
    """Raises SettingError for a number in a dataclass that is not positive."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, (int, float)) and not value > 0 and field.name not in may_be_zero:
            raise SettingError(f"{field.name} must be positive, got {value}")


@dataclass(frozen=True)
class BodySettings:
    """The simulated body."""

    mass_kg: float | None = None
    """What it weighs; without it, what is usual for its stature."""
    minimum_inertia_kgm2: float = 0.06
    """Light links are padded to this moment of inertia so that motors and contacts do not fight.

    PyBullet needs it at 120 steps per second; the same body is used in every engine, so that they can be compared.
    """

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class BulletSettings:
    """PyBullet's own solver, set by hand on CMU clips: more sweeps would need less help and take longer."""

    solver_iterations: int = 15
    """Sweeps of the contact and motor solver per step."""
    joint_erp: float = 0.4
    """Share of a joint's error that its motor removes per step."""
    contact_erp: float = 0.2
    """Share of a penetration that the solver removes per step."""

    def __post_init__(self) -> None:
        _check_positive(self)
        for name in ("joint_erp", "contact_erp"):
            if getattr(self, name) > 1:
                raise SettingError(f"{name} must be at most 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class MuJoCoSettings:
    """MuJoCo's own solver and joint springs, set by hand on CMU clips."""

    solver_iterations: int = 20
    """Iterations of the contact solver per step, at most."""
    contact_time_s: float = 0.008
    """Time in which the solver removes a penetration."""
    stiffening: float = 2.5
    """The joints' springs are this many times stiffer than the table of stiffnesses."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class EngineSettings:
    """The simulator, and how finely it cuts time and models contact."""

    name: str = "pybullet"
    """One of the table `ENGINES`."""
    rate_hz: float = 120.0
    """Simulation steps per second, rounded to a whole number of steps per frame."""
    friction: float = 0.5
    """Coulomb friction between soles and floor."""
    sole_lowering_m: float = 0.002
    """Distance by which contact spheres stick out of the soles, against the solver's soft contacts."""
    bullet: BulletSettings = BulletSettings()
    """What PyBullet alone takes."""
    mujoco: MuJoCoSettings = MuJoCoSettings()
    """What MuJoCo alone takes."""

    def __post_init__(self) -> None:
        ENGINES.row(self.name)
        _check_positive(self, may_be_zero=("sole_lowering_m",))

    def steps_per_frame(self, fps: float) -> int:
        """Whole number of simulation steps in one frame of a motion."""
        return max(1, round(self.rate_hz / fps))


@dataclass(frozen=True)
class DriveSettings:
    """The root wrench that helps the humanoid follow a motion.

    The wrench at the body's centre of mass is a spring and damper towards the reference plus what planned contacts
    leave unexplained, clipped to hard bounds: it is not physics, so it is bounded, measured and reported. The ends of
    the dial were set on clean CMU clips of the test split, where distance is traded against help, and checked on those
    of the train split.
    """

    horizontal_rad_s: float = _at(STRENGTHS["balanced"], "horizontal_rad_s")
    """Natural frequency of the root's horizontal spring."""
    vertical_rad_s: float = _at(STRENGTHS["balanced"], "vertical_rad_s")
    """Natural frequency of the root's vertical spring; softer, so that contact decides the height."""
    angular_rad_s: float = _at(STRENGTHS["balanced"], "angular_rad_s")
    """Natural frequency of the root's rotational spring about the horizontal axes."""
    yaw_rad_s: float = _at(STRENGTHS["balanced"], "yaw_rad_s")
    """Natural frequency of the root's rotational spring about the vertical axis."""
    linear_damping: float = _at(STRENGTHS["balanced"], "linear_damping")
    """Damping ratio of the root's linear springs (1 is critical)."""
    angular_damping: float = _at(STRENGTHS["balanced"], "angular_damping")
    """Damping ratio of the root's rotational springs."""
    force_limit_bodyweights: float = 1.0
    """Bound on the horizontal root force, and on the vertical one, in body weights."""
    bearing_limit_bodyweights: float = 1.0
    """Added to that bound where heights are left alone (support "off"): what is unseen may bear the body's weight."""
    torque_limit_nm: float = 500.0
    """Bound on the root torque, N m."""

    def __post_init__(self) -> None:
        _check_positive(self)

    @classmethod
    def at_strength(cls, strength: float) -> Self:
        """A point on the frontier between closeness to the motion (0) and independence of help (1).

        The wrench's springs and dampers soften geometrically; `STRENGTHS` names points on the way.
        """
        if not 0 <= strength <= 1:
            raise SettingError(f"strength must be in [0, 1], got {strength}")
        return cls(**{name: _at(strength, name) for name in _FRONTIER})

    def bearing(self, mode: SupportMode) -> Self:
        """The same with the bound on force that holds in a mode."""
        if mode.moves_to_floor:
            return self
        return replace(self, force_limit_bodyweights=self.force_limit_bodyweights + self.bearing_limit_bodyweights)


@dataclass(frozen=True)
class AcceptanceSettings:
    """When a corrected motion is rejected.

    The mean distance is that by which trackers of motion capture count failures (Luo et al. 2021, "Dynamics-Regulated
    Kinematic Policy for Egocentric Pose Estimation"); the rest was set by hand. In flight no force is missing.
    """

    lost_root_m: float = 0.4
    """Distance between simulated and reference root at which the motion is given up."""
    lost_body_m: float = 0.5
    """Mean distance over all joints at which the motion is rejected."""
    floating_bodyweights: float = 0.5
    """A body floats that misses more force than this …"""
    floating_m: float = 0.05
    """… further off the ground than this …"""
    floating_s: float = 2.0
    """… for longer than this."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class ContactSettings:
    """How contact forces are planned. Set by hand on CMU clips, by how much of their motion is then explained."""

    free_height_m: float = 0.003
    """A point carries freely up to this height …"""
    highest_m: float = 0.015
    """… and nothing above this one."""
    free_speed_m_s: float = 0.1
    """It carries freely up to this speed over the floor …"""
    fastest_m_s: float = 0.4
    """… and nothing above this one."""
    hurry_m_s: float = 1.5
    """Feet that land and leave within a frame seem to slide: from this speed of the body on both bounds grow with it …
    """
    most_hurry: float = 3.0
    """… up to so many times."""
    moment_weight: float = 4.0
    """Weight of moments (N m) against forces (N)."""
    smoothing_s: float = 0.6 / 30
    """Standard deviation of the Gaussian that smooths accelerations."""
    iterations: int = 30
    """Of ADMM."""
    over_relaxation: float = 1.6
    """Of ADMM; Boyd et al. 2011 (§3.4.3) advise 1.5 to 1.8."""
    penalty: float = 0.003
    """Of ADMM, as a share of the trace of the problem's matrix."""
    regularisation: float = 1e-5
    """Weight of the forces themselves, which spreads them over the points that can carry."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class FilterSettings:
    """The dynamics filter, set by hand on CMU clips, where explained forces are traded against distance."""

    rounds: int = 2
    """Shifts, each of which is planned anew."""
    iterations: int = 20
    """Of the contact solver in each round."""
    moment_weight: float = 9.0
    """Weight of (N m)² against N²."""
    shift_weight: float = 2e8
    """Weight of m² against N²."""
    shift_limit_m: float = 0.05
    """Furthest that a round shifts the body."""
    lift_s: float = 0.1
    """Time over which a body is lifted out of the floor."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class PlacementSettings:
    """How feet turn so that loaded corners of their soles touch, set by hand on CMU clips."""

    iterations: int = 20
    """Of the contact solver that tells which corners carry."""
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
    """Load on a foot's corners together, over a full one, from which on it is held in its place …"""
    hold_limit_m: float = 0.05
    """… as far as that moves it by no more than this."""
    smoothing_s: float = 0.7 / 30
    """Standard deviation of the Gaussian that smooths both over time."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class GainSettings:
    """Where a simulation is worth more than its plan.

    Set on 3 s of each fourth of CMU's training clips, 30 and 120 frames per second. MuJoCo, which replays the results,
    needs 0.104 body weights of help with them at 30, as much as with all or nothing of PyBullet's simulation, but jerk
    is lower than with nothing, and distance (9.7 mm) a third lower than with all. Twice the bounds change nothing.
    """

    saved_bodyweights: tuple[float, float] = (0.05, 0.2)
    """Unexplained force that is saved: below the first none of the simulation is kept, above the second all."""
    gain_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian over which that is told …"""
    share_smoothing_s: float = 0.1
    """… and of the one over which the share comes and goes."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class StandingSettings:
    """How feet are led to where they stand in the mended motion, set by hand on CMU's training clips.

    Of 20 of them sliding falls from 22.5 to 19.4 mm/s by that, 18.5 by kinematics alone; jerk and distance stay.
    """

    around_s: float = 0.15
    """Time around a stance in which its foot is led to its place."""
    smoothing_s: float = 0.05
    """Standard deviation of the Gaussian that smooths that."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class FeedbackSettings:
    """How legs give way to where the body really is, set by hand on CMU clips by the help that is then needed."""

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

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True)
class PlanSettings:
    """What is planned before a motion is simulated, and how legs may leave the plan."""

    contacts: ContactSettings = ContactSettings()
    filter: FilterSettings = FilterSettings()
    placement: PlacementSettings = PlacementSettings()
    gain: GainSettings = GainSettings()
    standing: StandingSettings = StandingSettings()
    feedback: FeedbackSettings = FeedbackSettings()


PLAN = PlanSettings()
"""The defaults."""


@dataclass(frozen=True)
class UnaidedSettings:
    """How a body is held up without help, and how its control is searched for. Set by hand on CMU clips of train."""

    horizontal_rad_s: float = 8.0
    """Natural frequency of the spring that wants the centre of mass across the floor; dampers are critical."""
    vertical_rad_s: float = 10.0
    """That of its height."""
    angular_rad_s: float = 10.0
    """That of the trunk's orientation."""
    force_limit_bodyweights: float = 0.7
    """Bound on what is wanted along each axis beside what the motion takes."""
    step_limit_m: float = 0.2
    """Furthest that a foot is put beside its place."""
    lift_limit_m: float = 0.08
    """Furthest that a swinging foot is lifted."""
    contacts: ContactSettings = ContactSettings(iterations=12)
    """How the floor's forces are found at each step."""
    copies: tuple[int, ...] = (64, 256)
    """How many copies are tried, one after the other, until one of them gets to the end."""
    kept: int = 8
    """So many of them go on from each window to the next."""
    window_s: float = 0.1
    """How long a window lasts."""
    persistence: float = 0.8
    """Share of its nudges that a copy hands on."""
    force_n: float = 100.0
    """Standard deviation of what is added to the force that is wanted …"""
    moment_nm: float = 40.0
    """… to the moment …"""
    step_m: float = 0.04
    """… to where feet land …"""
    turn_rad: float = 0.05
    """… and to the targets of legs and spine."""
    fall_cost_s: float = 0.1
    """Weight of vertical speed against mean distance of the joints, by which copies are chosen …"""
    feet_cost: float = 0.5
    """… of the feet's distance …"""
    tilt_cost_m: float = 0.3
    """… of the trunk's orientation, per radian …"""
    spin_cost_m_s: float = 0.05
    """… and of its turning, per radian per second."""

    def __post_init__(self) -> None:
        _check_positive(self)


WITHOUT_HELP = UnaidedSettings()
"""The defaults."""


@dataclass(frozen=True)
class InferenceSettings:
    """When something seems to carry a body that the file does not show.

    Set by hand on CMU clips: on those of stairs, ladders and stools, and on the others, where nothing may be found.
    """

    lowest_m: float = 0.07
    """A support is at least this high."""
    same_height_m: float = 0.03
    """What it carries keeps its height that closely."""
    foot_m_s: float = 0.5
    """A foot is no faster than this while something carries it …"""
    still_m_s: float = 0.3
    """… and another part no faster than this."""
    shortest_foot_s: float = 0.3
    """For how long a foot is carried at least …"""
    shortest_s: float = 0.7
    """… and another part."""
    longest_gap_s: float = 0.07
    """For how long either may move meanwhile."""
    swings_m: float = 0.08
    """A hand that grips a hold stays this close to it."""
    steep: float = 0.6
    """Limbs do not point downwards by more than this share of their length while their part rests."""
    friction: float = 0.5
    """Of supports and floor."""
    free_speed_m_s: float = 0.6
    """What is captured on a support slips more than what is planned to carry: it carries freely up to this speed …"""
    fastest_m_s: float = 1.8
    """… and nothing above this one."""
    contacts: ContactSettings = ContactSettings(iterations=20)
    """How forces are found."""
    missing: float = 0.25
    """Share of the body's weight, moments weighed as in `contacts`, from which on a support seems to be missing."""
    fewest_s: float = 0.2
    """One is there if it is missing for so long …"""
    often: float = 0.5
    """… in this share of the time under a foot or the seat, or else twice as badly …"""
    explained: float = 0.5
    """… if it explains this share of what is missing …"""
    least_load: float = 0.2
    """… and if it carries this share of the weight."""
    margin_m: float = 0.08
    """By this much a support is wider than what rests on it …"""
    margin_of_seat_m: float = 0.03
    """… and a seat by this much: sloping thighs must clear its edge."""

    def __post_init__(self) -> None:
        _check_positive(self)


INFERENCE = InferenceSettings()
"""The defaults."""


@dataclass(frozen=True)
class TrackerSettings:
    """How a simulated body follows motions; by default in PyBullet at the strength "balanced"."""

    body: BodySettings = BodySettings()
    engine: EngineSettings = EngineSettings()
    drive: DriveSettings = DriveSettings()
    plan: PlanSettings = PLAN
    acceptance: AcceptanceSettings = AcceptanceSettings()
    unaided: UnaidedSettings | None = None
    """How a body is held up that gets no help, whatever `drive` says; without it, it gets some."""
    filter_dynamics: bool = True
    """Shift the body and turn its feet slightly beforehand so that contacts explain more of its motion."""

    def __post_init__(self) -> None:
        if self.unaided is not None and not ENGINES.row(self.engine.name).gives_way:
            able = ", ".join(name for name in ENGINES.names if ENGINES.row(name).gives_way)
            raise SettingError(
                f"strength {UNAIDED} needs an engine whose joints give way ({able}), got {self.engine.name}"
            )

    @classmethod
    def without_help(cls, engine: str = "mujoco", mass_kg: float | None = None) -> Self:
        """Settings with which muscles and contacts alone hold a body up, on soles that grip like shoes."""
        soft = EngineSettings(name=engine, friction=0.8, mujoco=MuJoCoSettings(stiffening=1.0))
        return cls(BodySettings(mass_kg=mass_kg), soft, unaided=WITHOUT_HELP)

    @classmethod
    def at_strength(cls, strength: float, engine: str = "pybullet", mass_kg: float | None = None) -> Self:
        """Settings on the dial of `DriveSettings.at_strength`, in an engine of the table, for a body of a mass."""
        drive = DriveSettings.at_strength(strength)
        return cls(BodySettings(mass_kg=mass_kg), EngineSettings(name=engine), drive)


def strength_of(word: str | float) -> float:
    """The point on the dial that a name of `STRENGTHS` or a number says; its end for `UNAIDED`."""
    if word == UNAIDED:
        return 1.0
    try:
        strength = STRENGTHS[word] if isinstance(word, str) and word in STRENGTHS else float(word)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise SettingError(
            f"strength must be one of {', '.join([*STRENGTHS, UNAIDED])} or a number from 0 to 1, got {word!r}"
        )
    return strength
