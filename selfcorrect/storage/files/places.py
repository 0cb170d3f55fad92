"""Folders on this machine or at an address.

An address is anything that pyarrow knows, such as a bucket of an object store. A place is only an address, so it can be
sent to other processes and machines. Files appear there completely or not at all: on this machine by renaming, at an
address by a single upload.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import InputError, shorten_message
from ...core.extras import requires_extra
from .limits import read_bytes
from .writing import explain_write_error, write_atomically

_OBJECT_STORES = ("s3", "gcs", "abfs")
"""File systems of pyarrow that have no folders."""
_GCS_OPTIONS = "?retry_limit_seconds=30"
"""Options that limit retries. Without credentials, Google's client would try for a quarter of an hour."""


def is_address(text: str | Path) -> bool:
    """Return whether a place is an address rather than a path."""
    return "://" in str(text)


@dataclass(frozen=True)
class FileFacts:
    """What a listing tells about a file without reading it."""

    size: int
    """Size in bytes."""
    changed_ns: int | None = None
    """Time of the last change, in ns since 1970, or None if the file system does not know it."""

    def __str__(self) -> str:
        return f"{self.size} bytes of {self.changed_ns}"


def _facts(info: Any) -> FileFacts:
    return FileFacts(info.size, info.mtime_ns)


@dataclass(frozen=True)
class Place:
    """A folder given by a path or an address.

    File names are relative and may contain `/`.
    """

    address: str

    def list_names(self) -> list[str]:
        """List the names of all files below the folder, in order.

        The list is empty if the folder is missing.
        """
        return list(self.list_files())

    def list_files(self) -> dict[str, FileFacts]:
        """List all files below the folder, in order, with their known properties.

        The list is empty if the folder is missing.
        """
        with self._connect() as system:
            from pyarrow.fs import FileSelector

            infos = system.get_file_info(FileSelector("", recursive=True, allow_not_found=True))
        return {info.path: _facts(info) for info in sorted(infos, key=lambda info: info.path) if info.is_file}

    def find(self, name: str) -> FileFacts | None:
        """Return what the place tells about a file, or None if it is missing."""
        with self._connect() as system:
            info = system.get_file_info(name)
        return _facts(info) if info.is_file else None

    def list_sets(self) -> list[str]:
        """Return the names of all parquet files.

        Raises:
            InputError: There are none.
        """
        names = [name for name in self.list_names() if name.endswith(".parquet")]
        if not names:
            raise InputError(f"{self.address}: no sets of motions found; make one with `selfcorrect data shard`")
        return names

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file to this machine, or return False if it is missing."""
        with self._connect() as system:
            if not system.get_file_info(name).is_file:
                return False
            with system.open_input_stream(name) as stream:
                content = stream.read()
        write_atomically(target, content)
        return True

    def send(self, source: Path, name: str) -> None:
        """Copy a file from this machine, completely or not at all.

        A file with that name is replaced.
        """
        content = read_bytes(source)
        if not is_address(self.address):
            target = Path(self.address) / name
            with explain_write_error(target.parent):
                write_atomically(target, content)
            return
        with self._connect() as system:
            if system.base_fs.type_name not in _OBJECT_STORES:
                folder = f"{system.base_path.rstrip('/')}/{name.rpartition('/')[0]}"
                system.base_fs.create_dir(folder, recursive=True)
            with system.open_output_stream(name) as stream:
                stream.write(content)

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        with self._connect() as system:
            if system.get_file_info(name).is_file:
                system.delete_file(name)

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        """Yield the file system rooted at the folder; its errors become InputError."""
        with requires_extra(self.address):
            from pyarrow import fs
        try:
            address = self.address if is_address(self.address) else os.path.abspath(self.address)
            is_patient = address.startswith(("gs://", "gcs://")) and "?" not in address
            system, path = fs.FileSystem.from_uri(address + _GCS_OPTIONS * is_patient)
            yield fs.SubTreeFileSystem(path, system)
        except (OSError, ValueError) as error:  # ValueError: a scheme that pyarrow does not know
            raise InputError(f"{self.address}: cannot be reached ({shorten_message(error)})") from error
