"""Files and folders that are there whole or not at all.

What is not finished lies in a folder beside its place, `.NAME-HASH.tmp`, that the writing process holds (flock) for as
long as it lives. So the next process that writes the same file waits for one that lives, and takes the folder over from
one that was killed: nothing is cleared that somebody still works in, and nothing stays behind. Where a file system does
not lock folders, each process has folders of its own, and what is cleared is renamed first: a process that lives after
all then finds nothing to put in its place, rather than a part.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from selfcorrect.errors import InputError

_UNFINISHED = ".tmp"
_LONGEST_NAME = 255
_PREFIX = 60
_SCRATCH = ".selfcorrect-"
_OWN_FILE = re.compile(r"\.(?P<start>.+)-[a-z0-9_]{8}\.tmp", re.DOTALL)
_OF_GENERATIONS = (".safetensors", ".json", ".parquet")
_OWN_FOLDER = re.compile(r"\.generation-\d{4,}(-[0-9a-f]{8})?\.tmp")
_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""What file systems say that do not lock folders, NFS among them."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, of the same name, that takes its place on disk when the block ends without error.

    Folders on the way are made. After an error nothing is left, and an existing file stays as it was. InputError where
    the path is a device, a pipe or a folder: only regular files are replaced.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no regular file, and nothing else is replaced")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path.parent / f".{shortened(path.name, _PREFIX)}-{_hash_of(path.name)}{_UNFINISHED}") as folder:
        temporary = folder / path.name
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    sync_folder(path.parent)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` for what is not finished of it, which is gone when the block ends."""
    with _held(path.parent / f"{_SCRATCH}{_hash_of(path.name)}{_UNFINISHED}") as folder:
        yield folder


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """A folder that this process alone has, empty at first; waits until no other process has it."""
    folder, descriptor = _hold(folder)
    try:
        _empty(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _hold(folder: Path) -> tuple[Path, int]:
    while True:
        with suppress(FileExistsError):
            os.mkdir(folder)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:  # its holder has finished with it meanwhile
            continue
        if not _locks(descriptor, fcntl.LOCK_EX):
            os.close(descriptor)
            return _own(folder)
        if _is_still(folder, descriptor):
            return folder, descriptor
        os.close(descriptor)


def _own(folder: Path) -> tuple[Path, int]:
    """A folder like the one given, under a name that no other process has."""
    with suppress(OSError):
        folder.rmdir()
    own = folder.with_name(f"{folder.name.rpartition('-')[0]}-{secrets.token_hex(4)}{_UNFINISHED}")
    own.mkdir()
    return own, os.open(own, os.O_RDONLY)


def _locks(descriptor: int, how: int) -> bool:
    """Lock an open folder; false where its file system does not do that. BlockingIOError as of `flock`."""
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _is_still(folder: Path, descriptor: int) -> bool:
    """Whether an open folder is the one of that name, and not one that was removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    """Clear what a killed process left in its folder, temporary files of libraries too."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace a file by new content (text as UTF-8), at once and synced to disk. On failure the old file stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def text_output(path: Path) -> Iterator[TextIO]:
    """A text file that takes its place when the block ends; a device, a pipe or what a link leads to is written to.

    /dev/stdout is such a link. What is no text, such as odd names of files, is escaped.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            yield file
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
        yield file


def shortened(name: str, most: int = _LONGEST_NAME) -> str:
    """The beginning of a file's name that takes at most so many bytes."""
    return os.fsdecode(os.fsencode(name)[:most])


def suffixed(name: str, suffix: str) -> str:
    """A file's name and a suffix; of a name that becomes too long with it, the beginning and a hash."""
    if len(os.fsencode(name + suffix)) <= _LONGEST_NAME:
        return name + suffix
    digest = _hash_of(name, 8)
    return f"{shortened(name, _LONGEST_NAME - len(digest) - 1 - len(suffix))}-{digest}{suffix}"


def _hash_of(name: str, size: int = 4) -> str:
    return hashlib.blake2b(os.fsencode(name), digest_size=size).hexdigest()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder(folder: Path, files: Mapping[str, bytes], check: Callable[[], object] = lambda: None) -> None:
    """Make `folder` with all `files` at once: written beside it, synced, renamed. On failure nothing is left.

    check: called when all is written, before it is put in its place.
    """
    temporary = _beside(folder)
    try:
        temporary.mkdir()
        for name, content in files.items():
            _write_synced(temporary / name, content)
        sync_folder(temporary)
        check()
        os.replace(temporary, folder)  # fails where the folder is there and holds anything
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder at once: what is left after a crash is a leftover."""
    temporary = _beside(folder)
    os.replace(folder, temporary)
    sync_folder(folder.parent)
    shutil.rmtree(temporary)


def _beside(folder: Path) -> Path:
    """A name that no other process writes to, not even one that does the same work."""
    return folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{_UNFINISHED}")


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what a killed process of ours left half-written in a folder, and in all `below` it."""
    for path in leftovers(folder, below=below):
        _remove_unless_held(path)


def _remove_unless_held(folder: Path) -> None:
    with suppress(FileNotFoundError, BlockingIOError):  # its holder has finished with it meanwhile, or works in it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _locks(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            doomed = folder.with_name(f"{_SCRATCH}{secrets.token_hex(4)}{_UNFINISHED}")
            os.rename(folder, doomed)
            shutil.rmtree(doomed)
        finally:
            os.close(descriptor)


def leftovers(folder: Path, *, below: bool = False) -> list[Path]:
    """What `replacing` and `write_folder` left unfinished: folders with their names and what they put into them."""
    pattern = f".*{_UNFINISHED}"
    return [path for path in (folder.rglob(pattern) if below else folder.glob(pattern)) if _is_leftover(path)]


def _is_leftover(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    try:
        inside = [entry.name for entry in path.iterdir()]
    except FileNotFoundError:  # its process removed it a moment ago
        return False
    if path.name.startswith(_SCRATCH):
        return True
    if _OWN_FOLDER.fullmatch(path.name):
        return all(name.endswith(_OF_GENERATIONS) for name in inside)
    match = _OWN_FILE.fullmatch(path.name)
    if match is None:
        return False
    ours = path.name.endswith(f"-{_hash_of(match['start'])}{_UNFINISHED}")
    return ours or all(shortened(name, _PREFIX) == match["start"] for name in inside)
