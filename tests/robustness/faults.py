"""Fail or kill at the n-th file operation.

The file is below a folder.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CALLS = ("write", "fsync", "replace", "rename", "mkdir", "rmdir", "remove", "unlink", "open")
DIED = 70
"""Exit code of a process that a fault ended."""


class Faults:
    """Counts file operations and acts at one.

    They are below a folder; where `stays`, it acts at all that follow.
    """

    def __init__(self, folder: Path, at: int, act: Callable[[], object], *, stays: bool = False) -> None:
        self._below = os.path.realpath(folder)
        self._at = at
        self._act = act
        self._stays = stays
        self.count = 0

    def acting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call of `os`; writes act halfway through."""

        def call(*arguments: Any, **options: Any) -> Any:
            reads = real is _REAL["open"] and not arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if reads or not self._concerns(arguments[0]):
                return real(*arguments, **options)
            self.count += 1
            if self.count == self._at or (self._stays and self.count > self._at > 0):
                if real is _REAL["write"]:
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                self._act()
            return real(*arguments, **options)

        return call

    def _concerns(self, place: Any) -> bool:
        path = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else os.path.abspath(os.fsdecode(place))
        return path.startswith(self._below + os.sep)


_REAL = {name: getattr(os, name) for name in _CALLS}


@contextmanager
def faults(folder: Path, at: int, act: Callable[[], object], *, stays: bool = False) -> Iterator[Faults]:
    """Let the n-th call of `os` below a folder act.

    0 is for never.
    """
    injected = Faults(folder, at, act, stays=stays)
    before = {name: getattr(os, name) for name in _CALLS}
    try:
        for name in _CALLS:
            setattr(os, name, injected.acting(before[name] if name == "fsync" else _REAL[name]))
        yield injected
    finally:
        for name, call in before.items():
            setattr(os, name, call)


def attempt(work: Callable[[], Any], *errors: type[Exception]) -> tuple[Any, str]:
    """Return a result and "", or None and why.

    The reason is what an error of these kinds says.
    """
    try:
        return work(), ""
    except errors as error:
        return None, str(error)


def full_disk() -> None:
    """What a call on a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def die() -> None:
    """End this process at once, as `kill -9` does.

    Nothing is tidied, and locks are gone.
    """
    os._exit(DIED)


def in_a_fork(work: Callable[[], object], message_file: Path) -> int:
    """Return the exit code of a fork that works.

    What it says there, and of errors, is in a file.
    """
    process = os.fork()
    if process == 0:
        code = 1
        try:
            descriptor = os.open(message_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w", errors="backslashreplace")  # noqa: SIM115 - those of the process
            work()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
