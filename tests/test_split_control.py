"""A faultless learner shows the factors are no causes.

It keeps more than copies: the control of the split.
"""

from importlib import import_module

import pytest


def test_exact_learner_keeps_most() -> None:
    control = import_module("split_control")
    for kept, copying, against_copies in control.split_control(generation=10, seeds=4)[:1]:
        assert kept.estimate > 0.85
        assert copying.high < 0.85
        assert against_copies.low > 1
        assert copying.estimate * against_copies.estimate == pytest.approx(kept.estimate)
