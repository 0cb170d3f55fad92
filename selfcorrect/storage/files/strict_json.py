"""JSON: read with bounds and checked against dataclasses, written without NaN and infinity.

Everything that reads JSON from a disk does it here, because a file may be damaged or forged. Libraries for typed data
either let unknown fields and other types of dataclasses pass, or import for longer than a command takes to start.
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

DEEPEST = 100
"""Levels of nesting; no file of ours, and none of a known dataset, has more than a dozen."""

_BYTES_EACH = {"{": 184, "[": 56, ",": 40, ":": 64}
"""Memory that an object, a list, and what follows a comma or a colon take, about."""

T = TypeVar("T")


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


def as_json(value: object, default: Callable[[Any], Any] | None = None) -> Any:
    """A value as it comes back from JSON, e.g. tuples as lists; `default` turns what JSON does not have into it."""
    return json.loads(json.dumps(value, default=default))


def read_json(path: Path) -> Any:
    """The content of a JSON file; InputError where it is none."""
    check_unpacked(path, path.stat().st_size)
    return parsed(read_text(path), path)


def parsed(content: bytes | str, where: object) -> Any:
    """The value in JSON text that messages call `where`.

    InputError where it is no JSON, nested deeper than `DEEPEST`, or would take more memory than the limit.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        size = len(text) + sum(text.count(mark) * each for mark, each in _BYTES_EACH.items())
        check_unpacked(where, size, stored=len(text))
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}, line {error.lineno}: not JSON ({error.msg})") from error
    except (RecursionError, ValueError) as error:  # nested too deep; no UTF-8; a number of too many digits
        if isinstance(error, SelfcorrectError):
            raise
        raise InputError(f"{where}: not JSON that can be read ({error})") from error
    if is_deeper(value, DEEPEST):
        raise InputError(f"{where}: JSON that is nested deeper than {DEEPEST} levels is not read")
    return value


def is_deeper(value: object, most: int) -> bool:
    """Whether objects and lists are nested in more than so many levels."""
    level = [value]
    for _ in range(most):
        insides = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [each for inside in insides for each in inside if isinstance(each, dict | list)]
    return bool(level)


def read_as(kind: type[T], value: object, where: object) -> T:
    """A dataclass from what `parsed` gave; InputError names the field that is missing, unknown or of another type."""
    types, needed = _fields(kind)
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected {', '.join(types)}, got {_shown(value)}")
    if odd := sorted(value.keys() - types.keys()):
        raise InputError(f"{where}: {odd[0][:40]!r} is not expected, there are {', '.join(types)}")
    if missing := [name for name in needed if name not in value]:
        raise InputError(f"{where}: {missing[0]} is missing")
    return kind(**{name: _as_type(types[name], each, f"{where}: {name}") for name, each in value.items()})


def read_file_as(kind: type[T], path: Path) -> T:
    """A dataclass from a JSON file; InputError names the file, and what is wrong in it."""
    try:
        return read_as(kind, read_json(path), path)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


@lru_cache
def _fields(kind: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Types of a dataclass's fields by name, and the names of those that have no default."""
    assert is_dataclass(kind)
    known = {field.name: field for field in fields(kind) if field.init}
    needed = (name for name, field in known.items() if field.default is field.default_factory is MISSING)
    hints = get_type_hints(kind)
    return {name: hints[name] for name in known}, tuple(needed)


def _as_type(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        return None if value is None and NoneType in inner else _as_type(inner[0], value, where)
    if is_dataclass(kind):
        return read_as(kind, value, where)  # type: ignore[arg-type]
    if origin in (list, tuple) and isinstance(value, list):
        return origin(_as_type(inner[0], each, where) for each in value)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {name: _as_type(inner[1], each, f"{where}: {name[:40]}") for name, each in value.items()}
    if origin is Literal and isinstance(value, str) and value in inner:
        return value
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int and abs(value) < 2**1000:
        return float(value)
    if origin is None and type(value) is kind:
        return value
    raise InputError(f"{where}: expected {_named(kind)}, got {_shown(value)}")


def _named(kind: Any) -> str:
    if get_origin(kind) in (list, tuple):
        return f"a list of {_named(get_args(kind)[0])}"
    return getattr(kind, "__name__", str(kind)) if get_origin(kind) is None else str(kind).replace("typing.", "")


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)  # TOML has dates
    return text if len(text) <= 40 else f"{text[:40]}…"
