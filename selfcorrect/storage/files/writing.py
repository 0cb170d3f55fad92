"""Files and folders that are there whole or not at all.

Unfinished files lie in a folder beside their place, `.NAME-HASH.tmp`, with a marker in it. The marker is a small file
that says to which run the folder belongs. The writing process locks it for as long as it lives. So the next process
that writes the same file waits for one that lives, and takes the folder over from one that was killed. No folder in use
is cleared, nothing stays behind, and a folder without the marker of this run is left alone. Where a file system does
not lock files, each process has separate folders, and what is cleared is renamed first. A process that lives after all
then finds nothing to put in its place, rather than a part.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ...core.errors import InputError, RunFolderError, SettingError
from .locks import lock_file, open_own_file, read_descriptor, read_identity

WARN_AFTER_S = 10.0
"""Time after which a message names the folder that is waited for."""
_UNFINISHED = ".tmp"
_MAX_NAME_BYTES = 255
_MAX_STEM_BYTES = 60
_SCRATCH = "selfcorrect-"
_MARKER = ".selfcorrect"
_OWN_NAME = re.compile(r"\.(?P<stem>.+)-(?P<hash>[0-9a-f]{8})\.tmp", re.DOTALL)
_CANNOT_REMOVE_OPEN_FILES = sys.platform == "win32"
"""True if a file that a process has open can neither be removed nor its folder renamed.

Then a marker is closed before removal, which fails if another process has taken over meanwhile.
"""
_GONE_ERRORS = (FileNotFoundError, BlockingIOError, *([PermissionError] if _CANNOT_REMOVE_OPEN_FILES else []))
"""Errors of removing a folder whose holder has finished with it meanwhile, or works in it."""

_NO_LINK_ERRORS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EXDEV)
"""Errors of file systems without hard links, such as FAT."""

_NO_LOCK_ERRORS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""Errors of file systems without locks, such as some NFS."""


def refuse_to_replace(path: Path, overwrite: bool) -> None:
    """Raise SettingError if a file exists and may not be replaced."""
    if not isinstance(overwrite, bool):
        raise SettingError(f"overwrite must be True or False, got {overwrite!r}")
    if not overwrite and os.path.lexists(path):
        raise SettingError(f"{path}: exists; choose another file, or say overwrite=True")


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path of the same name that replaces `path` on disk when the block ends without error.

    Missing folders are made. After an error nothing is left, and an existing file is unchanged.

    Raises:
        InputError: The path is a device, a pipe or a folder; only regular files are replaced.
        SettingError: `overwrite` is false and a file exists when the block ends, even if it appeared meanwhile.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no regular file, and nothing else is replaced")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _hold_scratch(
        _make_scratch_path(path.parent, f"{truncate_name(path.name, _MAX_STEM_BYTES)}-{_hash_name(path.name)}")
    ) as folder:
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
    """Give a finished file its name; SettingError if the name is taken, which `os.replace` would not notice."""
    try:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINK_ERRORS:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # ours now, and may be replaced
            os.replace(temporary, path)
    except FileExistsError as error:
        raise SettingError(f"{path}: appeared meanwhile and is not replaced; choose another file") from error


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` for unfinished work, which is removed when the block ends."""
    with _hold_scratch(_make_scratch_path(path.parent, f"{_SCRATCH}{_hash_name(path.name)}")) as folder:
        yield folder


def _make_scratch_path(parent: Path, stem: str) -> Path:
    """Return the path of a scratch folder; its name ends with a hash of the rest, which identifies an empty one."""
    return parent / f".{stem}-{_hash_name(stem)}{_UNFINISHED}"


@contextmanager
def _hold_scratch(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder of this process, empty except for its marker; waits for other processes."""
    folder, descriptor = _acquire_scratch(folder)
    try:
        _clear(folder)
        try:
            yield folder
        finally:
            with suppress(OSError):
                _clear(folder)
                if _CANNOT_REMOVE_OPEN_FILES:
                    os.close(descriptor)
                    descriptor = -1
                _remove(folder)
    finally:
        _close(descriptor)


def _acquire_scratch(folder: Path) -> tuple[Path, int]:
    """Return a scratch folder with its locked marker: this one, or one of another name if this is of another run."""
    marker = _make_marker(folder.parent)
    while True:
        descriptor = _open_marker(folder, marker)
        if descriptor is None:
            break
        is_locked = _wait_for_lock(descriptor, folder)
        if is_locked and _is_same_file(folder / _MARKER, descriptor):
            return folder, descriptor
        os.close(descriptor)
        if not is_locked:
            break
    unique_folder = _make_unique_path(folder)
    descriptor = _open_marker(unique_folder, marker)
    assert descriptor is not None, "nobody else has a folder of that name"
    return unique_folder, descriptor


def _wait_for_lock(descriptor: int, folder: Path) -> bool:
    """Lock an open marker once no other process has it, and warn on stderr if that takes long; see `_try_lock`."""

    def warn() -> None:
        print(f"selfcorrect: waiting for another process that writes in {folder}", file=sys.stderr, flush=True)

    try:
        return _try_lock(descriptor, wait=False)
    except BlockingIOError:
        timer = threading.Timer(WARN_AFTER_S, warn)
        timer.daemon = True
        timer.start()
    try:
        return _try_lock(descriptor, wait=True)
    finally:
        timer.cancel()


def _try_lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open marker; False if its file system has no locks. BlockingIOError as of `lock_file`."""
    try:
        lock_file(descriptor, wait=wait)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCK_ERRORS:
            return False
        raise
    return True


def _make_unique_path(folder: Path) -> Path:
    """Return the path of a like scratch folder with a name that no other process has."""
    match = _OWN_NAME.fullmatch(folder.name)
    assert match, "made by `_make_scratch_path`"
    return _make_scratch_path(folder.parent, f"{match['stem']}-{secrets.token_hex(4)}")


def _make_marker(folder: Path) -> bytes:
    """Return the marker of unfinished work in a folder."""
    return f"selfcorrect unfinished {read_identity(folder) or 'anywhere'}\n".encode()


def _open_marker(folder: Path, marker: bytes) -> int | None:
    """Open the marker of a scratch folder, and make both if they are missing; None if the folder is of another run."""
    while True:
        with suppress(FileExistsError):
            os.mkdir(folder)
        try:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                return None
            descriptor = open_own_file(folder / _MARKER, make=not _list_names(folder))
        except FileNotFoundError:
            if (names := _list_names(folder)) and _MARKER not in names:
                return None
            continue  # its holder has finished meanwhile, and the next one may have begun
        except (RunFolderError, PermissionError):
            return None
        if _claim_marker(descriptor, marker, folder):
            return descriptor
        os.close(descriptor)
        return None


def _claim_marker(descriptor: int, marker: bytes, folder: Path) -> bool:
    """Return whether an open marker is of this run; a truncated one in an empty folder becomes so."""
    if marker.startswith(read_descriptor(descriptor)) and _list_names(folder) <= {_MARKER}:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, marker)
        return True
    return read_descriptor(descriptor) == marker  # another may have written it meanwhile


def _list_names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()


def _is_same_file(path: Path, descriptor: int) -> bool:
    """Return whether an open file still has this path, and was not removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _close(descriptor: int) -> None:
    """Close a descriptor, unless it is -1, which stands for a closed one."""
    if descriptor >= 0:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    """Remove everything except its marker from a folder, also remains of a killed process or a library."""
    for path in folder.iterdir():
        if path.name != _MARKER:
            if path.is_symlink() or not path.is_dir():
                path.unlink()
            else:
                shutil.rmtree(path)


def _remove(folder: Path) -> None:
    """Remove a folder, its marker last, which identifies the remains after a kill."""
    _clear(folder)
    (folder / _MARKER).unlink()
    folder.rmdir()


def write_atomically(path: Path, content: bytes | str, *, overwrite: bool = True) -> None:
    """Replace a file by new content, at once and synced to disk; on failure the old file stays.

    Args:
        path: Path of the file.
        content: Bytes, or text that is written as UTF-8 with invalid characters escaped.
        overwrite: Replace an existing file.

    Raises:
        SettingError: The file exists and may not be replaced.
    """
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))


@contextmanager
def text_output(path: Path, *, overwrite: bool = True) -> Iterator[TextIO]:
    """Yield a text file that replaces `path` when the block ends; devices, pipes and targets of links are written to.

    /dev/stdout is such a link. Invalid characters, as in odd names of files, are escaped. SettingError if a regular
    file exists when the block ends, unless `overwrite` is true.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            yield file
        return
    with (
        replacing(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        yield file


def truncate_name(name: str, most: int = _MAX_NAME_BYTES) -> str:
    """Return the beginning of a file's name, of at most `most` bytes."""
    return os.fsdecode(os.fsencode(name)[:most])


def append_suffix(name: str, suffix: str) -> str:
    """Append a suffix to a file's name; a name that becomes too long is truncated and gets a hash."""
    if len(os.fsencode(name + suffix)) <= _MAX_NAME_BYTES:
        return name + suffix
    digest = _hash_name(name, 8)
    return f"{truncate_name(name, _MAX_NAME_BYTES - len(digest) - 1 - len(suffix))}-{digest}{suffix}"


def _hash_name(name: str, size: int = 4) -> str:
    return hashlib.blake2b(os.fsencode(name), digest_size=size).hexdigest()


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk; Windows, which opens no folders, does so by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder(folder: Path, files: Mapping[str, bytes], check: Callable[[], object] = lambda: None) -> None:
    """Make a folder with all its files at once: written beside it, synced, renamed; on failure nothing is left.

    Args:
        folder: Path of the folder.
        files: Content of each file by name.
        check: Function that is called when all is written, before the folder is renamed.
    """
    with _hold_unique_path(folder) as temporary:
        temporary.mkdir()
        for name, content in files.items():
            _write_synced(temporary / name, content)
        sync_folder(temporary)
        check()
        os.replace(temporary, folder)  # fails where the folder is there and holds anything
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder at once; its remains after a crash are leftovers."""
    with _hold_unique_path(folder) as temporary:
        os.replace(folder, temporary)
        sync_folder(folder.parent)


@contextmanager
def _hold_unique_path(folder: Path) -> Iterator[Path]:
    """Yield a path of the same name to which no other process writes, not even one with the same task."""
    with _hold_scratch(
        _make_unique_path(_make_scratch_path(folder.parent, truncate_name(folder.name, _MAX_STEM_BYTES)))
    ) as place:
        yield place / folder.name


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove the leftovers of killed processes of this run in a folder, and in all folders `below` it."""
    for path in find_leftovers(folder, below=below):
        with suppress(*_GONE_ERRORS):
            _remove_unless_held(path)


def _remove_unless_held(folder: Path) -> None:
    if not _list_names(folder):
        with suppress(OSError):  # another process has begun to work in it
            folder.rmdir()
        return
    descriptor = open_own_file(folder / _MARKER, make=False)
    try:
        _try_lock(descriptor, wait=False)
        if _is_same_file(folder / _MARKER, descriptor):
            doomed = _make_unique_path(folder)
            if _CANNOT_REMOVE_OPEN_FILES:
                os.close(descriptor)
                descriptor = -1
            os.rename(folder, doomed)
            _remove(doomed)
    finally:
        _close(descriptor)


def find_leftovers(folder: Path, *, below: bool = False) -> list[Path]:
    """Return the scratch folders that processes of this run left: those with its marker, and empty ones."""
    pattern = f".*{_UNFINISHED}"
    marker = _make_marker(folder)
    paths = folder.rglob(pattern) if below else folder.glob(pattern)
    return [path for path in paths if _is_leftover(path, marker)]


def _is_leftover(folder: Path, marker: bytes) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    if not _list_names(folder):
        match = _OWN_NAME.fullmatch(folder.name)
        return match is not None and match["hash"] == _hash_name(match["stem"])
    try:
        descriptor = open_own_file(folder / _MARKER, make=False)
    except (OSError, RunFolderError):
        return False
    try:
        content = read_descriptor(descriptor)
        return content == marker or (marker.startswith(content) and _list_names(folder) == {_MARKER})
    finally:
        os.close(descriptor)


@contextmanager
def explain_write_error(folder: Path) -> Iterator[None]:
    """Turn an operating-system error into a RunFolderError of one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(f"cannot write to {folder}: {reason}; what was committed before is intact") from error
