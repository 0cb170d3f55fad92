"""Read experiments from YAML files, which give the options of a command. The command line can override them."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from tyro.conf import Suppress

from selfcorrect.core.errors import InputError, shorten_message
from selfcorrect.core.extras import requires_extra
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.files.strict_json import MAX_DEPTH, read_fields

YAML_SUFFIXES = (".yaml", ".yml")

Options = TypeVar("Options")


def from_file(kind: type[Options], words: Sequence[str]) -> tuple[Options | None, Sequence[str]]:
    """Read options from a YAML file, if the first word names one.

    Options that the file does not set are those of the named preset.

    Args:
        kind: Dataclass of the options.
        words: Words of the command line.

    Returns:
        The options (None without a file and presets), and the remaining words.

    Raises:
        InputError: The file is not YAML, or has a field that is not an option. The message names file and field.
    """
    has_file = bool(words) and words[0].endswith(YAML_SUFFIXES)
    path = Path(words[0]) if has_file else Path()
    values = _parse_values(path) if has_file else {}
    words = words[1:] if has_file else words
    options: Any = None
    if hasattr(kind, "from_words"):
        options = kind.from_words(words, values if isinstance(values, dict) else {})  # type: ignore[attr-defined]
    if has_file:
        options = _change_options(options or kind(), values, path)
        if options.out is None:
            options = replace(options, out=Path("runs") / path.stem)
    return options, words


def _change_options(options: Any, values: Any, path: Path) -> Any:
    """Return the options with the values of a file, in which the options of groups are on the same level."""
    known = _list_options(options)
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected {', '.join(known)}, got {values!r:.40}")
    if unexpected := sorted(values.keys() - set(known)):
        raise InputError(f"{path}: unknown entry {unexpected[0][:40]!r}; expected {', '.join(known)}")
    own = dict(values)
    changes = {}
    for option in fields(options):
        group = getattr(options, option.name)
        if is_dataclass(group):
            of_group = {name: own.pop(name) for name in _list_options(group) if name in own}
            changes[option.name] = _change_options(group, of_group, path)
    return replace(options, **changes, **read_fields(type(options), _as_list(type(options), own), path))


def _list_options(options: Any) -> list[str]:
    """Return the names of all options, including those in groups."""
    names = []
    hints = get_type_hints(type(options), include_extras=True)
    for name in (option.name for option in fields(options)):
        hint, value = hints[name], getattr(options, name)
        if is_dataclass(value):
            names += _list_options(value)
        elif Suppress not in getattr(hint, "__metadata__", ()):
            names.append(name)
    return names


def _as_list(kind: type, value: dict[str, Any]) -> dict[str, Any]:
    """Convert a file's values to what options expect: lists if they take several values, and strings if words."""
    result = dict(value)
    for name, hint in get_type_hints(kind).items():
        if name not in value or get_origin(hint) is not tuple:
            continue
        items = value[name] if isinstance(value[name], list) else [value[name]]
        item_type = get_args(hint)[0]
        result[name] = list(map(str, items)) if item_type is str else items
    return result


def _parse_values(path: Path) -> Any:
    """Read a YAML file with PyYAML's safe loader. Option names may be written with - or _."""
    with requires_extra("an experiment as a YAML file"):
        import yaml

    try:
        loader = yaml.SafeLoader(read_text(path))
        node = loader.get_single_node()
        if node is not None:
            _check_node(node, path, set())
        value = None if node is None else loader.construct_document(node)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # PyYAML may raise any exception for invalid dates, numbers and tags
        reason = shorten_message(error) or type(error).__name__
        raise InputError(f"{path}: not YAML ({reason})") from error
    if not isinstance(value, dict):
        return value
    return {_option_name(key): item for key, item in value.items()}


def _check_node(node: Any, path: Path, checked: set[Any], level: int = 0) -> None:
    """Raise InputError for aliases, nodes nested too deep, and repeated keys, of which YAML would use the last."""
    if node in checked:
        raise InputError(f"{path}: has an alias (*); write its values out")
    checked.add(node)
    if level > MAX_DEPTH:
        raise InputError(f"{path}: the YAML is nested deeper than {MAX_DEPTH} levels")
    lines: dict[str, int] = {}
    for item in node.value if isinstance(node.value, list) else ():
        for part in item if isinstance(item, tuple) else (item,):
            _check_node(part, path, checked, level + 1)
        if not isinstance(item, tuple) or item[0].id != "scalar":
            continue
        key = item[0]
        name = _option_name(key.value) if level == 0 else key.value
        line = key.start_mark.line + 1
        if name in lines:
            raise InputError(f"{path}: {key.value} is given twice, in lines {lines[name]} and {line}; leave either out")
        lines[name] = line


def _option_name(key: object) -> str:
    """Return the option name for a key."""
    return str(key).replace("-", "_")
