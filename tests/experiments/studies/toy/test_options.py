"""Options of toys out of bounds are refused by name."""

import math

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.studies.toy.options import ToyOptions


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ToyOptions(n=(100, 0)), "n must be at least 2"),
        (ToyOptions(n=(10**14,)), "n must be at most"),
        (ToyOptions(seeds=0), "seeds must be at least 1"),
        (ToyOptions(generations=0), "generations must be at least 1"),
        (ToyOptions(gamma=(-1.0,)), "gamma must be at least 0"),
        (ToyOptions(synthetic_ratio=(math.nan,)), "synthetic-ratio must be at least 0"),
        (ToyOptions(epochs=math.inf), "epochs must be a positive number"),
    ],
)
def test_values_out_of_bounds_raise(options: ToyOptions, name: str) -> None:
    with pytest.raises(SettingError, match=name):
        options.check()
