"""Code of others, called so that it can neither end the program unnoticed nor keep it waiting unnoticed.

It runs in this process with all of its rights: this guards against accidents, not against malice.
"""

import functools
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from ..core.errors import InputError

PATIENCE_S = 60.0
"""After so long in one call, a message names what takes so long."""

Function = TypeVar("Function", bound=Callable[..., Any])

_SYSTEM: Any = importlib.import_module(os.name)
"""`posix` or `nt`: where `os` has its functions from."""

_places: list[str] = []


_watchers: list[Callable[[str], None]] = []


class EndedError(InputError):
    """A call ended its process, or was ended. The same call is not tried again."""


class TooSlowError(EndedError):
    """A call took longer than it may."""


@contextmanager
def nothing_ends_here(name: str = "code of others") -> Iterator[None]:
    """Turns what would end the program, `sys.exit`, `os._exit` and exceptions of no usual kind, into an InputError.

    Ctrl-C stays Ctrl-C; a KeyboardInterrupt that the code raises itself does not. A forked copy of this process that
    comes back from the code ends here, and messages call the code `name`.
    """
    process = os.getpid()
    try:
        with _exit_refused(process), _ctrl_c_noted() as is_ctrl_c:
            try:
                yield
            except SystemExit as error:
                raise InputError(f"it tried to end the program (exit code {error.code})") from error
            except KeyboardInterrupt as error:
                if is_ctrl_c():
                    raise
                raise InputError("it raised KeyboardInterrupt") from error
            except Exception:
                raise
            except BaseException as error:  # which nobody else would catch
                raise InputError(f"it raised {type(error).__name__}: {error}") from error
    finally:
        if os.getpid() != process:
            print(f"selfcorrect: {name} forked this process; the copy that came back is ended", file=sys.stderr)
            sys.stderr.flush()
            end_this_process()


def end_this_process() -> None:
    """End this process at once. `os._exit` would not do: it is taken away while code of others runs."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows both end a process at once


@contextmanager
def _exit_refused(process: int) -> Iterator[None]:
    real = os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:  # another process, which may end as it likes
            real(status)
        raise SystemExit(status)

    os._exit = _SYSTEM._exit = refuse
    try:
        yield
    finally:
        os._exit = _SYSTEM._exit = real


@contextmanager
def _ctrl_c_noted() -> Iterator[Callable[[], bool]]:
    """Detects whether a KeyboardInterrupt is the user's, as far as possible: signals reach the main thread alone."""
    before = signal.getsignal(signal.SIGINT)
    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or before is not signal.default_int_handler:
        yield lambda: not elsewhere and callable(before)  # another handler of Ctrl-C may have raised it
        return
    pressed: list[int] = []

    def note(*_: object) -> NoReturn:
        pressed.append(1)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def working_on(place: str) -> Iterator[None]:
    """Names what is worked on, for messages about calls that take long."""
    _places.append(place)
    for watch in _watchers:
        watch(place)
    try:
        yield
    finally:
        _places.pop()


def watch_places(watch: Callable[[str], None]) -> None:
    """Have `watch` called with each place of `working_on`, from now on."""
    _watchers.append(watch)


def supervised(function: Function, name: str, limit_s: float | None = None) -> Function:
    """The function, watched: a call of more than `PATIENCE_S` is reported, one of more than `limit_s` ended.

    Ending works between two steps of Python code, in the main thread; a call that stays in compiled code goes on.
    Raises TooSlowError.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with _told_of(name), _ended_after(limit_s, name):
            return function(*arguments, **options)

    return call  # type: ignore[return-value]


def tell_of(name: str, place: str, taken_s: float) -> None:
    """Say on stderr that a corrector has been working on a place for some seconds."""
    since = time.strftime("%H:%M:%S", time.localtime(time.time() - taken_s))
    where = f" on {place}" if place else ""
    print(
        f"selfcorrect: corrector {name!r} has been working{where} since {since}; "
        "--corrector-timeout ends such calls, Ctrl-C the run",
        file=sys.stderr,
    )


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    def tell() -> None:
        tell_of(name, _places[-1] if _places else "", PATIENCE_S)

    timer = threading.Timer(PATIENCE_S, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _ended_after(limit_s: float | None, name: str) -> Iterator[None]:
    if limit_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    complaint = f"{name} took longer than {limit_s:g} s"
    with _alarm(limit_s, complaint) if hasattr(signal, "setitimer") else _raised_here(limit_s, complaint):
        yield


_AGAIN_S = 1.0
"""A call that catches the exception gets another one after so long."""


@contextmanager
def _alarm(limit_s: float, complaint: str) -> Iterator[None]:
    """TooSlowError in this block after some time, also while it waits."""

    def end(*_: object) -> NoReturn:
        raise TooSlowError(complaint)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _raised_here(limit_s: float, complaint: str) -> Iterator[None]:
    """The same on systems without such signals, Windows: between two steps of Python code."""
    import ctypes

    class Late(TooSlowError):
        """What is raised: a class, of which Python makes the exception; another process gets a TooSlowError."""

        def __init__(self) -> None:
            super().__init__(complaint)

        def __reduce__(self) -> tuple[Any, ...]:
            return TooSlowError, (complaint,)

    thread, over, lock = threading.get_ident(), threading.Event(), threading.Lock()

    def throw(kind: type[Exception] | None) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), kind and ctypes.py_object(kind))

    def watch() -> None:
        wait_s = limit_s
        while not over.wait(wait_s):
            with lock:
                if not over.is_set():
                    throw(Late)
            wait_s = _AGAIN_S

    threading.Thread(target=watch, daemon=True).start()
    try:
        try:
            yield
        finally:
            with lock:
                over.set()
                throw(None)  # one that has not arrived yet
    except Late:
        over.set()
        raise
