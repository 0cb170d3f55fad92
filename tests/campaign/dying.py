"""A process that is killed at its N-th operation on files below a folder: what a kill leaves, made on purpose.

Operations are counted by Python's audit events, and writes and syncs of open files by themselves. A file that is opened
for writing counts twice, before it is there and while it is empty; a write counts twice, before it and halfway through.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
VARIABLES = ("DIES_BELOW", "DIES_AT", "DIES_AFTER")
"""Of the environment, for `in_workers`: the folder, the number, and the file that counts."""


def in_workers() -> None:
    """Have this process die as the environment says."""
    below, at, count = (os.environ[name] for name in VARIABLES)
    die_at(int(at), Path(below), Path(count))


def die_at(number: int, below: Path, count: Path) -> None:
    """Have this process, for good, kill itself at that operation below a folder; their number is told to a file.

    0 stands for never.
    """
    deaths = _Deaths(number, os.path.realpath(below), count)
    sys.addaudithook(deaths.noticed)
    os.write, os.fsync = deaths.writing(os.write), deaths.syncing(os.fsync)  # type: ignore[assignment]


class _Deaths:
    def __init__(self, number: int, below: str, count: Path) -> None:
        self._number, self._below, self._done, self._quiet = number, below, 0, False
        self._log = os.open(count, os.O_WRONLY | os.O_CREAT)

    def noticed(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._quiet:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = flags & _WRITES if isinstance(flags, int) else set(mode or "") & set("wax+")
            if writes and self._concerns(path):
                self._another(lambda: None)
                self._another(lambda: os.close(os.open(path, flags & ~os.O_CLOEXEC, 0o666)))
        elif event in _CHANGES and self._concerns(arguments[0]):
            self._another(lambda: None)

    def writing(self, real: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, content: bytes) -> int:
            if self._holds(descriptor):
                self._another(lambda: None)
                self._another(lambda: real(descriptor, bytes(content)[: len(content) // 2]))
            return real(descriptor, content)

        return write

    def syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            if self._holds(descriptor):
                self._another(lambda: None)
            real(descriptor)

        return sync

    def _another(self, halfway: Callable[[], object]) -> None:
        self._done += 1
        if self._done == self._number:
            self._quiet = True
            halfway()
            os.kill(os.getpid(), signal.SIGKILL)
        self._quiet = True
        os.pwrite(self._log, b"%8d\n" % self._done, 0)
        self._quiet = False

    def _concerns(self, path: Any) -> bool:
        """Whether a path is below the folder; a name in an open folder, which `shutil.rmtree` gives, always counts."""
        if isinstance(path, int):
            return self._holds(path)
        name = os.fsdecode(path)
        return not os.path.isabs(name) or name.startswith(self._below + os.sep)

    def _holds(self, descriptor: int) -> bool:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith(self._below + os.sep)
