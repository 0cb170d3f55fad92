"""Exclusive use of a folder through a lock file.

The operating system releases the lock when the process ends. The lock file also gives the folder an identity, by which
an experiment keeps its runs in W&B.
"""

import os
import platform
import re
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from ...core.errors import InUseError, RunFolderError

LOCK = ".selfcorrect.lock"
_BEGINNING = b"selfcorrect run "
_IDENTITY = re.compile(_BEGINNING + rb"([0-9a-f]{32})\n")
_PARTIAL_IDENTITY = re.compile(_BEGINNING + rb"[0-9a-f]{0,32}")
"""Beginning of an identity, left by a machine that stopped while writing it."""
_MAX_BYTES = 1000
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
RELEASE_WAIT_S = 1.0
"""Time to wait for a folder, in s. If a process is killed while it starts children, they hold the lock until they run.
"""
_LOCK_OFFSET = 2**30
"""Position of the byte that is locked on Windows, beyond the content, because other processes cannot read locked bytes.
"""


def lock_file(descriptor: int) -> None:
    """Lock an open file for this process.

    The library `filelock` empties the file first and, on Windows, locks its first byte, which nobody else can then
    read. Here, this byte belongs to the folder's identity, which the holder's workers read.

    Raises:
        BlockingIOError: Another process holds the lock.
    """
    if sys.platform != "win32":
        import fcntl  # not on Windows

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt  # only on Windows

    os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError from error


def read_identity(folder: Path) -> str:
    """Return the identity of a claimed folder, or "" for any other."""
    with suppress(OSError):
        if match := _IDENTITY.match(_read_beginning(folder / LOCK)):
            return match[1].decode()
    return ""


def _read_beginning(path: Path) -> bytes:
    """Return the beginning of a regular file, or b"" for anything else."""
    if path.is_symlink() or not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_MAX_BYTES)


class FolderLock:
    """Exclusive use of a folder.

    The operating system releases the folder however the process ends. The lock file names the holder. If machines share
    a file system, it may drop the lock of a lost machine whose process is still working. `require_held` then names the
    new holder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder = f"process {os.getpid()} on {platform.node()} ({secrets.token_hex(8)})\n".encode()
        path = folder / LOCK
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise self._foreign_file_error()
        self._descriptor = os.open(path, _OPEN_FLAGS, 0o666)
        try:
            self._claim()
        except BaseException:
            self.release()
            raise

    def _foreign_file_error(self) -> RunFolderError:
        path = self._folder / LOCK
        return RunFolderError(f"{path}: was not written by selfcorrect; move it away, or choose another folder")

    def _claim(self) -> None:
        deadline = time.monotonic() + RELEASE_WAIT_S
        while True:
            try:
                lock_file(self._descriptor)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InUseError(f"the run folder {self._folder} is in use by {self._find_holder()}") from None
            time.sleep(0.02)
        content = _read_beginning(self._folder / LOCK)
        match = _IDENTITY.match(content)
        is_cut_short = _BEGINNING.startswith(content) or _PARTIAL_IDENTITY.fullmatch(content)
        if not match and (not is_cut_short or os.fstat(self._descriptor).st_nlink > 1):
            raise self._foreign_file_error()
        identity = match[0] if match else f"selfcorrect run {secrets.token_hex(16)}\n".encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, identity + self._holder)
        os.truncate(self._descriptor, len(identity + self._holder))

    def require_held(self) -> None:
        """Raise InUseError if another process has claimed the folder since."""
        _, _, holder = _read_beginning(self._folder / LOCK).partition(b"\n")
        if holder != self._holder:
            raise InUseError(f"the run folder {self._folder} was taken over by {self._find_holder()}")

    def _find_holder(self) -> str:
        """Return the process and machine named in the lock file."""
        _, _, holder = _read_beginning(self._folder / LOCK).partition(b"\n")
        return holder.decode(errors="replace").partition(" (")[0].strip() or "another process"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the folder, unless it is already released."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
