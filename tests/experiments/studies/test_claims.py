"""Quantities of claims."""

import numpy as np

from selfcorrect.experiments.studies.claims import (
    check_claims,
    expect_above,
    expect_below,
    final_value,
    loss_ratio,
    value_at,
)


def test_the_loss_is_divided_by_that_of_the_other_arm_in_each_seed() -> None:
    loop = np.array([[0.4, 0.2, 0.1], [0.4, 0.3, 0.2], [0.5, 0.3, 0.1]])
    baseline = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.5], [0.5, 0.4, 0.4]])
    curves = {"loop": {"training_loss": loop}, "real only": {"training_loss": baseline}}
    ratio = loss_ratio("loop", "real only")
    np.testing.assert_allclose(ratio.per_seed(curves), [0.5, 0.4, 0.25])
    assert expect_below("the loop fits its own samples better", ratio, 0.9).check(curves).outcome == "holds"


def test_a_claim_that_cannot_be_checked_is_undecided_and_ends_no_other() -> None:
    claims = [
        expect_above("an arm that is missing", final_value("gone", "score")),
        expect_above("a generation that is missing", value_at("arm", "score", 9)),
        expect_above("what was measured", final_value("arm", "score")),
    ]
    checks = check_claims(claims, {"arm": {"score": np.ones((3, 2))}})
    assert [check.outcome for check in checks] == ["undecided", "undecided", "holds"]
    assert "no arm 'gone'" in checks[0].measured
