"""Choices of people between two samples, as saved by rating pages: a JSON object per line.

A line holds the study or a choice, so that files of several raters can be joined. A rater who saves twice has the same
choices in both files; the last answer of a rater about a pair counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.files.strict_json import parse_json, read_as

Answer: TypeAlias = Literal["left", "right", "tie"]
"""The better sample."""


@dataclass(frozen=True)
class RatedItem:
    """A sample as described in the file."""

    id: str
    name: str
    source: str
    """Origin of the sample, such as an arm."""
    label: str
    features: tuple[float, ...] = ()
    """Empty if not measurable."""


@dataclass(frozen=True)
class RatingStudy:
    """The subject of a page."""

    question: str
    features: tuple[str, ...]
    """Names of the features of each sample."""
    items: tuple[RatedItem, ...]


@dataclass(frozen=True)
class Choice:
    """A rater's answer about two samples, by id."""

    rater: str
    left: str
    right: str
    answer: Answer
    seconds: float
    """Time that the choice took."""
    common: bool
    """True if all raters see this pair."""

    @property
    def pair(self) -> frozenset[str]:
        """Both samples, on either side."""
        return frozenset((self.left, self.right))

    @property
    def outcome(self) -> int:
        """1 if the left sample won, −1 if the right sample did, 0 for a tie."""
        return {"left": 1, "right": -1, "tie": 0}[self.answer]


@dataclass(frozen=True)
class Ratings:
    """The choices of all raters of a study, with the compared samples."""

    name: str
    """Names of the files, for messages."""
    features: tuple[str, ...]
    items: dict[str, RatedItem]
    """The samples of the study by id."""
    choices: Sequence[Choice]


@dataclass(frozen=True)
class _Line:
    """A line of the file with a given field."""

    study: RatingStudy | None = None
    choice: Choice | None = None


def read_ratings(path: Path, *others: Path) -> Ratings:
    """Read the choices in files of a study, or in the .jsonl files of a folder.

    Raises:
        InputError: A line is no part of such a file, the files belong to different studies, or nobody has answered.
    """
    files: list[Path] = []
    for source in (path, *others):
        found_files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
        if not found_files:
            raise InputError(f"{source}: has no .jsonl files, which rating pages save")
        files += found_files
    name = ", ".join(map(str, files))
    studies: dict[tuple[str, tuple[str, ...]], Path] = {}
    items: dict[str, RatedItem] = {}
    choices: dict[tuple[str, frozenset[str]], Choice] = {}
    for file in files:
        for number, text in enumerate(read_text(file).splitlines(), start=1):
            if not text.strip():
                continue
            where = f"{file}, line {number}"
            line = read_as(_Line, parse_json(text, where, has_unique_keys=True), where)
            if line.study is not None:
                studies.setdefault((line.study.question, line.study.features), file)
                items |= {item.id: item for item in line.study.items}
                if not all(math.isfinite(value) for item in line.study.items for value in item.features):
                    raise InputError(f"{where}: the features of a sample are not finite numbers")
            if line.choice is not None:
                if not 0 <= line.choice.seconds < math.inf:
                    raise InputError(f"{where}: expected the seconds of a choice, got {line.choice.seconds}")
                pair = line.choice.pair
                if len(pair) < 2 or not pair <= items.keys():
                    raise InputError(f"{where}: a choice between two samples of the lines above is expected")
                choices.pop((line.choice.rater, pair), None)
                choices[line.choice.rater, pair] = line.choice
    if len(studies) != 1:
        questions = ", ".join(f"{question!r} in {file}" for (question, _), file in studies.items())
        raise InputError(f"{name}: choices of one study are expected, found {questions or 'none'}")
    if not choices:
        raise InputError(f"{name}: nobody has answered yet")
    ((_, features),) = studies
    return Ratings(name, features, items, list(choices.values()))


def differences(choices: Sequence[Choice], samples: Sequence[str]) -> np.ndarray:
    """Return (M, N), 1 for the left sample of each choice, −1 for the right sample."""
    signs = [[(name == choice.left) - (name == choice.right) for name in samples] for choice in choices]
    return np.array(signs, dtype=float).reshape(len(choices), len(samples))


def outcomes(choices: Sequence[Choice]) -> np.ndarray:
    """Return the outcomes (M,) of choices."""
    return np.array([choice.outcome for choice in choices], dtype=int)
