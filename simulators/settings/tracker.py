"""Settings of body, engine, root drive, residual-free search and acceptance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive, describe_value
from selfcorrect.core.errors import SettingError

from .engine_table import AUTO, ENGINES, resolve_engine
from .plan import PLAN, RESIDUAL_FREE_PLAN, ForceSettings, PlanSettings, SupportMode


@dataclass(frozen=True)
class BodySettings(Positive):
    """Settings of the simulated body."""

    mass_kg: float | None = None
    """Mass of the body, in kg; None for the mass of its shape or the normal mass for its stature."""
    minimum_inertia_kgm2: float = 0.06
    """Minimum moment of inertia of a link, in kg m². Below it, motors and contacts would oscillate in PyBullet at 120
    steps per second. Every engine uses the same body, so that engines can be compared."""


@dataclass(frozen=True)
class BulletSettings(Positive):
    """Settings of PyBullet's solver.

    The values were set by hand on CMU clips. With more iterations, motions would need less residual force but take
    longer.
    """

    solver_iterations: int = 15
    """Number of iterations of the contact and motor solver per step."""
    joint_erp: float = 0.4
    """Share of the joint error removed per step."""
    contact_erp: float = 0.2
    """Share of the penetration removed per step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("joint_erp", "contact_erp"):
            if getattr(self, name) > 1:
                raise SettingError(f"{name} must be at most 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class MuJoCoSettings(Positive):
    """Settings of MuJoCo's solver and of joint springs.

    The values were set by hand on CMU clips.
    """

    solver_iterations: int = 20
    """Maximum number of solver iterations per step."""
    contact_time_s: float = 0.008
    """Time constant of penetrations, in s (`solref`)."""
    stiffening: float = 2.5
    """Factor on the table of joint stiffnesses."""
    cone: Literal["pyramidal", "elliptic"] = "elliptic"
    """Shape of friction cones. A pyramid holds 0.7 times as much between the axes as along them. With elliptic cones,
    corrections took 9 % less processor time on one set of clips and 19 % more on another (ten and eight clips)."""
    friction_hardness: float = 1.0
    """Hardness of friction relative to that of contacts (`impratio`). If it is small, feet creep under load."""


@dataclass(frozen=True)
class EngineSettings(Positive):
    """Settings of the engine, with time step and contact model."""

    MAY_BE_ZERO: ClassVar = ("sole_lowering_m",)

    name: str = "pybullet"
    """Name in the table `ENGINES`."""
    rate_hz: float = 120.0
    """Simulation steps per second, rounded to a whole number of steps per frame."""
    friction: float = 0.5
    """Coulomb friction coefficient between soles and floor."""
    sole_lowering_m: float = 0.002
    """Distance by which contact spheres stick out below the soles, in m. It makes up for the solver's soft contacts."""
    bullet: BulletSettings = BulletSettings()
    """Settings of PyBullet."""
    mujoco: MuJoCoSettings = MuJoCoSettings()
    """Settings of MuJoCo."""

    def __post_init__(self) -> None:
        ENGINES.row(self.name)
        super().__post_init__()

    def steps_per_frame(self, fps: float) -> int:
        """Return the whole number of simulation steps per frame."""
        return max(1, round(self.rate_hz / fps))


STRENGTHS = {"faithful": 0.0, "balanced": 0.7, "physical": 1.0}
"""Named points on the dial of `DriveSettings.at_strength`."""

RESIDUAL_FREE = "residual-free"
"""Name of the preset without residual force, which is not on the dial: see `TrackerSettings.without_residual`."""

SIMULATED = "simulated"
"""Name of the preset for samples, which returns raw simulated states and has another drive: see `presets.SAMPLES`."""

_SOFTEST_DRIVE = {
    "horizontal_rad_s": 10.0,
    "vertical_rad_s": 7.0,
    "angular_rad_s": 12.0,
    "yaw_rad_s": 14.0,
    "linear_damping": 0.4,
    "angular_damping": 0.3,
}
"""Values of the drive at strength 1."""


@dataclass(frozen=True)
class DriveSettings(Positive):
    """Settings of the root's drive.

    The drive is a residual wrench that makes the humanoid follow a motion. It acts at the body's centre of mass, and
    consists of a spring and damper towards the reference, and of the part of the motion that planned contacts leave
    unexplained. Because this is not physical, the wrench is clipped to hard bounds, measured and reported. By default,
    the drive is that of strength 0, which follows closest. The ends of the dial were set on clean CMU clips of the test
    split, as compromises between distance and residual force, and checked on clips of the train split.
    """

    horizontal_rad_s: float = 22.0
    """Natural frequency of the root's horizontal spring, in rad/s."""
    vertical_rad_s: float = 13.0
    """Natural frequency of the root's vertical spring, in rad/s. It is softer, so that contact decides the height."""
    angular_rad_s: float = 22.0
    """Natural frequency of the root's tilt spring, about the horizontal axes, in rad/s."""
    yaw_rad_s: float = 22.0
    """Natural frequency of the root's yaw spring, about the vertical axis, in rad/s."""
    linear_damping: float = 0.5
    """Damping ratio of the root's linear springs; 1 is critical."""
    angular_damping: float = 0.5
    """Damping ratio of the root's rotational springs; 1 is critical."""
    force_limit_bodyweights: float = 1.0
    """Bound on the horizontal and on the vertical root force, in body weights."""
    bearing_limit_bodyweights: float = 1.0
    """Increase of that bound if heights are left unchanged (support "off"), in body weights. Something unseen may then
    carry the body."""
    torque_limit_nm: float = 500.0
    """Bound on the root torque, in N m."""

    @classmethod
    def at_strength(cls, strength: float) -> Self:
        """Return the drive at a strength from 0 to 1.

        At 0, the body stays closest to the motion, and at 1, it needs the least residual force. The wrench's springs
        and dampers soften geometrically in between. `STRENGTHS` names some points.

        Raises:
            SettingError: The strength is not in [0, 1].
        """
        if not 0 <= strength <= 1:
            raise SettingError(f"strength must be in [0, 1], got {strength}")
        values = {}
        for name, softest in _SOFTEST_DRIVE.items():
            stiffest = getattr(cls, name)
            values[name] = stiffest * (softest / stiffest) ** strength
        return cls(**values)

    def for_support_mode(self, mode: SupportMode) -> Self:
        """Return the drive with the force bound of a support mode."""
        if mode.moves_to_floor:
            return self
        return replace(self, force_limit_bodyweights=self.force_limit_bodyweights + self.bearing_limit_bodyweights)


@dataclass(frozen=True)
class BalanceSettings(Positive):
    """Settings of the forces and steps that hold up a body without residual force.

    The values were set by hand on CMU clips of the train split.
    """

    horizontal_rad_s: float = 8.0
    """Natural frequency of the spring along the floor, in rad/s. All springs on the centre of mass are critically
    damped."""
    vertical_rad_s: float = 16.0
    """Natural frequency of the spring on the body's height, in rad/s."""
    angular_rad_s: float = 10.0
    """Natural frequency of the spring on the trunk's orientation, in rad/s."""
    force_limit_bodyweights: float = 0.7
    """Bound on the spring's force along each axis, in body weights. The force that the motion itself demands is not
    bounded."""
    friction_share: float = 0.75
    """Share of friction that wanted forces may use. Feet slip if forces reach the edge of the cone."""
    step_limit_m: float = 0.2
    """Maximum displacement of a foot along the floor, in m."""
    lift_limit_m: float = 0.08
    """Maximum lift of a swinging foot, in m."""
    contacts: ForceSettings = field(default_factory=lambda: ForceSettings(iterations=60, moment_weight=2.0))
    """Solver of the floor forces."""


@dataclass(frozen=True)
class PerturbationSettings(Positive):
    """Settings of the differences between particles of a search.

    The values were set by hand on CMU clips of the train split.
    """

    force_n: float = 100.0
    """Standard deviation of the perturbation of the wanted force."""
    moment_nm: float = 40.0
    """Standard deviation of the perturbation of the wanted moment."""
    step_m: float = 0.04
    """Standard deviation of the perturbation of landing positions, in m."""
    joint_rad: float = 0.05
    """Standard deviation of the perturbation of leg and spine targets, in rad."""
    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    """Factors on these deviations that particles get in turn."""
    persistence: float = 0.8
    """Share of a particle's perturbations that its children inherit."""
    high_contact_m: float = 0.03
    """Height below which sole corners touch in some particles, in m. Running and standing on tiptoe need it."""
    high_contact_share: float = 0.25
    """Probability that a perturbed particle uses that height."""


@dataclass(frozen=True)
class CostSettings(Positive):
    """Weights of the errors of a particle that are added to its mean joint distance.

    The values were set by hand on CMU clips of the train split.
    """

    residual_m: float = 0.1
    """Weight of the residual wrench in the cost, in m. The wrench is expressed as a share of the drive's bounds."""
    vertical_speed_s: float = 0.1
    """Weight of vertical speed in the cost, in s, relative to the mean joint distance."""
    feet: float = 0.5
    """Weight of the feet's distance, relative to the mean joint distance."""
    tilt_m: float = 0.3
    """Weight of the trunk's orientation error, in m per radian."""
    spin_m_s: float = 0.05
    """Weight of the trunk's angular velocity error, in m per radian per second."""


@dataclass(frozen=True)
class ResidualFreeSettings(Positive):
    """Settings of control without residual force, and of its search.

    The values were set by hand on CMU clips of the train split.
    """

    balance: BalanceSettings = field(default_factory=BalanceSettings)
    """Forces and steps that hold the body up."""
    perturbations: PerturbationSettings = PerturbationSettings()
    """Differences between particles."""
    costs: CostSettings = CostSettings()
    """Cost of a particle."""
    control_hz: float = 60.0
    """Number of commands per second. Floor forces are solved for each."""
    particle_counts: tuple[int, ...] = (8, 32, 64)
    """Numbers of particles per window. The first batch is always simulated, the second only if no particle does well,
    and all after a fall."""
    good_cost_m: float = 0.2
    """Maximum cost of a particle that does well, in m."""
    prune_cost_m: float = 1.0
    """Maximum cost of a particle that is not lost, in m."""
    backtrack_windows: tuple[int, ...] = (6, 10, 20)
    """Numbers of windows by which the search goes back, in order, each time all particles fall in a window."""
    close_m: float = 0.025
    """Maximum mean joint distance of a motion that is close enough, in m."""
    alternative: ResidualFreeSettings | None = None
    """Settings of another search, tried if the motion falls or ends up further away. The better result counts."""
    beam_width: int = 32
    """Maximum number of particles that continue. Several do, because the best after one window may fall in the next."""
    window_s: float = 0.15
    """Duration of a window, in s."""
    fallback: tuple[float, ...] = ()
    """Residual bounds of a falling body, as shares of the drive's bounds, tried in order; empty for none."""
    fallback_shares: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Shares of the bound that particles get in turn."""
    max_windows_per_s: float = 40.0
    """Maximum number of searched windows per second of motion, repetitions included. After that, a search with a
    fallback gives a falling body the largest bound at once. The body keeps this bound, for at most two more passes."""
    retry_after_fall: ResidualFreeSettings | None = None
    """Settings of a second search after a fall; None for no second search."""


WITHOUT_RESIDUAL = ResidualFreeSettings(alternative=ResidualFreeSettings(window_s=0.3, backtrack_windows=(3, 5, 10)))
"""Default search. Short windows keep walks closer to the motion, and longer windows keep more dances and jumps from
falling."""

FALLBACK = ResidualFreeSettings(
    particle_counts=(8, 64), beam_width=8, window_s=0.1, backtrack_windows=(8,), fallback=(0.125, 0.25, 0.5, 1.0)
)
"""Search of the fallback "balanced". Windows are short, so that residual force is brief, too. The search goes back once
without residual force first."""

BEFORE_FALLBACK = replace(WITHOUT_RESIDUAL, backtrack_windows=(6,), retry_after_fall=FALLBACK)
"""Search before the fallback, without residual force and with a single step back. A fall leads to the fallback instead
of a rejection."""

FallbackChoice: TypeAlias = Literal["none", "balanced"]
"""What happens to a body that falls without residual force: it is rejected, or it gets as little force as possible."""

SimulateChoice: TypeAlias = Literal["auto", "always"]
"""Which planned motions to simulate: those that a simulation may improve (`BlendSimulation.can_gain`), or all. Presets
that return raw simulated states, such as the residual-free preset, need all."""


@dataclass(frozen=True)
class AcceptanceSettings(Positive):
    """Limits above which a corrected motion is rejected.

    The mean joint distance is a usual failure criterion of motion-capture trackers (Luo et al. 2021,
    "Dynamics-Regulated Kinematic Policy for Egocentric Pose Estimation"). The other limits were set by hand. A body in
    flight is not floating, because no force is missing.
    """

    lost_root_m: float = 0.4
    """Distance between simulated and reference root at which a motion is lost, in m."""
    lost_body_m: float = 0.5
    """Maximum mean joint distance of an accepted motion, in m."""
    floating_bodyweights: float = 0.5
    """Minimum missing force of a floating body, in body weights."""
    floating_m: float = 0.05
    """Minimum distance of a floating body from the ground, in m."""
    floating_s: float = 2.0
    """Maximum duration of floating, in s."""


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of the tracker; by default PyBullet at the strength "balanced"."""

    body: BodySettings = field(default_factory=BodySettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    drive: DriveSettings = field(default_factory=partial(DriveSettings.at_strength, STRENGTHS["balanced"]))
    plan: PlanSettings = PLAN
    acceptance: AcceptanceSettings = AcceptanceSettings()
    residual_free: ResidualFreeSettings | None = None
    """Control without residual force, in place of `drive`; None to use the drive."""

    def __post_init__(self) -> None:
        if self.residual_free is not None and not ENGINES.row(self.engine.name).has_compliant_joints:
            compliant = ", ".join(name for name in ENGINES.names if ENGINES.row(name).has_compliant_joints)
            raise SettingError(
                f"strength {RESIDUAL_FREE} needs an engine with compliant joints ({compliant}), got {self.engine.name}"
            )

    @classmethod
    def without_residual(
        cls, engine: str = "mujoco", mass_kg: float | None = None, fallback: FallbackChoice = "none"
    ) -> Self:
        """Return settings without residual force.

        Only joints and contacts hold the body up, on soles that grip like shoes.

        Args:
            engine: Name of an engine with compliant joints.
            mass_kg: Mass of the body; None for the mass of its shape or the normal mass for its stature.
            fallback: With "balanced", a body that falls gets as little residual force as possible.

        Raises:
            SettingError: The engine has no compliant joints.
        """
        return cls(
            body=BodySettings(mass_kg=mass_kg),
            engine=EngineSettings(
                name=engine,
                friction=0.8,
                mujoco=MuJoCoSettings(stiffening=1.0, cone="elliptic", friction_hardness=10.0),
            ),
            plan=RESIDUAL_FREE_PLAN,
            residual_free=WITHOUT_RESIDUAL if fallback == "none" else BEFORE_FALLBACK,
        )

    @property
    def has_fallback(self) -> bool:
        """Whether a body that falls without residual force gets some."""
        search = self.residual_free
        if search is None:
            return False
        return bool(search.fallback or (search.retry_after_fall and search.retry_after_fall.fallback))


def default_tracker() -> TrackerSettings:
    """Return the tracker settings at the strength "balanced".

    The engine is PyBullet if it is installed, else MuJoCo.
    """
    return TrackerSettings(engine=EngineSettings(name=resolve_engine(AUTO)))


def parse_strength(word: str | float) -> float:
    """Parse a strength: a name of `STRENGTHS` or a number on the dial.

    Raises:
        SettingError: The strength is neither, or not in [0, 1].
    """
    try:
        strength = STRENGTHS[word] if isinstance(word, str) and word in STRENGTHS else float(word)
    except (TypeError, ValueError, OverflowError):
        strength = -1.0
    if isinstance(word, bool) or not 0 <= strength <= 1:
        names = ", ".join((*STRENGTHS, RESIDUAL_FREE, SIMULATED))
        raise SettingError(f"strength must be one of {names} or a number from 0 to 1, got {describe_value(word)}")
    return strength


def normalize_strength(strength: str | float) -> str | float:
    """Return a strength as a number or as a preset's name.

    Points on the dial become numbers. Presets off the dial keep their names.
    """
    is_preset = isinstance(strength, str) and strength in (RESIDUAL_FREE, SIMULATED)
    return strength if is_preset else parse_strength(strength)
