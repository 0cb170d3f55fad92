"""What callers give, checked before anything runs: one sentence says what is wrong and what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from numbers import Integral
from typing import Any

from .errors import SettingError

MOST = 1_000_000
"""Of anything that is counted: far beyond any experiment, and within what memory and time have room for."""


def check_count(what: str, value: object, least: int, most: int | None = None) -> None:
    """Raise SettingError unless `value` is a whole number within the bounds."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise SettingError(f"{what} must be a whole number, got {shown(value)}")
    count = int(value)
    if count < least or (most is not None and count > most):
        bound = f"at least {least}" if count < least else f"at most {most}"
        raise SettingError(f"{what} must be {bound}, got {count}")


def check_methods(what: str, value: object, methods: Sequence[str], advice: str) -> None:
    """Raise SettingError unless `value` is an object, and no class, that has these methods."""
    if isinstance(value, type):
        raise SettingError(f"{what} must be an object, got the class {value.__name__}; call it: {value.__name__}(…)")
    if missing := [name for name in methods if not callable(getattr(value, name, None))]:
        raise SettingError(f"{what} has no {' and no '.join(missing)}, got {shown(value)}; {advice}")


def check_callable(what: str, value: object) -> None:
    """Raise SettingError unless `value` can be called."""
    if not callable(value):
        raise SettingError(f"{what} must be a function or another callable object, got {shown(value)}")


def shown(value: object) -> str:
    """A value for messages: plain values as they are, others by their type."""
    plain = isinstance(value, str | int | float | bool | list | tuple | type(None))
    text = repr(value) if plain else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def check_positive(settings: Any, may_be_zero: Sequence[str] = ()) -> None:
    """Raises SettingError for a number in a dataclass that is not positive."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, (int, float)) and not value > 0 and field.name not in may_be_zero:
            raise SettingError(f"{field.name} must be positive, got {value}")
