"""Why modes are lost: theory and loop agree; the statements fail when their cause is taken away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import outcomes

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.toy.models.memoriser import Memoriser
from selfcorrect.experiments.toy.networks import lineages
from selfcorrect.loop.bias import unbiased

STREAM = streams(4)
SMALL = replace(lineages.quick(), seeds=8)


@pytest.mark.slow
def test_every_statement_holds_in_the_small_version() -> None:
    result = lineages.run(lineages.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_without_matching_and_without_bias_their_statements_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineages, "lineage_matched", lambda *_, **__: unbiased)
    result = outcomes(lineages.run(replace(SMALL, pull=0.0, preference=0.0)))
    assert result["matching keeps lines"] != "holds"
    assert result["uneven, matched: lines that survive 12 generations"] == "fails"
    assert result["a biased learner loses more than by drift"] == "fails"
    assert result["lines of a biased learner walk in one direction"] == "fails"


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
