"""JSON that is read with limits and written without NaN and infinity.

All JSON from disks is read here and checked against dataclasses, because a file may be damaged or forged. Libraries for
typed data either accept unknown fields and wrong types in dataclasses, or take longer to import than a command takes to
start.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ...core.errors import InputError, SelfcorrectError
from .limits import check_unpacked, read_text

MAX_DEPTH = 100
"""Maximum depth of nesting. None of our files and no known dataset has more than a dozen levels."""

_BYTES_PER_MARK = {"{": 184, "[": 56, ",": 40, ":": 64}
"""Approximate memory of an object, a list, and the value after a comma or a colon, in bytes."""

_TYPE_WORDS = {float: "number", int: "whole number", str: "string", bool: "boolean", Path: "path"}

_Kind = TypeVar("_Kind")


def to_json(value: object) -> object:
    """Convert metrics to strict JSON.

    Numbers that are not finite become null.
    """
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(item) for item in value]
    return value


def from_json(value: object) -> Any:
    """Invert `to_json`, with NaN for null."""
    if isinstance(value, dict):
        return {key: from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_json(item) for item in value]
    return math.nan if value is None else value


def as_json(value: object, default: Callable[[Any], Any] | None = None) -> Any:
    """Return a value as it would be read back from JSON.

    `default` converts types that JSON does not have.
    """
    return json.loads(json.dumps(value, default=default))


def spell_infinity(value: object) -> Any:
    """Return a value as `as_json` does, with infinity as text.

    Types that JSON does not have become text, too.
    """
    if isinstance(value, Mapping):
        return {str(key): spell_infinity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [spell_infinity(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else as_json(value, str)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: The text is not valid JSON, too deeply nested, or too large.
    """
    check_unpacked(path, path.stat().st_size)
    return parse_json(read_text(path), path)


def parse_json(content: bytes | str, where: object) -> Any:
    """Parse JSON text.

    Args:
        where: Name of the text in messages.

    Raises:
        InputError: The text is not valid JSON, nested deeper than `MAX_DEPTH`, or would take more memory than the
            limit.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        size = len(text) + sum(text.count(mark) * bytes_per_mark for mark, bytes_per_mark in _BYTES_PER_MARK.items())
        check_unpacked(where, size, stored=len(text))
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}, line {error.lineno}: not JSON ({error.msg})") from error
    except RecursionError as error:  # each version of Python has its own words
        raise InputError(f"{where}: JSON is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:  # not UTF-8, or too many digits
        if isinstance(error, SelfcorrectError):
            raise
        raise InputError(f"{where}: not JSON ({error})") from error
    if isinstance(value, dict | list) and is_nested_too_deep(value):
        raise InputError(f"{where}: JSON is nested deeper than {MAX_DEPTH} levels")
    return value


def is_nested_too_deep(container: dict | list) -> bool:
    """Return whether nesting exceeds `MAX_DEPTH` levels."""
    level = [container]
    for _ in range(MAX_DEPTH):
        lists = [container.values() if isinstance(container, dict) else container for container in level]
        level = [item for items in lists for item in items if isinstance(item, (dict, list))]
        if not level:
            return False
    return True


def read_as(kind: type[_Kind], value: object, where: object) -> _Kind:
    """Convert a value from `parse_json` to a dataclass.

    Raises:
        InputError: A field is missing, unknown or has another type. The message names the field.
    """
    values = read_fields(kind, value, where)
    _, needed = _fields(kind)
    if missing := [name for name in needed if name not in values]:
        raise InputError(f"{where}: {missing[0]} is missing")
    return kind(**values)


def read_fields(kind: type, value: object, where: object) -> dict[str, Any]:
    """Read some fields of a dataclass by name, as `read_as` does."""
    types, _ = _fields(kind)
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected {', '.join(types)}, got {_shorten_value(value)}")
    if unexpected := sorted(value.keys() - types.keys()):
        raise InputError(f"{where}: unknown entry {unexpected[0][:40]!r}; expected {', '.join(types)}")
    return {name: _as_type(types[name], item, f"{where}: {name}") for name, item in value.items()}


def read_file_as(kind: type[_Kind], path: Path) -> _Kind:
    """Read a dataclass from a JSON file.

    Raises:
        InputError: The file is not valid. The message names the file.
    """
    try:
        return read_as(kind, read_json(path), path)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


@lru_cache
def _fields(kind: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the types of a dataclass's fields by name.

    The names of fields without a default are returned as well.
    """
    assert is_dataclass(kind)
    hints = get_type_hints(kind)
    types = {}
    needed = []
    for field in fields(kind):
        if field.init:
            types[field.name] = hints[field.name]
            if field.default is field.default_factory is MISSING:
                needed.append(field.name)
    return types, tuple(needed)


def _as_type(kind: Any, value: Any, where: str) -> Any:
    if type(value) is kind:
        return value
    origin = get_origin(kind)
    inner = get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        is_number = float in inner and type(value) in (int, float)
        return value if type(value) in inner else _as_type(float if is_number else inner[0], value, where)
    if is_dataclass(kind):
        return read_as(kind, value, where)  # type: ignore[arg-type]
    if origin in (list, tuple) and isinstance(value, list):
        if all(type(item) is inner[0] for item in value):
            return origin(value)
        return origin(_as_type(inner[0], item, where) for item in value)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {name: _as_type(inner[1], item, f"{where}: {name[:40]}") for name, item in value.items()}
    if origin is Literal and isinstance(value, str) and value in inner:
        return value
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int and abs(value) < 2**1000:
        return float(value)
    raise InputError(f"{where}: expected {_describe_type(kind)}, got {_shorten_value(value)}")


def _describe_type(kind: Any, ending: str = "") -> str:
    """Describe a type, such as "list of numbers".

    `ending` is "s" for the plural.
    """
    inner = get_args(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (list, tuple):
        return f"list{ending} of {_describe_type(inner[0], 's')}"
    if origin in (dict, Mapping):
        return f"object{ending} of {_describe_type(inner[1], 's')}"
    return _TYPE_WORDS.get(kind, "object") + ending


def _shorten_value(value: object) -> str:
    text = json.dumps(value, default=str)  # TOML has dates
    return text if len(text) <= 40 else f"{text[:40]}…"
