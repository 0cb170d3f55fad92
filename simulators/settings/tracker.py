"""How a simulated body follows motions: all settings together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from selfcorrect.errors import SettingError
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.settings.checks import check_positive
from selfcorrect.simulators.settings.drive import UNAIDED, DriveSettings
from selfcorrect.simulators.settings.engine import BodySettings, EngineSettings, MuJoCoSettings
from selfcorrect.simulators.settings.plan import PLAN, PlanSettings
from selfcorrect.simulators.settings.unaided import WITHOUT_HELP, UnaidedSettings


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
        check_positive(self)


@dataclass(frozen=True)
class TrackerSettings:
    """How a simulated body follows motions; by default in PyBullet at the strength "balanced"."""

    body: BodySettings = field(default_factory=BodySettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    drive: DriveSettings = field(default_factory=DriveSettings)
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
