"""Run users' code in a separate process, so that the code can neither end, nor hang, nor change this process.

The process is started afresh and leads a session, so that a kill takes all descendants along. The process ends when
this process ends. Arguments and answers travel as pickles between two processes of the same user: this guards against
accidents, not against malice. Pools such as pebble's and loky's end a process but not the children, and time a whole
call rather than a sample.
"""

import contextlib
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

from ..core.errors import CorrectorError, InputError, SelfcorrectError, SettingError
from ..runtime import global_generators
from ..runtime.bugs import describe_error, describe_with_place, internal_error_traceback
from ..runtime.supervision import EndedError, forbid_exit, listen_to_places

_IMPORT = "from selfcorrect.correctors.sandbox import _serve"
_PROGRAM = f"import sys; sys.path[:] = sys.argv[2:]; {_IMPORT}; _serve(int(sys.argv[1]))"
_POLL_S = 0.2
"""Interval between checks of the process."""

WARN_AFTER_S = 60.0
"""Time in a call until a message names the corrector."""

HAS_PROCESS_GROUPS = hasattr(os, "killpg")
"""True if this system can kill a process with all descendants; False on Windows."""

Memory: TypeAlias = dict[str, Any]
"""Values that functions called in a sandbox leave there for later calls."""


class SubprocessSandbox:
    """A separate process."""

    def __init__(self, name: str, limit_s: float | None = None) -> None:
        """Start the process; see `make_sandbox`."""
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
        """End the process now; without a call, the process ends when nobody holds this object any more."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return `function(memory, *arguments)`, called with this process's global random state.

        Raises:
            SelfcorrectError: The function raised one, and the error arrives unchanged.
            CorrectorError: The function raised any other exception.
            EndedError: The function ended the process, was killed, or took too long.
        """
        message = pickle.dumps((function, arguments, global_generators.get_state()))
        try:
            self._connection.send_bytes(message)
        except OSError:
            raise self._describe_end() from None
        return self._wait_for_answer()

    def _wait_for_answer(self) -> Any:
        place = ""
        started = None
        has_warned = False
        while True:
            if self._connection.poll(_POLL_S):
                kind, *content = self._receive()
                if kind != "place":
                    return _open_answer(kind, content)
                place = content[0]
                started = time.monotonic()
                has_warned = False
            elif self._has_ended():
                raise self._describe_end()
            seconds = 0.0 if started is None else time.monotonic() - started
            where = f" on {place}" if place else ""
            if self.limit_s is not None and seconds > self.limit_s:
                self.close()
                raise EndedError(f"{self.name} took longer than {self.limit_s:g} s{where}; its process was ended")
            if seconds > WARN_AFTER_S and not has_warned:
                has_warned = True
                print(
                    f"selfcorrect: corrector {self.name!r} has been working{where} for {seconds:.0f} s; "
                    "--corrector-timeout ends such calls, Ctrl-C the run",
                    file=sys.stderr,
                )

    def _receive(self) -> tuple[Any, ...]:
        try:
            return pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError, pickle.UnpicklingError):  # it is ending, or wrote to the connection itself
            raise self._describe_end() from None

    def _has_ended(self) -> bool:
        """Return whether the process has ended, without reaping, so that the process number stays in use."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _describe_end(self) -> EndedError:
        deadline = time.monotonic() + 1  # a process that closes its end is about to end, or lost the connection
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        is_running = not self._has_ended()
        self.close()
        if is_running:
            return EndedError("it closed the connection of its process, which was ended")
        code = self._process.returncode
        if code >= 0:
            return EndedError(f"it ended its process (exit code {code})")
        hint = ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
        return EndedError(f"its process was killed by {signal.Signals(-code).name}{hint}")


class InProcessSandbox:
    """This process, not safe from crashes of the code. Arguments and answers are copies, as in a separate process."""

    def __init__(self) -> None:
        self._memory: Memory = {}

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        random_state = global_generators.get_state()
        message = pickle.dumps((function, arguments, random_state))
        try:
            kind, *content = pickle.loads(_answer(self._memory, message))
        finally:
            global_generators.set_state(random_state)
        return _open_answer(kind, content)

    def close(self) -> None:
        """Do nothing: there is no process to end."""


Sandbox: TypeAlias = SubprocessSandbox | InProcessSandbox
"""A place where importable functions are called, one at a time."""


def make_sandbox(name: str, limit_s: float | None = None, *, in_process: bool = False) -> Sandbox:
    """Return a separate process, or this process if asked for or if the system cannot kill process groups.

    Args:
        limit_s: Time limit of one call, or of one place that `supervision.report_place` reports.
        in_process: Whether to call the code in this process.

    Raises:
        SettingError: A time limit is asked for without a separate process.
    """
    if HAS_PROCESS_GROUPS and not in_process:
        return SubprocessSandbox(name, limit_s)
    if limit_s is not None:
        raise SettingError(f"a time limit for {name} needs a separate process, which is not available here")
    return InProcessSandbox()


def _kill(process: subprocess.Popen[bytes], connection: Any, owner: int) -> None:
    if os.getpid() != owner:  # a copy of this process
        return
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    connection.close()


def _open_answer(kind: str, content: list[Any]) -> Any:
    """Return the value of an answer, or raise the answer's error with the traceback as a note."""
    if kind == "answer":
        return content[0]
    error, trace = content
    error.add_note(trace)
    raise error


# --- in the separate process -----------------------------------------------------------------------------------------


def _serve(number: int) -> None:
    """Answer calls until the other end of the connection is closed."""
    os.set_inheritable(number, False)
    connection = Connection(number)
    memory: Memory = {}
    process = os.getpid()
    threading.Thread(target=_end_with_the_other, args=(number,), daemon=True).start()
    listen_to_places(lambda place: connection.send_bytes(pickle.dumps(("place", place))))
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            answer = _answer(memory, connection.recv_bytes(), connection.send_bytes)
            if os.getpid() != process:  # a copy of this process that came back from the code
                os._exit(1)
            connection.send_bytes(answer)
    os.killpg(0, signal.SIGKILL)  # with everything that it started; the thread may come too late


def _answer(memory: Memory, message: bytes, report: Callable[[bytes], object] | None = None) -> bytes:
    """Return the answer to a message; a separate process calls `report` when the call begins."""
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
            raise InputError(f"it returned what no other process can be sent: {describe_error(error)}") from error
    except KeyboardInterrupt:
        if report is None:  # Ctrl-C in this process
            raise
        return pickle.dumps(("error", InputError("it raised KeyboardInterrupt"), traceback.format_exc()))
    except Exception as error:
        return pickle.dumps(("error", _to_sendable(error), traceback.format_exc()))


def _to_sendable(error: Exception) -> Exception:
    """Return an error that the other process can raise again; an internal error stays internal."""
    if internal_error_traceback(error):
        return RuntimeError(f"in the process of a corrector: {describe_error(error)}")
    if isinstance(error, SelfcorrectError) and type(error).__module__.startswith("selfcorrect."):
        return error
    return CorrectorError(describe_with_place(error))


def _end_with_the_other(number: int) -> None:
    """End this process and all descendants when the other end is closed, whatever runs here."""
    watch = select.poll()
    watch.register(number, 0)  # only that the opposite end is gone
    watch.poll()
    os.killpg(0, signal.SIGKILL)
