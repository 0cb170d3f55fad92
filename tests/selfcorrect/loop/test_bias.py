"""Cherry-picking: settings of the sampler and best-of-k."""

import math

import pytest
import torch
from scipy import stats

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import best_of, sample_plainly, sampling_settings
from selfcorrect.loop.models.gaussian import Gaussian

STREAM = streams(2)
PARENTS = Samples.real(torch.zeros(3, 2))
LABELS = torch.zeros(20_000, dtype=torch.int64)


def test_sampler_redraws_some():
    sampler = sample_plainly(Gaussian.standard(2), PARENTS)
    slots = torch.tensor([4, 1])
    assert len(sampler(LABELS, STREAM, slots)) == 2
    assert torch.equal(sampler(LABELS, STREAM, slots), sampler(LABELS[slots], STREAM))


def first_coordinate(values: torch.Tensor) -> torch.Tensor:
    return values[..., 0]


def test_no_bias_is_plain_sampler():
    model = Gaussian.standard(2)
    assert torch.equal(sample_plainly(model, PARENTS)(LABELS, STREAM), model.sample(LABELS, STREAM))


def test_temperature_scales_the_covariance():
    values = sampling_settings(temperature=0.25)(Gaussian.standard(2), PARENTS)(LABELS, STREAM)
    assert values.var(dim=0).tolist() == pytest.approx([0.25, 0.25], rel=0.04)


def test_model_without_settings_is_named():
    with pytest.raises(ValueError, match=r"object.*temperature"):
        sampling_settings(temperature=0.5)(object(), PARENTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_best_of_k_follows_maximum(k):
    values = best_of(k, first_coordinate)(Gaussian.standard(2), PARENTS)(LABELS, STREAM)
    assert stats.kstest(values[:, 0].numpy(), lambda x: stats.norm.cdf(x) ** k).pvalue > 1e-3
    assert stats.kstest(values[:, 1].numpy(), "norm").pvalue > 1e-3


def test_replicates_choose_for_themselves():
    values = best_of(3, first_coordinate)(Gaussian.standard(4, 2), PARENTS)(LABELS, STREAM)
    for replicate in range(4):
        assert stats.kstest(values[:, replicate, 0].numpy(), lambda x: stats.norm.cdf(x) ** 3).pvalue > 1e-3


def test_choice_noise_follows_plackett_luce():
    """The first of two draws wins by Plackett–Luce.

    The probability is 1/(1 + exp((y − x)/s)) for draws x, y.
    """
    noise = 0.7
    model = Gaussian.standard(1)
    draws = model.sample(LABELS.repeat(2), STREAM.child("draws")).reshape(2, -1)
    chosen = best_of(2, first_coordinate, choice_noise=noise)(model, PARENTS)(LABELS, STREAM)[:, 0]
    expected = float(torch.sigmoid((draws[0] - draws[1]) / noise).mean())
    assert (chosen == draws[0]).double().mean() == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(len(LABELS)))
    gap = (draws.max(dim=0).values - draws.min(dim=0).values) / noise
    best_won = (chosen == draws.max(dim=0).values).double().mean()
    assert best_won == pytest.approx(float(torch.sigmoid(gap).mean()), abs=4 * 0.5 / math.sqrt(len(LABELS)))


def test_disagreeing_raters_split():
    values = best_of(16, first_coordinate, lambda v: -v[..., 0])(Gaussian.standard(1), PARENTS)(LABELS, STREAM)[:, 0]
    assert (values > 0).double().mean() == pytest.approx(0.5, abs=0.02)
    assert values.abs().mean() > 1.5
