"""A memoriser draws its points evenly, but for its knobs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.toy.models.memoriser import Memoriser

STREAM = streams(4)


def memoriser(**knobs: float) -> Memoriser:
    samples = Samples.real(torch.tensor([[0.0], [1.0], [2.0], [10.0], [20.0]]).double(), torch.tensor([0, 0, 0, 1, 1]))
    return replace(Memoriser.empty(1), **knobs).fit(samples, 0, STREAM)


LABELS = torch.tensor([0, 1]).repeat(6000)


def test_a_memoriser_draws_its_points_evenly_within_the_label() -> None:
    values = memoriser().sample(LABELS, STREAM).flatten()
    assert set(values[LABELS == 1].tolist()) == {10.0, 20.0}
    shares = [(values[LABELS == 0] == point).double().mean() for point in (0, 1, 2)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)


def test_the_knobs_of_a_memoriser() -> None:
    assert memoriser(bandwidth=0.1).sample(LABELS[:1].repeat(9000), STREAM).var() == pytest.approx(2 / 3, abs=0.03)
    assert set(memoriser(pull=0.2).sample(LABELS[1::2], STREAM).flatten().tolist()) == {11.0, 19.0}
    assert (memoriser(preference=2.0).sample(LABELS[::2], STREAM) == 1).double().mean() > 0.6
    chances = [memoriser(unevenness=c).fit(Samples.real(torch.zeros(5000, 1)), 0, STREAM).chances for c in (0.0, 0.67)]
    assert chances[0].var() == 0
    assert chances[1].var() / chances[1].mean() ** 2 == pytest.approx(0.67, rel=0.1)
    assert np.isclose(chances[1].mean(), 1, atol=0.06)
