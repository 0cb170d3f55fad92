"""The arguments of `sc.compare`, checked before anything runs: a sentence says what is wrong and what is expected."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selfcorrect.core.checks import check_count, describe_value
from selfcorrect.core.errors import SettingError
from selfcorrect.loop.run import Arm

from ...jobs.where import Where
from .report import DIRECTION_WORDS

RESERVED = ("seed", "generation", "task", "arm", "group")
"""Columns of a comparison's rows, which no quality can be named."""
_TEXTS = ("title", "command", "primary", "wandb_project", "wandb_entity")


def _are_claims(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and all(callable(getattr(claim, "check", None)) for claim in value)


def _are_strengths(value: Any) -> bool:
    return all(isinstance(gamma, int | float) and gamma >= 0 for gamma in value)


_EXPECTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **{name: ("a text", lambda value: isinstance(value, str)) for name in _TEXTS},
    "out": ("the path of a folder", lambda value: value is None or isinstance(value, str | os.PathLike)),
    "where": ("a Where", lambda value: value is None or isinstance(value, Where)),
    "observe": ("a function", lambda value: value is None or callable(value)),
    "claims": ("a list of claims of sc.claims", _are_claims),
    "better": ("a dictionary such as {'spread': 'higher'}", lambda value: isinstance(value, Mapping)),
    "bounds": ("a dictionary such as {'share': (0, 1)}", lambda value: isinstance(value, Mapping)),
    "gammas": ("strengths γ of at least 0", _are_strengths),
}
"""Argument → what is expected, and whether a value is that."""


def check_arguments(**arguments: Any) -> None:
    """Raise SettingError for an argument of another kind than `sc.compare` describes."""
    for name, value in arguments.items():
        if name in _EXPECTED:
            expected, is_expected = _EXPECTED[name]
            if not is_expected(value):
                raise SettingError(f"{name} must be {expected}, got {describe_value(value)}")
    check_count("seeds", arguments["seeds"], 1)
    check_count("first_seed", arguments["first_seed"], 0)
    if arguments["workers"] is not None:
        check_count("workers", arguments["workers"], 1)
    for count in arguments["real_counts"]:
        check_count("real_counts", count, 1)
    for name, direction in arguments["better"].items():
        is_number = isinstance(direction, int | float) and not isinstance(direction, bool)
        if direction not in DIRECTION_WORDS and not (is_number and math.isfinite(direction)):
            expected = "lower, higher, real, or a number that is the aim"
            raise SettingError(f"`better` says {direction!r} of {name!r}, expected {expected}")
    for name, pair in arguments["bounds"].items():
        is_pair = isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(end, int | float) for end in pair)
        if not is_pair or not pair[0] < pair[1]:
            raise SettingError(f"`bounds` of {name!r} must be its least and its greatest value: (0, 1); got {pair!r}")


def name_arms(arms: Any) -> Mapping[str, Any]:
    """Return arms by name, arms in a list by what they are; SettingError where that is neither."""
    if isinstance(arms, Mapping):
        return arms
    if not isinstance(arms, Sequence) or not all(isinstance(arm, Arm) for arm in arms):
        expected = "a list of arms, or arms and functions that make them by name: {name: arm, …}"
        raise SettingError(f"arms must be {expected}; got {describe_value(arms)}")
    names = [str(arm) for arm in arms]
    if doubled := next((name for name in names if names.count(name) > 1), ""):
        raise SettingError(f"two arms are both {doubled}; give arms by name: {{name: arm, …}}")
    return dict(zip(names, arms, strict=True))


def choose_references(
    usual: Mapping[str, str], arms: Sequence[str], reference: str | Mapping[str, str]
) -> dict[str, str]:
    """Return the reference of each arm with a reference, by name.

    Args:
        usual: References without the user's choice.
        reference: The arm that all others are compared with, or arm → reference for some; "" for the usual ones.

    Raises:
        SettingError: There is no such arm.
    """
    if not reference:
        return dict(usual)
    is_common = isinstance(reference, str)
    chosen = {arm: reference for arm in arms if arm != reference} if isinstance(reference, str) else reference
    if not isinstance(chosen, Mapping):
        raise SettingError(f"reference must be the name of an arm, or arm → reference, got {describe_value(reference)}")
    for arm, other in chosen.items():
        if unknown := [name for name in (arm, other) if name not in arms]:
            raise SettingError(f"reference names {unknown[0]!r}, which is no arm; the arms are {', '.join(arms)}")
    return dict(chosen) if is_common else {**usual, **chosen}


def check_qualities(task: str, names: Sequence[Any]) -> None:
    """Raise SettingError where the evaluation of a task measures nothing, or what no column of the results can be."""
    if not names:
        raise SettingError(
            f"the evaluation of task {task!r} measures nothing; it returns numbers by name: {{name: number}}"
        )
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise SettingError(f"the evaluation of task {task!r} names a quality {name!r}; a name must be a text")
        if name in RESERVED:
            raise SettingError(
                f"the evaluation of task {task!r} names a quality {name!r}, which is a column of the results; rename it"
            )
