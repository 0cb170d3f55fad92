"""Tell bugs of this package from mistakes of the caller."""

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
"""Numbers of errors that come from a disk or a machine, whatever the file."""


def is_machine_failure(error: BaseException) -> bool:
    """Return whether a disk or a machine failed rather than a file."""
    return isinstance(error, OSError) and error.errno in _FAILING_MACHINE


def internal_error_traceback(error: BaseException) -> str:
    """Return the traceback of a bug of this package, or "" for any other error.

    Errors that the caller can fix are not bugs (`SelfcorrectError`, a missing file), and
    neither are errors in users' code that this package calls, such as a corrector.
    """
    cause = error
    while isinstance(cause, CorrectorError | LoopError) and cause.__cause__ is not None:
        cause = cause.__cause__
    is_external = isinstance(cause, OSError) and (cause.filename is not None or is_machine_failure(cause))
    if isinstance(cause, SelfcorrectError) or is_external or _came_through_other_code(cause):
        return ""
    return "".join(traceback.format_exception(error))


def describe_error(error: Exception) -> str:
    """Describe an error by its message.

    The type comes first unless this package raised the error.
    """
    if isinstance(error, SelfcorrectError) or type(error) is ValueError:
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


MAX_CHARACTERS = 300
"""Maximum length of an error's message in a line."""


def describe_in_a_line(error: Exception) -> str:
    """Describe an error, with its location from `note_location`, in one line.

    Long messages are cut off.
    """
    message = " ".join(describe_error(error).split())
    if len(message) > MAX_CHARACTERS:
        message = f"{message[:MAX_CHARACTERS]} …"
    place = getattr(error, "place", "")
    return f"{message} ({place})" if place and place not in message else message


def note_location(error: Exception) -> None:
    """Add file and line of an error in users' code to the error.

    Other processes do not get the traceback.
    """
    if not getattr(error, "place", "") and (place := find_user_line(error)):
        error.place = place  # type: ignore[attr-defined]


def describe_with_location(error: Exception) -> str:
    """Describe an error with its location in users' code."""
    where = "" if isinstance(error, SelfcorrectError) else find_user_line(error)
    return f"{describe_error(error)} ({where})" if where else describe_error(error)


def find_user_line(error: BaseException) -> str:
    """Return the last line of users' code in a traceback.

    Frames of this package and of libraries are skipped. If no other frame is left, the result is "".
    """
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        path = frame.f_code.co_filename
        if package not in _KNOWN and "site-packages" not in path and "dist-packages" not in path:
            place = f"{Path(path).name}, line {line}"
    return place


def describe_failure(where: object, error: Exception) -> str:
    """Describe the failure of a single file in one sentence.

    A bug of this package is called an internal error, and its traceback is printed.
    """
    message = str(error) or type(error).__name__
    if trace := internal_error_traceback(error):
        print(trace, end="", file=sys.stderr)
        message = f"internal error ({type(error).__name__}: {message})"
    return message if str(where) in message else f"{where}: {message}"


def remove_path(sentence: str, path: object) -> str:
    """Remove a path from the beginning of a sentence.

    Use it in lines that already name the file.
    """
    rest = sentence.removeprefix(str(path))
    if rest == sentence or not rest.startswith((": ", ", ")):
        return sentence
    return rest[2:]


def try_optional(step: str, work: Callable[[], _Value], otherwise: _Value) -> tuple[_Value, str]:
    """Call an optional step, such as a picture, whose failure affects no result.

    Returns:
        The value, and a sentence about the failure or "".
    """
    try:
        return work(), ""
    except Exception as error:
        return otherwise, describe_failure(step, error)


def _came_through_other_code(error: BaseException) -> bool:
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = {module.partition(".")[0] for module in modules}
    return not packages <= {*_KNOWN, "__main__"}
