"""Store choices in one SQLite file: several raters can write at once, and nothing is ever removed.

A choice is one committed row. Undoing a choice adds a row to `undone`. So the file of a killed process has every choice
that was acknowledged, and the same command resumes after it.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from selfcorrect.core.errors import InputError, RunFolderError, SettingError
from selfcorrect.preferences.choices import ANSWERS, Choice
from selfcorrect.storage.files.strict_json import parse_json

_APPLICATION_ID = 0x5E1FC0DE
_TABLES = (
    "CREATE TABLE study (kind TEXT NOT NULL, question TEXT NOT NULL, seed INTEGER NOT NULL, "
    "features TEXT NOT NULL) STRICT",
    "CREATE TABLE items (id TEXT PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, label TEXT NOT NULL, "
    "features TEXT NOT NULL) STRICT",
    "CREATE TABLE choices (number INTEGER PRIMARY KEY, rater TEXT NOT NULL, attempt INTEGER NOT NULL, "
    "place INTEGER NOT NULL, left_item TEXT NOT NULL REFERENCES items (id), "
    "right_item TEXT NOT NULL REFERENCES items (id), answer TEXT NOT NULL, common INTEGER NOT NULL, "
    "seconds REAL NOT NULL, "
    "made_utc TEXT NOT NULL, UNIQUE (rater, attempt)) STRICT",
    "CREATE TABLE undone (number INTEGER PRIMARY KEY REFERENCES choices (number)) STRICT",
)
_PRAGMAS = ("trusted_schema = OFF", "cell_size_check = ON", "foreign_keys = ON", "synchronous = EXTRA")
_LOCK_TIMEOUT_S = 20.0
_NO_DATABASE = "is no database of `selfcorrect curate`; name another with --database"


@dataclass(frozen=True)
class RatingStudy:
    """The subject of a database."""

    kind: str
    """Kind of the samples, "motions" or "pictures"."""
    question: str
    seed: int
    features: tuple[str, ...]
    """Names of the features of each sample."""


@dataclass(frozen=True)
class RatedItem:
    """A sample as the database stores it."""

    id: str
    name: str
    source: str
    """Origin of the sample, such as an arm."""
    label: str
    features: tuple[float, ...] = ()
    """Empty if they cannot be measured."""


@dataclass(frozen=True)
class Progress:
    """A rater's valid choices about some samples."""

    attempts: int
    """Number of all answers of the rater, including answers about other samples and undone answers."""
    answered: int
    """Number of valid answers about these samples."""
    redo: tuple[str, str] | None
    """The pair (left, right) whose answer was undone and which comes next."""
    latest: int | None
    """Row number of the latest valid answer."""


class RatingDatabase:
    """The file of a study.

    All methods raise RunFolderError if the file cannot be read or written, and InputError if it is damaged.
    """

    def __init__(self, path: Path, study: RatingStudy | None = None) -> None:
        """Open a file, and create it if there is none and a study is given.

        Args:
            path: The SQLite file.
            study: The study that the file must have. None accepts the study of an existing file.

        Raises:
            InputError: The file is no database of this command.
            SettingError: The file belongs to another study.
        """
        self.path = path
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is no regular file")
        if not path.exists() and study is None:
            raise InputError(f"{path}: no such file; `selfcorrect curate RUN` or FILES makes it")
        if not path.absolute().parent.is_dir():
            raise InputError(f"{path}: there is no folder {path.parent}")
        mode = "rw" if path.exists() else "rwc"
        address = f"{path.resolve().as_uri()}?mode={mode}"
        try:
            self._connection = sqlite3.connect(
                address, uri=True, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise RunFolderError(f"{path}: cannot be read or written: {error}") from error
        try:
            self.study = self._open_study(study)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def add(self, items: Sequence[RatedItem]) -> None:
        """Record items that are new."""
        self._execute("BEGIN IMMEDIATE")
        with self._connection:  # commits, or rolls back after an exception
            for item in items:
                row = (item.id, item.name, item.source, item.label, json.dumps(item.features))
                self._execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?)", *row)

    def items(self) -> dict[str, RatedItem]:
        """Return all items by id."""
        rows = self._execute("SELECT id, name, source, label, features FROM items ORDER BY id")
        items = {}
        for sample, name, source, label, features in rows:
            items[sample] = RatedItem(sample, name, source, label, self._parse_features(features))
        return items

    def choices(self, *, common: bool = False) -> list[Choice]:
        """Return the valid choices of all raters in their order; with `common` those about the common pairs."""
        rows = self._valid_rows("rater, left_item, right_item, answer, common")
        for row in rows:
            if row[3] not in ANSWERS:
                raise InputError(f"{self.path}: {row[3][:40]!r} is no answer, expected {', '.join(ANSWERS)}")
        return [Choice(*row[:4]) for row in rows if row[4] or not common]

    def seconds(self) -> list[float]:
        """Return the time that each valid choice took."""
        return [row[0] for row in self._valid_rows("seconds")]

    def progress(self, rater: str, samples: Collection[str]) -> Progress:
        """Return the progress of a rater with some samples."""
        rows = self._execute(
            "SELECT left_item, right_item, place, number, number IN (SELECT number FROM undone) "
            "FROM choices WHERE rater = ? ORDER BY number",
            rater,
        )
        relevant = [row for row in rows if row[0] in samples and row[1] in samples]
        valid = [number for _, _, _, number, is_undone in relevant if not is_undone]
        redo = None
        for left_item, right_item, place, _, is_undone in relevant:
            if is_undone and place == len(valid):
                redo = (left_item, right_item)
        return Progress(len(rows), len(valid), redo, valid[-1] if valid else None)

    def record(self, choice: Choice, at: Progress, seconds: float, *, common: bool = False) -> bool:
        """Commit a choice to the disk, unless the rater has answered since the pair was shown.

        Args:
            choice: The choice.
            at: Progress of the rater when the pair was shown.
            seconds: Time that the choice took.
            common: Whether all raters see this pair.

        Returns:
            Whether the choice was recorded. A page may send an answer twice.
        """
        timestamp = datetime.now(UTC).isoformat(timespec="seconds")
        row = (
            choice.rater,
            at.attempts,
            at.answered,
            choice.left,
            choice.right,
            choice.answer,
            common,
            seconds,
            timestamp,
        )
        recorded = self._execute(
            "INSERT OR IGNORE INTO choices (rater, attempt, place, left_item, right_item, answer, common, seconds, "
            "made_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
            *row,
        )
        return bool(recorded)

    def undo(self, at: Progress) -> None:
        """Undo the latest valid choice, if there is one."""
        if at.latest is not None:
            self._execute("INSERT OR IGNORE INTO undone VALUES (?)", at.latest)

    def _valid_rows(self, columns: str) -> list[tuple[Any, ...]]:
        query = f"SELECT {columns} FROM choices WHERE number NOT IN (SELECT number FROM undone) ORDER BY number"
        return self._execute(query)

    def _execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement, which is committed at once outside of a transaction, and return its rows."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            raise RunFolderError(f"{self.path}: cannot be read or written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path}: {_NO_DATABASE} ({error})") from error

    def _open_study(self, given_study: RatingStudy | None) -> RatingStudy:
        """Return the study of the file, after creating the tables if the file is empty."""
        for pragma in _PRAGMAS:
            self._execute(f"PRAGMA {pragma}")
        self._execute("BEGIN IMMEDIATE")
        with self._connection:
            schema = [row[0] for row in self._execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]
            if not schema and given_study is not None:
                for table in _TABLES:
                    self._execute(table)
                self._execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                row = (given_study.kind, given_study.question, given_study.seed, json.dumps(given_study.features))
                self._execute("INSERT INTO study VALUES (?, ?, ?, ?)", *row)
        if schema and sorted(schema) != sorted(_TABLES):
            raise InputError(f"{self.path}: {_NO_DATABASE}")
        rows = self._execute("SELECT kind, question, seed, features FROM study")
        if len(rows) != 1:
            raise InputError(f"{self.path}: the database is damaged: one study is expected, {len(rows)} found")
        kind, question, seed, features = rows[0]
        study = RatingStudy(kind, question, seed, tuple(map(str, self._parse_list(features))))
        for name in ("kind", "features", "question", "seed"):
            stored = getattr(study, name)
            if given_study is not None and stored != getattr(given_study, name):
                difference = f"its {name} is {stored!r}, here it would be {getattr(given_study, name)!r}"
                raise SettingError(f"{self.path}: belongs to another study: {difference}; name another with --database")
        return study

    def _parse_list(self, text: str) -> list[Any]:
        values = parse_json(text, self.path)
        if not isinstance(values, list):
            raise InputError(f"{self.path}: a list of features is expected")
        return values

    def _parse_features(self, text: str) -> tuple[float, ...]:
        values = self._parse_list(text)
        if not all(isinstance(value, float | int) and math.isfinite(value) for value in values):
            raise InputError(f"{self.path}: the features of an item are not finite numbers")
        return tuple(float(value) for value in values)
