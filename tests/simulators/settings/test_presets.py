"""Presets, their table and the default engine agree.

The table is one for the command and for loops.
"""

import sys
from dataclasses import replace
from importlib import metadata

import pytest

from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.core.errors import MissingExtraError, SettingError
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.settings import settings_from_config
from selfcorrect.simulators import presets
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.postprocess.smoothing import SmoothFast
from selfcorrect.simulators.postprocess.steps import KINEMATIC_POSTPROCESS, POSTPROCESS
from selfcorrect.simulators.presets import SAMPLES, find_preset, find_simulation
from selfcorrect.simulators.settings.engine_table import AUTO, ENGINES, PUBLISHED_ENGINE, resolve_engine
from selfcorrect.simulators.settings.tracker import DriveSettings, TrackerSettings, normalize_strength
from selfcorrect.simulators.stages.scene import Scene


def test_dial_and_names_agree():
    assert find_preset(0.7) == find_preset("0.7") == find_preset("balanced") == presets.FILES
    assert presets.FILES.tracker.drive == DriveSettings.at_strength(0.7)
    tracker = find_preset("balanced", "mujoco", 60.0).tracker
    assert (tracker.engine.name, tracker.body.mass_kg, tracker.drive) == ("mujoco", 60.0, presets.FILES.tracker.drive)
    assert find_preset("residual-free").tracker == TrackerSettings.without_residual()


STEPS = {
    "FILES": (0.3, POSTPROCESS, KINEMATIC_POSTPROCESS),
    "RESIDUAL_FREE_PRESET": ("residual-free", (), KINEMATIC_POSTPROCESS),
    "SAMPLES": ("simulated", (), ()),
}


@pytest.mark.parametrize("name", STEPS)
def test_command_takes_preset_settings(name, monkeypatch):
    """Also one that is edited: no other place decides."""
    strength, steps, kinematic_steps = STEPS[name]
    options = CorrectionOptions(strength=strength, engine="mujoco")
    assert options.pipeline.postprocess == steps
    assert options.kinematic_pipeline.postprocess == kinematic_steps
    preset = getattr(presets, name)
    assert options.pipeline.simulate == preset.simulate
    cleanup = replace(preset.cleanup, close_loops=not preset.cleanup.close_loops)
    edited = replace(preset, cleanup=cleanup, postprocess=(SmoothFast(),))
    monkeypatch.setattr(presets, name, edited)
    assert options.pipeline.cleanup == options.kinematic_pipeline.cleanup == cleanup
    assert options.pipeline.postprocess == (() if name == "RESIDUAL_FREE_PRESET" else (SmoothFast(),))
    assert edited.in_scene(Scene(load_kg=2.0)).postprocess == ()


def test_strength_has_one_record():
    assert normalize_strength("balanced") == normalize_strength("0.7") == normalize_strength(0.7) == 0.7
    assert normalize_strength("simulated") == "simulated"


@pytest.mark.parametrize("strange", ["brutal", -0.1, 1.5, "nan"])
def test_invalid_strength_lists_names(strange):
    with pytest.raises(SettingError, match="faithful, balanced, physical"):
        find_preset(strange)


LOADED = ("pybullet", "selfcorrect.simulators.engines.pybullet_world")


@pytest.fixture
def broken_pybullet(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyBullet is installed but cannot be imported."""
    for name in LOADED:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pybullet", None)
    monkeypatch.setattr(metadata, "version", lambda package: "3.2.7")


@pytest.fixture
def no_pybullet(monkeypatch: pytest.MonkeyPatch, broken_pybullet: None) -> None:
    """Hide PyBullet from imports and package lists."""

    def find_version(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", find_version)


def test_pybullet_is_preferred() -> None:
    pytest.importorskip("pybullet")
    assert resolve_engine(AUTO) == "pybullet"
    assert PhysicsCorrector().tracker.engine.name == "pybullet"


@pytest.mark.usefixtures("no_pybullet")
def test_mujoco_is_taken_elsewhere() -> None:
    assert resolve_engine(AUTO) == "mujoco"
    assert PhysicsCorrector().tracker.engine.name == "mujoco"


def test_faster_engine_is_preferred() -> None:
    assert resolve_engine(AUTO, prefers_published=False) == "mujoco"
    assert CorrectionOptions().resolve_engine().engine == "mujoco"
    assert CorrectionOptions(strength="residual-free").resolve_engine().engine == "mujoco"
    pytest.importorskip("pybullet")
    for options in ({"simulate": "always"}, {"raw": True}, {"strength": "simulated"}, {"scene": Scene(slope_deg=4.0)}):
        assert CorrectionOptions(**options).resolve_engine().engine == PUBLISHED_ENGINE


def test_named_engine_is_taken() -> None:
    assert resolve_engine("pybullet", prefers_published=False) == "pybullet"
    assert resolve_engine("of another package") == "of another package"


@pytest.mark.usefixtures("no_pybullet")
def test_missing_pybullet_has_advice() -> None:
    with pytest.raises(MissingExtraError, match=r"selfcorrect\[pybullet\].*engine"):
        ENGINES.load("pybullet")


@pytest.mark.usefixtures("broken_pybullet")
def test_broken_pybullet_has_advice() -> None:
    with pytest.raises(SettingError, match=r"--force-reinstall .*pybullet==3\.2\.7"):
        ENGINES.load("pybullet")


def test_loops_use_published_engine() -> None:
    preset = PRESETS["quick"]
    assert preset.engine == PUBLISHED_ENGINE == SAMPLES.tracker.engine.name
    assert "engine" not in preset.config()
    with_mujoco = replace(preset, engine="mujoco")
    assert with_mujoco.config()["engine"] == "mujoco"
    assert settings_from_config(with_mujoco.config()) == with_mujoco
    assert settings_from_config(preset.config()) == preset
    tracker = SAMPLES.tracker
    assert find_preset("simulated", "mujoco").tracker == replace(tracker, engine=replace(tracker.engine, name="mujoco"))


def test_fast_simulation_halves_steps() -> None:
    fast, fine = (find_simulation(name, "pybullet") for name in ("fast", "fine"))
    assert fine == SAMPLES
    assert 2 * fast.tracker.engine.steps_per_frame(30) == fine.tracker.engine.steps_per_frame(30)
    same_engine = replace(fast.tracker, engine=fine.tracker.engine)
    assert replace(fast, tracker=same_engine) == fine
    assert find_simulation("fast", "mujoco") == find_preset("simulated", "mujoco")
