"""How the numbers of settings are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from selfcorrect.core.errors import SettingError


def check_positive(settings: Any, may_be_zero: Sequence[str] = ()) -> None:
    """Raises SettingError for a number in a dataclass that is not positive."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, (int, float)) and not value > 0 and field.name not in may_be_zero:
            raise SettingError(f"{field.name} must be positive, got {value}")
