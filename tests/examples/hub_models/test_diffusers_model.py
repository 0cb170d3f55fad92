"""Networks of diffusers: what a perfect denoiser would give, training of a small one, resuming, labels."""

import copy
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers import assert_is_a_model_for_loops
from hub_models import DiffusersModel
from torch import Tensor, nn

import selfcorrect as sc
from selfcorrect.core.randomness import streams

pytestmark = pytest.mark.long  # imports what costs seconds and memory
STEPS = 40
POINT = torch.linspace(-0.8, 0.8, 16).reshape(1, 4, 4)


class Perfect(nn.Module):
    """Knows that every clean value is `POINT`, and answers as the scheduler asks."""

    def __init__(self, scheduler: Any) -> None:
        super().__init__()
        self.scheduler = copy.deepcopy(scheduler)
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, noisy: Tensor, timestep: Tensor) -> Any:
        if hasattr(self.scheduler, "scale_noise"):
            share = timestep.reshape(-1, 1, 1, 1) / STEPS
            return SimpleNamespace(sample=(noisy - POINT) / share + 0 * self.unused)
        share = self.scheduler.alphas_cumprod[timestep.long()].reshape(-1, 1, 1, 1)
        noise = (noisy - share.sqrt() * POINT) / (1 - share).sqrt()
        match self.scheduler.config.prediction_type:
            case "epsilon":
                answer = noise
            case "sample":
                answer = POINT.expand(noisy.shape)
            case _:
                answer = share.sqrt() * noise - (1 - share).sqrt() * POINT
        return SimpleNamespace(sample=answer + 0 * self.unused)


KINDS = {
    "epsilon": "DDIM",
    "sample": "DDIM",
    "v_prediction": "DDIM",
    "ddpm": "DDPM",
    "euler": "EulerDiscrete",
    "solver": "DPMSolverMultistep",
    "flow": "FlowMatchEulerDiscrete",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "DDIM": {"clip_sample": False, "set_alpha_to_one": True},
    "DDPM": {"clip_sample": False},
}


def make_scheduler(name: str) -> Any:
    """Return a scheduler by its name in `KINDS`; schedulers of DDIM are named by what they predict."""
    import diffusers  # takes seconds

    kind = KINDS[name]
    predicts = {"prediction_type": name} if kind == "DDIM" else {}
    return getattr(diffusers, f"{kind}Scheduler")(STEPS, **SETTINGS.get(kind, {}), **predicts)


def perfect(name: str) -> DiffusersModel:
    scheduler = make_scheduler(name)
    model = DiffusersModel(module=Perfect(scheduler), scheduler=scheduler, shape=(4, 4), sampling_steps=20)
    return model.fit(sc.Samples.real(POINT), 0, streams(0))


@pytest.mark.parametrize("name", KINDS)
def test_a_perfect_denoiser_has_no_loss_and_draws_the_data(name: str) -> None:
    model = perfect(name)
    values = POINT.expand(64, 4, 4)
    loss = model.loss(model.trained, values, torch.zeros(64, dtype=torch.int64), streams(0).generator())
    assert loss.item() < 1e-6
    drawn = model.sample(torch.zeros(3, dtype=torch.int64), streams(1))
    torch.testing.assert_close(drawn, POINT.expand(3, 4, 4), atol=0.02, rtol=0)


@pytest.mark.parametrize("name", KINDS)
def test_a_scheduler_tells_what_it_keeps_of_a_gaussian(name: str) -> None:
    """First-order schedulers by their own recursions; second order keeps nearly all, and few steps of DDPM shrink."""
    model = perfect(name)
    kept = model.variance_kept(1.0)
    scheduler = copy.deepcopy(model.scheduler)
    scheduler.set_timesteps(20)
    factor = 1.0
    if KINDS[name] == "DDIM":
        alpha_bars = [*(float(scheduler.alphas_cumprod[time]) for time in scheduler.timesteps), 1.0]
        for alpha_bar, following in pairwise(alpha_bars):
            factor *= (following * alpha_bar) ** 0.5 + ((1 - following) * (1 - alpha_bar)) ** 0.5
    elif name in ("euler", "flow"):
        sigmas = scheduler.sigmas.tolist()
        factor = float(scheduler.init_noise_sigma) if name == "euler" else 1.0
        for sigma, following in pairwise(sigmas):
            rest = 0.0 if name == "euler" else 1 - sigma  # weight of the clean value is 1 or 1 - sigma
            slope = sigma / (1 + sigma**2) if name == "euler" else (sigma - rest) / (rest**2 + sigma**2)
            factor *= 1 + (following - sigma) * slope
    if factor != 1.0:
        assert kept == pytest.approx(factor**2, rel=0.03)
    else:
        low, high = {"ddpm": (0.5, 0.95), "solver": (0.9, 1.1)}[name]
        assert low < kept < high


def unet(**settings: Any) -> nn.Module:
    from diffusers import UNet2DModel

    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    sizes = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4, "dropout": 0.1}
    return UNet2DModel(sample_size=4, in_channels=1, out_channels=1, **blocks, **sizes, **settings)


def tiny(**settings: Any) -> DiffusersModel:
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(STEPS, beta_schedule="squaredcos_cap_v2")
    return DiffusersModel(
        module=lambda: unet(num_class_embeds=2), scheduler=scheduler, shape=(4, 4), sampling_steps=10, batch_size=16,
        **settings,
    )  # fmt: skip


LABELS = torch.arange(32) % 2
REAL = sc.Samples.real((LABELS * 1.6 - 0.8).reshape(-1, 1, 1).expand(32, 4, 4).clone(), LABELS)


def test_a_small_unet_learns_two_classes() -> None:
    model = tiny(learning_rate=1e-2).fit(REAL, 120, streams(0))
    means = model.sample(LABELS, streams(1)).mean((1, 2))
    assert means[LABELS == 0].mean() < -0.3 < 0.3 < means[LABELS == 1].mean()


def test_it_is_a_model_for_loops() -> None:
    assert_is_a_model_for_loops(tiny(), REAL)


@pytest.mark.parametrize("name", ["euler", "epsilon", "flow"])
def test_sampling_changes_no_scheduler_and_is_the_same_each_time(name: str) -> None:
    scheduler = make_scheduler(name)
    model = replace(tiny(), scheduler=scheduler).fit(REAL, 1, streams(0))
    before = {name: str(value) for name, value in vars(scheduler).items()}
    drawn = [model.sample(LABELS[:4], streams(1)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert {name: str(value) for name, value in vars(scheduler).items()} == before


def test_a_transformer_with_a_learned_variance_and_a_text_conditioned_unet_fit() -> None:
    from diffusers import DiTTransformer2DModel, UNet2DConditionModel

    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=4, in_channels=1, out_channels=2, num_layers=1, norm_num_groups=1,
        sample_size=4, patch_size=2, num_embeds_ada_norm=2,
    )  # fmt: skip
    table = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    conditioned = UNet2DConditionModel(
        sample_size=4, in_channels=1, out_channels=1, block_out_channels=(8,), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",), cross_attention_dim=8,
        attention_head_dim=4,
    )  # fmt: skip
    texts = replace(tiny(), module=conditioned, condition=lambda labels: {"encoder_hidden_states": table[labels]})
    for model in (replace(tiny(), module=transformer), texts):
        fitted = model.fit(REAL, 2, streams(0))
        drawn = fitted.sample(LABELS, streams(1))
        assert drawn.shape == REAL.values.shape
        assert not torch.equal(drawn, fitted.sample(1 - LABELS, streams(1))), "labels make a difference"
