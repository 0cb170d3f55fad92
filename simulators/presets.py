"""Presets of the correction, by name.

A preset has all stages with their settings, as `selfcorrect correct` and loops use them. `FILES` estimates floor, soles
and supports, and blends the simulation with the plan. `RESIDUAL_FREE_PRESET` estimates them, too, because bodies fall
if a support is missed, and returns simulated states. `SAMPLES` expects a known, level floor, and also returns simulated
states, as loops need them.
"""

from dataclasses import replace

from .clean import RESIDUAL_FREE_STEPS, CleanupSettings
from .pipeline import Pipeline
from .postprocess.steps import POSTPROCESS
from .settings import tracker as strengths
from .settings.tracker import (
    BulletSettings,
    DriveSettings,
    EngineSettings,
    FallbackChoice,
    TrackerSettings,
    parse_strength,
)

FILES = Pipeline(CleanupSettings(), TrackerSettings(), simulate="auto", postprocess=POSTPROCESS)
"""Preset for motion files at the strength "balanced"."""

RESIDUAL_FREE_PRESET = Pipeline(CleanupSettings(RESIDUAL_FREE_STEPS), TrackerSettings.without_residual())
"""Preset for motion files without residual force. Only joints and contacts hold bodies up."""

SAMPLES = Pipeline(
    CleanupSettings.for_samples(),
    TrackerSettings(
        drive=DriveSettings(  # near "balanced": values of the published loops
            horizontal_rad_s=12.5,
            vertical_rad_s=8.5,
            angular_rad_s=14.0,
            yaw_rad_s=16.0,
            linear_damping=0.4,
            angular_damping=0.35,
        )
    ),
)
"""Preset for samples of a model on a known, level floor, as in the published loops."""

SIMULATIONS = {
    "fast": EngineSettings(
        name="pybullet", rate_hz=60.0, bullet=BulletSettings(solver_iterations=10, joint_erp=0.6, contact_erp=0.3)
    ),
    "fine": EngineSettings(name="pybullet"),
}
"""PyBullet settings for samples, by fineness. "fast" takes half the steps and about half the time, and its errors are
as small: see docs/results/tables.md. Errors vanish as fast, because the shares removed per step are larger. MuJoCo
takes 120 steps per second in both: half as many would save a quarter of the time, but motions would jerk by 6 %
more."""


def find_preset(
    strength: str | float, engine: str = "", mass_kg: float | None = None, fallback: FallbackChoice = "none"
) -> Pipeline:
    """Find the preset of a strength.

    Args:
        strength: Name of a preset, or a point on the dial between "faithful" (0) and "physical" (1).
        engine: Name of the engine; "" for the preset's.
        mass_kg: Mass of the body; None for the mass of its shape or the normal mass for its stature.
        fallback: Treatment of a body that falls without residual force.

    Raises:
        SettingError: No preset has the name, or the preset needs an engine with compliant joints and this one has none.
    """
    if strength == strengths.RESIDUAL_FREE:
        tracker = TrackerSettings.without_residual(engine or "mujoco", mass_kg, fallback)
        return replace(RESIDUAL_FREE_PRESET, tracker=tracker)
    settings = EngineSettings(name=engine) if engine else EngineSettings()
    if strength == strengths.SIMULATED:
        return SAMPLES.with_tracker(settings, mass_kg)
    dial = parse_strength(strength)
    drive = None if dial == strengths.STRENGTHS["balanced"] else DriveSettings.at_strength(dial)
    return FILES.with_tracker(settings, mass_kg, drive)


def find_simulation(name: str, engine: str) -> Pipeline:
    """Find the preset for samples with a named simulation.

    Args:
        name: Name in `SIMULATIONS`.
        engine: Name of the engine. If the simulation is for another engine, this engine's defaults are used.
    """
    settings = SIMULATIONS[name]
    return SAMPLES.with_tracker(settings if settings.name == engine else EngineSettings(name=engine))
