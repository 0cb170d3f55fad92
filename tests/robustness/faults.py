"""Make the n-th file operation below a folder fail or kill the process."""

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
    """Count file operations below a folder and call `act` at number `at` or, with `stays`, from there on."""

    def __init__(self, folder: Path, at: int, act: Callable[[], object], *, stays: bool = False) -> None:
        self._below = os.path.realpath(folder)
        self._at = at
        self._act = act
        self._stays = stays
        self.count = 0

    def acting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function of `os`; a write acts after half of its bytes are written."""

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
    """Call `act` at the file operation number `at` below a folder while the context lasts; 0 is never."""
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
    """Return the result of `work` and "", or None and the message of an error of the given types."""
    try:
        return work(), ""
    except errors as error:
        return None, str(error)


def full_disk() -> None:
    """Raise the error of a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def die() -> None:
    """End this process at once, as `kill -9` does: without cleaning up, and releasing its locks."""
    os._exit(DIED)


def in_a_fork(work: Callable[[], object], message_file: Path) -> int:
    """Run `work` in a fork and return its exit code; its output and errors go to `message_file`."""
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
