"""Results saved as JSON: nested dictionaries and lists of numbers, often with one item per frame."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError, shorten_message
from ..files.limits import Budget
from ..files.writing import replacing
from .results import HeldResults

IDENTITIES = ("id", "track_id", "person_id", "pid")
"""Names of values that identify people; different texts count as different numbers."""
MAX_NAME_LENGTH = 1000
"""Maximum number of characters in the name of a value with the names of all that hold it."""
_BYTES_PER_CHARACTER = 8
"""Maximum memory of a parsed file relative to its size. Numbers with one or two digits become objects."""


class JsonResults(HeldResults):
    """Arrays in a JSON file: nested lists of numbers with equal lengths."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.numbers: dict[str, float] = {}
        self._content = content
        self._budget = Budget(path, stored=len(content))
        self._budget.take(_BYTES_PER_CHARACTER * len(content))
        self._arrays: dict[str, np.ndarray] = {}
        self._keys: dict[str, tuple[str | int, ...]] = {}
        self._identities: dict[str, int] = {}
        others: set[str] = set()
        try:
            self._note(self._parse(), (), others)
        except RecursionError as error:
            raise InputError(f"{path}: its lists are nested too deeply") from error
        self.shapes = {name: array.shape for name, array in self._arrays.items()}
        self.others = frozenset(others)

    def _parse(self) -> Any:
        return parse_json_results(self.path, self._content)

    def _note(self, value: Any, keys: tuple[str | int, ...], others: set[str]) -> None:
        """Record the arrays and numbers in a value.

        The names of other values are added to `others`.
        """
        name = ".".join(map(str, keys))
        if len(name) > MAX_NAME_LENGTH:
            raise InputError(f"{self.path}: holds a name of {len(name)} characters, expected at most {MAX_NAME_LENGTH}")
        array = _to_array(value)
        if array is not None:
            self._arrays[name] = array
            self._keys[name] = keys
        elif isinstance(value, dict):
            for key, below in value.items():
                self._note(below, (*keys, key), others)
        elif isinstance(value, list):
            for index, below in enumerate(value):
                self._note(below, (*keys, index), others)
        elif isinstance(value, str) and keys and keys[-1] in IDENTITIES:
            self.numbers[name] = float(self._identities.setdefault(value, len(self._identities)))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers[name] = float(value) if abs(value) < 1e300 else np.inf
        else:
            others.add(name)

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        """Write the file with changed arrays of the same shapes, by name.

        Raises:
            InputError: A shape differs.
        """
        del frames
        tree = self._parse()
        for name, array in changed.items():
            self.check_shape(name, array, target)
            parent = tree
            *above, last = self._keys[name]
            for key in above:
                parent = parent[key]
            parent[last] = array.astype(float).tolist()
        with replacing(target) as temporary:
            temporary.write_text(json.dumps(tree), encoding="utf-8")


def parse_json_results(path: Path, content: bytes) -> Any:
    """Parse the content of a file.

    Raises:
        InputError: The content is not JSON.
    """
    try:
        return json.loads(content)
    except ValueError as error:  # also of bytes that are no text
        raise InputError(f"{path}: not a JSON file ({shorten_message(error)})") from error
    except RecursionError as error:
        raise InputError(f"{path}: its lists are nested too deeply") from error


def _to_array(value: Any) -> np.ndarray | None:
    """Convert nested lists of numbers to an array.

    Returns None for other values, or if lengths differ.
    """
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if first is value or not isinstance(first, int | float) or isinstance(first, bool):
        return None
    try:
        return np.array(value, dtype=float)
    except (TypeError, ValueError, OverflowError):  # something else among the numbers, or lists of other lengths
        return None
