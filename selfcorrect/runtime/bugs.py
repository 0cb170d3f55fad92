"""Tell bugs here from mistakes of the caller."""

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..core.errors import CorrectorError, LoopError, SelfcorrectError

_LIBRARIES = frozenset({"numpy", "scipy", "torch", "sklearn", "pyarrow", "safetensors", "pybullet", "mujoco", "smplx",
                        "PIL", "imageio", "matplotlib", "tqdm", "wandb"})  # fmt: skip

_Value = TypeVar("_Value")

_KNOWN = frozenset({"selfcorrect", *_LIBRARIES, *sys.stdlib_module_names}) - {"__main__"}

_FAILING_MACHINE = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ESTALE,
        errno.EFBIG,
    )
)
"""Numbers of errors of a disk or a machine, whatever the file."""


def is_machine_failure(error: BaseException) -> bool:
    """Return whether disk or machine failed, not a file."""
    return isinstance(error, OSError) and error.errno in _FAILING_MACHINE


def internal_error_traceback(error: BaseException) -> str:
    """Return the traceback of a bug of this package, "" for any other error.

    Errors that the caller can fix are not bugs (`SelfcorrectError`, a missing file), nor are errors of user code that
    this package calls, such as a corrector.
    """
    cause = error
    while isinstance(cause, CorrectorError | LoopError) and cause.__cause__ is not None:
        cause = cause.__cause__
    is_external = isinstance(cause, OSError) and (cause.filename is not None or is_machine_failure(cause))
    if isinstance(cause, SelfcorrectError) or is_external or _came_through_other_code(cause):
        return ""
    return "".join(traceback.format_exception(error))


def describe_error(error: Exception) -> str:
    """Return the message of an error.

    The error's type comes first unless this package raised the error.
    """
    if isinstance(error, SelfcorrectError) or type(error) is ValueError:
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


MOST_CHARACTERS = 300
"""Longest message of an error in a line."""


def describe_in_a_line(error: Exception) -> str:
    """Return the message of an error in one line.

    Long messages are cut off. The location that `note_location` noted follows.
    """
    message = " ".join(describe_error(error).split())
    if len(message) > MOST_CHARACTERS:
        message = f"{message[:MOST_CHARACTERS]} …"
    place = getattr(error, "place", "")
    return f"{message} ({place})" if place and place not in message else message


def note_location(error: Exception) -> None:
    """Note the file and line of user code where an error arose.

    Other processes do not get the traceback.
    """
    if not getattr(error, "place", "") and (place := find_user_line(error)):
        error.place = place  # type: ignore[attr-defined]


def describe_with_location(error: Exception) -> str:
    """Describe an error with its place in user code."""
    where = "" if isinstance(error, SelfcorrectError) else find_user_line(error)
    return f"{describe_error(error)} ({where})" if where else describe_error(error)


def find_user_line(error: BaseException) -> str:
    """Find the last line of user code in a traceback.

    Frames of this package and of libraries are skipped; the result is "" if no other frame is left.
    """
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        path = frame.f_code.co_filename
        if package not in _KNOWN and "site-packages" not in path and "dist-packages" not in path:
            place = f"{Path(path).name}, line {line}"
    return place


def describe_failure(where: object, error: Exception) -> str:
    """Return a sentence about a file that failed alone.

    A bug of this package is called an internal error, and its traceback is printed.
    """
    message = str(error) or type(error).__name__
    if trace := internal_error_traceback(error):
        print(trace, end="", file=sys.stderr)
        message = f"internal error ({type(error).__name__}: {message})"
    return message if str(where) in message else f"{where}: {message}"


def remove_path(sentence: str, path: object) -> str:
    """Remove a path from a sentence's beginning, because the line names the file already."""
    rest = sentence.removeprefix(str(path))
    if rest == sentence or not rest.startswith((": ", ", ")):
        return sentence
    return rest[2:]


def try_optional(step: str, work: Callable[[], _Value], otherwise: _Value) -> tuple[_Value, str]:
    """Call an optional step, such as a hint or a picture.

    A failure costs no result.

    Returns:
        The value, and a sentence about the failure, "" for none.
    """
    try:
        return work(), ""
    except Exception as error:
        return otherwise, describe_failure(step, error)


def _came_through_other_code(error: BaseException) -> bool:
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = {module.partition(".")[0] for module in modules}
    return not packages <= {*_KNOWN, "__main__"}
