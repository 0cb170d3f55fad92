"""Supervision of other code in this process.

Such code cannot end the program unnoticed. But it runs with all rights of this process, so supervision protects from
accidents, not from malice.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from ..core.checks import describe_value
from ..core.errors import InputError, SelfcorrectError
from .bugs import describe_with_location, find_user_line, is_machine_failure

_Answer = TypeVar("_Answer")

_place_listeners: list[Callable[[str], None]] = []


class EndedError(InputError):
    """A call ended its process or took too long, and is not repeated."""


@contextmanager
def forbid_exit(who: str = "it") -> Iterator[None]:
    """Turn `sys.exit` and unusual exceptions into InputError about `who`.

    Ctrl-C remains Ctrl-C, but a KeyboardInterrupt raised by the code does not.
    """
    with _watch_interrupts() as was_interrupted:
        try:
            yield
        except Exception:
            raise
        except SystemExit as error:
            place = _describe_place(error)
            raise InputError(f"{who} tried to end the program (exit code {error.code}){place}") from error
        except BaseException as error:  # which nobody else would catch
            if isinstance(error, KeyboardInterrupt) and was_interrupted():
                raise
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise InputError(f"{who} raised {words}{_describe_place(error)}") from error


def _describe_place(error: BaseException) -> str:
    line = find_user_line(error)
    return f" in {line}" if line else ""


@contextmanager
def _watch_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C may have been pressed."""
    is_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not is_main_thread or not callable(handler):  # no interrupt arrives here, unless native code handles it
        yield lambda: is_main_thread and handler is None
        return
    interrupts: list[int] = []

    def note(number: int, frame: FrameType | None) -> object:
        interrupts.append(number)
        return handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(interrupts) or signal.getsignal(signal.SIGINT) is not note
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def fence(who: str) -> Iterator[None]:
    """Turn errors of other code into InputError.

    The message begins with `who`, such as "format 'x' of y 1.0". Errors that are already sentences for the caller are
    unchanged, and so are Ctrl-C and failures of disk or machine.
    """
    try:
        with forbid_exit(who):
            yield
    except Exception as error:
        if isinstance(error, SelfcorrectError) or is_machine_failure(error):
            raise
        raise InputError(f"{who}: {describe_with_location(error)}") from error


def call_fenced(who: str, expected: type[_Answer], function: Callable[..., Any], *arguments: Any) -> _Answer:
    """Call other code in a `fence`, and check the type of its answer."""
    with fence(who):
        answer = function(*arguments)
        if not isinstance(answer, expected):
            raise TypeError(f"returned {describe_value(answer)}, expected {expected.__name__}")
        return answer


def report_place(place: str) -> None:
    """Tell listeners what is being worked on, such as "motion 17"."""
    for listener in _place_listeners:
        listener(place)


def listen_to_places(listener: Callable[[str], None]) -> None:
    """Call `listener` with each place from `report_place`."""
    _place_listeners.append(listener)
