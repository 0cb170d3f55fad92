"""The exact test of the registered experiments, and which results are accepted."""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfcorrect.core.errors import InputError


@pytest.fixture(scope="module")
def tools() -> Any:
    return import_module("splits")


@pytest.mark.parametrize("name", ["FORCES", "PLACES"])
def test_results_of_another_registration_are_refused(tools: Any, tmp_path: Path, name: str) -> None:
    kept = getattr(tools, name)
    assert len(tools.read_results(kept)) == 8
    copy = shutil.copytree(kept, tmp_path / "kept")
    with (copy / "registration.txt").open("a") as file:
        file.write("And one test more.\n")
    with pytest.raises(InputError, match="another registration"):
        tools.read_results(copy)


def test_the_exact_test_counts_signs(tools: Any) -> None:
    same_sign = np.arange(1.0, 9.0)
    assert tools.sign_flip_p(same_sign) == 2 / 256
    assert tools.sign_flip_p(np.ones(14)) == 2 / 2**14
    assert tools.sign_flip_p(-3 * same_sign) == 2 / 256
    assert tools.sign_flip_p(np.array([1.0, -1.0] * 4)) == 1.0
    mixed = np.array([3.0, 2.0, -1.0])  # of 8 assignments, those with |sum| of at least 4: ±(6, 4)
    assert tools.sign_flip_p(mixed) == 4 / 8
