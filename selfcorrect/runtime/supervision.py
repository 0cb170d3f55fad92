"""Call foreign code so that it cannot end the program unnoticed.

The code runs in this process with all of its rights: this guards against accidents, not against malice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..core.errors import InputError

_place_listeners: list[Callable[[str], None]] = []


class EndedError(InputError):
    """A call ended its process, or was ended, as it took too long. The same call is not tried again."""


@contextmanager
def forbid_exit() -> Iterator[None]:
    """Turn `sys.exit` and exceptions of unusual kinds into an InputError; Ctrl-C stays Ctrl-C."""
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise InputError(f"it tried to end the program (exit code {error.code})") from error
    except BaseException as error:  # which nobody else would catch
        raise InputError(f"it raised {type(error).__name__}: {error}") from error


def report_place(place: str) -> None:
    """Tell the listeners what is worked on now, such as "motion 17"."""
    for listener in _place_listeners:
        listener(place)


def listen_to_places(listener: Callable[[str], None]) -> None:
    """Have `listener` called with each place of `report_place`, from now on."""
    _place_listeners.append(listener)
