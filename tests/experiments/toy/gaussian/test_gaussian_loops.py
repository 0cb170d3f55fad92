"""Closed-form loops: every statement holds as they are, and the central ones fail when the loop is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import outcomes

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.toy.gaussian import dilution, gaussian_collapse, linear, stability, weighting
from selfcorrect.experiments.toy.gaussian.dilution import pull
from selfcorrect.experiments.toy.gaussian.tasks import per_seed
from selfcorrect.loop.policy import Augment, Fresh, RealOnly, Replace


@pytest.mark.slow
def test_gaussian_collapse_follows_its_closed_forms() -> None:
    result = gaussian_collapse.run(gaussian_collapse.quick())
    assert result.holds(), outcomes(result)
    status = {arm: {f.definition: f.status for f in findings} for arm, findings in result.profiles.items()}
    assert status["replace"]["collapsing variance"] == "present"
    assert status["replace"]["vanishing tails"] == "present"
    assert status["augment"]["collapsing variance"] == "absent"
    assert status["fresh"]["any increase of population risk"] == "absent"


@pytest.mark.slow
@pytest.mark.parametrize("policy", [Augment(1.0), RealOnly()])
def test_no_collapse_is_noticed_where_real_data_are_kept(policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_collapse, "Replace", lambda: policy)
    result = gaussian_collapse.run(replace(gaussian_collapse.quick(), sizes=(20,), seeds=60))
    assert outcomes(result)["replace: log volume at the end"] == "fails"
    status = {finding.definition: finding.status for finding in result.profiles["replace"]}
    assert status["collapsing variance"] == "absent"


@pytest.mark.slow
def test_stability_map_matches_the_exact_contraction_and_its_boundary() -> None:
    result = stability.run(stability.quick())
    assert result.holds(), outcomes(result)
    faithful, erring = result.figures
    assert (faithful.values < 1).all()
    assert (erring.values > 1).any()


@pytest.mark.slow
def test_stability_map_notices_a_corrector_of_another_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "per_seed", lambda draw, strength: per_seed(draw, 0.5 * strength))
    result = stability.run(replace(stability.quick(), ratios=(0.5, 1.0, 3.0)))
    assert sum(outcome == "fails" for outcome in outcomes(result).values()) >= 4


@pytest.mark.slow
def test_regression_errors_follow_their_closed_forms() -> None:
    result = linear.run(linear.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_regression_statements_fail_when_nothing_accumulates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "Accumulate", Replace)
    result = outcomes(linear.run(linear.quick()))
    assert result["accumulate: error at generation 12"] == "fails"
    assert result["accumulate: the error stays below π²/6 of generation 0's"] == "fails"


@pytest.mark.slow
def test_levels_are_diluted_and_spreads_are_not() -> None:
    result = dilution.run(dilution.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_levels_are_not_those_predicted_where_correction_is_weaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dilution, "pull", lambda kept: pull(0.6))
    result = outcomes(dilution.run(dilution.quick()))
    assert [outcome for name, outcome in result.items() if "γ = 0:" not in name][:-1] == ["fails"] * 6


@pytest.mark.slow
def test_the_golden_weight_is_best() -> None:
    result = weighting.run(weighting.quick())
    assert result.holds(), outcomes(result)


@pytest.mark.slow
def test_the_golden_weight_has_no_merit_without_fresh_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop gets the same real data again and again."""

    def repeated(source, size: int, share: float) -> Fresh:
        return Fresh(lambda generation, count, stream: source(0, count, streams(0)), size, share)

    monkeypatch.setattr(weighting, "Fresh", repeated)
    result = outcomes(weighting.run(weighting.quick()))
    assert result["Gaussian mean: the golden weight beats weight 0.9"] == "fails"
    assert np.mean([outcome == "fails" for outcome in result.values()]) > 0.5
