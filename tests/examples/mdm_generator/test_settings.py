"""Settings and options are those of the published experiment."""

import pytest
from mdm_generator.experiment import PublishedFiles, load_parts

from selfcorrect.commands import cli
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.motion.settings import MotionSettings, settings_from_config

PAPER = "--preset paper-2794 --data HumanML3D --generator mdm checkpoint=args.json evaluator=t2m"


def complete(words: str) -> MotionSettings:
    """The settings of a command line."""
    command = cli._parse_command(["motion", *words.split()])
    assert isinstance(command, MotionCommand)
    return command.complete()


def test_command_round_trips() -> None:
    settings = complete(f"{PAPER} repetitions=3")
    assert (settings.frames, settings.fps, settings.evaluated_count, settings.real_count) == (40, 20.0, 546, 2794)
    assert (settings.initial_steps["mdm"], settings.steps["mdm"]) == (200_000, 40_000)
    assert PublishedFiles.from_options(settings.generator[1:]) == PublishedFiles("args.json", "t2m", repetitions=3)
    assert settings_from_config(settings.config()) == settings
    chosen = complete(f"{PAPER} --real-count 128 --steps 9 --initial-steps 0 --evaluated-count 256")
    assert (chosen.initial_steps["mdm"], chosen.steps["mdm"], chosen.evaluated_count) == (0, 9, 256)
    assert "generator" not in complete("--preset paper-2794").config()


def test_other_models_train_generation_0() -> None:
    with pytest.raises(SettingError, match=r"initial_steps.*1"):
        complete("--preset paper-2794 --initial-steps 0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset paper-2794 --data HumanML3D --generator mdm", "takes checkpoint=FILE evaluator=FOLDER"),
        (
            "--preset paper-2794 --data HumanML3D --generator mdm checkpoint=args.json",
            "takes checkpoint=FILE evaluator",
        ),
        (f"{PAPER} steps=3", "got checkpoint=args.json evaluator=t2m steps=3"),
        (f"{PAPER} repetitions=0", "repetitions must be at least 1"),
        (f"{PAPER} repetitions=many", "repetitions must be a whole number, got 'many'"),
        (f"{PAPER} --denoiser dct-mlp", "leave out one"),
        (f"{PAPER} --preset quick", "goes with the presets paper-64"),
        (f"{PAPER} --evaluate-corrected", "goes with the presets paper-64"),
    ],
)
def test_dependent_options_are_named(words: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        load_parts(complete(words), streams(0))
