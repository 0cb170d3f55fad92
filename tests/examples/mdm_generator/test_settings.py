"""The settings of the published experiment."""

from dataclasses import replace

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.experiments.motion.settings.published import (
    PublishedModel,
    published_steps,
)


def test_steps_are_the_published_ones() -> None:
    assert published_steps(2794) == (3125, 625)
    assert published_steps(64) == (78, 16)
    assert published_steps(200) == (156, 16)
    assert published_steps(8) == (78, 16)


def test_the_command_sets_what_was_published_and_can_be_read_again() -> None:
    command = MotionCommand(preset="paper", data=("HumanML3D",), mdm="args.json", evaluator="t2m", real_count=128)
    settings = command.settings()
    assert (settings.frames, settings.fps, settings.evaluated_count, settings.real_count) == (40, 20.0, 546, 128)
    assert (settings.initial_steps["paper"], settings.steps["paper"]) == (156, 16)
    assert settings.published == PublishedModel("args.json", "t2m")
    assert settings_from_config(settings.config()) == settings
    chosen = replace(command, steps=9, initial_steps=0, evaluated_count=32).settings()
    assert (chosen.initial_steps["paper"], chosen.steps["paper"], chosen.evaluated_count) == (0, 9, 32)
    assert "published" not in PRESETS["paper"].config()


def test_generation_0_of_other_models_is_trained() -> None:
    with pytest.raises(SettingError, match="initial_steps for dct-mixer must be at least 1"):
        MotionCommand(preset="paper", initial_steps=0).settings()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mdm": ""}, "--evaluator goes with --mdm CHECKPOINT"),
        ({"evaluator": ""}, "the published model needs both"),
        ({"data": ()}, "--mdm needs --data"),
        ({"denoiser": ("dct-mlp",)}, "--mdm goes with --preset paper"),
    ],
)
def test_options_that_need_others_say_so(changed: dict, message: str) -> None:
    command = MotionCommand(preset="paper", data=("HumanML3D",), mdm="args.json", evaluator="t2m")
    with pytest.raises(SettingError, match=message):
        replace(command, **changed).settings()
