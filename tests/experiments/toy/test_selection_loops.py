"""Loops in which samples are selected or exchanged: statements hold, and fail when the effect is taken away."""

from __future__ import annotations

import pytest
import torch
from helpers import outcomes

from selfcorrect.bias import unbiased
from selfcorrect.experiments.toy import biased_corrector, crossfeed, curation, mad, provenance
from selfcorrect.loop import LoopHistory
from selfcorrect.policy import Augment, Replace
from selfcorrect.randomness import streams
from selfcorrect.samples import Samples
from selfcorrect.storage.memory import MemoryStore

ROWS = (biased_corrector, curation, mad, provenance, crossfeed)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__.split(".")[-1])
def test_every_statement_holds_in_the_small_version(row) -> None:
    result = row.run(row.quick())
    assert result.holds(), outcomes(result)


def test_a_verifier_that_accepts_everything_neither_gains_nor_blinds() -> None:
    result = outcomes(biased_corrector.run(biased_corrector.quick(), accept_all=True))
    assert result["belief off by 0.4: the weights settle at the belief, not at the truth"] == "fails"
    assert result["belief off by 0.05: early gain"] != "holds"
    assert result["a blind verifier loses more words than no selection"] == "fails"


@pytest.mark.slow
def test_a_stable_loop_that_converged_to_a_wrong_belief_is_warned_of() -> None:
    assert any("belief off by 0.4" in warning for warning in biased_corrector.run(biased_corrector.quick()).warnings)
    assert not biased_corrector.run(biased_corrector.quick(), accept_all=True).warnings


def test_without_raters_no_reward_is_optimised() -> None:
    result = outcomes(curation.run(curation.quick(), bias=unbiased))
    assert result["curated: mean reward rises"] != "holds"
    assert result["curated: mean reward at generation 8"] == "fails"


def test_without_fresh_data_cherry_picking_destroys_diversity() -> None:
    result = outcomes(mad.run(mad.quick(), no_fresh_data=True))
    assert result["fresh data hold diversity under cherry-picking"] == "fails"


def test_a_detector_that_cannot_tell_real_from_synthetic_is_of_no_use() -> None:
    result = outcomes(provenance.run(provenance.quick(), blind=True))
    assert result["detector that finds 95%: settled variance"] == "fails"
    assert result["true positive rate needed for a variance of 0.8"] == "fails"


def test_detector_removes_the_stated_shares() -> None:
    real, synthetic = Samples.real(torch.zeros(4000, 1)), Samples.synthetic(torch.ones(4000, 1), None, 1)
    history = LoopHistory(MemoryStore(), 1, synthetic)
    kept = provenance.Detector(Augment(1.0), 0.8, 0.1).mix(real, history, 1, streams(0)).provenance.synthetic
    assert kept.sum() / 4000 == pytest.approx(0.2, abs=0.03)
    assert (~kept).sum() / 4000 == pytest.approx(0.9, abs=0.03)


def test_closed_loops_do_not_gain_from_a_name() -> None:
    result = outcomes(crossfeed.run(crossfeed.quick(), exchange=False))
    assert result["exchange slows the collapse down"] == "fails"
    assert result["crossfed: variance at generation 15"] == "fails"


def test_exchange_gives_every_model_equal_parts_of_all() -> None:
    values = torch.arange(3.0)[None, None, :, None].expand(6, 2, 3, 1)
    history = LoopHistory(MemoryStore(), 1, Samples.synthetic(values, None, 1))
    mixed = crossfeed.Exchange(Replace()).mix(Samples.real(values), history, 1, streams(0)).values
    for model in range(3):
        assert sorted(mixed[:, 0, model, 0].tolist()) == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
