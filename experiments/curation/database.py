"""Choices in one SQLite file: several raters, nothing acknowledged is lost, nothing is ever removed.

A choice is one committed row; undoing one adds a row to `undone`. So a file that a killed process leaves has every
choice that was acknowledged, and the same command resumes after it.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from selfcorrect.core.errors import InputError, RunFolderError, SettingError
from selfcorrect.preferences.choices import ANSWERS, Choice
from selfcorrect.storage.files.limits import open_file
from selfcorrect.storage.files.strict_json import parsed

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
_MAGIC = b"SQLite format 3\0"
_WAITS_S = 20.0
"""For another process that writes."""


@dataclass(frozen=True)
class RatingStudy:
    """What a database is about."""

    kind: str
    """What is compared, "motions" or "pictures"."""
    question: str
    seed: int
    features: tuple[str, ...]
    """Names of what describes each item."""


@dataclass(frozen=True)
class Rated:
    """An item as the database knows it."""

    id: str
    name: str
    source: str
    """Where it is from, such as an arm."""
    label: str
    features: tuple[float, ...] = ()
    """Empty where they cannot be measured."""


@dataclass(frozen=True)
class Standing:
    """A rater's choices about some samples as they stand."""

    attempts: int
    """All that the rater answered, about other samples and undone answers included."""
    places: int
    """Those about these samples that stand."""
    redo: tuple[str, str] | None
    """The pair, left and right, whose answer was undone and which comes next."""
    last: int | None
    """The number of the last one that stands."""


class Database:
    """The file of a study. RunFolderError where it cannot be written, InputError where it is another kind of file."""

    def __init__(self, path: Path, study: RatingStudy | None = None) -> None:
        """Open a file; with a study, make it where there is none. SettingError where the file has another study."""
        self.path = path
        self._refuse_foreign(create=study is not None)
        mode = "rw" if path.exists() else "rwc"
        with self._explained():
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=_WAITS_S,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                for pragma in _PRAGMAS:
                    self._connection.execute(f"PRAGMA {pragma}")
                self.study = self._begun(study)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def add(self, items: Sequence[Rated]) -> None:
        """Record items that are new."""
        rows = [(item.id, item.name, item.source, item.label, json.dumps(item.features)) for item in items]
        with self._writing():
            self._connection.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?)", rows)

    def items(self) -> dict[str, Rated]:
        """All items by id."""
        rows = self._rows("SELECT id, name, source, label, features FROM items ORDER BY id")
        return {row[0]: Rated(row[0], row[1], row[2], row[3], _numbers(row[4], self.path)) for row in rows}

    def choices(self, *, common: bool = False) -> list[Choice]:
        """The choices of all raters that stand, in their order; with `common` about the pairs that all raters see."""
        rows = [row for row in self._standing() if row[5] or not common]
        return [Choice(row[0], row[1], row[2], row[3]) for row in rows]

    def seconds(self) -> list[float]:
        """Seconds that each of them took."""
        return [float(row[4]) for row in self._standing()]

    def standing(self, rater: str, samples: Collection[str]) -> Standing:
        """Where a rater is with some samples."""
        rows = self._rows("SELECT left_item, right_item, place, number, number IN (SELECT number FROM undone) "
                          "FROM choices WHERE rater = ? ORDER BY number", rater)  # fmt: skip
        own = [row for row in rows if row[0] in samples and row[1] in samples]
        standing = [row[3] for row in own if not row[4]]
        redo = [(row[0], row[1]) for row in own if row[4] and row[2] == len(standing)]
        return Standing(len(rows), len(standing), redo[-1] if redo else None, standing[-1] if standing else None)

    def record(self, choice: Choice, at: Standing, seconds: float, *, common: bool = False) -> bool:
        """Keep a choice for good; false where the rater has answered since: a page may ask twice.

        at: where the rater was when the pair was shown. common: whether all raters see that pair.
        """
        made = datetime.now(UTC).isoformat(timespec="seconds")
        row = (choice.rater, at.attempts, at.places, choice.left, choice.right, choice.answer, common, seconds, made)
        with self._writing():
            done = self._connection.execute(
                "INSERT OR IGNORE INTO choices (rater, attempt, place, left_item, right_item, answer, common, seconds, "
                "made_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return done.rowcount == 1

    def undo(self, at: Standing) -> None:
        """Undo the last choice that stands, if there is one."""
        if at.last is not None:
            with self._writing():
                self._connection.execute("INSERT OR IGNORE INTO undone VALUES (?)", (at.last,))

    def _standing(self) -> list[tuple[Any, ...]]:
        rows = self._rows(
            "SELECT rater, left_item, right_item, answer, seconds, common FROM choices "
            "WHERE number NOT IN (SELECT number FROM undone) ORDER BY number"
        )
        if odd := [row[3] for row in rows if row[3] not in ANSWERS]:
            raise InputError(f"{self.path}: {str(odd[0])[:40]!r} is no answer, expected {', '.join(ANSWERS)}")
        return rows

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._explained():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, which is on the disk when the block has ended."""
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise RunFolderError(f"{self.path}: cannot be read or written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path}: is no sound database of `selfcorrect curate`: {error}") from error

    def _refuse_foreign(self, *, create: bool) -> None:
        """InputError for what is no database, before anything is written beside it."""
        if not self.path.exists():
            if not create:
                raise InputError(f"{self.path}: no such file; `selfcorrect curate RUN` or FILES makes it")
            if not self.path.absolute().parent.is_dir():
                raise InputError(f"{self.path}: there is no folder {self.path.parent}")
            return
        if not self.path.is_file():
            raise InputError(f"{self.path}: is no regular file")
        with open_file(self.path) as file:
            begins = file.read(len(_MAGIC))
        if begins not in (_MAGIC, b""):
            raise InputError(f"{self.path}: is no database of `selfcorrect curate`; name another with --database")

    def _begun(self, wanted: RatingStudy | None) -> RatingStudy:
        """The study of the file, which is made where the file is empty."""
        self._connection.execute("BEGIN IMMEDIATE")
        schema = [row[0] for row in self._connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]
        if not schema and wanted is not None:
            for table in _TABLES:
                self._connection.execute(table)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            row = (wanted.kind, wanted.question, wanted.seed, json.dumps(wanted.features))
            self._connection.execute("INSERT INTO study VALUES (?, ?, ?, ?)", row)
        self._connection.execute("COMMIT")
        if schema and sorted(schema) != sorted(_TABLES):
            raise InputError(f"{self.path}: is no database of `selfcorrect curate`; name another with --database")
        rows = self._rows("SELECT kind, question, seed, features FROM study")
        if len(rows) != 1:
            raise InputError(f"{self.path}: is no sound database of `selfcorrect curate`: it has no study")
        kind, question, seed, features = rows[0]
        found = RatingStudy(kind, question, seed, tuple(map(str, _list_in(features, self.path))))
        for name in ("kind", "features", "question", "seed"):
            if wanted is not None and getattr(found, name) != getattr(wanted, name):
                told = f"its {name} is {getattr(found, name)!r}, here it would be {getattr(wanted, name)!r}"
                raise SettingError(f"{self.path}: belongs to another study: {told}; name another with --database")
        return found


def _list_in(text: str, path: Path) -> list[Any]:
    values = parsed(text, path)
    if not isinstance(values, list):
        raise InputError(f"{path}: expected a list of features")
    return values


def _numbers(text: str, path: Path) -> tuple[float, ...]:
    values = _list_in(text, path)
    if not all(isinstance(value, float | int) and math.isfinite(value) for value in values):
        raise InputError(f"{path}: the features of an item are not finite numbers")
    return tuple(map(float, values))
