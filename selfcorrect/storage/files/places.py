"""Folders on this machine, or at any address that fsspec knows, such as a bucket of an object store.

A place is an address and nothing else, so it travels between processes and machines. Files appear in it whole: on this
machine they are renamed into their place, at an address they are sent in one go, as object stores keep them.
"""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import MissingExtraError, SelfcorrectError, UnreachableError
from .locks import FolderLock
from .writing import explain_write_error, remove_leftovers, replacing

EXTRA = "remote"
_IN_EXTRA = ("s3://", "s3a://")
"""Addresses of the file systems that the extra brings; others have packages of their own."""

_OBJECT_STORES = (*_IN_EXTRA, "gs://", "gcs://", "abfs://", "abfss://", "az://")
"""Where there are no folders, and asking for one would make a bucket."""


class Place(Protocol):
    """A folder of files; names of files are relative and may contain `/`."""

    def __truediv__(self, name: str) -> Place: ...

    def __str__(self) -> str: ...

    def names(self, pattern: str) -> list[str]:
        """Names of the files directly in it that match a pattern such as `*.json`, in order; [] where it is not."""
        ...

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """A file's content as a file of this machine, while the block runs. FileNotFoundError where there is none."""
        ...

    def replacing(self, name: str) -> AbstractContextManager[Path]:
        """A temporary file of this machine that takes its place when the block ends without error."""
        ...

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of some small files that are there."""
        ...

    def claimed(self) -> AbstractContextManager[object]:
        """Sole use where the place can give that, and what a killed process left half-written removed."""
        ...


def place(address: str | Path) -> Place:
    """The folder with a path or an address such as `s3://bucket/folder`; nothing is looked for."""
    return RemotePlace(str(address).rstrip("/")) if is_address(address) else LocalPlace(Path(address).expanduser())


def is_address(text: str | Path) -> bool:
    """Whether it is an address rather than a path of this machine."""
    return "://" in str(text)


@dataclass(frozen=True)
class LocalPlace:
    """A folder of this machine."""

    folder: Path

    def __truediv__(self, name: str) -> LocalPlace:
        return LocalPlace(self.folder / name)

    def __str__(self) -> str:
        return str(self.folder)

    def names(self, pattern: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(pattern) if path.is_file())

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        path = self.folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        return nullcontext(path)

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        with explain_write_error(self.folder), replacing(self.folder / name) as temporary:
            yield temporary

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        return {name: path.read_bytes() for name in names if (path := self.folder / name).is_file()}

    @contextmanager
    def claimed(self) -> Iterator[object]:
        with explain_write_error(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(self.folder)
        with lock:
            remove_leftovers(self.folder, below=True)
            yield lock


@dataclass(frozen=True)
class RemotePlace:
    """A folder at an address of fsspec's. Two programs may write there at once; equal work gives equal files."""

    address: str

    def __truediv__(self, name: str) -> RemotePlace:
        return RemotePlace(f"{self.address}/{name}")

    def __str__(self) -> str:
        return self.address

    def names(self, pattern: str) -> list[str]:
        with self._reached() as (system, root):
            system.invalidate_cache(root)
            try:
                entries = system.ls(root, detail=True)
            except FileNotFoundError:
                return []
        names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in entries if entry["type"] == "file")
        return sorted(fnmatch.filter(names, pattern))

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
            path = Path(scratch) / Path(name).name
            with self._reached() as (system, root):
                system.get_file(f"{root}/{name}", str(path))
            yield path

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="selfcorrect-") as scratch:
            path = Path(scratch) / Path(name).name
            yield path
            with self._reached() as (system, root):
                if not self.address.startswith(_OBJECT_STORES):
                    system.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
                try:
                    system.put_file(str(path), f"{root}/{name}")
                except FileNotFoundError as error:
                    raise UnreachableError(f"{self}: cannot be written to ({error})") from error

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        if not names:
            return {}
        with self._reached() as (system, root):
            paths = {f"{root}/{name}": name for name in names}
            found = system.cat(list(paths), on_error="return")
            for error in found.values():
                if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                    raise error
        return {paths[path]: content for path, content in found.items() if isinstance(content, bytes)}

    def claimed(self) -> AbstractContextManager[object]:
        with self._reached():
            return nullcontext()

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """The file system and the folder's path in it; whatever goes wrong with them becomes one sentence."""
        try:
            from fsspec.core import url_to_fs

            yield url_to_fs(self.address)
        except (FileNotFoundError, SelfcorrectError):
            raise
        except Exception as error:  # every file system has other errors
            if isinstance(error, ImportError) and self.address.startswith(_IN_EXTRA):
                raise MissingExtraError(str(self), EXTRA, error) from error
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreachableError(f"{self}: cannot be reached ({reason})") from error


def read_file(folder: Place, name: str) -> bytes:
    """The content of one small file; FileNotFoundError where there is none."""
    found = folder.read([name])
    if name not in found:
        raise FileNotFoundError(f"{folder}/{name}: no such file")
    return found[name]


def write_file(folder: Place, name: str, content: bytes) -> None:
    """Put one small file into a place, whole or not at all."""
    with folder.replacing(name) as temporary:
        temporary.write_bytes(content)
