"""The simulated body, the simulator, and how finely it cuts time."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect.errors import SettingError
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.settings.checks import check_positive


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
        check_positive(self)


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
        check_positive(self)
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
        check_positive(self)


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
        check_positive(self, may_be_zero=("sole_lowering_m",))

    def steps_per_frame(self, fps: float) -> int:
        """Whole number of simulation steps in one frame of a motion."""
        return max(1, round(self.rate_hz / fps))
