"""Samplers with exactly right denoisers, whose truth is known."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.steering import Projected, steer

CPU = torch.device("cpu")
VARIANCES = torch.tensor([1.0, 0.1, 0.01])
ANCESTRAL = {"sampler": "ddim", "eta": 1.0}
COUNT = 20_000


class ExactGaussian(MotionDiffusion):
    """A feature of N(0, v) for each of `VARIANCES`."""

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        alpha_bar = float(self.schedule.alpha_bars[time])
        return VARIANCES * alpha_bar**0.5 / (VARIANCES * alpha_bar + 1 - alpha_bar) * noisy


@dataclass(frozen=True, eq=False)
class ExactMixture(MotionDiffusion):
    """N(±m, s²) with weights 0.3 and 0.7.

    Label 0 is the whole, labels 1 and 2 are a mode each.
    """

    mean: float = 1.0
    deviation: float = 0.2

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        whole = self._mean_of(noisy, time, torch.tensor([0.3, 0.7]))
        scale = self.config.guidance_scale
        if scale == 1 and (labels == 0).all():
            return whole
        signs = torch.tensor([0.0, -1.0, 1.0])[labels][:, None, None]
        mode = self._mode(noisy, time, signs)
        clean = whole + scale * (mode - whole)
        return torch.where(signs == 0, whole, clean)

    def _mode(self, noisy: Tensor, time: int, sign: Tensor | float) -> Tensor:
        alpha_bar = float(self.schedule.alpha_bars[time])
        total = self.deviation**2 * alpha_bar + 1 - alpha_bar
        mean = sign * self.mean
        return mean + self.deviation**2 * alpha_bar**0.5 / total * (noisy - alpha_bar**0.5 * mean)

    def _mean_of(self, noisy: Tensor, time: int, weights: Tensor) -> Tensor:
        alpha_bar = float(self.schedule.alpha_bars[time])
        total = self.deviation**2 * alpha_bar + 1 - alpha_bar
        logits = []
        for sign, weight in zip((-1.0, 1.0), weights, strict=True):
            logits.append(weight.log() - (noisy - alpha_bar**0.5 * sign * self.mean).square() / (2 * total))
        share = torch.stack(logits).softmax(0)
        return share[0] * self._mode(noisy, time, -1.0) + share[1] * self._mode(noisy, time, 1.0)


def gaussian(**settings) -> ExactGaussian:
    return ExactGaussian(DiffusionConfig(**settings), 1, len(VARIANCES), 1, CPU)


def mixture(**settings) -> ExactMixture:
    return ExactMixture(DiffusionConfig(**settings), 1, 1, 3, CPU)


def draw(model: MotionDiffusion, label: int = 0, count: int = COUNT) -> Tensor:
    return model.sample(torch.full((count,), label), streams(3))[:, 0]


@pytest.mark.parametrize("levels", [100, 1000])
@pytest.mark.parametrize("steps", [15, 20, 50])
def test_fifteen_steps_keep_variance(levels: int, steps: int):
    model = gaussian(diffusion_steps=levels, sampling_steps=steps)
    assert [model.variance_kept(v) for v in (1.0, 0.1)] == pytest.approx([1, 1], abs=0.045 if steps < 20 else 0.03)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        ANCESTRAL,
        {"sampler": "ddim"},
        {"sampler": "ddim", "sampling_steps": 100},
        {"eta": 0.5},
        {"eta": 1.0, "sampling_steps": 10},
        {"diffusion_steps": 4, "sampling_steps": 4},
        {"diffusion_steps": 3, "sampling_steps": 2},
        {"temperature": 0.5},
        {"snr_factor": 0.03},
        {"diffusion_steps": 1000, "sampling_steps": 50},
    ],
    ids=str,
)
def test_closed_form_matches_samples(settings: dict):
    model = gaussian(**settings)
    expected = [model.variance_kept(float(variance)) for variance in VARIANCES]
    assert (draw(model).var(0) / VARIANCES).tolist() == pytest.approx(expected, rel=0.04)


def test_twenty_ancestral_steps_shrink():
    model = gaussian(**ANCESTRAL)
    assert [model.variance_kept(v) for v in (1.0, 0.1, 0.01)] == pytest.approx([0.80, 0.67, 0.43], abs=0.01)
    assert model.variance_kept(1.0) ** 10 < 0.15


def test_modes_keep_shares_and_widths():
    """Mixtures keep their modes' shares and widths.

    No Gaussian step is exact for them: the shrinking of old steps shows in the widths.
    """
    widths = {}
    for name, settings in {"multistep": {}, "ancestral": ANCESTRAL}.items():
        values = draw(mixture(**settings))
        upper = values[values > 0]
        assert len(upper) / COUNT == pytest.approx(0.7, abs=0.03)
        assert upper.mean().item() == pytest.approx(1.0, abs=0.03)
        widths[name] = upper.std().item() / 0.2
    assert widths["multistep"] == pytest.approx(1, abs=0.04)
    assert widths["ancestral"] < 0.85


@pytest.mark.parametrize("scale", [0.0, 2.5, 7.0])
def test_guidance_needs_no_limiter(scale: float):
    """Coarse guided steps end where fine steps do.

    A thousand are of first order, for the same noise.
    """
    fine = mixture(diffusion_steps=1000, sampling_steps=1000, sampler="ddim", guidance_scale=scale)
    coarse = mixture(diffusion_steps=1000, sampling_steps=50, guidance_scale=scale)
    exact = draw(fine, label=2, count=500)
    values = draw(coarse, label=2, count=500)
    assert values.abs().max() < 3
    assert values.mean().item() == pytest.approx(exact.mean().item(), abs=0.03)
    assert values.std().item() == pytest.approx(exact.std().item(), rel=0.15, abs=0.01)


@pytest.mark.parametrize("settings", [{}, {"eta": 0.5}, ANCESTRAL, {"temperature": 0.5}], ids=str)
@pytest.mark.parametrize("together", [1, 30, 100, 299])
def test_part_size_changes_nothing(settings: dict, together: int, monkeypatch: pytest.MonkeyPatch):
    model = gaussian(**settings)
    whole = draw(model, count=100)
    steps: list[int] = []
    sizes: list[int] = []
    denoise = ExactGaussian.denoise

    def watch(self: ExactGaussian, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        sizes.append(noisy.numel())
        assert len(labels) == len(noisy)
        return denoise(self, noisy, time, labels)

    monkeypatch.setattr(ExactGaussian, "denoise", watch)
    monkeypatch.setattr(ExactGaussian, "values_together", together)
    assert torch.equal(draw(replace(model, on_sampling_step=steps.append), count=100), whole)
    assert max(sizes) <= max(together, len(VARIANCES))
    assert steps == list(range(1, 21))


def test_projections_see_all_samples(monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []

    def project(clean: Tensor, labels: Tensor, step: int) -> Tensor:
        seen.append(len(clean))
        return clean

    monkeypatch.setattr(MotionDiffusion, "values_together", 1)
    network = MotionDiffusion(DiffusionConfig(width=8, depth=1), 2, 3, 1, CPU)
    real = Samples.real(torch.zeros(4, 2, 3))
    draw(steer(Projected, network.fit(real, 1, streams(0)), project=project), count=9)
    assert seen == [9] * 20
