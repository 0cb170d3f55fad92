"""Quantities of claims."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from selfcorrect.experiments.studies.claims import (
    Claim,
    Quantity,
    expect_above,
    expect_agreement,
    expect_below,
    final_change,
    final_difference,
    final_value,
    late_mean,
    loss_ratio,
    ratio_of_means,
)
from selfcorrect.statistics import FEWEST_SEEDS, Interval


def test_loss_ratio_is_per_seed() -> None:
    ends = [0.1, 0.2, 0.1, 0.2, 0.3]
    loop = np.array([[0.4, 0.2, end] for end in ends])
    baseline = np.array([[0.4, 0.4, end] for end in (0.2, 0.5, 0.4, 0.4, 1.0)])
    curves = {"loop": {"training_loss": loop}, "real only": {"training_loss": baseline}}
    ratio = loss_ratio("loop", "real only")
    np.testing.assert_allclose(ratio.per_seed(curves), [0.5, 0.4, 0.25, 0.5, 0.3])
    assert expect_below("the loop fits its own samples better", ratio, 0.9).check(curves).outcome == "holds"


# --- a claim decides no more than its interval ------------------------------------------------------------------------

MAKERS = {"above": expect_above, "below": expect_below, "agreement": expect_agreement}
QUANTITIES = {
    "final value": final_value("arm", "score"),
    "late mean": late_mean("arm", "score", 2),
    "change": final_change("arm", "score"),
    "difference": final_difference("arm", "other", "score"),
    "log of ratio": (final_value("arm", "score") / final_value("other", "score")).map(np.log),
    "scaled difference": final_difference("arm", "other", "score") * -3.0 - 0.0,
    "ratio of means": ratio_of_means(final_difference("arm", "other", "score"), final_value("other", "score")),
}


def outcomes(curves: dict, threshold: float) -> set[str]:
    """Return the outcomes of claims of every kind, some of every quantity."""
    claims = [make("", quantity, threshold) for make in MAKERS.values() for quantity in QUANTITIES.values()]
    return {claim.check(curves).outcome for claim in claims}


@pytest.mark.parametrize("seeds", [1, 2, FEWEST_SEEDS, 40])
@pytest.mark.parametrize("threshold", [0.0, 1.0, 5.0])
def test_equal_seeds_decide_nothing(seeds: int, threshold: float) -> None:
    curves = {"arm": {"score": np.full((seeds, 3), 2.0)}, "other": {"score": np.full((seeds, 3), 1.0)}}
    assert outcomes(curves, threshold) == {"undecided"}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rounding_decides_nothing(scale: float) -> None:
    generator = np.random.default_rng(2)
    other = generator.uniform(1, 2, (8, 3))
    arm = other * (1 + 1e-12) + 1e-13 * generator.normal(size=(8, 3))
    curves = {"arm": {"score": arm * scale}, "other": {"score": other * scale}}
    for name in ("difference", "scaled difference", "log of ratio", "ratio of means"):
        for make in (expect_above, expect_below):
            assert make("", QUANTITIES[name], 0.0).check(curves).outcome == "undecided", name
    apart = {**curves, "arm": {"score": generator.uniform(2.5, 3, (8, 3)) * scale}}
    for name in ("difference", "log of ratio", "ratio of means"):
        assert expect_above("", QUANTITIES[name], 0.0).check(apart).outcome == "holds", name


@given(arrays(float, (4, 3), elements=st.floats(-100, 100)), st.sampled_from([*MAKERS]))
def test_few_seeds_decide_nothing(values: np.ndarray, maker: str) -> None:
    for count in range(1, FEWEST_SEEDS):
        for threshold in (-1000.0, 0.0, 1000.0):
            claim = MAKERS[maker]("", final_value("arm", "score"), threshold)
            assert claim.check({"arm": {"score": values[:count]}}).outcome == "undecided"


@given(
    low=st.floats(-400, 400),
    width=st.floats(0.01, 1000),
    predicted=st.floats(-100, 100),
    tolerance=st.floats(0, 0.5),
    absolute=st.floats(0, 5),
)
def test_agreement_needs_whole_interval(
    low: float, width: float, predicted: float, tolerance: float, absolute: float
) -> None:
    interval = Interval(low + width / 2, low, low + width, 30, "t")
    claim = expect_agreement("", lambda curves: interval, predicted, tolerance, absolute)
    reach = max(tolerance * abs(predicted), absolute)
    distances = np.abs(np.linspace(interval.low, interval.high, 101) - predicted)
    outcome = claim.check({}).outcome
    if outcome == "holds":
        assert (distances <= reach * (1 + 1e-9) + 1e-9).all()
    elif outcome == "fails":
        assert (distances >= reach * (1 - 1e-9) - 1e-9).all()
    else:
        assert (distances >= reach * (1 - 1e-9) - 1e-9).any()


def test_wide_intervals_agree_with_nothing() -> None:
    wide = Quantity(lambda curves: np.array([-300.0, 320.0, -280.0, 310.0, 300.0, -310.0]))
    unbounded = ratio_of_means(wide, wide - 60.0)
    for measure in (wide, unbounded):
        assert expect_agreement("", measure, 77.0).check({}).outcome == "undecided"


@given(
    values=arrays(float, (6, 3), elements=st.floats(0.1, 10)),
    scale=st.sampled_from([1e-6, 1e6]),
    kind=st.sampled_from([*MAKERS]),
    threshold=st.floats(0.1, 10),
)
def test_a_claim_knows_no_unit(values: np.ndarray, scale: float, kind: str, threshold: float) -> None:
    def check(factor: float) -> str:
        claim: Claim = MAKERS[kind]("", final_value("arm", "score"), threshold * factor)
        return claim.check({"arm": {"score": values * factor}}).outcome

    assert check(scale) == check(1.0)
