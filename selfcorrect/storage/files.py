"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_UNFINISHED = ".tmp"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, of the same name, that takes its place on disk when the block ends without error.

    Folders on the way are made. After an error nothing is left, and an existing file stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", suffix=_UNFINISHED, dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    sync_folder(path.parent)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace a file by new content (text as UTF-8), at once and synced to disk. On failure the old file stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make `folder` with all `files` at once: written beside it, synced, renamed. On failure nothing is left."""
    temporary = folder.parent / f".{folder.name}{_UNFINISHED}"
    try:
        temporary.mkdir()
        for name, content in files.items():
            _write_synced(temporary / name, content)
        sync_folder(temporary)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what a killed process left half-written in a folder, and in all `below` it where that is nobody else's."""
    pattern = f".*{_UNFINISHED}"
    for path in list(folder.rglob(pattern) if below else folder.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
