"""What the published experiment is and takes: arithmetic against PyTorch's own count, sums by hand."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.experiments.motion.settings.cost import forward_flops, forward_passes
from selfcorrect.experiments.motion.settings.experiment import DenoiserArms, settings_of
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.experiments.motion.settings.published import (
    PublishedModel,
    published_steps,
)
from selfcorrect.experiments.studies.arms import BASELINE, Arm
from selfcorrect.models.diffusion.mdm.arguments import MdmArguments
from selfcorrect.models.diffusion.mdm.network import Mdm


def test_operations_are_those_that_pytorch_counts() -> None:
    with torch.device("meta"):
        network = Mdm(MdmArguments(layers=2), 512).train()
        inputs = torch.zeros(1, 196, 263), torch.zeros(1, dtype=torch.long)
        text, absent = torch.zeros(1, 1, 512), torch.zeros(1, 1, dtype=torch.bool)
        with FlopCounterMode(display=False) as counter:
            network(*inputs, text, absent, None)
    assert forward_flops(layers=2) == pytest.approx(counter.get_total_flops(), rel=0.005)
    assert forward_flops() == pytest.approx(7.3e9, rel=0.02)


def test_passes_add_up() -> None:
    arms = (BASELINE, Arm("augment:0.5"), Arm("replace"))
    settings = replace(
        PRESETS["paper"], comparisons=(DenoiserArms("paper", arms),), generations=2, seeds=3, real_count=10,
        judged_count=12, initial_steps={"paper": 5}, steps={"paper": 4},
    )  # fmt: skip
    trained, drawn, judged = 3 * 64 * (5 + 3 * 2 * 4), (0.5 + 1) * 2 * 10, 12 * (1 + 3 * (2 + 20))
    assert forward_passes(settings, 20) == 3 * (trained + (drawn + judged) * 1000)


def test_steps_are_the_published_ones() -> None:
    assert published_steps(2794) == (3125, 625)
    assert published_steps(64) == (78, 16)
    assert published_steps(200) == (156, 16)
    assert published_steps(8) == (78, 16)


def test_the_command_sets_what_was_published_and_can_be_read_again() -> None:
    command = MotionCommand(preset="paper", data=("HumanML3D",), mdm="args.json", evaluator="t2m", real_count=128)
    settings = command.settings()
    assert (settings.frames, settings.fps, settings.judged_count, settings.real_count) == (40, 20.0, 546, 128)
    assert (settings.initial_steps["paper"], settings.steps["paper"]) == (156, 16)
    assert settings.published == PublishedModel("args.json", "t2m")
    assert settings_of(settings.config()) == settings
    chosen = replace(command, steps=9, initial_steps=0, judged_count=32).settings()
    assert (chosen.initial_steps["paper"], chosen.steps["paper"], chosen.judged_count) == (0, 9, 32)
    assert "published" not in PRESETS["paper"].config()


def test_generation_0_of_other_models_is_trained() -> None:
    with pytest.raises(SettingError, match="initial_steps for dct-mixer must be at least 1"):
        MotionCommand(preset="paper", initial_steps=0).settings()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"mdm": ""}, "--evaluator goes with --mdm CHECKPOINT"),
        ({"evaluator": ""}, "the published model needs both"),
        ({"data": ()}, "--mdm needs --data"),
        ({"denoiser": ("dct-mlp",)}, "--mdm goes with --preset paper"),
    ],
)
def test_options_that_need_others_say_so(changed: dict, told: str) -> None:
    command = MotionCommand(preset="paper", data=("HumanML3D",), mdm="args.json", evaluator="t2m")
    with pytest.raises(SettingError, match=told):
        replace(command, **changed).settings()
