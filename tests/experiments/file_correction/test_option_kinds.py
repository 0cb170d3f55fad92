"""Options of a correction of another kind are refused in one sentence before a file is read."""

import builtins
import math
import typing
from numbers import Real
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.core.errors import SettingError
from selfcorrect.simulators.stages.scene import Scene


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
        ({"contacts": 3}, "must be the path of a file"),
        ({"reading": 3}, "reading must be a Reading"),
        ({"scene": "hill"}, "scene must be a Scene"),
        ({"mass_kg": "70"}, "mass-kg must be a number from 1 to 1000, got '70'"),
        ({"contacts": ""}, "must be the path of a file, got ''"),
        ({"strength": None}, "strength must be one of .*, got None"),
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


class Odd:
    """A value that no option has, which cannot even be compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("cannot be compared")

    __hash__ = object.__hash__


ODD = (None, True, 1, -1, 3.5, math.nan, math.inf, 10**400, "x", "", "1", b"x", (), [], {}, [1, "x"], Path("x"), Odd(),
       np.zeros(3), np.float32(1))  # fmt: skip


@pytest.mark.parametrize("kind", [sc.Reading, sc.CorrectionOptions, Scene])
def test_any_value_of_any_option_is_of_its_kind_or_refused_in_a_sentence(kind: type) -> None:
    """Also one that opens another file: True is the number of standard output."""
    hints = get_type_hints(kind, localns={"CorrectionOptions": sc.CorrectionOptions})
    refused = 0
    for name, hint in hints.items():
        for value in ODD:
            sentence = ""
            try:
                options = kind(**{name: value})
            except SettingError as error:
                sentence = str(error).replace("-", "_")
                refused += 1
            assert name in sentence if sentence else _fits(getattr(options, name), hint), (name, value)
    assert refused > len(hints) * len(ODD) / 2


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value has the type of an annotation."""
    arguments = get_args(hint)
    match get_origin(hint):
        case None:
            is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
            return is_number if hint is float else isinstance(value, hint)
        case typing.Annotated:
            return _fits(value, arguments[0])
        case typing.Literal:
            return isinstance(value, str) and value in arguments
        case builtins.tuple:
            return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
        case _:
            return any(_fits(value, argument) for argument in arguments)
