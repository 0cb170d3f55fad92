"""Which files a command may replace: those that it wrote itself, known by the digests that it recorded of them.

The record, a line of a journal, is there before the file is. So what a killed command wrote is known as well, and what
somebody else wrote or changed since is not taken for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import DamagedError, RunFolderError
from .digests import digest as digest_of
from .digests import digest_of_file
from .limits import read_bytes
from .locks import content_of, foreign, open_own
from .strict_json import parsed
from .writing import replacing

JOURNAL = ".selfcorrect-written.jsonl"
_HEAD = b'{"written by": "selfcorrect"}\n'


@dataclass(frozen=True)
class Written:
    """The files that one task writes into a folder, or records there; one process at a time adds to them."""

    folder: Path
    task: str = ""
    """All that the files depend on, where those of another task must be left alone."""

    def owns(self, path: Path) -> bool:
        """Whether a file is what this task wrote there."""
        digest = digest_of_file(path)
        if not digest or not os.path.lexists(self.folder / JOURNAL):
            return False
        descriptor = open_own(self.folder / JOURNAL, make=False)
        with os.fdopen(descriptor, "rb") as journal:
            return self._line(path, digest) in journal

    @contextmanager
    def replacing(self, path: Path, overwrite: bool = False) -> Iterator[Path]:
        """As `files.replacing`; RunFolderError where another file is there, which stays."""
        with replacing(path) as temporary:
            yield temporary
            if os.path.lexists(path) and not (overwrite or self.owns(path)):
                raise RunFolderError(f"{path}: exists and was not written by this command; move it away")
            self._record(path, digest_of_file(temporary))

    def _record(self, path: Path, digest: str) -> None:
        descriptor = open_own(self.folder / JOURNAL)
        try:
            content, size = content_of(descriptor), os.lseek(descriptor, 0, os.SEEK_END)
            if content and not content.startswith(_HEAD):
                raise foreign(self.folder / JOURNAL)
            os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
            torn = size > 0 and os.read(descriptor, 1) != b"\n"
            os.write(descriptor, (b"" if size else _HEAD) + b"\n" * torn + self._line(path, digest))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _line(self, path: Path, digest: str) -> bytes:
        place = os.path.relpath(os.path.realpath(path), os.path.realpath(self.folder))
        return _sealed([self.task, place, digest])


def _sealed(facts: list[str]) -> bytes:
    """A line of a journal, which ends in its own digest."""
    return (json.dumps([*facts, digest_of(json.dumps(facts).encode())]) + "\n").encode()


def recorded_in(journal: Path) -> dict[Path, set[str]]:
    """Digests of what was written by its path, one after the other; DamagedError where a line is not what was written.

    A file of a command that was killed may have the one before the last.
    """
    head, *lines = read_bytes(journal).splitlines(keepends=True) or [b""]
    if head != _HEAD:
        raise DamagedError(f"{journal} is not what was written: it begins otherwise")
    found: dict[Path, set[str]] = {}
    for number, line in enumerate(lines, 2):
        facts = parsed(line, f"{journal}, line {number}") if line.strip() else None
        if facts is not None and (not _is_line(facts) or _sealed(facts[:-1]) != line):
            raise DamagedError(f"{journal} is not what was written: line {number} differs from its digest")
        if facts:
            found.setdefault(Path(os.path.normpath(journal.parent / facts[1])), set()).add(facts[2])
    return found


def _is_line(facts: Any) -> bool:
    return isinstance(facts, list) and len(facts) == 4 and all(isinstance(fact, str) for fact in facts)
