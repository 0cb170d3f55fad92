"""Readers in native code, run in a child process: one that crashes, hangs or fills the memory ends no other file.

The child is started when it is first needed and reads many files, because starting a process takes as long as reading
a file. It answers requests in JSON with JSON and numbers, so that nothing that it sends is ever executed.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import open_file
from selfcorrect.storage.files.strict_json import parse_json

_MEMORY_BYTES = 2**31
_MEMORY_PER_BYTE = 20
"""Memory that a child may take: so much, and so much for each byte of the file."""


_CLOSING_S = 10.0


class _EndedError(Exception):
    """The child ended before it answered."""


class ChildReader:
    """A child process that reads files of one format.

    Its script reads a line of JSON for each request and answers with a line of JSON, in which `count` is the number of
    64-bit floats that follow. A request `{"close": true}` ends a file.
    """

    def __init__(self, script: Path, name: str) -> None:
        self.script = script
        self.name = name
        """Name of the format in messages."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        atexit.register(self.stop)

    @contextmanager
    def open(self, path: Path, time_limit_s: float) -> Iterator[tuple[ChildFile, dict[str, Any], np.ndarray]]:
        """Open a file in the child.

        Args:
            path: A regular file.
            time_limit_s: How long opening it may take.

        Returns:
            The open file, and what the child states about it: JSON and numbers.

        Raises:
            InputError: The child crashed, took too long or too much memory, or reports that the file is damaged.
        """
        with open_file(path) as stream:
            size = os.fstat(stream.fileno()).st_size
        memory_bytes = _MEMORY_BYTES + _MEMORY_PER_BYTE * size
        request = {"open": str(path.resolve()), "memory_bytes": memory_bytes}
        with self._lock:
            file = ChildFile(self, path)
            facts, values = file.ask(request, time_limit_s)
            try:
                yield file, facts, values
            finally:
                with suppress(_EndedError):  # the numbers are here already, so a crash does not matter
                    self._ask({"close": True}, _CLOSING_S)

    def stop(self) -> None:
        """End the child, if it runs."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _start(self) -> subprocess.Popen[bytes]:
        """Return the running child; a copy of this process, as fork makes it, starts its own child."""
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        self.stop()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(self.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._owner = os.getpid()
        return self._process

    def _ask(self, request: dict[str, Any], time_limit_s: float) -> tuple[dict[str, Any], np.ndarray]:
        """Return the child's answer; `_EndedError` if it ends before."""
        process = self._start()
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        timer = threading.Timer(time_limit_s, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            answer = parse_json(process.stdout.readline(), "its answer")
            content = process.stdout.read(8 * answer["count"])
            if len(content) < 8 * answer["count"]:
                raise EOFError
        except (OSError, EOFError, ValueError) as error:
            is_late = not timer.is_alive()
            raise _EndedError(self._explain_end(time_limit_s if is_late else None)) from error
        finally:
            timer.cancel()
        return answer, np.frombuffer(content, dtype=float)

    def _explain_end(self, time_limit_s: float | None) -> str:
        process = self._process
        self.stop()
        if time_limit_s is not None:
            return f"the {self.name} reader took over {time_limit_s:.0f} s for this file and was stopped"
        code = process.returncode if process is not None and process.returncode is not None else 0
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the {self.name} reader crashed on this file ({cause})"


class ChildFile:
    """A file that is open in a child process."""

    def __init__(self, reader: ChildReader, path: Path) -> None:
        self._reader = reader
        self.path = path

    def ask(self, request: dict[str, Any], time_limit_s: float) -> tuple[dict[str, Any], np.ndarray]:
        """Ask the child about the file.

        Args:
            request: What the child is asked.
            time_limit_s: How long the answer may take.

        Returns:
            Its answer, and the numbers (N,) that came with it.

        Raises:
            InputError: The child crashed, took too long or too much memory, or reports that the file is damaged.
        """
        try:
            answer, values = self._reader._ask(request, time_limit_s)
        except _EndedError as error:
            raise InputError(f"{self.path}: {error}") from error
        if "error" in answer:
            raise InputError(f"{self.path}: not a readable {self._reader.name} file ({answer['error']})")
        return answer, values
