"""How a simulated body follows motions: body, simulator, drive of the root, when a motion is rejected, and presets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self, TypeAlias

from selfcorrect.core.checks import Positive
from selfcorrect.core.errors import SettingError

from .engine_table import AUTO, ENGINES, resolve_engine
from .plan import PLAN, RESIDUAL_FREE_PLAN, ForceSettings, PlanSettings, SupportMode


@dataclass(frozen=True)
class BodySettings(Positive):
    """The simulated body."""

    mass_kg: float | None = None
    """What it weighs; without it, what is usual for its stature."""
    minimum_inertia_kgm2: float = 0.06
    """Light links are padded to this moment of inertia so that motors and contacts do not fight.

    PyBullet needs it at 120 steps per second; the same body is used in every engine, so that they can be compared.
    """


@dataclass(frozen=True)
class BulletSettings(Positive):
    """PyBullet's own solver, set by hand on CMU clips: more sweeps would need less help and take longer."""

    solver_iterations: int = 15
    """Sweeps of the contact and motor solver per step."""
    joint_erp: float = 0.4
    """Share of a joint's error that its motor removes per step."""
    contact_erp: float = 0.2
    """Share of a penetration that the solver removes per step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("joint_erp", "contact_erp"):
            if getattr(self, name) > 1:
                raise SettingError(f"{name} must be at most 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class MuJoCoSettings(Positive):
    """MuJoCo's own solver and joint springs, set by hand on CMU clips."""

    solver_iterations: int = 20
    """Iterations of the contact solver per step, at most."""
    contact_time_s: float = 0.008
    """Time in which the solver removes a penetration."""
    stiffening: float = 2.5
    """The joints' springs are this many times stiffer than the table of stiffnesses."""


@dataclass(frozen=True)
class EngineSettings(Positive):
    """The simulator, and how finely it cuts time and models contact."""

    MAY_BE_ZERO: ClassVar = ("sole_lowering_m",)

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
        super().__post_init__()

    def steps_per_frame(self, fps: float) -> int:
        """Whole number of simulation steps in one frame of a motion."""
        return max(1, round(self.rate_hz / fps))


STRENGTHS = {"faithful": 0.0, "balanced": 0.7, "physical": 1.0}
"""Named points on the dial of `TrackerSettings.at_strength`."""


RESIDUAL_FREE = "residual-free"
"""The preset without residual force, which is beyond the dial: see `TrackerSettings.without_residual`."""


SIMULATED = "simulated"
"""The preset of raw simulated states, which has another drive."""


_FRONTIER = {
    "horizontal_rad_s": (22.0, 10.0),
    "vertical_rad_s": (13.0, 7.0),
    "angular_rad_s": (22.0, 12.0),
    "yaw_rad_s": (22.0, 14.0),
    "linear_damping": (0.5, 0.4),
    "angular_damping": (0.5, 0.3),
}
"""The drive at strengths 0 and 1."""


def _interpolate_strength(strength: float, name: str) -> float:
    """A value of the drive on the way between, in equal ratios."""
    stiff, soft = _FRONTIER[name]
    return stiff * (soft / stiff) ** strength


@dataclass(frozen=True)
class DriveSettings(Positive):
    """The root wrench that helps the humanoid follow a motion.

    The wrench at the body's centre of mass is a spring and damper towards the reference plus what planned contacts
    leave unexplained. It is not physics, so it is clipped to hard bounds, measured and reported. The ends of the dial
    were set on clean CMU clips of the test split, where distance is traded against residual force. They were checked on
    those of the train split.
    """

    horizontal_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "horizontal_rad_s")
    """Natural frequency of the root's horizontal spring."""
    vertical_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "vertical_rad_s")
    """Natural frequency of the root's vertical spring; softer, so that contact decides the height."""
    angular_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "angular_rad_s")
    """Natural frequency of the root's rotational spring about the horizontal axes."""
    yaw_rad_s: float = _interpolate_strength(STRENGTHS["balanced"], "yaw_rad_s")
    """Natural frequency of the root's rotational spring about the vertical axis."""
    linear_damping: float = _interpolate_strength(STRENGTHS["balanced"], "linear_damping")
    """Damping ratio of the root's linear springs (1 is critical)."""
    angular_damping: float = _interpolate_strength(STRENGTHS["balanced"], "angular_damping")
    """Damping ratio of the root's rotational springs."""
    force_limit_bodyweights: float = 1.0
    """Bound on the horizontal root force, and on the vertical one, in body weights."""
    bearing_limit_bodyweights: float = 1.0
    """Added to that bound where heights are left alone (support "off"): what is unseen may bear the body's weight."""
    torque_limit_nm: float = 500.0
    """Bound on the root torque, N m."""

    @classmethod
    def at_strength(cls, strength: float) -> Self:
        """A point on the frontier between closeness to the motion (0) and independence of help (1).

        The wrench's springs and dampers soften geometrically; `STRENGTHS` names points on the way.
        """
        if not 0 <= strength <= 1:
            raise SettingError(f"strength must be in [0, 1], got {strength}")
        return cls(**{name: _interpolate_strength(strength, name) for name in _FRONTIER})

    def with_force_limit_of(self, mode: SupportMode) -> Self:
        """The same with the bound on force that holds in a mode."""
        if mode.moves_to_floor:
            return self
        return replace(self, force_limit_bodyweights=self.force_limit_bodyweights + self.bearing_limit_bodyweights)


@dataclass(frozen=True)
class ResidualFreeSettings(Positive):
    """How a body is held up without help, and how its control is searched for. Set by hand on CMU clips of train."""

    MAY_BE_ZERO: ClassVar = ("high_touch_share",)

    horizontal_rad_s: float = 8.0
    """Natural frequency of the spring that wants the centre of mass across the floor; dampers are critical."""
    vertical_rad_s: float = 20.0
    """That of its height."""
    angular_rad_s: float = 10.0
    """That of the trunk's orientation."""
    force_limit_bodyweights: float = 0.7
    """Bound on what is wanted along each axis beside what the motion takes."""
    step_limit_m: float = 0.2
    """Furthest that a foot is put beside its place."""
    lift_limit_m: float = 0.08
    """Furthest that a swinging foot is lifted."""
    contacts: ForceSettings = field(default_factory=lambda: ForceSettings(iterations=10, moment_weight=2.0))
    """How the floor's forces are found at each step."""
    control_hz: float = 60.0
    """How often per second the floor's forces are found."""
    copies: tuple[int, ...] = (8, 64, 256)
    """How many copies are tried in a window, one after the other, until one of them does well."""
    well_m: tuple[float, float] = (0.2, 0.4)
    """A copy does well that costs less than this: among the fewest, and among more."""
    prune_cost_m: float = 1.0
    """A copy is given up that costs more than this."""
    back: tuple[int, ...] = (3, 5, 3, 5, 10)
    """So many windows the search goes back, each time that all copies fall in one."""
    beam_width: int = 64
    """So many of them go on from each window to the next, or all where fewer were tried: the best after one window may
    fall in the next."""
    window_s: float = 0.3
    """How long a window lasts."""
    fallback: tuple[float, ...] = ()
    """Bounds on the residual wrench, as shares of those of the drive, that are tried one after the other where a body
    falls; with none it falls."""
    fallback_shares: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Shares of the bound that copies get, in turn."""
    searched_windows_per_s: float = 40.0
    """So many windows per second of motion a search with a fallback takes, returns included. Then a body that falls
    gets the largest bound at once and keeps it, for at most two more passes."""
    help_cost_m: float = 0.1
    """Weight of the residual wrench, as a share of the drive's bounds."""
    after_fall: ResidualFreeSettings | None = None
    """How a motion is searched anew in which the body falls; None for not at all."""
    persistence: float = 0.8
    """Share of its nudges that a copy hands on."""
    force_n: float = 100.0
    """Standard deviation of what is added to the wanted force."""
    moment_nm: float = 40.0
    """Standard deviation of what is added to the wanted moment."""
    step_m: float = 0.04
    """Standard deviation of what is added to where feet land."""
    turn_rad: float = 0.05
    """Standard deviation of what is added to the targets of legs and spine."""
    spreads: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    """Shares of these deviations with which copies are nudged, in turn."""
    high_touch_m: float = 0.03
    """Corners of soles touch below this height in some copies, which runs and stands on tiptoe need."""
    high_touch_share: float = 0.25
    """How likely a nudged copy is one of them."""
    fall_cost_s: float = 0.1
    """Weight of vertical speed against mean distance of the joints, by which copies are chosen."""
    feet_cost: float = 0.5
    """Weight of the feet's distance."""
    tilt_cost_m: float = 0.3
    """Weight of the trunk's orientation, per radian."""
    spin_cost_m_s: float = 0.05
    """Weight of the trunk's turning, per radian per second."""


WITHOUT_RESIDUAL = ResidualFreeSettings()
"""The defaults."""


FALLBACK = ResidualFreeSettings(copies=(8, 64), beam_width=8, window_s=0.1, back=(8,), fallback=(0.125, 0.25, 0.5, 1.0))
"""The search of the fallback "balanced": in short windows, so that help is short, too. It returns once without help."""


BEFORE_FALLBACK = replace(WITHOUT_RESIDUAL, back=(3,), after_fall=FALLBACK)
"""The search without help before it, which returns once: a fall does not end in rejection."""


FallbackChoice: TypeAlias = Literal["none", "balanced"]
"""What becomes of a body that falls without residual force: it is rejected, or carried by as little force as helps."""


SimulateChoice: TypeAlias = Literal["auto", "always"]
"""Which planned motions are simulated: those that a simulation may improve, or all."""


@dataclass(frozen=True)
class AcceptanceSettings(Positive):
    """When a corrected motion is rejected.

    The mean distance is that by which trackers of motion capture count failures (Luo et al. 2021, "Dynamics-Regulated
    Kinematic Policy for Egocentric Pose Estimation"); the rest was set by hand. In flight no force is missing.
    """

    lost_root_m: float = 0.4
    """Distance between simulated and reference root at which the motion is given up."""
    lost_body_m: float = 0.5
    """Mean distance over all joints at which the motion is rejected."""
    floating_bodyweights: float = 0.5
    """A floating body misses more force than this."""
    floating_m: float = 0.05
    """A floating body is further off the ground than this."""
    floating_s: float = 2.0
    """A body is rejected if it floats for longer than this."""


@dataclass(frozen=True)
class TrackerSettings:
    """How a simulated body follows motions; by default in PyBullet at the strength "balanced"."""

    body: BodySettings = field(default_factory=BodySettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    drive: DriveSettings = field(default_factory=DriveSettings)
    plan: PlanSettings = PLAN
    acceptance: AcceptanceSettings = AcceptanceSettings()
    residual_free: ResidualFreeSettings | None = None
    """How a body is held up that gets no help, whatever `drive` says; without it, it gets some."""
    filter_dynamics: bool = True
    """Shift the body and turn its feet slightly beforehand so that contacts explain more of its motion."""

    def __post_init__(self) -> None:
        if self.residual_free is not None and not ENGINES.row(self.engine.name).gives_way:
            able = ", ".join(name for name in ENGINES.names if ENGINES.row(name).gives_way)
            raise SettingError(
                f"strength {RESIDUAL_FREE} needs an engine whose joints give way ({able}), got {self.engine.name}"
            )

    @classmethod
    def without_residual(
        cls, engine: str = "mujoco", mass_kg: float | None = None, fallback: FallbackChoice = "none"
    ) -> Self:
        """Settings with which muscles and contacts alone hold a body up, on soles that grip like shoes.

        fallback: with "balanced", where it falls all the same, it gets as little residual force as helps.
        """
        soft = EngineSettings(name=engine, friction=0.8, mujoco=MuJoCoSettings(stiffening=1.0))
        own = WITHOUT_RESIDUAL if fallback == "none" else BEFORE_FALLBACK
        return cls(BodySettings(mass_kg=mass_kg), soft, plan=RESIDUAL_FREE_PLAN, residual_free=own)

    @property
    def falls_back(self) -> bool:
        """Whether a body that falls without residual force gets some."""
        own = self.residual_free
        return own is not None and bool(own.fallback or (own.after_fall and own.after_fall.fallback))

    @classmethod
    def at_strength(cls, strength: float, engine: str = "pybullet", mass_kg: float | None = None) -> Self:
        """Settings on the dial of `DriveSettings.at_strength`, in an engine of the table, for a body of a mass."""
        return cls.with_drive(DriveSettings.at_strength(strength), engine, mass_kg)

    @classmethod
    def with_drive(cls, drive: DriveSettings, engine: str = "pybullet", mass_kg: float | None = None) -> Self:
        """Settings with a drive of the root, in an engine of the table, for a body of a mass."""
        return cls(BodySettings(mass_kg=mass_kg), EngineSettings(name=engine), drive)


def default_tracker() -> TrackerSettings:
    """Strength "balanced" in PyBullet where it is installed, else in MuJoCo."""
    return TrackerSettings(engine=EngineSettings(name=resolve_engine(AUTO)))


OLD_NAMES = {"unaided": RESIDUAL_FREE}
"""Names that presets had, which work for one more release."""


@dataclass(frozen=True)
class Preset:
    """A named way to correct motions by physics."""

    summary: str
    """What it is for."""
    drive: DriveSettings | None
    """How hard the root is driven; None where it gets no force and no moment."""
    simulate: SimulateChoice = "auto"
    """Which motions are simulated, if nothing else is asked for."""
    of_samples: bool = False
    """Whether motions are samples of a model: on a known, level floor, cleaned up for a simulation alone, and handed
    back as raw simulated states. See `CleanupSettings.for_samples`."""

    def tracker(
        self, engine: str = "pybullet", mass_kg: float | None = None, fallback: FallbackChoice = "none"
    ) -> TrackerSettings:
        """The settings of the tracker in an engine of the table, for a body of a mass."""
        if self.drive is None:
            return TrackerSettings.without_residual(engine, mass_kg, fallback)
        return TrackerSettings.with_drive(self.drive, engine, mass_kg)


PRESETS = {
    "faithful": Preset("closest to the motion", DriveSettings.at_strength(STRENGTHS["faithful"])),
    "balanced": Preset("the default", DriveSettings.at_strength(STRENGTHS["balanced"])),
    "physical": Preset("least residual force", DriveSettings.at_strength(STRENGTHS["physical"])),
    RESIDUAL_FREE: Preset("no residual force: muscles and contacts alone hold the body up", None, simulate="always"),
    SIMULATED: Preset(
        "raw simulated states of model samples on a known floor, as loops use them",
        # Near "balanced": the values with which the published loops were made.
        DriveSettings(
            horizontal_rad_s=12.5,
            vertical_rad_s=8.5,
            angular_rad_s=14.0,
            yaw_rad_s=16.0,
            linear_damping=0.4,
            angular_damping=0.35,
        ),
        simulate="always",
        of_samples=True,
    ),
}
"""By name. A number from 0 to 1 is a point on the dial between "faithful" and "physical"."""


def parse_strength(word: str | float) -> float:
    """The point on the dial that a name of `STRENGTHS` or a number says."""
    try:
        strength = STRENGTHS[word] if isinstance(word, str) and word in STRENGTHS else float(word)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise SettingError(f"strength must be one of {', '.join(PRESETS)} or a number from 0 to 1, got {word!r}")
    return strength


def find_preset(strength: str | float) -> Preset:
    """The preset with a name, or at a point on the dial; SettingError where there is none."""
    word = current_name(strength)
    if isinstance(word, str) and word in PRESETS:
        return PRESETS[word]
    return Preset("a point on the dial", DriveSettings.at_strength(parse_strength(word)))


def current_name(strength: str | float) -> str | float:
    """The name that a strength has now; an old one gives a warning."""
    if not isinstance(strength, str) or strength not in OLD_NAMES:
        return strength
    new = OLD_NAMES[strength]
    warnings.warn(f"strength {strength} is now {new}; the old name will go", FutureWarning, stacklevel=2)
    return new


def normalize_strength(strength: str | float) -> str | float:
    """A strength as options and records hold it: a number on the dial, or the name of a preset beyond it."""
    word = current_name(strength)
    return word if word in (RESIDUAL_FREE, SIMULATED) else parse_strength(word)
