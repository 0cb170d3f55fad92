"""Readers in native code, run in a child process: a reader that crashes, hangs or fills the memory spoils no other
file.

The child is started when it is first needed and reads many files, because starting a process takes as long as reading
a file. It answers requests in JSON with JSON and numbers, so that nothing that it sends is ever executed.

A child is borrowed for a file and given back only when all its answers have arrived. So there is no lock, and an
exception at any moment leaves no child behind that still has an answer to give.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import check_unpacked, open_file
from selfcorrect.storage.files.strict_json import parse_json

_MEMORY_BYTES = 2**31
_MEMORY_PER_BYTE = 20
"""Memory that a child may take: so much, and so much for each byte of the file."""

_CAN_WAIT = hasattr(select, "poll")
"""True if the system can wait for a pipe for a limited time."""
_CLOSING_S = 10.0
_HEAD = struct.Struct("<QQQ")
"""Start of an answer: number of the request, bytes of JSON, and 64-bit floats that follow."""


class _EndedError(Exception):
    """The child ended before it answered."""


class _LateError(_EndedError):
    """The child was stopped because it took too long."""


class _Child:
    """A child process, which answers requests in order."""

    def __init__(self, script: Path, name: str) -> None:
        self._name = name
        self._number = 0
        self._deadline_s = 0.0
        self.is_answering = False
        """True from the start of a request to the end of its answer."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-S", str(script)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        _RUNNING.add(self)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(
        self, request: dict[str, Any], time_limit_s: float, where: Path, stored: int
    ) -> tuple[dict[str, Any], np.ndarray]:
        """Return the child's answer, JSON and numbers, about a file of `stored` bytes.

        Raises:
            _EndedError: The child ends before it answers, or answers another request.
            InputError: The answer would take more memory than the limit.
        """
        self._number += 1
        self.is_answering = True
        self._deadline_s = time.monotonic() + time_limit_s
        try:
            with self._kill_if_late(time_limit_s):
                self._send(json.dumps(request | {"number": self._number}).encode() + b"\n")
                number, text_size, count = _HEAD.unpack(self._receive(_HEAD.size))
                if number != self._number:
                    raise _EndedError(f"the {self._name} reader answered another request")
                check_unpacked(where, text_size + 8 * count, stored=stored)
                answer = parse_json(bytes(self._receive(text_size)), where)
                values = np.frombuffer(self._receive(8 * count), dtype=float)
        except (OSError, EOFError) as error:
            self.end()
            if time.monotonic() >= self._deadline_s:
                raise _LateError from error
            raise _EndedError(self._explain_crash()) from error
        self.is_answering = False
        return answer, values

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self.disconnect()
        self._process.wait()

    def disconnect(self) -> None:
        """Close the pipes, upon which the process ends."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _send(self, content: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None, "it is a pipe"
        rest = memoryview(content)
        while rest:
            rest = rest[stream.write(rest) :]

    def _receive(self, size: int) -> bytearray:
        stream: Any = self._process.stdout
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            self._wait(stream)
            received = stream.readinto(rest)
            if not received:
                raise EOFError
            rest = rest[received:]
        return content

    @contextmanager
    def _kill_if_late(self, time_limit_s: float) -> Iterator[None]:
        """Let a thread kill the child after the time limit, on Windows, where nothing waits for a pipe.

        An exception during the start of a thread becomes another exception, so other systems wait: see `_wait`.
        """
        if _CAN_WAIT:
            yield
            return
        timer = threading.Timer(max(time_limit_s, 0.0), self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _wait(self, stream: Any) -> None:
        """Wait until the child goes on with its answer; `_LateError` if it does not in time."""
        if not _CAN_WAIT:
            return
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0 or not poll.poll(1000 * left_s):
            raise _LateError

    def _explain_crash(self) -> str:
        code = self._process.returncode
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the {self._name} reader crashed on this file ({cause})"


_RUNNING: WeakSet[_Child] = WeakSet()
"""Children of this process."""


def _leave_children_to_parent() -> None:
    """Let a copy of this process start children of its own; a pipe that it kept open would keep a child alive."""
    for child in list(_RUNNING):
        child.disconnect()
    _RUNNING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_children_to_parent)


class ChildReader:
    """Child processes that read files of a format, a child for each file that is read at a time.

    Their script reads a line of JSON for each request, whose `number` begins the answer. A request `{"close": true}`
    ends a file. The script has to end when its input does.
    """

    def __init__(self, script: Path, name: str) -> None:
        self.script = script
        self.name = name
        """Name of the format in messages."""
        self._idle: list[_Child] = []

    @contextmanager
    def open(self, path: Path, time_limit_s: float) -> Iterator[ChildFile]:
        """Open a file in a child, which is stopped by any exception but a complaint about the file.

        Args:
            time_limit_s: How long the work on the file may take, here and in the child; see `ChildFile.allow`.

        Returns:
            The file, about which the child can be asked.
        """
        file = ChildFile(self._find_idle() or _Child(self.script, self.name), path, self.name, time_limit_s)
        is_sound = False
        try:
            yield file
            is_sound = True
        except InputError:
            is_sound = True
            raise
        finally:
            if is_sound and file.close() and not self._idle:
                self._idle.append(file.child)
            else:
                file.child.end()

    def stop(self) -> None:
        """End the child that is waiting for a file, if any."""
        while self._idle:
            self._idle.pop().end()

    def _find_idle(self) -> _Child | None:
        """Return a child that waits for a file; None if there is none, as in a copy of the process that fork makes."""
        while True:
            try:
                child = self._idle.pop()
            except IndexError:
                return None
            if child in _RUNNING and child.is_alive:
                return child


class ChildFile:
    """A file that is open in a child process."""

    def __init__(self, child: _Child, path: Path, name: str, time_limit_s: float) -> None:
        with open_file(path) as stream:
            self.size = os.fstat(stream.fileno()).st_size
        self.child = child
        self.path = path
        self._name = name
        self._allowed_s = time_limit_s
        self._start_s = time.monotonic()

    def allow(self, seconds: float) -> None:
        """Raise the limit on the time that the work on the file may take."""
        self._allowed_s += seconds

    def open(self) -> tuple[dict[str, Any], np.ndarray]:
        """Return what the child states about the file: JSON and numbers; errors as in `ask`."""
        memory_bytes = _MEMORY_BYTES + _MEMORY_PER_BYTE * self.size
        return self.ask({"open": str(self.path.resolve()), "memory_bytes": memory_bytes})

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """Ask the child about the file.

        Args:
            request: What the child is asked.

        Returns:
            Its answer, and the numbers (N,) that came with it.

        Raises:
            InputError: The child crashed, took too much memory, or reports that the file is damaged; or the work on
                the file took too long.
        """
        left_s = self._start_s + self._allowed_s - time.monotonic()
        try:
            answer, values = self.child.ask(request, left_s, self.path, self.size)
        except _LateError as error:
            message = f"reading this {self._name} file took over {self._allowed_s:.0f} s and was stopped"
            raise InputError(f"{self.path}: {message}") from error
        except _EndedError as error:
            raise InputError(f"{self.path}: {error}") from error
        if "error" in answer:
            raise InputError(f"{self.path}: not a readable {self._name} file ({answer['error']})")
        return answer, values

    def close(self) -> bool:
        """Let the child close the file; return whether the child can read another file."""
        if self.child.is_answering:
            return False
        try:
            self.child.ask({"close": True}, _CLOSING_S, self.path, self.size)
        except _EndedError:  # the numbers are here already, so a crash does not matter
            return False
        return True
