"""Presets of the corrector: clean-up, tracker and post-processing of files, samples and motions without residual force.

Each row names all that differs between them. `FILES` estimates floor, soles and supports, and blends the simulation
with the plan. `RESIDUAL_FREE` does the same for bodies that fall if a support is missed, and returns simulated states.
`SAMPLES` expects a known, level floor, and returns simulated states too, as the loops need them.
"""

from dataclasses import dataclass

from .cleanup import clean
from .cleanup.clean import CleanupSettings
from .corrector import PhysicsCorrector
from .postprocess import POSTPROCESS, PostprocessStep
from .settings import tracker as strengths
from .settings.tracker import FallbackChoice, Preset, find_preset
from .stages.scene import PLAIN, Scene


@dataclass(frozen=True)
class CorrectorPreset:
    """Settings of each stage of a correction."""

    cleanup: CleanupSettings
    """Kinematic clean-up."""
    strength: str
    """Name of the tracker's settings in `settings.tracker.PRESETS`."""
    postprocess: tuple[PostprocessStep, ...]
    """Steps after the simulation in a plain scene; without steps, simulated states are returned."""

    @property
    def tracker(self) -> Preset:
        """Settings of the tracker in any engine."""
        return find_preset(self.strength)

    def corrector(
        self,
        engine: str = "pybullet",
        mass_kg: float | None = None,
        fallback: FallbackChoice = "none",
        workers: int = 1,
        scene: Scene = PLAIN,
    ) -> PhysicsCorrector:
        """Make the corrector of this preset.

        Args:
            mass_kg: Mass of the body; None for the usual one at its stature.
            fallback: Treatment of a body that falls without residual force.
            scene: Scene in which motions are followed.

        Raises:
            SettingError: The preset needs an engine with compliant joints, and this one has none.
        """
        settings = self.tracker.tracker(engine, mass_kg, fallback)
        return PhysicsCorrector(settings, self.cleanup, workers, scene, self.tracker.simulate)


FILES = CorrectorPreset(
    cleanup=CleanupSettings(clean.FILES),
    strength="balanced",
    postprocess=POSTPROCESS,
)
"""Motions of files."""

RESIDUAL_FREE = CorrectorPreset(
    cleanup=CleanupSettings(clean.RESIDUAL_FREE),
    strength=strengths.RESIDUAL_FREE,
    postprocess=(),
)
"""Motions of files, which only muscles and contacts hold up."""

SAMPLES = CorrectorPreset(
    cleanup=CleanupSettings.for_samples(),
    strength=strengths.SIMULATED,
    postprocess=(),
)
"""Samples of a model on a known, level floor."""
