"""Settings and their configs say the same."""

import json
from dataclasses import replace

import pytest

from selfcorrect.commands import cli
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion import settings as motion_settings
from selfcorrect.experiments.studies.motion.axes import Axes
from selfcorrect.experiments.studies.motion.cost import TransformerCost
from selfcorrect.experiments.studies.motion.presets import PRESETS, PROTOCOL_STEPS
from selfcorrect.experiments.studies.motion.settings import extends, settings_from_config
from selfcorrect.loop.models.diffusion.denoisers import Transformer
from selfcorrect.loop.models.diffusion.presets import preset


@pytest.mark.parametrize("name", PRESETS)
def test_settings_round_trip_config(name: str) -> None:
    content = json.loads(json.dumps(PRESETS[name].config()))
    assert settings_from_config(content) == PRESETS[name]


def grown(**changes) -> bool:
    """Return whether changes only extend the quick preset."""
    quick = PRESETS["quick"]
    return extends(quick.config(), replace(quick, **changes).config())


def with_arms(*arms: ArmSettings) -> dict[str, tuple[ArmSettings, ...]]:
    return {"patch-mixer": arms}


@pytest.mark.parametrize(
    "changes",
    [
        {"generations": 9},
        {"seeds": 3},
        {"arms": with_arms(*PRESETS["quick"].all_arms, ArmSettings("freeze"))},
        {"arms": {**PRESETS["quick"].arms, "dct-mlp": (BASELINE,)}},
    ],
)
def test_larger_experiment_extends(changes: dict) -> None:
    assert grown(**changes)
    assert not extends(replace(PRESETS["quick"], **changes).config(), PRESETS["quick"].config())


@pytest.mark.parametrize(
    "changes",
    [
        {"first_seed": 1, "seeds": 3},
        {"real_count": 65, "generations": 9},
        {"steps": {"patch-mixer": 7}},
        {"data": ("elsewhere",)},
        {"arms": with_arms(BASELINE, ArmSettings("replace", "physics"))},
    ],
)
def test_other_experiment_does_not_extend(changes: dict) -> None:
    assert not grown(**changes)


def test_residual_free_needs_compliant_engine() -> None:
    strict = with_arms(BASELINE, ArmSettings("replace", "residual-free"))
    with pytest.raises(SettingError, match="pybullet; add --engine mujoco"):
        Axes().refine(replace(PRESETS["quick"], arms=strict))
    assert Axes().refine(replace(PRESETS["quick"], arms=strict, engine="mujoco")).engine == "mujoco"


@pytest.mark.parametrize(("engine", "meant"), [(None, "mujoco"), ("pybullet", "pybullet"), ("mujoco", "mujoco")])
def test_mujoco_replaces_missing_pybullet(engine: str | None, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["motion", "--preset", "full", *(["--engine", engine] if engine else [])]
    assert MotionCommand.from_words(words).complete().engine == "pybullet"
    monkeypatch.setattr(motion_settings, "find_spec", lambda name: None)
    command = cli._parse_command(words)
    assert isinstance(command, MotionCommand)
    assert command.complete().engine == meant


@pytest.mark.parametrize("name", PRESETS)
def test_preset_runs_as_listed(name: str) -> None:
    settings = MotionCommand.from_words(["--preset", name]).complete()
    assert replace(settings, arms=PRESETS[name].arms) == PRESETS[name]
    assert {name: {*arms} for name, arms in settings.arms.items()} == {
        name: {*arms} for name, arms in PRESETS[name].arms.items()
    }


def test_option_changes_one_setting() -> None:
    command = cli._parse_command(["motion", "--generations", "9", "--preset=ratios"])
    assert isinstance(command, MotionCommand)
    assert command.complete() == replace(PRESETS["ratios"], generations=9)


def test_protocols_need_paper_preset() -> None:
    command = cli._parse_command(["motion", "--preset", "quick", "--protocol", "text"])
    assert isinstance(command, MotionCommand)
    with pytest.raises(SettingError, match=r"--protocol.*paper-64"):
        command.complete()


def test_protocols_hold_for_each_denoiser() -> None:
    words = ["--preset", "paper-64", "--protocol", "text", "--denoiser", "small-dct-mlp"]
    command = cli._parse_command(["motion", *words])
    assert isinstance(command, MotionCommand)
    settings = command.complete()
    assert settings.initial_steps["small-dct-mlp"] == PROTOCOL_STEPS[64]["text"][0]
    assert settings.steps["small-dct-mlp"] == PROTOCOL_STEPS[64]["text"][1]


@pytest.mark.slow
@pytest.mark.parametrize("denoiser", ["transformer", "paper"])
def test_transformer_cost_matches_pytorch(denoiser: str) -> None:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    config = replace(preset(denoiser).config, batch_size=2)
    cost = TransformerCost(config, frames=40, features=263)
    network = Transformer(config, 40, 263, 14).train()
    inputs = torch.randn(2, 40, 263), torch.tensor([1, 2]), torch.tensor([0, 1])
    weights = {weight.untyped_storage().data_ptr(): weight.nbytes for weight in network.parameters()}
    saved: dict[int, int] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # counted on CPUs
        network(*inputs).sum().backward()
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        network(*inputs)
    assert cost.step == pytest.approx(counter.get_total_flops(), rel=0.1)
    twice = TransformerCost(replace(config, batch_size=4), 40, 263)
    activations = twice.training_bytes - cost.training_bytes
    assert cost.training_bytes - activations == pytest.approx(5 * sum(weights.values()), rel=0.1)
    assert 0.8 < activations / sum(saved.values()) < 2, "without dropout, less is kept"


def test_dry_run_states_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["motion", "--preset", "paper-64", "--seeds", "1", "--generations", "10", "--dry-run"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    operations, _, words = last.partition(" ")
    assert float(operations) > 0
    assert words.startswith("operations")
    assert "GB of GPU memory" in last
    assert "GPU hours" in last


def test_dry_run_states_training_and_corrections(capsys: pytest.CaptureFixture[str]) -> None:
    """Plans of both protocols differ, and four times as many samples take four times the hours of a corrector."""
    plans = []
    for protocol in ("scripts", "text"):
        assert cli.main(["motion", "--preset", "paper-64", "--protocol", protocol, "--dry-run"]) == 0
        plans.append(capsys.readouterr().out)
    assert "protocol: scripts" in plans[0]
    assert "5000 steps in generation 0, then 1000 in each, batch size 64" in plans[0]
    assert "78 steps in generation 0, then 16 in each" in plans[1]
    assert "40 frames a sample at 20 per second, 546 samples evaluated" in plans[1]
    hours = []
    for size in ("replace:2", "replace:8", "union:inf:8"):
        assert cli.main(["motion", "--arms", f"{size},physics", "--batch-size", "16", "--dry-run"]) == 0
        plan = capsys.readouterr().out
        assert "batch size 16" in plan
        hours.append(float(plan.partition("about: physics ")[2].split()[0]))
    assert hours == pytest.approx([hours[0], 4 * hours[0], 4 * hours[0]], rel=0.1)
