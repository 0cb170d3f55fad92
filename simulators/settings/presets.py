"""The table of presets: every named way in which motions are planned and tracked, for the command, Python and loops."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from .tracker import (
    RESIDUAL_FREE,
    SIMULATED,
    STRENGTHS,
    DriveSettings,
    FallbackChoice,
    SimulateChoice,
    TrackerSettings,
    strength_of,
)

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
        return TrackerSettings.driven(self.drive, engine, mass_kg)


PRESETS = {
    "faithful": Preset("closest to the motion", DriveSettings.at_strength(STRENGTHS["faithful"])),
    "balanced": Preset("the default", DriveSettings.at_strength(STRENGTHS["balanced"])),
    "physical": Preset("least residual force", DriveSettings.at_strength(STRENGTHS["physical"])),
    RESIDUAL_FREE: Preset(
        "no residual force: muscles and contacts alone hold the body up",
        None,
        simulate="always",
    ),
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


def preset_of(strength: str | float) -> Preset:
    """The preset with a name, or at a point on the dial; SettingError where there is none."""
    word = current_name(strength)
    if isinstance(word, str) and word in PRESETS:
        return PRESETS[word]
    return Preset("a point on the dial", DriveSettings.at_strength(strength_of(word)))


def current_name(strength: str | float) -> str | float:
    """The name that a strength has now; an old one gives a warning."""
    if not isinstance(strength, str) or strength not in OLD_NAMES:
        return strength
    new = OLD_NAMES[strength]
    warnings.warn(f"strength {strength} is now {new}; the old name will go", FutureWarning, stacklevel=2)
    return new


def recorded_strength(strength: str | float) -> str | float:
    """A strength as options and records hold it: a number on the dial, or the name of a preset beyond it."""
    word = current_name(strength)
    number = strength_of(word)
    return word if word in (RESIDUAL_FREE, SIMULATED) else number
