"""Experiments as YAML files: they give the options of a command, which the command line can override."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from selfcorrect.core.errors import InputError, shorten_message
from selfcorrect.core.extras import requires_extra
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.files.strict_json import MAX_DEPTH, read_as

SUFFIXES = (".yaml", ".yml")
MOST_VALUES = 100_000
"""Most values of an experiment's file, including values that aliases repeat; usual experiments have some dozens."""

Options = TypeVar("Options")


def from_file(kind: type[Options], words: Sequence[str]) -> tuple[Options | None, Sequence[str]]:
    """Read the options from a YAML file if the first word names such a file.

    Returns:
        The options, or None without a file, and the other words.

    Raises:
        InputError: The file is not YAML, or has a field that the options do not have; the message names both.
    """
    if not words or not words[0].endswith(SUFFIXES):
        return None, words
    path = Path(words[0])
    options = read_as(kind, _as_list(kind, _parse_values(path)), path)
    if hasattr(options, "out") and options.out is None:  # type: ignore[attr-defined]
        options = replace(options, out=Path("runs") / path.stem)  # type: ignore[type-var]
    return options, words[1:]


def _as_list(kind: type, value: Any) -> Any:
    """Return a file's values as the options need them: lists where several are taken, words where words are."""
    if not isinstance(value, dict):
        return value
    result = dict(value)
    for name, hint in get_type_hints(kind).items():
        if name not in value or get_origin(hint) is not tuple:
            continue
        items = value[name] if isinstance(value[name], list) else [value[name]]
        item_type = get_args(hint)[0]
        result[name] = list(map(str, items)) if item_type is str else items
    return result


def _parse_values(path: Path) -> Any:
    """Read a YAML file with PyYAML's safe loader; names of options may be written with - or _."""
    with requires_extra("an experiment as a YAML file"):
        import yaml

    try:
        loader = yaml.SafeLoader(read_text(path))
        node = loader.get_single_node()
        if node is not None:
            _count_values(node, path, {})
        value = None if node is None else loader.construct_document(node)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # PyYAML raises errors of any kind for dates, numbers and tags that mean nothing
        reason = " ".join(shorten_message(error).split()) or type(error).__name__
        raise InputError(f"{path}: not YAML ({reason})") from error
    if not isinstance(value, dict):
        return value
    return {_option_name(key): item for key, item in value.items()}


def _count_values(node: Any, path: Path, counted: dict[Any, int], level: int = 0) -> int:
    """Return how many values a node stands for, each alias counted with all that it repeats.

    Raises:
        InputError: The node is nested too deep, which one is that contains itself, or stands for too many values.
    """
    if level > MAX_DEPTH:
        raise InputError(f"{path}: the YAML contains itself, or is nested deeper than {MAX_DEPTH} levels")
    if node in counted:
        return counted[node]
    count = 1
    _refuse_repeated_keys(node, path, level)
    for item in node.value if isinstance(node.value, list) else []:
        parts = item if isinstance(item, tuple) else (item,)
        count += sum(_count_values(part, path, counted, level + 1) for part in parts)
    if count > MOST_VALUES:
        raise InputError(f"{path}: the YAML stands for more than {MOST_VALUES:,} values")
    counted[node] = count
    return count


def _refuse_repeated_keys(node: Any, path: Path, level: int) -> None:
    """Raise InputError if a mapping has a key twice, of which YAML would use only the last value."""
    lines: dict[str, int] = {}
    for key, _ in node.value if node.id == "mapping" else ():
        if key.id != "scalar" or key.value == "<<":
            continue
        name = _option_name(key.value) if level == 0 else key.value
        line = key.start_mark.line + 1
        if name in lines:
            raise InputError(f"{path}: {key.value} is given twice, in lines {lines[name]} and {line}; leave either out")
        lines[name] = line


def _option_name(key: object) -> str:
    """Return the name of the option that a key of a file means."""
    return str(key).replace("-", "_")
