"""Strength, redrawing and failure rules of an applied corrector."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from selfcorrect.core.errors import CorrectorError, SampleError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected, lift
from selfcorrect.loop.correctors.loop_correction import Correction, apply_corrector

STREAM = streams(5)
ZERO = lift(torch.zeros_like, "zero")


def draw(labels: Tensor, stream: Stream) -> Samples:
    return Samples.synthetic(torch.randn((len(labels), 3), generator=stream.generator()), labels, generation=2)


def batch(count: int = 400) -> Samples:
    return draw(torch.arange(count) % 4, STREAM.child("data"))


def redraw(slots: Tensor, stream: Stream) -> Samples:
    """Further draws for positions in `batch()`, with its labels."""
    return draw(slots % 4, stream)


def must_not_be_called(samples: Samples) -> Samples:
    raise AssertionError("the corrector ran at strength 0")


@pytest.mark.parametrize("operator", ["mixture", "interpolation"])
def test_strength_zero_is_identity(operator):
    samples = batch()
    samples.values[0, 0] = -0.0
    result = apply_corrector(samples, Correction(must_not_be_called, 0.0, operator), STREAM, redraw)
    assert result.samples is samples
    assert result.rejected == 0


@pytest.mark.parametrize("operator", ["mixture", "interpolation"])
def test_infinite_strength_is_full(operator):
    result = apply_corrector(batch(), Correction(ZERO, math.inf, operator), STREAM)
    assert (result.samples.values == 0).all()


@pytest.mark.parametrize("strength", [0.1, 1.0, 4.0])
def test_mixture_share_follows_gamma(strength):
    count = 20_000
    share = strength / (1 + strength)
    samples = batch(count)
    result = apply_corrector(samples, Correction(ZERO, strength), STREAM)
    corrected = (result.samples.values == 0).all(dim=1)
    assert abs(corrected.double().mean() - share) < 4 * math.sqrt(share * (1 - share) / count)
    assert torch.equal(result.samples.values[~corrected], samples.values[~corrected])
    np.testing.assert_array_equal(result.samples.provenance.corrector == "zero", corrected.numpy())


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_rejected_samples_keep_weight(weight: float):
    """Rejected samples stay as they were drawn, in their place, and weigh less."""

    def refuse_even(samples: Samples) -> Corrected:
        return Corrected(samples.with_values(torch.zeros_like(samples.values)), torch.arange(len(samples)) % 2 == 1)

    samples = batch(40)
    correction = Correction(refuse_even, on_rejection="keep", rejected_weight=weight)
    result = apply_corrector(samples, correction, STREAM, redraw)
    assert len(result.drawn) == 40
    assert result.rejected == 20
    assert torch.equal(result.samples.values[::2], samples.values[::2])
    assert (result.samples.values[1::2] == 0).all()
    assert result.samples.weights.tolist() == pytest.approx([weight, 1.0] * 20)


def test_stronger_mixture_is_superset():
    weak = apply_corrector(batch(), Correction(ZERO, 0.5), STREAM).samples.values == 0
    strong = apply_corrector(batch(), Correction(ZERO, 2.0), STREAM).samples.values == 0
    assert (strong | ~weak).all()
    assert strong.sum() > weak.sum()


def test_interpolation_moves_partly():
    result = apply_corrector(batch(), Correction(lift(lambda v: v + 4), 3.0, "interpolation"), STREAM)
    torch.testing.assert_close(result.samples.values, batch().values + 3.0)
    np.testing.assert_allclose(result.samples.provenance.distance, 3.0, rtol=1e-5)


def test_replicates_toss_their_own_coins():
    samples = Samples.synthetic(torch.ones(500, 40, 2), None, 1)
    result = apply_corrector(samples, Correction(ZERO, 1.0, replicate_axes=1), STREAM)
    corrected = (result.samples.values == 0).all(dim=2).double()  # (N, R)
    correlation = np.corrcoef(corrected.numpy().T) - np.eye(40)
    assert abs(corrected.mean() - 0.5) < 4 * 0.5 / math.sqrt(500 * 40)
    assert np.abs(correlation).max() < 5 / math.sqrt(500)


def keep_positive(samples: Samples) -> Corrected:
    return Corrected(samples.with_values(samples.values / 2), samples.values[:, 0] > 0)


def test_rejected_samples_are_redrawn():
    samples = batch()
    result = apply_corrector(samples, Correction(keep_positive), STREAM, redraw)
    assert len(result.samples) == len(samples)
    assert torch.equal(result.samples.labels, samples.labels)
    assert (result.samples.values[:, 0] > 0).all()
    assert result.rejected == int((result.drawn.values[:, 0] <= 0).sum()) > 0
    parents = torch.from_numpy(result.samples.provenance.draw)
    assert torch.equal(result.samples.values, result.drawn.values[parents] / 2)
    assert result.drawn.provenance.accepted[parents.numpy()].all()
    accepted = samples.values[:, 0] > 0  # these keep their place
    assert torch.equal(result.samples.values[accepted], samples.values[accepted] / 2)


def test_rejection_keeps_mixture():
    """Rejection keeps the corrected share at γ/(1 + γ).

    The corrector rejects most of its draws.
    """
    count = 4000
    result = apply_corrector(
        batch(count), Correction(reject_most_zero_others, 1.0, max_draws_per_sample=100), STREAM, redraw
    )
    corrected = (result.samples.values == 0).all(dim=1).double().mean()
    assert abs(corrected - 0.5) < 4 * 0.5 / math.sqrt(count)


def reject_most_zero_others(samples: Samples) -> Corrected:
    return Corrected(samples.with_values(samples.values * 0), samples.values[:, 0] > 1)


def test_dropping_reports_the_lower_count():
    samples = batch()
    result = apply_corrector(samples, Correction(keep_positive, on_rejection="drop"), STREAM, redraw)
    assert len(result.samples) == int((samples.values[:, 0] > 0).sum()) == len(samples) - result.rejected
    assert len(result.drawn) == len(samples)


def test_redrawing_is_bounded():
    def hopeless(samples: Samples) -> Corrected:
        return Corrected(samples, samples.values[:, 0] > 9, {"reason": np.full(len(samples), "fell over")})

    calls = []
    with pytest.raises(CorrectorError, match=r"'hopeless'.*1600.*1600.*'fell over'"):
        apply_corrector(
            batch(), Correction(hopeless, max_draws_per_sample=4), STREAM, lambda *a: calls.append(a) or redraw(*a)
        )
    assert [len(slots) for slots, _ in calls] == [400, 800]  # twice as many candidates in each round


def test_redraws_are_corrected_in_company():
    """Lone redraws are not corrected alone.

    A corrector that centres groups would give each the centre itself, which is rejected here.
    """

    def centre(samples: Samples) -> Corrected:
        centred = samples.values - samples.values.mean(0)
        return Corrected(samples.with_values(centred), centred[:, 0] > 0)

    result = apply_corrector(batch(16), Correction(centre), STREAM, redraw)
    assert len(result.samples) == 16
    assert (result.samples.values[:, 0] > 0).all()


def fails_on_large(samples: Samples) -> Samples:
    if (samples.values[:, 0] > 2.2).any():
        raise ZeroDivisionError("no such height")
    return samples.with_values(samples.values / 2)


def test_exception_names_sample():
    sample = int((batch().values[:, 0] > 2.2).nonzero()[0])
    expected = rf"'fails_on_large' failed on sample {sample} \(label {sample % 4}\): ZeroDivisionError: no such height"
    with pytest.raises(CorrectorError, match=expected):
        apply_corrector(batch(), Correction(fails_on_large), STREAM)


def test_corrector_names_sample():
    def picky(samples: Samples) -> Samples:
        raise SampleError(11, "knee bends backwards")

    with pytest.raises(CorrectorError, match=r"'picky'.*11.*3\)"):
        apply_corrector(batch(), Correction(picky), STREAM)


def test_batch_exception_names_none():
    def broken(samples: Samples) -> Samples:
        raise RuntimeError("no licence")

    with pytest.raises(CorrectorError, match=r"'broken'.*RuntimeError"):
        apply_corrector(batch(), Correction(broken), STREAM)


def test_correcting_nothing_gives_nothing():
    assert len(apply_corrector(batch(0), Correction(ZERO), STREAM, redraw).samples) == 0


def test_diagnostics_are_kept():
    def measure(samples: Samples) -> Corrected:
        return Corrected(samples, samples.values[:, 0] > 0, {"height": samples.values[:, 0].numpy()})

    result = apply_corrector(batch(), Correction(measure), STREAM, redraw)
    np.testing.assert_array_equal(result.info["height"], result.drawn.values[:, 0].numpy())
