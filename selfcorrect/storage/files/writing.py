"""Files and folders written atomically: they appear completely or not at all.

Unfinished files are in a scratch folder beside their final place, named `.NAME-TOKEN-CHECK.tmp`. CHECK is a hash of the
name's first part, so that no other program creates such a name. The writing process locks a file in it until it ends.
When a run begins, or the next writer in that folder, scratch folders without a living process are removed. On file
systems without locks, they are kept.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ...core.errors import InputError, RunFolderError, SettingError
from .locks import lock_file

_UNFINISHED = ".tmp"
_MAX_NAME_BYTES = 255
_MAX_STEM_BYTES = 60
_LOCK_NAME = ".selfcorrect"
"""File in a scratch folder that the process locks."""
_SCRATCH_NAME = re.compile(r"\.(?P<stem>.+)-(?P<check>[0-9a-f]{8})\.tmp", re.DOTALL)

_LINKS_MISSING = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EXDEV)
"""Errors of file systems without hard links, such as FAT."""

_LOCKS_MISSING = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""Errors of file systems without locks, such as some NFS."""

_cleared: set[Path] = set()
"""Folders whose leftovers this process has removed."""


def refuse_to_replace(path: Path, overwrite: bool) -> None:
    """Raise SettingError if a file exists and may not be replaced."""
    if not isinstance(overwrite, bool):
        raise SettingError(f"overwrite must be True or False, got {overwrite!r}")
    if not overwrite and os.path.lexists(path):
        raise SettingError(f"{path}: exists; choose another file, or pass overwrite=True")


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path whose file replaces `path` at the end.

    The file is synced to disk and replaces `path` when the block ends without an error. Missing folders are created.
    After an error, nothing is left and an existing file is unchanged. A path in a scratch folder is yielded itself,
    because its file is unfinished anyway until it leaves that folder.

    Raises:
        InputError: The path is a device, a pipe or a folder. Only regular files are replaced.
        SettingError: `overwrite` is false and a file exists when the block ends, even if it appeared meanwhile.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is not a regular file, and only regular files are replaced")
    if _is_scratch(path.parent.name):
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path) as folder:
        temporary = folder / path.name
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            _link_new(temporary, path)
    sync_folder(path.parent)


def _link_new(temporary: Path, path: Path) -> None:
    """Give a finished file its final name, which must be free.

    `os.replace` would not notice that the name is taken.

    Raises:
        SettingError: A file with this name appeared meanwhile.
    """
    try:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _LINKS_MISSING:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # ours now, and may be replaced
            os.replace(temporary, path)
    except FileExistsError as error:
        raise SettingError(
            f"{path}: was created by another process and is not replaced; choose another file"
        ) from error


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` and remove it when the block ends."""
    if path.parent not in _cleared:
        remove_leftovers(path.parent)
    _cleared.discard(path.parent)
    folder, descriptor = _make_scratch(path)
    try:
        yield folder
    finally:
        os.close(descriptor)  # Windows removes no open file
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            _cleared.add(path.parent)


def _make_scratch(path: Path) -> tuple[Path, int]:
    """Create a scratch folder, and return it with its locked file."""
    while True:
        stem = f"{truncate_name(path.name, _MAX_STEM_BYTES)}-{secrets.token_hex(4)}"
        folder = path.with_name(f".{stem}-{_hash_name(stem)}{_UNFINISHED}")
        folder.mkdir()
        try:
            descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # another process has just removed the empty folder
            continue
        try:
            lock_file(descriptor)
            if (folder / _LOCK_NAME).exists():
                return folder, descriptor
        except BlockingIOError:  # another process is removing the folder
            pass
        except OSError as error:
            if error.errno not in _LOCKS_MISSING:
                raise
            return folder, descriptor
        os.close(descriptor)


def write_atomically(path: Path, content: bytes | str, *, overwrite: bool = True) -> None:
    """Replace a file by new content, completely or not at all.

    The content is synced to disk. If writing fails, the old file is kept.

    Args:
        content: Bytes, or text that is written as UTF-8 with invalid characters escaped.
        overwrite: Replace an existing file.

    Raises:
        SettingError: The file exists and may not be replaced.
    """
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))


_OPEN_FILE = re.compile(r"/dev/(?P<name>stdout|stderr)|(/dev|/proc/self)/fd/(?P<number>\d+)")
"""Names of files that this process has open."""


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a device, or an open file such as /dev/stdout."""
    if _OPEN_FILE.fullmatch(str(path)):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def text_output(path: Path, *, overwrite: bool = True) -> Iterator[TextIO]:
    """Open a text file that replaces `path` when the block ends.

    If `path` is a link, its target is replaced. A stream is written to directly. Invalid characters, as in odd file
    names, are escaped.

    Raises:
        SettingError: A regular file exists when the block ends, and `overwrite` is false.
    """
    if is_stream(path):
        with _open_stream(path) as file:
            yield file
        return
    with (
        replacing(Path(os.path.realpath(path)), overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        yield file


def _open_stream(path: Path) -> TextIO:
    """Open a stream for writing.

    An open file is continued at its current position.
    """
    target: Path | int = path
    if match := _OPEN_FILE.fullmatch(str(path)):
        sys.stdout.flush()
        number = {"stdout": 1, "stderr": 2}.get(match["name"]) or int(match["number"])
        target = os.dup(number)
    return open(target, "w", encoding="utf-8", errors="backslashreplace")


def truncate_name(name: str, most: int = _MAX_NAME_BYTES) -> str:
    """Cut a file name to `most` bytes."""
    return os.fsdecode(os.fsencode(name)[:most])


def append_suffix(name: str, suffix: str) -> str:
    """Append a suffix to a file name.

    If the name becomes too long, it is truncated and a hash is added.
    """
    if len(os.fsencode(name + suffix)) <= _MAX_NAME_BYTES:
        return name + suffix
    digest = _hash_name(name, 8)
    return f"{truncate_name(name, _MAX_NAME_BYTES - len(digest) - 1 - len(suffix))}-{digest}{suffix}"


def _hash_name(name: str, size: int = 4) -> str:
    return hashlib.blake2b(os.fsencode(name), digest_size=size).hexdigest()


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk.

    Windows cannot open folders, but syncs their names anyway.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder(folder: Path, files: Mapping[str, bytes], check: Callable[[], object] = lambda: None) -> None:
    """Create a folder with all its files, or not at all.

    The folder is written elsewhere, synced and then renamed. If writing fails, nothing is left.

    Args:
        files: Contents by file name.
        check: Function called after all is written and before the folder is renamed.
    """
    with scratch_folder(folder) as scratch:
        temporary = scratch / folder.name
        temporary.mkdir()
        for name, content in files.items():
            with open(temporary / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(temporary)
        check()
        os.replace(temporary, folder)  # fails where the folder is there and holds anything
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder atomically. A crash may leave leftovers."""
    with scratch_folder(folder) as scratch:
        os.replace(folder, scratch / folder.name)
        sync_folder(folder.parent)


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove leftovers of killed processes.

    A folder is searched, and all folders `below` it.
    """
    for path in find_leftovers(folder, below=below):
        with suppress(OSError):  # still in use, just removed, or no locks
            _remove_unless_alive(path)


def _remove_unless_alive(folder: Path) -> None:
    descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT)
    try:
        lock_file(descriptor)
        if sys.platform != "win32":  # which removes no open file
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)
    shutil.rmtree(folder, ignore_errors=True)


def find_leftovers(folder: Path, *, below: bool = False) -> list[Path]:
    """Return scratch folders in a folder, and in all folders `below` it."""
    pattern = f".*{_UNFINISHED}"
    leftovers = []
    for path in folder.rglob(pattern) if below else folder.glob(pattern):
        if _is_scratch(path.name) and path.is_dir() and not path.is_symlink():
            leftovers.append(path)
    return leftovers


def _is_scratch(name: str) -> bool:
    """Return whether a name can only be that of a scratch folder."""
    match = _SCRATCH_NAME.fullmatch(name)
    return match is not None and match["check"] == _hash_name(match["stem"])


@contextmanager
def explain_write_error(folder: Path) -> Iterator[None]:
    """Turn system errors into RunFolderError with a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(f"cannot write to {folder}: {reason}; earlier commits are intact") from error
