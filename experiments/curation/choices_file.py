"""Read the choices that rating pages save: a JSON object per line, so that files of several raters can be joined.

A line holds the study, a sample, or a choice. A rater who saves twice has the same choices in both files; the last
answer of a rater about a pair counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.preferences.choices import Choice
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.files.strict_json import parse_json, read_as

SUFFIX = ".jsonl"


@dataclass(frozen=True)
class RatingStudy:
    """The subject of a page."""

    question: str
    features: tuple[str, ...]
    """Names of the features of each sample."""


@dataclass(frozen=True)
class RatedItem:
    """A sample as the file describes it."""

    id: str
    name: str
    source: str
    """Origin of the sample, such as an arm."""
    label: str
    features: tuple[float, ...] = ()
    """Empty if they cannot be measured."""


@dataclass(frozen=True)
class RecordedChoice(Choice):
    """A choice as the file describes it."""

    seconds: float
    """Time that the choice took."""
    common: bool
    """True if all raters see this pair."""


@dataclass(frozen=True)
class Ratings:
    """The choices of all raters of a study, with the samples that they compared."""

    name: str
    """Names of the files, for messages."""
    study: RatingStudy
    items: dict[str, RatedItem]
    choices: Sequence[RecordedChoice]


@dataclass(frozen=True)
class _Line:
    """A line of the file, in which a field is given."""

    study: RatingStudy | None = None
    item: RatedItem | None = None
    choice: RecordedChoice | None = field(default=None)


def read_ratings(path: Path, *others: Path) -> Ratings:
    """Read the choices in files of a study, or in the .jsonl files of a folder.

    Raises:
        InputError: A line is no part of such a file, the files belong to different studies, or nobody has answered.
    """
    files = [file for given in (path, *others) for file in _list_files(given)]
    name = ", ".join(map(str, files))
    studies: dict[RatingStudy, Path] = {}
    items: dict[str, RatedItem] = {}
    recorded: dict[tuple[str, frozenset[str]], RecordedChoice] = {}
    for file in files:
        for number, text in enumerate(read_text(file).splitlines(), start=1):
            if not text.strip():
                continue
            where = f"{file}, line {number}"
            line = read_as(_Line, parse_json(text, where), where)
            if line.study is not None:
                studies.setdefault(line.study, file)
            if line.item is not None:
                _check_features(line.item, where)
                items[line.item.id] = line.item
            if line.choice is not None:
                pair = line.choice.pair
                if len(pair) < 2 or not pair <= items.keys():
                    raise InputError(f"{where}: a choice between two samples of the lines above is expected")
                recorded.pop((line.choice.rater, pair), None)
                recorded[line.choice.rater, pair] = line.choice
    if len(studies) != 1:
        found = ", ".join(f"{study.question!r} in {file}" for study, file in studies.items())
        raise InputError(f"{name}: choices of one study are expected, found {found or 'none'}")
    if not recorded:
        raise InputError(f"{name}: nobody has answered yet")
    return Ratings(name, next(iter(studies)), items, list(recorded.values()))


def _list_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob(f"*{SUFFIX}"))
    if not files:
        raise InputError(f"{path}: has no {SUFFIX} files, which rating pages save")
    return files


def _check_features(item: RatedItem, where: str) -> None:
    if not all(map(math.isfinite, item.features)):
        raise InputError(f"{where}: the features of a sample are not finite numbers")
