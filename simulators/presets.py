"""Presets of the corrector: clean-up, tracker and post-processing by name, as `selfcorrect correct` and loops use them.

Each row names all that differs between them. `FILES` estimates floor, soles and supports, and blends the simulation
with the plan. `RESIDUAL_FREE` does the same for bodies that fall if a support is missed, and returns simulated states.
`SAMPLES` expects a known, level floor, and returns simulated states too, as the loops need them.
"""

from dataclasses import dataclass, replace

from .cleanup.clean import FILE_STEPS, RESIDUAL_FREE_STEPS, CleanupSettings
from .corrector import KinematicCorrector, PhysicsCorrector
from .postprocess import KINEMATIC_POSTPROCESS, POSTPROCESS, PostprocessStep
from .settings import tracker as strengths
from .settings.tracker import (
    BodySettings,
    BulletSettings,
    DriveSettings,
    EngineSettings,
    FallbackChoice,
    SimulateChoice,
    TrackerSettings,
    parse_strength,
)
from .stages.scene import PLAIN, Scene


@dataclass(frozen=True)
class CorrectorPreset:
    """Settings of each stage of a correction."""

    cleanup: CleanupSettings
    """Kinematic clean-up."""
    drive: DriveSettings | None
    """Drive of the root; None for no residual force."""
    simulate: SimulateChoice
    """Default selection of the motions to simulate."""
    postprocess: tuple[PostprocessStep, ...]
    """Steps after the simulation in a plain scene; without steps, simulated states are returned."""
    kinematic_postprocess: tuple[PostprocessStep, ...]
    """Steps after the clean-up if nothing is simulated."""
    engine: EngineSettings | None = None
    """Settings of the engine that they name, for bodies with residual force; other engines keep the usual ones."""

    def tracker(
        self, engine: str = "pybullet", mass_kg: float | None = None, fallback: FallbackChoice = "none"
    ) -> TrackerSettings:
        """Return the settings of the tracker.

        Args:
            mass_kg: Mass of the body; None for the usual one at its stature.
            fallback: Treatment of a body that falls without residual force.

        Raises:
            SettingError: The preset needs an engine with compliant joints, and this one has none.
        """
        if self.drive is None:
            return TrackerSettings.without_residual(engine, mass_kg, fallback)
        engine_settings = EngineSettings(name=engine)
        if self.engine is not None and self.engine.name == engine:
            engine_settings = self.engine
        return TrackerSettings(BodySettings(mass_kg=mass_kg), engine_settings, self.drive)

    def corrector(
        self,
        engine: str = "pybullet",
        scene: Scene = PLAIN,
        mass_kg: float | None = None,
        fallback: FallbackChoice = "none",
    ) -> PhysicsCorrector:
        """Make the corrector of this preset; see `tracker`."""
        tracker = self.tracker(engine, mass_kg, fallback)
        return PhysicsCorrector(tracker, self.cleanup, 1, scene, self.simulate, self.postprocess)

    @property
    def kinematic_corrector(self) -> KinematicCorrector:
        """The corrector of this preset that simulates nothing."""
        return KinematicCorrector(self.cleanup, postprocess=self.kinematic_postprocess)


FILES = CorrectorPreset(
    cleanup=CleanupSettings(FILE_STEPS),
    drive=DriveSettings(),
    simulate="auto",
    postprocess=POSTPROCESS,
    kinematic_postprocess=KINEMATIC_POSTPROCESS,
)
"""Motions of files, at the strength "balanced"."""

RESIDUAL_FREE_PRESET = CorrectorPreset(
    cleanup=CleanupSettings(RESIDUAL_FREE_STEPS),
    drive=None,
    simulate="always",
    postprocess=(),
    kinematic_postprocess=KINEMATIC_POSTPROCESS,
)
"""Motions of files, which only muscles and contacts hold up."""

SAMPLES = CorrectorPreset(
    cleanup=CleanupSettings.for_samples(),
    drive=DriveSettings(  # near "balanced": values of the published loops
        horizontal_rad_s=12.5,
        vertical_rad_s=8.5,
        angular_rad_s=14.0,
        yaw_rad_s=16.0,
        linear_damping=0.4,
        angular_damping=0.35,
    ),
    simulate="always",
    postprocess=(),
    kinematic_postprocess=(),
)
"""Samples of a model on a known, level floor, as in the published loops."""

SIMULATIONS = {
    "fast": replace(
        SAMPLES,
        engine=EngineSettings(
            name="pybullet", rate_hz=60.0, bullet=BulletSettings(solver_iterations=10, joint_erp=0.6, contact_erp=0.3)
        ),
    ),
    "fine": SAMPLES,
}
"""Presets of samples by the fineness of their simulation. In PyBullet "fast" takes half the steps and about half the
time, and its errors are as small: see docs/quality.md. Errors vanish as fast, because the shares removed per step are
larger. MuJoCo takes 120 steps per second in both: with half of them it saves a quarter of the time, and motions jerk by
6 % more."""


def find_preset(strength: str | float) -> CorrectorPreset:
    """Return the preset with a name, or at a point on the dial between "faithful" (0) and "physical" (1).

    Raises:
        SettingError: No preset has the name.
    """
    beyond_dial = {strengths.RESIDUAL_FREE: RESIDUAL_FREE_PRESET, strengths.SIMULATED: SAMPLES}
    if isinstance(strength, str) and strength in beyond_dial:
        return beyond_dial[strength]
    dial = parse_strength(strength)
    return FILES if dial == strengths.STRENGTHS["balanced"] else replace(FILES, drive=DriveSettings.at_strength(dial))
