"""Diffusion conditioned on vectors: it follows them, also those it has not seen."""

from dataclasses import replace

import pytest
import torch
from caption_retrieval.described import DescribedDiffusion, DescribedLabels

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.models.diffusion.config import DiffusionConfig

CONFIG = DiffusionConfig(denoiser="dct-mlp", width=64, depth=2, diffusion_steps=50, sampling_steps=10, snr_factor=0.03)
CPU = torch.device("cpu")


def make_untrained(vectors: torch.Tensor) -> DescribedDiffusion:
    return DescribedDiffusion(CONFIG, frames=8, features=2, classes=len(vectors), device=CPU, vectors=vectors)


@pytest.fixture(scope="module")
def trained_model() -> DescribedDiffusion:
    """Sequences are constant; their value is what the vector's first entry says."""
    levels = torch.linspace(-1, 1, 9)
    vectors = torch.stack([levels, torch.ones(9)], dim=1)
    labels = torch.arange(9).repeat(40)
    values = levels[labels][:, None, None].expand(-1, 8, 2) + 0.02 * torch.randn(
        360, 8, 2, generator=torch.manual_seed(0)
    )
    return make_untrained(vectors).fit(Samples.real(values, labels), 400, streams(0).child("fit"))


@pytest.mark.slow
def test_samples_follow_their_descriptions(trained_model: DescribedDiffusion) -> None:
    samples = trained_model.sample(torch.tensor([0, 4, 8]).repeat(20), streams(1).child("sample"))
    means = samples.mean((1, 2)).reshape(20, 3).mean(0)
    torch.testing.assert_close(means, torch.tensor([-1.0, 0.0, 1.0]), atol=0.15, rtol=0)


@pytest.mark.slow
def test_a_description_between_those_of_training_gives_what_lies_between(trained_model: DescribedDiffusion) -> None:
    new = torch.tensor([[-0.6, 1.0], [0.6, 1.0]])
    samples = trained_model.with_descriptions(new).sample(torch.tensor([0, 1]).repeat(20), streams(2).child("sample"))
    means = samples.mean((1, 2)).reshape(20, 2).mean(0)
    torch.testing.assert_close(means, torch.tensor([-0.6, 0.6]), atol=0.15, rtol=0)


def test_the_state_fits_another_set_of_descriptions(trained_model: DescribedDiffusion) -> None:
    """Vectors are no weights, so a model that knows other captions takes the same state."""
    assert not any("vectors" in name for name in trained_model.state())
    restored = make_untrained(trained_model.vectors[:3]).load_state(trained_model.state())  # type: ignore[index]
    described = trained_model.with_descriptions(trained_model.vectors[:3])  # type: ignore[index]
    labels = torch.tensor([0, 1, 2])
    torch.testing.assert_close(
        restored.sample(labels, streams(3).child("sample")), described.sample(labels, streams(3).child("sample"))
    )


def test_the_null_label_knows_no_description() -> None:
    labels = DescribedLabels(torch.randn(3, 5), width=4)
    torch.nn.init.constant_(labels.null, 7.0)
    embedded = labels(torch.tensor([3, 0, 3]))
    assert torch.equal(embedded[0], torch.full((4,), 7.0))
    assert torch.equal(embedded[0], embedded[2])
    assert not torch.equal(embedded[1], embedded[0])


def test_guidance_exaggerates_the_description(trained_model: DescribedDiffusion) -> None:
    guided = replace(trained_model, config=replace(CONFIG, guidance_scale=2.0))
    labels = torch.full((20,), 8)
    plain = trained_model.sample(labels, streams(4).child("sample")).mean()
    more = guided.sample(labels, streams(4).child("sample")).mean()
    assert more > plain + 0.02


@pytest.mark.parametrize("vectors", [None, torch.zeros(3, 4), torch.zeros(2)])
def test_every_label_needs_a_vector(vectors: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"2 labels need vectors of shape \(2, width\)"):
        DescribedDiffusion(CONFIG, frames=8, features=2, classes=2, device=CPU, vectors=vectors)
