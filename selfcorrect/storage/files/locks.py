"""Exclusive use of a folder by a lock file, whose lock the operating system releases when the process ends.

The lock file also gives the folder an identity, which marks unfinished work in it (`writing`).
"""

import errno
import os
import platform
import re
import secrets
import stat
import sys
import time
from pathlib import Path
from typing import Self

from ...core.errors import InUseError, RunFolderError

LOCK = ".selfcorrect.lock"
_BEGINNING = b"selfcorrect run "
_IDENTITY = re.compile(_BEGINNING + rb"([0-9a-f]{32})\n")
_CUT_SHORT = re.compile(_BEGINNING + rb"[0-9a-f]{0,32}")
"""Beginning of an identity, left by a machine that stopped while it was written."""
_MAX_BYTES = 1000
_FOLLOWS_LINKS = not hasattr(os, "O_NOFOLLOW")
"""True if opening a file follows links in spite of flags, as on Windows."""
_NO_FOLLOW_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_CREATE_FLAGS = os.O_CREAT | os.O_EXCL
RELEASE_WAIT_S = 1.0
"""Time to wait for a folder: children that a killed process was starting hold its lock until they begin."""
_LOCK_OFFSET = 2**30
"""Position of the byte that Windows locks, out of the way of content: locked bytes cannot be read by others."""


def open_own_file(path: Path, *, make: bool = True) -> int:
    """Open a small file of this program, without following links or waiting for pipes.

    Args:
        path: Path of the file.
        make: Create the file if it is missing.

    Returns:
        A descriptor for reading and writing.

    Raises:
        RunFolderError: There is a link, or something else than a regular file.
        FileNotFoundError: The file is missing and is not to be created.
    """
    try:
        if make:
            return os.open(path, os.O_RDWR | _CREATE_FLAGS | _NO_FOLLOW_FLAGS, 0o666)
    except FileExistsError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | _NO_FOLLOW_FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) or path.is_dir():
            raise foreign_file_error(path) from error
        raise
    if not _is_regular(descriptor, path):
        os.close(descriptor)
        raise foreign_file_error(path)
    return descriptor


def _is_regular(descriptor: int, path: Path) -> bool:
    """Return whether an open file is a regular one and was not reached by a link."""
    opened = os.fstat(descriptor)
    linked = _FOLLOWS_LINKS and not os.path.samestat(opened, os.lstat(path))
    return stat.S_ISREG(opened.st_mode) and not linked


def foreign_file_error(path: Path) -> RunFolderError:
    """Return the error for a file of another program under a name of this one."""
    return RunFolderError(f"{path}: was not written by selfcorrect; move it away, or choose another folder")


def read_descriptor(descriptor: int) -> bytes:
    """Return the first 1,000 bytes of an open file."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _MAX_BYTES)


def lock_file(descriptor: int, *, wait: bool) -> None:
    """Lock an open file for this process; BlockingIOError if another one has locked it, unless `wait` is true.

    The library `filelock` locks the first byte on Windows, which then nobody else can read; here that byte belongs to
    the folder's identity, which the workers of the holder read.
    """
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    import msvcrt

    os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
    while True:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:  # also after ten seconds of waiting
            if not wait:
                raise BlockingIOError from error
        else:
            return


def _lock_within(descriptor: int, seconds: float) -> None:
    """Lock an open file; BlockingIOError if another process still has it after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return lock_file(descriptor, wait=False)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def read_identity(folder: Path) -> str:
    """Return the identity of the claimed folder that a folder is or lies in, "" if none is claimed."""
    folder = Path(os.path.abspath(folder))
    for place in (folder, *folder.parents):
        try:
            descriptor = os.open(place / LOCK, os.O_RDONLY | _NO_FOLLOW_FLAGS)
        except OSError:
            continue
        try:
            if _is_regular(descriptor, place / LOCK) and (match := _IDENTITY.match(read_descriptor(descriptor))):
                return match[1].decode()
        finally:
            os.close(descriptor)
    return ""


class FolderLock:
    """Exclusive use of a folder, which the operating system releases when the process ends, however it ends.

    The lock file names its holder. A file system shared by machines may drop the lock of a machine that it lost sight
    of, while the process there works on. `require_held` then names the new holder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder = f"process {os.getpid()} on {platform.node()} ({secrets.token_hex(8)})\n".encode()
        self._descriptor = open_own_file(folder / LOCK)
        try:
            self._claim()
        except BaseException:
            self.release()
            raise

    def _claim(self) -> None:
        try:
            _lock_within(self._descriptor, RELEASE_WAIT_S)
        except BlockingIOError:
            raise InUseError(f"the run folder {self._folder} is in use by another process") from None
        content = read_descriptor(self._descriptor)
        match = _IDENTITY.match(content)
        cut_short = _BEGINNING.startswith(content) or _CUT_SHORT.fullmatch(content)
        if not match and (not cut_short or os.fstat(self._descriptor).st_nlink > 1):
            raise foreign_file_error(self._folder / LOCK)
        identity = match[0] if match else f"selfcorrect run {secrets.token_hex(16)}\n".encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, identity + self._holder)
        os.truncate(self._descriptor, len(identity + self._holder))

    def require_held(self) -> None:
        """Raise InUseError if another process has claimed the folder since."""
        descriptor = open_own_file(self._folder / LOCK, make=False)
        try:
            _, _, holder = read_descriptor(descriptor).partition(b"\n")
        finally:
            os.close(descriptor)
        if holder != self._holder:
            new_holder = holder.decode(errors="replace").partition(" (")[0]
            raise InUseError(f"the run folder {self._folder} was taken over by {new_holder}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder back; more than once does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
