"""Presets: one table for the command and for loops."""

from dataclasses import replace

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.file_correction.options import CorrectionOptions
from selfcorrect.simulators import presets
from selfcorrect.simulators.postprocess import KINEMATIC_POSTPROCESS, POSTPROCESS, SmoothFast
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.settings.tracker import DriveSettings, TrackerSettings, normalize_strength
from selfcorrect.simulators.stages.scene import Scene


def test_the_dial_and_its_names_agree():
    assert find_preset(0.7) == find_preset("0.7") == find_preset("balanced") == presets.FILES
    assert presets.FILES.drive == DriveSettings.at_strength(0.7)
    tracker = find_preset("balanced").tracker("mujoco", 60.0)
    assert (tracker.engine.name, tracker.body.mass_kg, tracker.drive) == ("mujoco", 60.0, presets.FILES.drive)
    assert find_preset("residual-free").tracker("mujoco") == TrackerSettings.without_residual()


def test_loops_use_a_preset_of_the_table():
    """Its figures are those with which the published loops were made."""
    corrector = find_preset("simulated").corrector()
    assert corrector.simulate == "always"
    drive = corrector.tracker.drive
    assert (drive.horizontal_rad_s, drive.vertical_rad_s, drive.angular_rad_s) == (12.5, 8.5, 14.0)
    assert (drive.yaw_rad_s, drive.linear_damping, drive.angular_damping) == (16.0, 0.4, 0.35)


STEPS = {
    "FILES": (0.3, POSTPROCESS, KINEMATIC_POSTPROCESS),
    "RESIDUAL_FREE_PRESET": ("residual-free", (), KINEMATIC_POSTPROCESS),
    "SAMPLES": ("simulated", (), ()),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_command_takes_every_setting_of_a_preset(name, monkeypatch):
    """Also one that is edited: no other place decides."""
    strength, steps, kinematic_steps = STEPS[name]
    options = CorrectionOptions(strength=strength, engine="mujoco")
    assert options.pipeline.postprocess == steps
    assert options.kinematic_pipeline.postprocess == kinematic_steps
    preset = getattr(presets, name)
    assert options.pipeline.simulate == preset.simulate
    cleanup = replace(preset.cleanup, close_loops=not preset.cleanup.close_loops)
    edited = replace(preset, cleanup=cleanup, postprocess=(SmoothFast(),), kinematic_postprocess=(SmoothFast(),))
    monkeypatch.setattr(presets, name, edited)
    assert options.pipeline.cleanup == options.kinematic_pipeline.cleanup == cleanup
    assert options.kinematic_pipeline.postprocess == (SmoothFast(),)
    assert options.pipeline.postprocess == (() if name == "RESIDUAL_FREE_PRESET" else (SmoothFast(),))
    assert edited.corrector("mujoco", Scene(load_kg=2.0)).pipeline.postprocess == ()


def test_one_strength_is_recorded_in_one_way():
    assert normalize_strength("balanced") == normalize_strength("0.7") == normalize_strength(0.7) == 0.7
    assert normalize_strength("simulated") == "simulated"


@pytest.mark.parametrize("strange", ["brutal", -0.1, 1.5, "nan"])
def test_what_is_no_strength_is_refused_with_the_names(strange):
    with pytest.raises(SettingError, match="faithful, balanced, physical, residual-free, simulated or a number"):
        find_preset(strange)
