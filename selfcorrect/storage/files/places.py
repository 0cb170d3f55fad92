"""Folders of this machine, or at any address that fsspec knows, such as a bucket of an object store.

A place is only an address, so it can be sent between processes and machines. Files appear in it whole: on this machine
by renaming, at an address by a single upload.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import MissingExtraError, SelfcorrectError, UnreachableError
from .limits import read_bytes
from .writing import explain_write_error, replacing

EXTRA = "remote"
_IN_EXTRA = ("s3://", "s3a://")
"""Addresses of the file systems that the extra brings; other file systems have packages of their own."""

_OBJECT_STORES = (*_IN_EXTRA, "gs://", "gcs://", "abfs://", "abfss://", "az://")
"""Addresses without folders, where making a folder would make a bucket."""


def is_address(text: str | Path) -> bool:
    """Return whether it is an address rather than a path of this machine."""
    return "://" in str(text)


@dataclass(frozen=True)
class Place:
    """A folder with a path or an address; names of files in it are relative and may contain `/`."""

    address: str

    def list_names(self) -> list[str]:
        """Return the names of all files in and below the folder, in order; [] for a missing folder."""
        if not is_address(self.address):
            paths = [path for path in Path(self.address).rglob("*") if path.is_file()]
            return sorted(path.relative_to(self.address).as_posix() for path in paths)
        with self._connect() as (system, base):
            system.invalidate_cache()
            try:
                return sorted(path.removeprefix(base).lstrip("/") for path in system.find(base))
            except FileNotFoundError:  # there is no such bucket
                return []

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file to one of this machine; False where there is none."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if is_address(self.address):
                with self._connect() as (system, base):
                    system.get_file(f"{base}/{name}", str(target))
            else:
                shutil.copyfile(Path(self.address) / name, target)
        except FileNotFoundError:
            target.unlink(missing_ok=True)  # some file systems begin it
            return False
        return True

    def send(self, source: Path, name: str) -> None:
        """Copy a file of this machine here, whole or not at all; one of that name is replaced."""
        if not is_address(self.address):
            target = Path(self.address) / name
            with explain_write_error(target.parent), replacing(target) as temporary:
                shutil.copyfile(source, temporary)
            return
        with self._connect() as (system, base):
            target_path = f"{base}/{name}"
            if not self.address.startswith(_OBJECT_STORES):
                system.makedirs(target_path.rpartition("/")[0], exist_ok=True)
            try:
                system.put_file(str(source), target_path)
            except FileNotFoundError as error:
                raise UnreachableError(f"{self.address}: cannot be written to ({error})") from error

    def read_bytes(self, name: str) -> bytes | None:
        """Return the content of a small file; None if there is none."""
        try:
            if not is_address(self.address):
                return read_bytes(Path(self.address) / name)
            with self._connect() as (system, base):
                return system.cat_file(f"{base}/{name}")
        except FileNotFoundError:
            return None

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all; one of that name is replaced."""
        with tempfile.TemporaryDirectory(prefix="selfcorrect-") as folder:
            path = Path(folder) / "content"
            path.write_bytes(content)
            self.send(path, name)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if not is_address(self.address):
            (Path(self.address) / name).unlink(missing_ok=True)
            return
        with self._connect() as (system, base):
            if system.isfile(f"{base}/{name}"):
                system.rm_file(f"{base}/{name}")

    @contextmanager
    def _connect(self) -> Iterator[tuple[Any, str]]:
        """Yield the file system and the folder's path in it; errors there become a sentence."""
        try:
            from fsspec.core import url_to_fs

            system, base = url_to_fs(self.address)
            yield system, base.rstrip("/")
        except (FileNotFoundError, SelfcorrectError):
            raise
        except Exception as error:  # every file system has other errors
            if isinstance(error, ImportError) and self.address.startswith(_IN_EXTRA):
                raise MissingExtraError(self.address, EXTRA, error) from error
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreachableError(f"{self.address}: cannot be reached ({reason})") from error
