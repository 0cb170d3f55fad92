"""This package's own faults, told from those of its caller."""

from __future__ import annotations

import errno
import sys
import traceback

from selfcorrect.errors import CorrectorError, LoopError, SelfcorrectError

_LIBRARIES = frozenset({"numpy", "scipy", "torch", "sklearn", "pyarrow", "safetensors", "pybullet", "mujoco", "smplx",
                        "PIL", "imageio", "matplotlib", "tqdm", "wandb"})  # fmt: skip


FAILING_MACHINE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ESTALE)
)
"""Numbers of errors that tell of a disk or a machine, whatever file they came up with."""


def bug_behind(error: BaseException) -> str:
    """The traceback of an error that is this package's own fault, else "".

    Not its fault is what its caller can mend (`SelfcorrectError`, a file that is not there), and what other code raised
    that it was given to call, such as a user's corrector.
    """
    cause = error
    while isinstance(cause, CorrectorError | LoopError) and cause.__cause__ is not None:
        cause = cause.__cause__
    missing = isinstance(cause, OSError) and (cause.filename is not None or cause.errno in FAILING_MACHINE)
    if isinstance(cause, SelfcorrectError) or missing or _came_through_other_code(cause):
        return ""
    return "".join(traceback.format_exception(error))


def sentence_of(where: object, error: Exception) -> str:
    """One sentence for what went wrong with a file, `where`, while the work on others goes on.

    A fault of this package is called an internal error, and its traceback is printed.
    """
    message = str(error) or type(error).__name__
    if bug := bug_behind(error):
        print(bug, end="", file=sys.stderr)
        message = f"internal error ({type(error).__name__}: {message})"
    return message if str(where) in message else f"{where}: {message}"


def _came_through_other_code(error: BaseException) -> bool:
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = {module.partition(".")[0] for module in modules}
    return not packages <= {"selfcorrect", *_LIBRARIES, *sys.stdlib_module_names}
