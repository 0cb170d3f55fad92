"""Call foreign code so that the code cannot end the program unnoticed.

The code runs in this process with all of its rights: this guards against accidents, not against malice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..core.checks import describe_value
from ..core.errors import InputError, SelfcorrectError
from .bugs import describe_with_place, find_line_of_other_code, is_machine_failure

_Answer = TypeVar("_Answer")

_place_listeners: list[Callable[[str], None]] = []


class EndedError(InputError):
    """A call ended its process, or was ended, as it took too long. The same call is not tried again."""


@contextmanager
def forbid_exit(who: str = "it") -> Iterator[None]:
    """Turn `sys.exit` and exceptions of unusual kinds into an InputError about `who`; Ctrl-C stays Ctrl-C."""
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except SystemExit as error:
        line = find_line_of_other_code(error)
        place = f" in {line}" if line else ""
        raise InputError(f"{who} tried to end the program (exit code {error.code}){place}") from error
    except BaseException as error:  # which nobody else would catch
        raise InputError(f"{who} raised {type(error).__name__}: {error}") from error


@contextmanager
def fence(who: str) -> Iterator[None]:
    """Turn whatever code of others raises into an InputError about `who`, such as "format 'x' of y 1.0".

    Errors that are sentences for the caller stay, and so do Ctrl-C and failures of the disk or the machine.
    """
    try:
        with forbid_exit(who):
            yield
    except Exception as error:
        if isinstance(error, SelfcorrectError) or is_machine_failure(error):
            raise
        raise InputError(f"{who}: {describe_with_place(error)}") from error


def call_fenced(who: str, expected: type[_Answer], function: Callable[..., Any], *arguments: Any) -> _Answer:
    """Return the answer of code of others, which must have the expected type; see `fence`."""
    with fence(who):
        answer = function(*arguments)
        if not isinstance(answer, expected):
            raise TypeError(f"returned {describe_value(answer)}, expected {expected.__name__}")
        return answer


def report_place(place: str) -> None:
    """Tell the listeners what is worked on now, such as "motion 17"."""
    for listener in _place_listeners:
        listener(place)


def listen_to_places(listener: Callable[[str], None]) -> None:
    """Have `listener` called with each place of `report_place`, from now on."""
    _place_listeners.append(listener)
