"""Loops in which samples are selected or exchanged: statements hold, and fail when the effect is taken away."""

from __future__ import annotations

import pytest
import torch
from helpers import outcomes

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import verifier
from selfcorrect.experiments.toy.gaussian import biased_corrector, crossfeed, mad, provenance
from selfcorrect.experiments.toy.result import Result
from selfcorrect.experiments.toy.text import curation
from selfcorrect.loop.bias import unbiased
from selfcorrect.loop.policy import Augment, Replace
from selfcorrect.loop.run import LoopHistory
from selfcorrect.storage.runs.memory import MemoryStore

ROWS = (curation, mad, provenance, crossfeed)


@pytest.fixture(scope="module")
def biased() -> Result:
    """Loops whose verifiers know a wrong belief."""
    return biased_corrector.run(biased_corrector.quick())


@pytest.fixture(scope="module")
def accepting() -> Result:
    """The same where the verifiers pass everything; predictions stay."""
    everything = verifier(lambda samples: torch.full((len(samples),), True))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_near_belief", "_knows_frequent_words"):
            patch.setattr(biased_corrector, name, lambda *_: everything)
        return biased_corrector.run(biased_corrector.quick())


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__.split(".")[-1])
def test_every_statement_holds_in_the_small_version(row) -> None:
    result = row.run(row.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_every_statement_of_biased_verifiers_holds_in_the_small_version(biased: Result) -> None:
    assert biased.holds(), outcomes(biased)


@pytest.mark.slow
def test_a_verifier_that_accepts_everything_neither_gains_nor_blinds(accepting: Result) -> None:
    result = outcomes(accepting)
    assert result["belief off by 0.4: the weights settle at the belief, not at the truth"] == "fails"
    assert result["belief off by 0.05: early gain"] != "holds"
    assert result["a blind verifier loses more words than no selection"] == "fails"


@pytest.mark.slow
def test_a_stable_loop_that_converged_to_a_wrong_belief_is_warned_of(biased: Result, accepting: Result) -> None:
    assert any("belief off by 0.4" in warning for warning in biased.warnings)
    assert not accepting.warnings


def test_without_raters_no_reward_is_optimised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation, "best_of", lambda *_, **__: unbiased)
    result = outcomes(curation.run(curation.quick()))
    assert result["curated: mean reward rises"] != "holds"
    assert result["curated: mean reward at generation 8"] == "fails"


@pytest.mark.slow
def test_without_fresh_data_cherry_picking_destroys_diversity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mad, "Fresh", lambda *_, **__: Replace())
    result = outcomes(mad.run(mad.quick()))
    assert result["fresh data hold diversity under cherry-picking"] == "fails"


@pytest.mark.slow
def test_a_detector_that_cannot_tell_real_from_synthetic_is_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = provenance.Detector
    monkeypatch.setattr(provenance, "Detector", lambda policy, rate, _: detector(policy, *[min(rate, 0.9)] * 2))
    result = outcomes(provenance.run(provenance.quick()))
    assert result["detector that finds 95%: settled variance"] == "fails"
    assert result["true positive rate needed for a variance of 0.8"] == "fails"


def test_detector_removes_the_stated_shares() -> None:
    real, synthetic = Samples.real(torch.zeros(4000, 1)), Samples.synthetic(torch.ones(4000, 1), None, 1)
    history = LoopHistory(MemoryStore(), 1, synthetic)
    kept = provenance.Detector(Augment(1.0), 0.8, 0.1).mix(real, history, 1, streams(0)).provenance.synthetic
    assert kept.sum() / 4000 == pytest.approx(0.2, abs=0.03)
    assert (~kept).sum() / 4000 == pytest.approx(0.9, abs=0.03)


@pytest.mark.slow
def test_closed_loops_do_not_gain_from_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossfeed, "Exchange", lambda policy: policy)
    result = outcomes(crossfeed.run(crossfeed.quick()))
    assert result["exchange slows the collapse down"] == "fails"
    assert result["crossfed: variance at generation 15"] == "fails"


def test_exchange_gives_every_model_equal_parts_of_all() -> None:
    values = torch.arange(3.0)[None, None, :, None].expand(6, 2, 3, 1)
    history = LoopHistory(MemoryStore(), 1, Samples.synthetic(values, None, 1))
    mixed = crossfeed.Exchange(Replace()).mix(Samples.real(values), history, 1, streams(0)).values
    for model in range(3):
        assert sorted(mixed[:, 0, model, 0].tolist()) == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
