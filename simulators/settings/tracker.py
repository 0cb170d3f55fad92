"""Settings of the tracker.

They cover body, engine, drive of the root, search without residual force, and acceptance.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive, describe_value
from selfcorrect.core.errors import SettingError

from .engine_table import AUTO, ENGINES, resolve_engine
from .plan import PLAN, RESIDUAL_FREE_PLAN, ForceSettings, PlanSettings, SupportMode


@dataclass(frozen=True)
class BodySettings(Positive):
    """The simulated body."""

    mass_kg: float | None = None
    """Mass of the body, in kg. None stands for the usual mass at the body's stature."""
    minimum_inertia_kgm2: float = 0.06
    """Minimum moment of inertia of a link, in kg m². Motors and contacts would oscillate below it. PyBullet needs this
    at 120 steps per second; every engine uses the same body, so that engines can be compared."""


@dataclass(frozen=True)
class BulletSettings(Positive):
    """PyBullet's solver.

    It was set by hand on CMU clips: more sweeps would need less residual force and take longer.
    """

    solver_iterations: int = 15
    """Sweeps of the contact and motor solver per step."""
    joint_erp: float = 0.4
    """Share of joint error removed per step."""
    contact_erp: float = 0.2
    """Share of penetration removed per step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("joint_erp", "contact_erp"):
            if getattr(self, name) > 1:
                raise SettingError(f"{name} must be at most 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class MuJoCoSettings(Positive):
    """MuJoCo's solver and joint springs.

    They were set by hand on CMU clips.
    """

    solver_iterations: int = 20
    """Most iterations of the contact solver per step."""
    contact_time_s: float = 0.008
    """Time for the solver to remove a penetration."""
    stiffening: float = 2.5
    """Factor on the table of the joints' stiffnesses."""
    cone: Literal["pyramidal", "elliptic"] = "elliptic"
    """Shape of friction cones. A pyramid holds 0.7 times as much between the axes as along the axes. Corrections with
    elliptic cones took between 9 % less and 19 % more processor time, on ten and on eight clips."""
    friction_hardness: float = 1.0
    """Hardness of friction, relative to contact. Feet creep under load if it is small."""


@dataclass(frozen=True)
class EngineSettings(Positive):
    """Engine, with time step and contact model."""

    MAY_BE_ZERO: ClassVar = ("sole_lowering_m",)

    name: str = "pybullet"
    """Name in the table `ENGINES`."""
    rate_hz: float = 120.0
    """Simulation steps per second. It is rounded to a whole number of steps per frame."""
    friction: float = 0.5
    """Coulomb friction between soles and floor."""
    sole_lowering_m: float = 0.002
    """Height of contact spheres below the soles, in m. It compensates the solver's soft contacts."""
    bullet: BulletSettings = BulletSettings()
    """Settings of PyBullet."""
    mujoco: MuJoCoSettings = MuJoCoSettings()
    """Settings of MuJoCo."""

    def __post_init__(self) -> None:
        ENGINES.row(self.name)
        super().__post_init__()

    def steps_per_frame(self, fps: float) -> int:
        """Return the simulation steps per frame.

        It is a whole number.
        """
        return max(1, round(self.rate_hz / fps))


STRENGTHS = {"faithful": 0.0, "balanced": 0.7, "physical": 1.0}
"""Named points on the dial of `DriveSettings.at_strength`."""

RESIDUAL_FREE = "residual-free"
"""Preset without residual force, beyond the dial: see `TrackerSettings.without_residual`."""

SIMULATED = "simulated"
"""Preset of raw simulated states of samples, with another drive: see `presets.SAMPLES`."""

_DRIVE_ENDS = {
    "horizontal_rad_s": (22.0, 10.0),
    "vertical_rad_s": (13.0, 7.0),
    "angular_rad_s": (22.0, 12.0),
    "yaw_rad_s": (22.0, 14.0),
    "linear_damping": (0.5, 0.4),
    "angular_damping": (0.5, 0.3),
}
"""Values of the drive at strengths 0 and 1."""


def _interpolate_strength(strength: float, name: str) -> float:
    """Interpolate a value of the drive geometrically."""
    stiff, soft = _DRIVE_ENDS[name]
    return stiff * (soft / stiff) ** strength


@dataclass(frozen=True)
class DriveSettings(Positive):
    """Drive of the root.

    Its residual wrench makes the humanoid follow a motion. The wrench at the body's centre of mass is a spring and
    damper towards the reference plus the part of the motion that planned contacts leave unexplained. The drive is not
    physics, so the wrench is clipped to hard bounds, measured and reported. The ends of the dial were set on clean CMU
    clips of the test split, as compromises between distance and residual force, and checked on clips of the train
    split.
    """

    horizontal_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "horizontal_rad_s")
    """Natural frequency of the root's horizontal spring."""
    vertical_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "vertical_rad_s")
    """Natural frequency of the root's vertical spring, in rad/s: softer, so that contact decides the height."""
    angular_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "angular_rad_s")
    """Natural frequency of the root's tilt spring, in rad/s. It acts about the horizontal axes."""
    yaw_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "yaw_rad_s")
    """Natural frequency of the root's yaw spring, in rad/s. It acts about the vertical axis."""
    linear_damping: float = _interpolate_strength(STRENGTHS["balanced"], "linear_damping")
    """Damping ratio of the root's linear springs. 1 is critical."""
    angular_damping: float = _interpolate_strength(STRENGTHS["balanced"], "angular_damping")
    """Damping ratio of the root's rotational springs."""
    force_limit_bodyweights: float = 1.0
    """Bound on root forces, in body weights. It holds for the horizontal and for the vertical force."""
    bearing_limit_bodyweights: float = 1.0
    """Additional vertical bound, in body weights. It is added if heights are kept (support "off"): something unseen may
    bear the body's weight."""
    torque_limit_nm: float = 500.0
    """Bound on the root torque."""

    @classmethod
    def at_strength(cls, strength: float) -> Self:
        """Return the drive of a strength.

        It lies between closeness to the motion (0) and least residual force (1). The wrench's springs and dampers
        soften geometrically; `STRENGTHS` names points on the way.
        """
        if not 0 <= strength <= 1:
            raise SettingError(f"strength must be in [0, 1], got {strength}")
        return cls(**{name: _interpolate_strength(strength, name) for name in _DRIVE_ENDS})

    def for_support_mode(self, mode: SupportMode) -> Self:
        """Return the drive for a support mode.

        It has the mode's bound on force.
        """
        if mode.moves_to_floor:
            return self
        return replace(self, force_limit_bodyweights=self.force_limit_bodyweights + self.bearing_limit_bodyweights)


@dataclass(frozen=True)
class ResidualFreeSettings(Positive):
    """Control without residual force, and its search.

    It was set by hand on CMU clips of the train split.
    """

    horizontal_rad_s: float = 8.0
    """Natural frequency along the floor, in rad/s. The spring of the centre of mass is critically damped."""
    vertical_rad_s: float = 16.0
    """Natural frequency of the spring of the body's height."""
    angular_rad_s: float = 10.0
    """Natural frequency of the spring of the trunk's orientation."""
    force_limit_bodyweights: float = 0.7
    """Bound on the wanted force, in body weights. It holds along each axis, beside the force of the motion."""
    friction_share: float = 0.75
    """Share of friction that wanted forces use. Feet slip when forces reach the edge of the cone."""
    step_limit_m: float = 0.2
    """Largest displacement of a foot along the floor."""
    lift_limit_m: float = 0.08
    """Largest lift of a swinging foot."""
    contacts: ForceSettings = field(default_factory=lambda: ForceSettings(iterations=60, moment_weight=2.0))
    """Solver of the floor's forces."""
    control_hz: float = 60.0
    """Number of commands per second. The floor's forces are solved for each."""
    particle_counts: tuple[int, ...] = (8, 32, 64)
    """Numbers of particles per window. The first is always used, the second if no particle does well, and all after a
    fall."""
    good_cost_m: float = 0.2
    """Largest cost of a particle that does well."""
    prune_cost_m: float = 1.0
    """Largest cost of a particle that is not lost."""
    backtrack_windows: tuple[int, ...] = (6, 10, 20)
    """Numbers of windows to go back. The search does so each time that all particles fall in a window."""
    close_m: float = 0.025
    """Mean distance of the joints of a motion that is close enough."""
    alternative: ResidualFreeSettings | None = None
    """Settings of another search for a motion that is further away or falls; the closer result counts."""
    beam_width: int = 32
    """Maximum number of particles that continue. The best after a window may fall in the next."""
    window_s: float = 0.15
    """Duration of a window."""
    fallback: tuple[float, ...] = ()
    """Residual bounds of a falling body as shares of the drive's, tried in order; empty for none."""
    fallback_shares: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Shares of the bound that particles get, in turn."""
    max_windows_per_s: float = 40.0
    """Number of windows per second of motion. With repetitions counted, a search with a fallback then gives a body that
    falls the largest bound at once. The body keeps this bound, for at most two more passes."""
    residual_cost_m: float = 0.1
    """Weight of the residual wrench, in m. The wrench is a share of the drive's bounds."""
    retry_after_fall: ResidualFreeSettings | None = None
    """Settings of a second search after a fall. None stands for no second search."""
    persistence: float = 0.8
    """Share of a particle's perturbations that children inherit."""
    force_noise_n: float = 100.0
    """Standard deviation of the perturbation of the wanted force."""
    moment_noise_nm: float = 40.0
    """Standard deviation of the perturbation of the wanted moment."""
    step_noise_m: float = 0.04
    """Deviation of landing positions, in m: the standard deviation of the perturbation."""
    joint_noise_rad: float = 0.05
    """Deviation of leg and spine targets, in rad: the standard deviation of the perturbation."""
    noise_scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    """Scales of the perturbations, in turn, as shares of these deviations."""
    high_contact_m: float = 0.03
    """Height of touching sole corners, in m. It holds in some particles, as runs and stands on tiptoe need."""
    high_contact_share: float = 0.25
    """Probability of that height for a perturbed particle."""
    vertical_speed_cost_s: float = 0.1
    """Weight of vertical speed in the cost, in s relative to the mean distance of the joints."""
    feet_cost: float = 0.5
    """Weight of the feet's distance."""
    tilt_cost_m: float = 0.3
    """Weight of the trunk's orientation, per radian."""
    spin_cost_m_s: float = 0.05
    """Weight of the trunk's turning, per radian per second."""


WITHOUT_RESIDUAL = ResidualFreeSettings(alternative=ResidualFreeSettings(window_s=0.3, backtrack_windows=(3, 5, 10)))
"""Default search: short windows keep walks closer, and longer ones hold more dances and jumps up."""

FALLBACK = ResidualFreeSettings(
    particle_counts=(8, 64), beam_width=8, window_s=0.1, backtrack_windows=(8,), fallback=(0.125, 0.25, 0.5, 1.0)
)
"""Search of the fallback "balanced". It runs in short windows, so that residual force is short, too, and goes back once
without."""

BEFORE_FALLBACK = replace(WITHOUT_RESIDUAL, backtrack_windows=(6,), retry_after_fall=FALLBACK)
"""Search before the fallback, with one step back. It uses no residual force; a fall does not end in rejection."""

FallbackChoice: TypeAlias = Literal["none", "balanced"]
"""What happens to a body that falls. Without residual force, it is rejected, or gets as little force as possible."""

SimulateChoice: TypeAlias = Literal["auto", "always"]
"""Which planned motions to simulate: those that a simulation may improve (`BlendSimulation.can_gain`), or all. Raw
states, as without residual force, come from simulations, so they need all motions simulated."""


@dataclass(frozen=True)
class AcceptanceSettings(Positive):
    """Limits; a corrected motion above a limit is rejected.

    The mean distance is the criterion of failure for trackers of motion capture (Luo et al. 2021, "Dynamics-Regulated
    Kinematic Policy for Egocentric Pose Estimation"); all else was set by hand. In flight no force is missing.
    """

    lost_root_m: float = 0.4
    """Root distance at which a motion is lost, in m between the simulated and the reference root."""
    lost_body_m: float = 0.5
    """Maximum mean joint distance of an accepted motion, in m."""
    floating_bodyweights: float = 0.5
    """Least missing force of a floating body."""
    floating_m: float = 0.05
    """Least distance from the ground of a floating body."""
    floating_s: float = 2.0
    """Longest time of floating."""


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of the tracker.

    By default they are PyBullet's at the strength "balanced".
    """

    body: BodySettings = field(default_factory=BodySettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    drive: DriveSettings = field(default_factory=DriveSettings)
    plan: PlanSettings = PLAN
    acceptance: AcceptanceSettings = AcceptanceSettings()
    residual_free: ResidualFreeSettings | None = None
    """Control without residual force, or None. It takes the place of `drive`."""

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

        Only joints and contacts hold a body up, on soles that grip like shoes.

        Args:
            engine: Name of an engine with compliant joints.
            mass_kg: Mass of the body; None for the usual mass at the body's stature.
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
        """True if fallen bodies get some residual force.

        Otherwise a body that falls without residual force gets none.
        """
        search = self.residual_free
        if search is None:
            return False
        return bool(search.fallback or (search.retry_after_fall and search.retry_after_fall.fallback))


def default_tracker() -> TrackerSettings:
    """Return the default tracker.

    It has the strength "balanced", in PyBullet if installed, else in MuJoCo.
    """
    return TrackerSettings(engine=EngineSettings(name=resolve_engine(AUTO)))


def parse_strength(word: str | float) -> float:
    """Parse a strength.

    It is a name of `STRENGTHS` or a number on the dial.

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
    """Normalise a strength for options and records.

    It becomes a number on the dial, or the name of a preset beyond.
    """
    is_preset = isinstance(strength, str) and strength in (RESIDUAL_FREE, SIMULATED)
    return strength if is_preset else parse_strength(strength)
