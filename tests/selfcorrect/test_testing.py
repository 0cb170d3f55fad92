"""An example of the assertion in use, and that it tells stable loops from collapsing ones."""

from __future__ import annotations

import pytest
import torch

from selfcorrect.models.gaussian import Gaussian
from selfcorrect.policy import Augment, Replace
from selfcorrect.randomness import streams
from selfcorrect.samples import Samples
from selfcorrect.statistics import Thresholds
from selfcorrect.testing import Trial, assert_loop_stable, measure_stability

DATA = torch.randn((160, 2), generator=streams(0).torch(), dtype=torch.float64)


def pull_to_unit_spread(samples: Samples) -> Samples:
    """A corrector of one's own: standardise every batch."""
    values = samples.values
    return samples.with_values((values - values.mean(0)) / values.std(0))


def test_a_corrector_of_ones_own_keeps_a_fully_synthetic_loop_stable() -> None:
    stability = assert_loop_stable(
        Gaussian.standard(2), DATA, Replace(), pull_to_unit_spread, Trial(40, thresholds=Thresholds(1.5, 3.0))
    )
    assert stability.diversity.label == "stable"


def test_without_it_the_loop_is_reported_as_collapsed_with_both_sides_in_the_message() -> None:
    message = r"the loop is collapsed: after 60 generations the Fréchet distance is .* times .* and the recall"
    with pytest.raises(AssertionError, match=message):
        assert_loop_stable(Gaussian.standard(2), DATA[:60], Replace(0.5), trial=Trial(60))


def test_a_corrector_that_kills_diversity_is_caught() -> None:
    def to_the_middle(samples: Samples) -> Samples:
        return samples.with_values(samples.values * 0.7)

    stability = measure_stability(Gaussian.standard(2), DATA, Replace(), to_the_middle)
    assert stability.diversity.label == "collapsed"
    assert stability.diversity.ratio.high < 0.5


def test_kept_real_data_pass_even_when_undecided_is_not_allowed() -> None:
    assert_loop_stable(
        Gaussian.standard(2), DATA, Augment(0.2), trial=Trial(thresholds=Thresholds(1.5, 3.0)), at_worst="stable"
    )


def test_one_seed_decides_nothing() -> None:
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        assert_loop_stable(Gaussian.standard(2), DATA, Replace(), trial=Trial(seeds=1))
