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
from .locks import content_of, identity_of, lock, open_own

PATIENCE_S = 10.0
"""After so long, a message says which other process is waited for."""
_UNFINISHED = ".tmp"
_LONGEST_NAME = 255
_PREFIX = 60
_SCRATCH = "selfcorrect-"
_MARKER = ".selfcorrect"
_OWN_NAME = re.compile(r"\.(?P<stem>.+)-(?P<hash>[0-9a-f]{8})\.tmp", re.DOTALL)
_OPEN_FILES_STAY = sys.platform == "win32"
"""Whether a file that a process has open can neither be removed nor its folder renamed.

Then a marker is closed before that is tried, not after: it fails where another process has taken over meanwhile.
"""
_HAS_GONE = (FileNotFoundError, BlockingIOError, *([PermissionError] if _OPEN_FILES_STAY else []))
"""What removing a folder raises whose holder has finished with it meanwhile, or works in it."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EXDEV)
"""Errors of file systems without hard links, such as FAT."""

_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""What file systems say that do not lock files, NFS among them."""


def refuse_to_replace(path: Path, overwrite: bool) -> None:
    """SettingError where a file is there already that may not be replaced."""
    if not isinstance(overwrite, bool):
        raise SettingError(f"overwrite must be True or False, got {overwrite!r}")
    if not overwrite and os.path.lexists(path):
        raise SettingError(f"{path}: exists; choose another file, or say overwrite=True")


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, of the same name, that takes its place on disk when the block ends without error.

    Folders on the way are made. After an error nothing is left, and an existing file stays as it was. InputError where
    the path is a device, a pipe or a folder: only regular files are replaced. Unless `overwrite`, SettingError where a
    file is there when the block ends, even if it appeared meanwhile; that file stays.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no regular file, and nothing else is replaced")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(_unfinished(path.parent, f"{shortened(path.name, _PREFIX)}-{_hash_of(path.name)}")) as folder:
        temporary = folder / path.name
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            _put_new(temporary, path)
    sync_folder(path.parent)


def _put_new(temporary: Path, path: Path) -> None:
    """Give a finished file its name; SettingError where that name is taken, as `os.replace` would not notice."""
    try:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # ours now, and may be replaced
            os.replace(temporary, path)
    except FileExistsError as error:
        raise SettingError(f"{path}: appeared meanwhile and is not replaced; choose another file") from error


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` for what is not finished of it, which is gone when the block ends."""
    with _held(_unfinished(path.parent, f"{_SCRATCH}{_hash_of(path.name)}")) as folder:
        yield folder


def _unfinished(parent: Path, stem: str) -> Path:
    """The folder for what is unfinished; its name ends with a hash of the rest, by which an empty one is known."""
    return parent / f".{stem}-{_hash_of(stem)}{_UNFINISHED}"


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """A folder that this process alone has, empty but for its marker; waits until no other process has it."""
    folder, descriptor = _hold(folder)
    try:
        _clear(folder)
        try:
            yield folder
        finally:
            with suppress(OSError):
                _clear(folder)
                if _OPEN_FILES_STAY:
                    os.close(descriptor)
                    descriptor = -1
                _remove(folder)
    finally:
        _close(descriptor)


def _hold(folder: Path) -> tuple[Path, int]:
    """A folder with its locked marker: that one, or one of another name where that is not this run's."""
    marker = _marker_of(folder.parent)
    while True:
        descriptor = _marked(folder, marker)
        if descriptor is None:
            break
        locked = _awaited(descriptor, folder)
        if locked and _is_still(folder / _MARKER, descriptor):
            return folder, descriptor
        os.close(descriptor)
        if not locked:
            break
    own = _one_more(folder)
    descriptor = _marked(own, marker)
    assert descriptor is not None, "nobody else has a folder of that name"
    return own, descriptor


def _awaited(descriptor: int, folder: Path) -> bool:
    """Lock an open marker once no other process has it, and say so on stderr while that takes long; as `_locks`."""

    def tell() -> None:
        print(f"selfcorrect: waiting for another process that writes in {folder}", file=sys.stderr, flush=True)

    try:
        return _locks(descriptor, wait=False)
    except BlockingIOError:
        telling = threading.Timer(PATIENCE_S, tell)
        telling.daemon = True
        telling.start()
    try:
        return _locks(descriptor, wait=True)
    finally:
        telling.cancel()


def _locks(descriptor: int, *, wait: bool) -> bool:
    """Lock an open marker; false where its file system locks no files. BlockingIOError as of `lock`."""
    try:
        lock(descriptor, wait=wait)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _one_more(folder: Path) -> Path:
    """A folder like the one given, under a name that no other process has."""
    match = _OWN_NAME.fullmatch(folder.name)
    assert match, "made by `_unfinished`"
    return _unfinished(folder.parent, f"{match['stem']}-{secrets.token_hex(4)}")


def _marker_of(folder: Path) -> bytes:
    """What marks unfinished work in a folder."""
    return f"selfcorrect unfinished {identity_of(folder) or 'anywhere'}\n".encode()


def _marked(folder: Path, marker: bytes) -> int | None:
    """The open marker of a folder, both made where they are not; None where the folder is somebody else's."""
    while True:
        with suppress(FileExistsError):
            os.mkdir(folder)
        try:
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                return None
            descriptor = open_own(folder / _MARKER, make=not _names(folder))
        except FileNotFoundError:
            if (names := _names(folder)) and _MARKER not in names:
                return None
            continue  # its holder has finished with it meanwhile, and the next one may have begun
        except (RunFolderError, PermissionError):
            return None
        if _becomes(descriptor, marker, folder):
            return descriptor
        os.close(descriptor)
        return None


def _becomes(descriptor: int, marker: bytes, folder: Path) -> bool:
    """Whether an open marker is that of this run, which it becomes where it was cut short and marks nothing."""
    if marker.startswith(content_of(descriptor)) and _names(folder) <= {_MARKER}:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, marker)
        return True
    return content_of(descriptor) == marker  # another may have written it meanwhile


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether an open file is the one of that name, and not one that was removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _close(descriptor: int) -> None:
    """Close a descriptor that may be closed already, which -1 says."""
    if descriptor >= 0:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    """Remove all but its marker from a folder, also what a killed process or a library left."""
    for path in folder.iterdir():
        if path.name != _MARKER:
            path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)


def _remove(folder: Path) -> None:
    """Remove a folder, its marker last: what is left of it after a kill is known by that."""
    _clear(folder)
    (folder / _MARKER).unlink()
    folder.rmdir()


def write_atomically(path: Path, content: bytes | str, *, overwrite: bool = True) -> None:
    """Replace a file by new content, at once and synced to disk. On failure the old file stays.

    Text is written as UTF-8; what is no text, such as odd names of files, is escaped. SettingError where the file
    exists, unless `overwrite` is true.
    """
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))


@contextmanager
def text_output(path: Path, *, overwrite: bool = True) -> Iterator[TextIO]:
    """A text file that takes its place when the block ends; a device, a pipe or what a link leads to is written to.

    /dev/stdout is such a link. What is no text, such as odd names of files, is escaped. SettingError where a regular
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
    """Have the names in a folder on disk; Windows, which opens no folders, does that unasked."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder(folder: Path, files: Mapping[str, bytes], check: Callable[[], object] = lambda: None) -> None:
    """Make `folder` with all `files` at once: written beside it, synced, renamed. On failure nothing is left.

    check: called when all is written, before it is put in its place.
    """
    with _beside(folder) as temporary:
        temporary.mkdir()
        for name, content in files.items():
            _write_synced(temporary / name, content)
        sync_folder(temporary)
        check()
        os.replace(temporary, folder)  # fails where the folder is there and holds anything
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder at once: what is left after a crash is a leftover."""
    with _beside(folder) as temporary:
        os.replace(folder, temporary)
        sync_folder(folder.parent)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A path of the same name that no other process writes to, not even one that does the same work."""
    with _held(_one_more(_unfinished(folder.parent, shortened(folder.name, _PREFIX)))) as place:
        yield place / folder.name


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what a killed process of this run left half-written in a folder, and in all `below` it."""
    for path in leftovers(folder, below=below):
        with suppress(*_HAS_GONE):
            _remove_unless_held(path)


def _remove_unless_held(folder: Path) -> None:
    if not _names(folder):
        with suppress(OSError):  # somebody works in it since
            folder.rmdir()
        return
    descriptor = open_own(folder / _MARKER, make=False)
    try:
        _locks(descriptor, wait=False)
        if _is_still(folder / _MARKER, descriptor):
            doomed = _one_more(folder)
            if _OPEN_FILES_STAY:
                os.close(descriptor)
                descriptor = -1
            os.rename(folder, doomed)
            _remove(doomed)
    finally:
        _close(descriptor)


def leftovers(folder: Path, *, below: bool = False) -> list[Path]:
    """Folders with what a process of this run left unfinished: those with its marker, and empty ones of such names."""
    pattern, marker = f".*{_UNFINISHED}", _marker_of(folder)
    return [path for path in (folder.rglob(pattern) if below else folder.glob(pattern)) if _is_leftover(path, marker)]


def _is_leftover(folder: Path, marker: bytes) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    if not _names(folder):
        match = _OWN_NAME.fullmatch(folder.name)
        return match is not None and match["hash"] == _hash_of(match["stem"])
    try:
        descriptor = open_own(folder / _MARKER, make=False)
    except (OSError, RunFolderError):
        return False
    try:
        content = content_of(descriptor)
        return content == marker or (marker.startswith(content) and _names(folder) == {_MARKER})
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
