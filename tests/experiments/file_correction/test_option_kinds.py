"""Options of a correction of another kind are refused in one sentence before a file is read."""

from pathlib import Path
from typing import Any

import pytest

import selfcorrect as sc
from selfcorrect.core.errors import SettingError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 3}, "frames must be a text such as '40:120', got 3"),
        ({"frames": (3, 9)}, "frames must be a text"),
        ({"amount": "legs=0.5"}, r"amount must be a list of texts such as \['legs=0.5'\], got 'legs=0.5'"),
        ({"amount": 0.5}, "amount must be a list of texts"),
        ({"amount": [0.5]}, "amount must be a list of texts"),
        ({"keep": "hands"}, r"keep must be a list of texts such as \['hands'\], got 'hands'"),
        ({"keep": None}, "keep must be a list of texts"),
        ({"contacts": 3}, "contacts must be the path of a file"),
        ({"reading": 3}, "reading must be a Reading"),
        ({"scene": "hill"}, "scene must be a Scene"),
        ({"mass_kg": "70"}, "mass-kg must be a number, got '70'"),
    ],
)
def test_kinds(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=message):
        sc.correct_file(tmp_path / "in.bvh", tmp_path / "out.bvh", **changes)
    with pytest.raises(SettingError, match=message):
        sc.correct_files(tmp_path, tmp_path / "out", **changes)


def test_lists_and_texts_are_taken(tmp_path: Path) -> None:
    options = sc.CorrectionOptions(amount=["legs=0.5"], keep=["hands"], contacts="contacts.json")  # type: ignore[arg-type]
    assert (options.amount, options.keep, options.contacts) == (("legs=0.5",), ("hands",), Path("contacts.json"))
