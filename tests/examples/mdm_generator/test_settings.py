"""The settings of the published experiment."""

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments import cli
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.experiments.motion.presets import PRESETS, select_published_steps
from selfcorrect.experiments.motion.settings import MotionSettings, PublishedModel, settings_from_config

PAPER = "--preset paper --data HumanML3D --mdm args.json --evaluator t2m"


def complete(words: str) -> MotionSettings:
    """The settings of a command line."""
    command = cli._parse_command(["motion", *words.split()])
    assert isinstance(command, MotionCommand)
    return command.complete()


def test_steps_are_the_published_ones() -> None:
    assert select_published_steps(2794) == (3125, 625)
    assert select_published_steps(64) == (78, 16)
    assert select_published_steps(200) == (156, 16)
    assert select_published_steps(8) == (78, 16)


def test_the_command_sets_what_was_published_and_can_be_read_again() -> None:
    settings = complete(f"{PAPER} --real-count 128")
    assert (settings.frames, settings.fps, settings.evaluated_count, settings.real_count) == (40, 20.0, 546, 128)
    assert (settings.initial_steps["paper"], settings.steps["paper"]) == (156, 16)
    assert settings.published == PublishedModel("args.json", "t2m")
    assert settings_from_config(settings.config()) == settings
    chosen = complete(f"{PAPER} --real-count 128 --steps 9 --initial-steps 0 --evaluated-count 256")
    assert (chosen.initial_steps["paper"], chosen.steps["paper"], chosen.evaluated_count) == (0, 9, 256)
    assert "published" not in PRESETS["paper"].config()


def test_generation_0_of_other_models_is_trained() -> None:
    with pytest.raises(SettingError, match="initial_steps for dct-mixer must be at least 1"):
        complete("--preset paper --initial-steps 0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset paper --data HumanML3D --evaluator t2m", "--evaluator goes with --mdm CHECKPOINT"),
        ("--preset paper --data HumanML3D --mdm args.json", "the published model needs both"),
        ("--preset paper --mdm args.json --evaluator t2m", "--mdm needs --data"),
        (f"{PAPER} --denoiser dct-mlp", "--mdm goes with --preset paper"),
        (f"{PAPER} --preset quick", "--mdm goes with --preset paper"),
    ],
)
def test_options_that_need_others_say_so(words: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        complete(words)
