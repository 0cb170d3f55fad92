"""Checks of arguments before anything runs. Each message says what is wrong and what is expected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import ClassVar, TypeVar

from .errors import SettingError

_Class = TypeVar("_Class", bound=type)

MAX_SETTING = 1_000_000
"""Maximum of any setting, far beyond any experiment but within the limits of memory and time."""
MIN_RATIO = 1 / MAX_SETTING
"""Minimum of ratios that may not be 0."""


def check_count(label: str, value: object, minimum: int, maximum: int | None = None) -> None:
    """Raise SettingError unless a value is an integer within bounds.

    Args:
        label: Name of the value in the message.
        value: The value to check.
        minimum: Smallest allowed value.
        maximum: Largest allowed value; None for no bound.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise SettingError(f"{label} must be a whole number, got {describe_value(value)}")
    count = int(value)
    if count < minimum or (maximum is not None and count > maximum):
        bound = f"at least {minimum}" if count < minimum else f"at most {maximum}"
        raise SettingError(f"{label} must be {bound}, got {count}")


def check_number(label: str, value: object, minimum: float, maximum: float) -> None:
    """Raise SettingError unless a number is within bounds."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not minimum <= value <= maximum:  # type: ignore[operator]
        raise SettingError(f"{label} must be a number from {minimum:g} to {maximum:g}, got {describe_value(value)}")


def check_switch(label: str, value: object) -> None:
    """Raise SettingError unless a value is True or False."""
    if not isinstance(value, bool):
        raise SettingError(f"{label} must be True or False, got {describe_value(value)}")


def check_choice(label: str, value: object, choices: Sequence[str]) -> None:
    """Raise SettingError unless a value is a valid choice."""
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{label} must be one of {', '.join(choices)}, got {describe_value(value)}")


def check_file_name(label: str, value: object) -> Path:
    """Return a file's path.

    Raises:
        SettingError: The value is neither text nor a path.
    """
    if not isinstance(value, str | Path) or str(value) == "":
        raise SettingError(f"{label} must be the path of a file, got {describe_value(value)}")
    return Path(value)


def check_methods(label: str, value: object, methods: Sequence[str], advice: str) -> None:
    """Check that an object has these methods.

    Raises:
        SettingError: The value is a class, or lacks a method.
    """
    if isinstance(value, type):
        raise SettingError(f"{label} must be an object, got the class {value.__name__}; call it: {value.__name__}(…)")
    if missing := [name for name in methods if not callable(getattr(value, name, None))]:
        raise SettingError(f"{label} has no {' and no '.join(missing)}, got {describe_value(value)}; {advice}")


def check_kind(label: str, value: object, *kinds: type) -> None:
    """Raise SettingError unless `value` has one of these types."""
    if not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise SettingError(f"{label} must be of type {expected}, got {describe_value(value)}")


def check_callable(label: str, value: object) -> None:
    """Raise SettingError unless `value` can be called."""
    if not callable(value):
        raise SettingError(f"{label} must be a function or another callable object, got {describe_value(value)}")


def explain_arguments(**usual: str) -> Callable[[_Class], _Class]:
    """Decorate a dataclass so that unknown arguments name the right one.

    Args:
        usual: Fields by the names that people may expect for them.
    """

    def decorate(kind: _Class) -> _Class:
        initialise = kind.__init__
        known = [field.name for field in fields(kind)]

        @wraps(initialise)
        def check_and_initialise(self: object, *values: object, **named: object) -> None:
            for name in named:
                if name not in known:
                    expected = f"use {usual[name]}" if name in usual else f"it takes {', '.join(known)}"
                    raise SettingError(f"{kind.__name__} has no argument {name!r}; {expected}")
            initialise(self, *values, **named)

        kind.__init__ = check_and_initialise
        return kind

    return decorate


def describe_value(value: object) -> str:
    """Describe a value in messages.

    Plain values are shown as they are, all others by type.
    """
    plain = isinstance(value, str | int | float | bool | list | tuple | type(None))
    text = repr(value) if plain else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"a {type(value).__name__}"


@dataclass(frozen=True)
class Positive:
    """Base of settings that raises SettingError unless all numbers are positive."""

    MAY_BE_ZERO: ClassVar[tuple[str, ...]] = ()
    """Names of settings that may be 0."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if is_number and not value > 0 and field.name not in self.MAY_BE_ZERO:
                raise SettingError(f"{field.name} must be positive, got {value}")


def count_noun(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless the count is 1."""
    return f"{count} {noun}" + ("" if count == 1 else "s")
