"""Settings and their configs say the same."""

import json
from dataclasses import fields, replace

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.experiments.motion.settings import experiment
from selfcorrect.experiments.motion.settings.experiment import (
    DenoiserArms,
    MotionOptions,
    MotionSettings,
    extends,
    settings_from_config,
)
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.experiments.studies.arms import BASELINE, SAMPLING_BOUNDS, ArmSettings


@pytest.mark.parametrize("name", PRESETS)
def test_settings_come_back_from_the_config_that_a_run_keeps(name: str) -> None:
    content = json.loads(json.dumps(PRESETS[name].config()))
    assert settings_from_config(content) == PRESETS[name]


def grown(**changes) -> bool:
    """Whether the quick preset with changes extends the quick preset."""
    quick = PRESETS["quick"]
    return extends(quick.config(), replace(quick, **changes).config())


def with_arms(*arms: ArmSettings) -> tuple[DenoiserArms, ...]:
    return (DenoiserArms("patch-mixer", arms),)


@pytest.mark.parametrize(
    "changes",
    [
        {"generations": 9},
        {"seeds": 3},
        {"comparisons": with_arms(*PRESETS["quick"].comparisons[0].arms, ArmSettings("freeze"))},
        {"comparisons": (*PRESETS["quick"].comparisons, DenoiserArms("dct-mlp", (BASELINE,)))},
    ],
)
def test_more_generations_seeds_arms_and_denoisers_extend_an_experiment(changes: dict) -> None:
    assert grown(**changes)
    assert not extends(replace(PRESETS["quick"], **changes).config(), PRESETS["quick"].config())


@pytest.mark.parametrize(
    "changes",
    [
        {"first_seed": 1, "seeds": 3},
        {"real_count": 65, "generations": 9},
        {"steps": {"patch-mixer": 7}},
        {"data": ("elsewhere",)},
        {"comparisons": with_arms(BASELINE, ArmSettings("replace", "physics"))},
    ],
)
def test_other_settings_or_fewer_arms_are_another_experiment(changes: dict) -> None:
    assert not grown(**changes)


def test_bodies_without_root_force_need_an_engine_in_which_they_can_balance() -> None:
    strict = with_arms(BASELINE, ArmSettings("replace", "residual-free"))
    with pytest.raises(SettingError, match=r"residual-free needs .*\(mujoco\), got pybullet; add --engine mujoco"):
        replace(PRESETS["quick"], comparisons=strict)
    assert replace(PRESETS["quick"], comparisons=strict, engine="mujoco").engine == "mujoco"


@pytest.mark.parametrize(("engine", "meant"), [(None, "mujoco"), ("pybullet", "pybullet"), ("mujoco", "mujoco")])
def test_mujoco_simulates_where_pybullet_is_not_installed_and_no_engine_is_given(
    engine: str | None, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MotionCommand("full").settings().engine == "pybullet"
    monkeypatch.setattr(experiment, "find_spec", lambda name: None)
    assert MotionCommand("full", engine=engine).settings().engine == meant


def test_every_setting_and_way_of_sampling_is_an_option_of_that_name() -> None:
    options = {field.name for field in fields(MotionOptions)}
    settings = {field.name for field in fields(MotionSettings)}
    of_presets = {"comparisons", "captions", "published", "frames", "fps", "feasibility_count"}
    assert settings - of_presets <= options
    assert {*SAMPLING_BOUNDS} <= options
    assert {*SAMPLING_BOUNDS} <= {field.name for field in fields(ArmSettings)}


def test_a_generator_whose_package_is_not_installed_is_named() -> None:
    command = MotionCommand(preset="paper", data=("HumanML3D",), mdm="args.json", evaluator="t2m")
    with pytest.raises(SettingError, match="--mdm needs the package mdm-generator: pip install"):
        command.settings()
