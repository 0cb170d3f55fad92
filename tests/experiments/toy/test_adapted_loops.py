"""Loops of curation, density ratios and adapted networks in small, and what becomes of them without their effect."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import outcomes

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.toy.networks import density_ratio, imperfect_verifier, unet_digits
from selfcorrect.experiments.toy.result import Pictures
from selfcorrect.experiments.toy.text import cross_curation, pluralistic, small_gpt
from selfcorrect.loop.bias import best_of, unbiased
from selfcorrect.loop.policy import Augment
from selfcorrect.loop.run import LoopHistory
from selfcorrect.storage.runs.memory import MemoryStore


@pytest.mark.slow
@pytest.mark.parametrize("row", [pluralistic, cross_curation], ids=lambda row: row.__name__.split(".")[-1])
def test_every_statement_of_curation_holds_in_the_small_version(row) -> None:
    result = row.run(row.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_with_the_mean_rater_alone_nobody_bargains(monkeypatch: pytest.MonkeyPatch) -> None:
    def mean_of(k: int, *raters, **settings):
        return best_of(k, lambda values: sum(rater(values) for rater in raters) / len(raters), **settings)

    monkeypatch.setattr(pluralistic, "best_of", mean_of)
    result = outcomes(pluralistic.run(replace(pluralistic.quick(), seeds=5)))
    assert result["several raters: share of the minority's favourite"] == "fails"
    assert result["several raters keep more variety than their mean"] != "holds"


@pytest.mark.slow
def test_without_raters_exchange_neither_serves_nor_harms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_curation, "best_of", lambda *_, **__: unbiased)
    result = outcomes(cross_curation.run(cross_curation.quick()))
    assert result["without exchange, curation raises the own raters' reward"] != "holds"
    assert result["with 20% own samples, curation lowers the own raters' reward"] != "holds"


def test_a_share_of_the_synthetic_samples_changes_models_and_no_real_one() -> None:
    real = Samples.real(torch.tensor([10.0, 20.0]).expand(10, 3, 2))
    history = LoopHistory(MemoryStore(), 1, Samples.synthetic(torch.tensor([1.0, 2.0]).expand(10, 3, 2), None, 1))
    mixed = cross_curation.ShareOut(Augment(1.0), 0.8).mix(real, history, 1, streams(0)).values
    assert (mixed[:10] == torch.tensor([10.0, 20.0])).all()
    assert [int((mixed[10:, 0, model] == model + 1).sum()) for model in (0, 1)] == [8, 8]
    assert [int((mixed[10:, 0, model] == 2 - model).sum()) for model in (0, 1)] == [2, 2]


@pytest.mark.slow
def test_a_discriminator_beats_its_controls_in_distance() -> None:
    result = outcomes(density_ratio.run(replace(density_ratio.quick(), seeds=4)))
    assert result["accepted by ratio: nearer than accepted at random"] == "holds"
    assert result["moved by ratio: nearer than moved at random"] == "holds"


@pytest.mark.slow
def test_top_selection_of_a_network_takes_its_spread_away() -> None:
    small = replace(imperfect_verifier.quick(), first_steps=150, steps=60, judged=500)
    result = outcomes(imperfect_verifier.run(small))
    assert result["top-α selection takes more spread away than selection at random"] == "holds"
    assert result["wrong verifier: it comes nearer to the belief"] == "holds"


@pytest.mark.slow
def test_a_unet_runs_and_shows_digits() -> None:
    settings = replace(unet_digits.quick(), first_steps=5, steps=2, generations=1, seeds=1, judged=30)
    pages = [figure for figure in unet_digits.run(settings).figures if isinstance(figure, Pictures)]
    assert pages[0].images.shape == (30, 8, 8)
    assert list(pages[0].captions) == ["real only", "synthetic", "corrected"]


@pytest.mark.slow
def test_a_gpt_runs() -> None:
    settings = replace(small_gpt.quick(), steps=4, generations=1, seeds=1)  # fewer first steps: nothing is accepted
    assert "Perplexity goes from" in small_gpt.run(settings).reading


def test_the_verifier_of_text_knows_pairs() -> None:
    known = small_gpt.known_pairs(torch.tensor([[0.0, 1.0, 2.0]]), 4)
    windows = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, 3.0], [3.0, 2.0, 1.0]])
    assert small_gpt.known_share(windows, known).tolist() == [1.0, 0.5, 0.0]
    accepted = small_gpt.knows_pairs(known, 0.5)(Samples.synthetic(windows, None, 1), streams(0)).accepted  # type: ignore[call-arg]
    assert accepted.tolist() == [True, True, False]
