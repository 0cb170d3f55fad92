"""A separate process for users' code, which can then neither end this one, nor hang it, nor change it.

The process is started afresh and leads a session, so that it can be ended with all that it has started. It
ends when this one does. Arguments and answers travel as pickles between two processes of one user: this guards against
accidents, not against malice. Pools such as pebble's and loky's end one process, not what it has started, and time a
whole call rather than one sample.
"""

from __future__ import annotations

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
from typing import Any

from ..core.errors import CorrectorError, InputError, SelfcorrectError
from ..runtime import global_generators, supervision
from ..runtime.bugs import bug_behind, describe, describe_with_place
from ..runtime.supervision import EndedError, TooSlowError, nothing_ends_here, supervised, tell_of

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from selfcorrect.correctors.own_process import _serve; _serve(int(sys.argv[1]))"
)
_LOOK_S = 0.2
"""How often it is asked whether the process is still there."""

_LOWEST_NUMBER = 200
"""Of the connection's file, out of the way of code that writes to low numbers or hands all its files on."""

OWN_IS_POSSIBLE = hasattr(os, "killpg")
"""Whether a process can be ended here with all that it has started; on Windows it cannot."""

Kept = dict[str, Any]
"""What the functions that are called in a process keep there for each other."""


def own_process(name: str, limit_s: float | None = None) -> OwnProcess:
    """A separate process for what messages call `name`, or this process where the system cannot end others.

    limit_s: how long one call, or the work on one place that `supervision.working_on` names, may take.
    """
    return OwnProcess(name, limit_s) if OWN_IS_POSSIBLE else ThisProcess(name, limit_s)


class OwnProcess:
    """A process in which importable functions are called, one at a time, on behalf of what messages call `name`.

    limit_s: how long one call, or the work on one place that `supervision.working_on` names, may take.
    """

    def __init__(self, name: str, limit_s: float | None = None) -> None:
        self.name, self.limit_s = name, limit_s
        self._connection, there = Pipe()
        with there:
            command = [sys.executable, "-u", "-c", _PROGRAM, str(there.fileno()), *sys.path]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[there.fileno()], start_new_session=True
            )
        self.close = weakref.finalize(self, _end, self._process, self._connection, os.getpid())
        """End the process now; it also ends when nobody holds this object any more."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(kept, *arguments)` returns there; it starts with this process's global random state.

        kept: a dictionary that stays there between calls. Raises what the function raises where that is an error of
        this package, CorrectorError for any other exception; TooSlowError and EndedError where the process is gone.
        """
        message = pickle.dumps((function, arguments, global_generators.state()))
        try:
            self._connection.send_bytes(message)
        except OSError:
            raise self._ended() from None
        return self._answer()

    def _answer(self) -> Any:
        place, since, told = "", None, False
        while True:
            if self._connection.poll(_LOOK_S):
                kind, *content = self._received()
                if kind == "answer":
                    return content[0]
                if kind == "error":
                    raise _with_traceback(*content)
                place, since, told = content[0], time.monotonic(), False
            elif self._is_gone():
                raise self._ended()
            taken_s = 0.0 if since is None else time.monotonic() - since
            if self.limit_s is not None and taken_s > self.limit_s:
                self.close()
                where = f" on {place}" if place else ""
                raise TooSlowError(f"{self.name} took longer than {self.limit_s:g} s{where}; its process was ended")
            if taken_s > supervision.PATIENCE_S and not told:
                tell_of(self.name, place, taken_s)
                told = True

    def _received(self) -> tuple[Any, ...]:
        try:
            return pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError, pickle.UnpicklingError):  # it is ending, or wrote there what it should not
            raise self._ended() from None

    def _is_gone(self) -> bool:
        """Whether the process has ended, as far as is visible without reaping it: its number stays taken."""
        return self._process.returncode is not None or bool(
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        )

    def _ended(self) -> EndedError:
        deadline = time.monotonic() + 1  # a process that closes its end is about to go, or has lost it for good
        while not self._is_gone() and time.monotonic() < deadline:
            time.sleep(0.01)
        lost = not self._is_gone()
        self.close()
        if lost:
            return EndedError("it closed the connection of its process, which was ended")
        code = self._process.returncode
        if code >= 0:
            return EndedError(f"it ended its process (exit code {code})")
        hint = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        return EndedError(f"its process was killed by {signal.Signals(-code).name}{hint}")


class ThisProcess(OwnProcess):
    """The same calls in this process, which a crash of the code ends; what exits as Python sees it is an error."""

    def __init__(self, name: str, limit_s: float | None = None) -> None:
        self.name, self.limit_s, self._kept = name, limit_s, Kept()
        self.close = lambda: None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """As `OwnProcess.call`: arguments and answers are copies, and global random states stay as they are."""
        before = global_generators.state()
        message = pickle.dumps((function, arguments, before))
        try:
            kind, *content = pickle.loads(supervised(_outcome, self.name, self.limit_s)(self._kept, message))
        finally:
            global_generators.set_state(before)
        if kind == "error":
            raise _with_traceback(*content)
        return content[0]


def _end(process: subprocess.Popen[bytes], connection: Any, owner: int) -> None:
    if os.getpid() != owner:  # a copy of this process
        return
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    connection.close()


def _with_traceback(error: Exception, trace: str) -> Exception:
    error.add_note(trace)
    return error


# --- in the other process --------------------------------------------------------------------------------------------


def _serve(number: int) -> None:
    """Call what is asked for, until the other end is closed."""
    import fcntl

    low, number = number, fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _LOWEST_NUMBER)
    os.close(low)
    connection, kept = Connection(number), Kept()
    threading.Thread(target=_end_with_the_other, args=(number,), daemon=True).start()
    supervision.watch_places(lambda place: connection.send_bytes(pickle.dumps(("at", place))))
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            connection.send_bytes(_outcome(kept, connection.recv_bytes(), connection.send_bytes))
    os.killpg(0, signal.SIGKILL)  # with all that it has started; the thread that would do it may come too late


def _outcome(kept: Kept, message: bytes, tell: Callable[[bytes], object] = len) -> bytes:
    """The answer to a message; `tell` is called when the call itself begins."""
    try:
        function, arguments, random_state = pickle.loads(message)  # imports what it needs, which is not timed
        global_generators.set_state(random_state)
        tell(pickle.dumps(("at", "")))
        with nothing_ends_here():
            answer = function(kept, *arguments)
        return _pickled(answer)
    except Exception as error:
        return pickle.dumps(("error", _sendable(error), "".join(traceback.format_exception(error))))


def _pickled(answer: Any) -> bytes:
    try:
        return pickle.dumps(("answer", answer))
    except Exception as error:
        raise InputError(f"it returned what no other process can be sent: {describe(error)}") from error


def _sendable(error: Exception) -> Exception:
    """An error in a form that the other process can raise again; what is a bug here is one there."""
    if bug_behind(error):
        return RuntimeError(f"in the process of a corrector: {describe(error)}")
    if isinstance(error, SelfcorrectError) and type(error).__module__.startswith("selfcorrect."):
        return error
    return CorrectorError(describe_with_place(error))


def _end_with_the_other(number: int) -> None:
    """End this process and all that it has started as soon as the other end is closed, whatever runs here."""
    watch = select.poll()
    watch.register(number, 0)  # only that the other end is gone
    watch.poll()
    os.killpg(0, signal.SIGKILL)
