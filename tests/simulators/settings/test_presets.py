"""Presets: one table for the command and for loops."""

from __future__ import annotations

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.motion.correctors.builtin import sample_corrector
from selfcorrect.simulators import presets
from selfcorrect.simulators.settings.tracker import (
    PRESETS,
    DriveSettings,
    TrackerSettings,
    find_preset,
    normalize_strength,
)
from selfcorrect.simulators.stages.scene import Scene


def test_the_dial_and_its_names_agree():
    assert find_preset(0.7).drive == find_preset("0.7").drive == PRESETS["balanced"].drive == DriveSettings()
    assert PRESETS["balanced"].tracker("mujoco", 60.0) == TrackerSettings.at_strength(0.7, "mujoco", 60.0)
    assert PRESETS["residual-free"].tracker("mujoco") == TrackerSettings.without_residual()


def test_loops_use_a_preset_of_the_table():
    """Its figures are those with which the published loops were made."""
    assert sample_corrector().tracker == PRESETS["simulated"].tracker()
    assert sample_corrector().simulate == "always"
    drive = sample_corrector().tracker.drive
    assert (drive.horizontal_rad_s, drive.vertical_rad_s, drive.angular_rad_s) == (12.5, 8.5, 14.0)
    assert (drive.yaw_rad_s, drive.linear_damping, drive.angular_damping) == (16.0, 0.4, 0.35)


@pytest.mark.parametrize(
    ("preset", "engine"),
    [(presets.FILES, "pybullet"), (presets.RESIDUAL_FREE, "mujoco"), (presets.SAMPLES, "pybullet")],
)
def test_each_preset_lists_the_steps_that_its_corrector_takes(preset, engine):
    pipeline = preset.corrector(engine).pipeline
    assert pipeline.postprocess == preset.postprocess
    assert pipeline.cleanup == preset.cleanup
    assert pipeline.simulate == preset.tracker.simulate
    assert preset.corrector(engine, scene=Scene(load_kg=2.0)).pipeline.postprocess == ()


def test_one_strength_is_recorded_in_one_way():
    assert normalize_strength("balanced") == normalize_strength("0.7") == normalize_strength(0.7) == 0.7
    assert normalize_strength("simulated") == "simulated"


@pytest.mark.parametrize("strange", ["brutal", -0.1, 1.5, "nan"])
def test_what_is_no_strength_is_refused_with_the_names(strange):
    with pytest.raises(SettingError, match="faithful, balanced, physical, residual-free, simulated or a number"):
        find_preset(strange)
