"""A faultless learner keeps more than copies: the factors of the split are not causes."""

from importlib import import_module

import pytest


def test_exact_learner_keeps_most() -> None:
    control = import_module("split_control")
    for kept, copying, against_copies in control.split_control(generation=10, seeds=4)[:1]:
        assert kept.estimate > 0.85
        assert copying.high < 0.85
        assert against_copies.low > 1
        assert copying.estimate * against_copies.estimate == pytest.approx(kept.estimate)
