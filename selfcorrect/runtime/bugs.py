"""This package's bugs, distinguished from mistakes of its caller."""

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..core.errors import CorrectorError, LoopError, SelfcorrectError

_LIBRARIES = frozenset({"numpy", "scipy", "torch", "sklearn", "pyarrow", "safetensors", "pybullet", "mujoco", "smplx",
                        "PIL", "imageio", "matplotlib", "tqdm", "wandb"})  # fmt: skip

T = TypeVar("T")

_KNOWN = frozenset({"selfcorrect", *_LIBRARIES, *sys.stdlib_module_names}) - {"__main__"}

FAILING_MACHINE = frozenset(
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
"""Numbers of errors that come from a disk or a machine, whatever file they came up with."""


def is_of_machine(error: BaseException) -> bool:
    """Whether an error comes from a disk or a machine rather than from a file."""
    return isinstance(error, OSError) and error.errno in FAILING_MACHINE


def bug_behind(error: BaseException) -> str:
    """The traceback of an error that is this package's own fault, else "".

    Errors that its caller can fix do not count (`SelfcorrectError`, a file that is not there). Nor do errors of code
    that it was given to call, such as a user's corrector.
    """
    cause = error
    while isinstance(cause, CorrectorError | LoopError) and cause.__cause__ is not None:
        cause = cause.__cause__
    missing = isinstance(cause, OSError) and (cause.filename is not None or is_of_machine(cause))
    if isinstance(cause, SelfcorrectError) or missing or _came_through_other_code(cause):
        return ""
    return "".join(traceback.format_exception(error))


def describe(error: Exception) -> str:
    """The message alone for this package's own complaints, with the type's name for anything else."""
    if isinstance(error, SelfcorrectError) or type(error) is ValueError:
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def describe_with_place(error: Exception) -> str:
    """The same, with file and line of the other code that it came from."""
    where = "" if isinstance(error, SelfcorrectError) else _line_of_other_code(error)
    return f"{describe(error)} ({where})" if where else describe(error)


def _line_of_other_code(error: BaseException) -> str:
    """File and line of the last frame that belongs neither to this package nor to a library, "" where there is none."""
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in _KNOWN
        and not any(name in frame.f_code.co_filename for name in ("site-packages", "dist-packages"))
    ]
    if not frames:
        return ""
    frame, line = frames[-1]
    return f"{Path(frame.f_code.co_filename).name}, line {line}"


def sentence_of(where: object, error: Exception) -> str:
    """One sentence for what went wrong with a file, `where`, while the work on others goes on.

    A fault of this package is called an internal error, and its traceback is printed.
    """
    message = str(error) or type(error).__name__
    if bug := bug_behind(error):
        print(bug, end="", file=sys.stderr)
        message = f"internal error ({type(error).__name__}: {message})"
    return message if str(where) in message else f"{where}: {message}"


def attempted(step: str, work: Callable[[], T], otherwise: T) -> tuple[T, str]:
    """What `work` returns, or `otherwise` and a sentence that says which step failed.

    For steps on which no result depends, such as hints and pictures: their failure must never cost the result.
    """
    try:
        return work(), ""
    except Exception as error:
        return otherwise, sentence_of(step, error)


def _came_through_other_code(error: BaseException) -> bool:
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = {module.partition(".")[0] for module in modules}
    return not packages <= {*_KNOWN, "__main__"}
