"""Options of a wrong kind are refused in one sentence, before reading."""

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


class Odd:
    """A value that no option has, and that cannot even be compared."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("cannot be compared")

    __hash__ = object.__hash__


ODD = (None, True, 1, -1, 3.5, math.nan, math.inf, 10**400, "x", "", "1", b"x", (), [], {}, [1, "x"], Path("x"), Odd(),
       np.zeros(3), np.float32(1))  # fmt: skip


@pytest.mark.parametrize("kind", [sc.Reading, sc.CorrectionOptions, Scene])
def test_option_kinds_are_checked(kind: type) -> None:
    """Kinds that would open another file are checked: True is the number of standard output."""
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
    """Return whether a value fits its annotation."""
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
