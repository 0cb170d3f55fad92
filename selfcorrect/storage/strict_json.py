"""Metrics as strict JSON, which has no NaN and no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def to_json(value: object) -> object:
    """Metrics as strict JSON: a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [to_json(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def from_json(value: object) -> Any:
    """The inverse of `to_json`, null becoming NaN."""
    if isinstance(value, dict):
        return {key: from_json(item) for key, item in value.items()}
    return [from_json(item) for item in value] if isinstance(value, list) else math.nan if value is None else value
