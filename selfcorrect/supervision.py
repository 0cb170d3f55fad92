"""Code of others, called so that it can neither end the program unnoticed nor keep it waiting unnoticed.

It runs in this process with all of its rights: this guards against accidents, not against malice.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from selfcorrect.errors import InputError

PATIENCE_S = 60.0
"""After so long in one call, the caller is told what it is that takes so long."""

Function = TypeVar("Function", bound=Callable[..., Any])

_places: list[str] = []


class TooSlowError(InputError):
    """A call took longer than it may."""


@contextmanager
def nothing_ends_here() -> Iterator[None]:
    """Turns what would end the program, `sys.exit`, `os._exit` and exceptions of no usual kind, into an InputError."""
    process, real = os.getpid(), os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:  # a process of its own, which may end as it likes
            real(status)
        raise SystemExit(status)

    os._exit = refuse
    try:
        yield
    except SystemExit as error:
        raise InputError(f"it tried to end the program (exit code {error.code})") from error
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # which nobody else would catch
        raise InputError(f"it raised {type(error).__name__}: {error}") from error
    finally:
        os._exit = real


@contextmanager
def working_on(place: str) -> Iterator[None]:
    """Names what is worked on, for messages about calls that take long."""
    _places.append(place)
    try:
        yield
    finally:
        _places.pop()


def supervised(function: Function, name: str, limit_s: float | None = None) -> Function:
    """The function, watched: a call of more than `PATIENCE_S` is told of, one of more than `limit_s` ended.

    Ending works between two steps of Python code, in the main thread; a call that stays in compiled code goes on.
    Raises TooSlowError.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with _told_of(name), _ended_after(limit_s, name):
            return function(*arguments, **options)

    return call  # type: ignore[return-value]


@contextmanager
def _told_of(name: str) -> Iterator[None]:
    since = time.strftime("%H:%M:%S")

    def tell() -> None:
        where = f" on {_places[-1]}" if _places else ""
        print(
            f"selfcorrect: corrector {name!r} has been working{where} since {since}; "
            "--corrector-timeout ends such calls, Ctrl-C the run",
            file=sys.stderr,
        )

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

    def end(*_: object) -> NoReturn:
        raise TooSlowError(f"{name} took longer than {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s, 1.0)  # again every second, should the call catch the exception
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
