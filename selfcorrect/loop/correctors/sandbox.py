"""User code in a separate process, where it can neither end, block nor change this one.

The process is started afresh as a session leader, so that killing its group ends all its descendants. It ends when this
process ends. Arguments and answers travel as pickles between two processes of the same user: this protects from
accidents, not from malice. Process pools such as pebble's and loky's end a process but not its children, and limit the
time of a whole call rather than of a sample.
"""

import contextlib
import math
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any, TypeAlias

from ...core.errors import CorrectorError, InputError, SelfcorrectError, SettingError
from ...runtime import global_generators
from ...runtime.bugs import describe_error, describe_with_location, internal_error_traceback
from ...runtime.stopwatch import add_processor_time
from ...runtime.supervision import EndedError, forbid_exit, listen_to_places

_IMPORT = "from selfcorrect.loop.correctors.sandbox import _serve"
_PROGRAM = f"import sys; sys.path[:] = sys.argv[2:]; {_IMPORT}; _serve(int(sys.argv[1]))"
_POLL_S = 0.2
"""Interval between checks of the process, in s."""

WARN_AFTER_S = 60.0
"""Time after which a message names the corrector that is still working, in s."""

HAS_PROCESS_GROUPS = hasattr(os, "killpg")
"""True if this system can kill a process with all its descendants, so everywhere but on Windows."""

Memory: TypeAlias = dict[str, Any]
"""Values that functions called in a sandbox keep there for later calls."""


class SubprocessSandbox:
    """A separate process in which functions are called."""

    def __init__(self, name: str, limit_s: float | None = None) -> None:
        """Start the process, see `make_sandbox`."""
        self.name = name
        self.limit_s = limit_s
        self._connection, remote_end = Pipe()
        with remote_end:
            number = remote_end.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-c", _PROGRAM, str(number), *sys.path],
                stdin=subprocess.DEVNULL,
                pass_fds=[number],
                start_new_session=True,
            )
        self.close = weakref.finalize(self, _kill, self._process, self._connection, os.getpid())
        """End the process now. Otherwise it ends when nothing refers to this object any more."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the separate process.

        Returns `function(memory, *arguments)`, called with this process's global random state.

        Raises:
            SelfcorrectError: The function raised one. It arrives unchanged.
            CorrectorError: The function raised any other exception.
            EndedError: The function ended the process, was killed, or took too long.
        """
        message = pickle.dumps((function, arguments, global_generators.get_state()))
        try:
            self._connection.send_bytes(message)
            answer = self._wait_for_answer()
        except (EOFError, OSError, pickle.UnpicklingError):  # it is ending, or wrote to the connection itself
            raise self._end() from None
        return _open_answer(*answer)

    def _wait_for_answer(self) -> tuple[str, Any]:
        """Return kind and content of the answer.

        Raises:
            EOFError: The process has ended.
        """
        sample_text = ""
        started_s = math.inf
        warn_after_s = WARN_AFTER_S
        while True:
            if self._connection.poll(_POLL_S):
                kind, content = pickle.loads(self._connection.recv_bytes())
                if kind == "spent":
                    add_processor_time(content)
                    continue
                if kind != "place":
                    return kind, content
                sample_text = f" on {content}" if content else ""
                started_s = time.monotonic()
                warn_after_s = WARN_AFTER_S
            elif self._process.poll() is not None:  # copies of the process may hold the connection open
                raise EOFError
            seconds = time.monotonic() - started_s
            if self.limit_s is not None and seconds > self.limit_s:
                self.close()
                raise EndedError(f"{self.name} took longer than {self.limit_s:g} s{sample_text}; its process was ended")
            if seconds > warn_after_s:
                warn_after_s = math.inf
                print(
                    f"selfcorrect: corrector {self.name!r} has been working{sample_text} for {seconds:.0f} s; "
                    "--corrector-timeout ends such calls, Ctrl-C the run",
                    file=sys.stderr,
                )

    def _end(self) -> EndedError:
        """End the process and return how it ended.

        Everything that it started ends as well.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)  # a process that closes its end is about to end, or lost the connection
        code = self._process.returncode
        self.close()
        if code is None:
            return EndedError("it closed the connection of its process, which was ended")
        if code >= 0:
            return EndedError(f"it ended its process (exit code {code})")
        hint = ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
        return EndedError(f"its process was killed by {signal.Signals(-code).name}{hint}")


class InProcessSandbox:
    """This process, which crashes of the code would end.

    Arguments and answers are copied, as with a separate process.
    """

    def __init__(self) -> None:
        self._memory: Memory = {}

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        random_state = global_generators.get_state()
        message = pickle.dumps((function, arguments, random_state))
        try:
            return _open_answer(*pickle.loads(_answer(self._memory, message)))
        finally:
            global_generators.set_state(random_state)

    def close(self) -> None:
        """Do nothing, because there is no process to end."""


Sandbox: TypeAlias = SubprocessSandbox | InProcessSandbox
"""Where importable functions are called, one at a time."""


def make_sandbox(name: str, limit_s: float | None = None, *, in_process: bool = False) -> Sandbox:
    """Return a separate process, or this one.

    This one is used if requested, or if the system has no process groups.

    Args:
        limit_s: Time limit of a call, or between two places reported with `supervision.report_place`, in s.
        in_process: Whether to call the code in this process.

    Raises:
        SettingError: A time limit needs a separate process, and there is none.
    """
    if HAS_PROCESS_GROUPS and not in_process:
        return SubprocessSandbox(name, limit_s)
    if limit_s is not None:
        raise SettingError(f"a time limit for {name} needs a separate process, which is not available here")
    return InProcessSandbox()


def _kill(process: subprocess.Popen[bytes], connection: Any, owner: int) -> None:
    if os.getpid() != owner:  # a copy of this process
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # its number stays in use while a process of the group lives
    process.wait()
    connection.close()


def _open_answer(kind: str, content: Any) -> Any:
    """Return an answer's value, or raise its error."""
    if kind == "error":
        raise content
    return content


# --- in the separate process -----------------------------------------------------------------------------------------


def _serve(number: int) -> None:
    """Answer calls until the connection is closed."""
    os.set_inheritable(number, False)
    connection = Connection(number)
    memory: Memory = {}
    process = os.getpid()
    threading.Thread(target=_end_with_peer, args=(number,), daemon=True).start()
    listen_to_places(lambda content: connection.send_bytes(pickle.dumps(("place", content))))
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            message = connection.recv_bytes()
            started_s = time.process_time()
            answer = _answer(memory, message, connection.send_bytes)
            if os.getpid() != process:  # the code forked, and its copy returned here
                os._exit(1)
            connection.send_bytes(pickle.dumps(("spent", time.process_time() - started_s)))
            connection.send_bytes(answer)
    os.killpg(0, signal.SIGKILL)  # ends its children, too; the thread may be too late


def _answer(memory: Memory, message: bytes, report: Callable[[bytes], object] | None = None) -> bytes:
    """Return the answer to a message.

    In a separate process, `report` is called when the call begins.
    """
    try:
        function, arguments, random_state = pickle.loads(message)  # imports what it needs, which is not timed
        global_generators.set_state(random_state)
        if report is not None:
            report(pickle.dumps(("place", "")))
        with forbid_exit():
            value = function(memory, *arguments)
        try:
            return pickle.dumps(("answer", value))
        except Exception as error:
            raise InputError(f"its return value cannot be pickled: {describe_error(error)}") from error
    except Exception as error:
        sendable: Exception = error
        if internal_error_traceback(error):  # stays internal
            sendable = RuntimeError(f"in the process of a corrector: {describe_error(error)}")
        elif not (isinstance(error, SelfcorrectError) and type(error).__module__.startswith("selfcorrect.")):
            sendable = CorrectorError(describe_with_location(error))
        sendable.add_note(traceback.format_exc())
        return pickle.dumps(("error", sendable))


def _end_with_peer(number: int) -> None:
    """End this process when the other end of the connection is closed."""
    watch = select.poll()
    watch.register(number, 0)  # only that the opposite end is gone
    watch.poll()
    os.killpg(0, signal.SIGKILL)
