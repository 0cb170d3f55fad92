"""Call code of others so that it cannot end the program unnoticed.

The code runs in this process with all of its rights: this guards against accidents, not against malice.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ..core.errors import InputError

_SYSTEM: Any = importlib.import_module(os.name)
"""`posix` or `nt`, the module from which `os` takes its functions."""

_place_listeners: list[Callable[[str], None]] = []


class EndedError(InputError):
    """A call ended its process, or was ended. The same call is not tried again."""


class TooSlowError(EndedError):
    """A call took longer than it may."""


@contextmanager
def forbid_exit(name: str = "code of others") -> Iterator[None]:
    """Turn `sys.exit`, `os._exit` and exceptions of unusual kinds into an InputError.

    Ctrl-C stays Ctrl-C. A forked copy of this process that returns from the code is killed here.

    Args:
        name: Name of the code in messages.

    Raises:
        InputError: The code tried to end the program.
    """
    process = os.getpid()
    try:
        with _refuse_exit(process):
            yield
    except (Exception, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise InputError(f"it tried to end the program (exit code {error.code})") from error
    except BaseException as error:  # which nobody else would catch
        raise InputError(f"it raised {type(error).__name__}: {error}") from error
    finally:
        if os.getpid() != process:
            print(f"selfcorrect: {name} forked this process; the copy that came back is ended", file=sys.stderr)
            sys.stderr.flush()
            kill_this_process()


def kill_this_process() -> None:
    """Kill this process at once. `os._exit` is not used because it is replaced while code of others runs."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows both end a process at once


@contextmanager
def _refuse_exit(process: int) -> Iterator[None]:
    original = os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:  # another process, which may end as it likes
            original(status)
        raise SystemExit(status)

    os._exit = _SYSTEM._exit = refuse
    try:
        yield
    finally:
        os._exit = _SYSTEM._exit = original


def report_place(place: str) -> None:
    """Tell the listeners what is worked on now, such as "motion 17"."""
    for listener in _place_listeners:
        listener(place)


def listen_to_places(listener: Callable[[str], None]) -> None:
    """Have `listener` called with each place of `report_place`, from now on."""
    _place_listeners.append(listener)
