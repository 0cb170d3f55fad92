"""Sole use of a folder: a lock file of the program's own, which the operating system drops when the process ends.

The lock file also gives the folder an identity, which marks what is not finished in it (`files.py`).
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
"""What is left of an identity where the machine stopped while it was written."""
_LONGEST = 1000
_FOLLOWS_LINKS = not hasattr(os, "O_NOFOLLOW")
"""Whether opening a file follows links whatever the flags say, as on Windows."""
_NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_CREAT | os.O_EXCL
PARTING_S = 1.0
"""A folder is waited for so long: processes that a killed one was just starting have its lock until they begin."""
_FAR = 2**30
"""Where Windows locks a byte: it keeps others from reading those that it locks."""


def open_own(path: Path, *, make: bool = True) -> int:
    """Descriptor of a small file of the program's own, made where there is none; nothing is followed or waited for.

    RunFolderError where there is a link, or what is no regular file. FileNotFoundError where there
    is none and it is not to be made.
    """
    try:
        if make:
            return os.open(path, os.O_RDWR | _NEW | _NOT_FOLLOWED, 0o666)
    except FileExistsError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | _NOT_FOLLOWED)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) or path.is_dir():
            raise foreign(path) from error
        raise
    if not _is_regular(descriptor, path):
        os.close(descriptor)
        raise foreign(path)
    return descriptor


def _is_regular(descriptor: int, path: Path) -> bool:
    """Whether an open file is a regular one and was reached by no link."""
    opened = os.fstat(descriptor)
    linked = _FOLLOWS_LINKS and not os.path.samestat(opened, os.lstat(path))
    return stat.S_ISREG(opened.st_mode) and not linked


def foreign(path: Path) -> RunFolderError:
    """The error of a file that has a name of the program's own and is somebody else's."""
    return RunFolderError(f"{path}: was not written by selfcorrect; move it away, or choose another folder")


def content_of(descriptor: int) -> bytes:
    """What a small file that is open holds, its beginning where it is larger."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _LONGEST)


def lock(descriptor: int, *, wait: bool) -> None:
    """Lock an open file for this process. BlockingIOError where another has it, unless that is waited for.

    The library `filelock` locks the first byte on Windows, which then nobody else can read; here that byte belongs to
    the folder's identity, which the workers of the holder read.
    """
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    import msvcrt

    os.lseek(descriptor, _FAR, os.SEEK_SET)
    while True:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:  # also after ten seconds of waiting
            if not wait:
                raise BlockingIOError from error
        else:
            return


def _locked_within(descriptor: int, seconds: float) -> None:
    """Lock an open file; BlockingIOError where another process still has it after some seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return lock(descriptor, wait=False)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(0.02)


def identity_of(folder: Path) -> str:
    """The identity of the claimed folder that a folder is or lies in, "" where nobody has claimed any."""
    for place in (here := Path(os.path.abspath(folder)), *here.parents):
        try:
            descriptor = os.open(place / LOCK, os.O_RDONLY | _NOT_FOLLOWED)
        except OSError:
            continue
        try:
            if _is_regular(descriptor, place / LOCK) and (match := _IDENTITY.match(content_of(descriptor))):
                return match[1].decode()
        finally:
            os.close(descriptor)
    return ""


class FolderLock:
    """Sole use of a folder. The operating system drops it when the process ends, however it ends.

    The lock file names its holder. A file system shared by machines may drop the lock of a machine that it lost sight
    of, while the process there works on. When that process asks `still_held`, the answer names the new holder.
    RunFolderError where a file of somebody else has the lock's name; it is left as it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder = f"process {os.getpid()} on {platform.node()} ({secrets.token_hex(8)})\n".encode()
        self._descriptor = open_own(folder / LOCK)
        try:
            self._claim()
        except BaseException:
            self.release()
            raise

    def _claim(self) -> None:
        try:
            _locked_within(self._descriptor, PARTING_S)
        except BlockingIOError:
            raise InUseError(f"the run folder {self._folder} is in use by another process") from None
        content = content_of(self._descriptor)
        match = _IDENTITY.match(content)
        cut_short = _BEGINNING.startswith(content) or _CUT_SHORT.fullmatch(content)
        if not match and (not cut_short or os.fstat(self._descriptor).st_nlink > 1):
            raise foreign(self._folder / LOCK)
        identity = match[0] if match else f"selfcorrect run {secrets.token_hex(16)}\n".encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, identity + self._holder)
        os.truncate(self._descriptor, len(identity + self._holder))

    def still_held(self) -> None:
        """InUseError where another process has claimed the folder since."""
        descriptor = open_own(self._folder / LOCK, make=False)
        try:
            _, _, holder = content_of(descriptor).partition(b"\n")
        finally:
            os.close(descriptor)
        if holder != self._holder:
            other = holder.decode(errors="replace").partition(" (")[0]
            raise InUseError(f"the run folder {self._folder} was taken over by {other}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder back; more than once does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
