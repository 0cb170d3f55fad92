"""Errors that the caller can fix.

The message of such an error is a sentence that says what is wrong, where, and what is expected. Anything else that is
raised is a bug.
"""

from collections.abc import Mapping
from typing import Any


class SelfcorrectError(Exception):
    """An error that the caller can fix. The message says how."""

    def __str__(self) -> str:
        """Return the message, in which lines are shortened that repeat much of a file."""
        return "\n".join(map(_shorten_line, super().__str__().split("\n")))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the error unchanged, whatever its constructor takes.

        Other processes return errors.
        """
        return _restore_error, (type(self), self.args, vars(self))


_LONGEST_LINE = 2000
"""Maximum number of characters in a line of a message. A path takes up to 4096 bytes on Linux, but hardly ever does."""
_END = 400
"""Number of characters that are shown of the end of a longer line, where messages say what is expected."""


def _shorten_line(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[: _LONGEST_LINE - _END - 3]} … {line[-_END:]}"


def _restore_error(kind: type[SelfcorrectError], args: tuple[Any, ...], state: dict[str, Any]) -> SelfcorrectError:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


class InputError(SelfcorrectError, ValueError):
    """Data or a file is not as expected."""


class SettingError(SelfcorrectError, ValueError):
    """An option or a parameter has an invalid value."""


class CorrectorError(SelfcorrectError, ValueError):
    """A corrector failed.

    It raised an exception, broke the contract, or rejected too many samples. The message names corrector and sample.
    """


class SampleError(CorrectorError):
    """A sample could not be corrected.

    Correctors that work sample by sample raise it to name the sample.
    """

    def __init__(self, sample: int, reason: str) -> None:
        super().__init__(reason)
        self.sample = sample


class TrainingDivergedError(SelfcorrectError, ValueError):
    """Training diverged: a loss or a weight is not finite.

    The message names the step.
    """


class RunFolderError(SelfcorrectError, ValueError):
    """A run folder cannot be used or written."""


class InUseError(RunFolderError):
    """Another process has the folder."""


class DamagedError(RunFolderError):
    """A committed file of a run folder is damaged."""


class OtherVersionError(RunFolderError):
    """A stored file is intact, but another version of this program wrote it, and this one cannot read it."""


class LoopError(SelfcorrectError, RuntimeError):
    """A generation failed.

    All earlier generations are intact, and the run can be resumed.
    """

    def __init__(self, message: str, bug: str = "") -> None:
        """Create the error.

        Args:
            bug: Traceback of the cause if it is a bug of this package; "" if the message says what to fix.
        """
        super().__init__(message)
        self.bug = bug


class WorkerError(SelfcorrectError, RuntimeError):
    """A worker process died."""


class LostJobError(SelfcorrectError, RuntimeError):
    """A job was cancelled, or its worker or node was lost too often.

    Other jobs continue.
    """


class NodeError(SettingError):
    """A machine of a cluster has other software or no access to the run folder."""


class JobsError(SelfcorrectError, RuntimeError):
    """Some jobs failed. All others are done."""

    def __init__(
        self, message: str, failed: Mapping[str, Exception], bug: str = "", machines: Mapping[str, Any] | None = None
    ) -> None:
        """Create the error.

        Args:
            failed: Errors of the failed jobs by name.
            bug: Traceback of the cause if it is a bug of this package, or "".
            machines: Machines of the finished jobs by name.
        """
        super().__init__(message)
        self.failed = failed
        self.bug = bug
        self.machines = machines or {}


class MissingExtraError(SelfcorrectError, ImportError):
    """An optional package is not installed."""

    def __init__(self, what: str, extra: str, error: ImportError, hint: str = "") -> None:
        """Create the error with the command that installs the extra.

        Args:
            what: Feature that needs the extra.
            extra: Name of the extra.
            error: The failed import.
            hint: Advice if the extra cannot be installed, or "".
        """
        command = f"pip install 'selfcorrect[{extra}]'"
        super().__init__(f"{what} needs the extra `{extra}` ({error}): {command}" + (f"; {hint}" if hint else ""))


def shorten_message(error: BaseException) -> str:
    """Shorten a library's error message to one line.

    Some of these messages repeat the content of a file.
    """
    return " ".join(str(error)[:300].split())
