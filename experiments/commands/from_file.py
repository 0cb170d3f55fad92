"""Experiments as YAML files: what they say stands for a command's options, which the command line may still change."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from selfcorrect.core.errors import InputError, shorten_message
from selfcorrect.core.extras import requires_extra
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.files.strict_json import MAX_DEPTH, read_as

SUFFIXES = (".yaml", ".yml")
RENAMED = {"plans": "arms"}
"""Options that had another name in earlier versions; files that have it are still read."""
MOST_VALUES = 100_000
"""Values of an experiment's file, those that aliases repeat included; known experiments have some dozen."""

Options = TypeVar("Options")


def from_file(kind: type[Options], words: Sequence[str]) -> tuple[Options | None, Sequence[str]]:
    """The options that a YAML file gives, if the first word names one, and the other words.

    InputError, which names file and field, where the file is no YAML, or says what the options do not have.
    """
    if not words or not words[0].endswith(SUFFIXES):
        return None, words
    path = Path(words[0])
    values = _parse_values(path)
    if isinstance(values, dict):
        values = {RENAMED.get(name, name): value for name, value in values.items()}
    options = read_as(kind, _as_list(kind, values), path)
    if hasattr(options, "out") and options.out is None:  # type: ignore[attr-defined]
        options = replace(options, out=Path("runs") / path.stem)  # type: ignore[type-var]
    return options, words[1:]


def _as_list(kind: type, value: Any) -> Any:
    """Return a file's values as the options need them: lists where several are taken, words where words are."""
    if not isinstance(value, dict):
        return value
    several = {name: get_args(hint)[0] for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple}
    as_lists = {name: item if isinstance(item, list) else [item] for name, item in value.items() if name in several}
    return value | {name: [*map(str, items)] if several[name] is str else items for name, items in as_lists.items()}


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
        raise InputError(
            f"{path}: not YAML ({' '.join(shorten_message(error).split()) or type(error).__name__})"
        ) from error
    return {str(key).replace("-", "_"): item for key, item in value.items()} if isinstance(value, dict) else value


def _count_values(node: Any, path: Path, counted: dict[Any, int], level: int = 0) -> int:
    """Return how many values a node stands for, each alias counted with all that it repeats.

    Raises:
        InputError: The node is nested too deep, which one is that contains itself, or stands for too many values.
    """
    if level > MAX_DEPTH:
        raise InputError(f"{path}: YAML that is nested deeper than {MAX_DEPTH} levels, or contains itself, is not read")
    if node in counted:
        return counted[node]
    inside = node.value if isinstance(node.value, list) else []
    parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
    count = 1 + sum(_count_values(part, path, counted, level + 1) for part in parts)
    if count > MOST_VALUES:
        raise InputError(f"{path}: YAML that stands for more than {MOST_VALUES:,} values is not read")
    counted[node] = count
    return count
