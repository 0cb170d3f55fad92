"""Quantities of claims."""

import numpy as np

from selfcorrect.experiments.studies.claims import expect_below, loss_ratio


def test_the_loss_is_divided_by_that_of_the_other_arm_in_each_seed() -> None:
    loop = np.array([[0.4, 0.2, 0.1], [0.4, 0.3, 0.2], [0.5, 0.3, 0.1]])
    baseline = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.5], [0.5, 0.4, 0.4]])
    curves = {"loop": {"training_loss": loop}, "real only": {"training_loss": baseline}}
    ratio = loss_ratio("loop", "real only")
    np.testing.assert_allclose(ratio.per_seed(curves), [0.5, 0.4, 0.25])
    assert expect_below("the loop fits its own samples better", ratio, 0.9).check(curves).outcome == "holds"
