"""Run a job on another machine: check the machine, do the job there, and return how it ended.

Cluster runners send a `RemoteJob` and get an `Ending`. A failure of the cluster itself, such as a lost node, is not an
ending, because the runner repeats the job.
"""

from __future__ import annotations

import builtins
import os
import pickle
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from selfcorrect.core import errors
from selfcorrect.core.errors import DamagedError, InputError, InUseError, NodeError
from selfcorrect.loop.store.run_folder import config_differences
from selfcorrect.runtime.bugs import describe_error, internal_error_traceback
from selfcorrect.runtime.machine import Machine
from selfcorrect.runtime.software import describe_environment
from selfcorrect.storage.files.locks import read_identity

from .progress_bars import Event
from .run import do_job, use_one_thread

if TYPE_CHECKING:
    from .run import Job

TRIES = 4
"""Number of times that a job may lose its worker or node without a new generation in between."""
IN_USE_S = 180.0
"""Longest wait for a locked folder, in s, because shared file systems keep the locks of a lost node for a while."""
_RETRY_S = 2.0
FORWARDED = ("AWS_", "AZURE_", "GOOGLE_", "SELFCORRECT_")
"""Prefixes of the environment variables that the command passes on to jobs."""

Ending: TypeAlias = "Machine | Exception | None"
"""Machine on which a job ran, None if it found everything done, or its error."""


def forwarded_variables() -> dict[str, str]:
    """Return the environment variables to pass on to jobs."""
    return {name: value for name, value in os.environ.items() if name.startswith(FORWARDED)}


@dataclass(frozen=True)
class RemoteJob:
    """A job with everything that another machine needs to run it."""

    job: Job
    folder: Path | None
    """Folder into which all jobs write; None if they write to addresses."""
    directory: Path = field(default_factory=Path.cwd)
    """Folder to which relative paths refer."""
    folder_identity: str = ""
    """Identity of the folder, by which another machine recognises it."""
    software: Mapping[str, Any] = field(default_factory=describe_environment)
    """Versions of the software on which results depend."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables, which are never printed because they hold credentials."""

    @classmethod
    def make(cls, job: Job, folder: Path | None, variables: Mapping[str, str] | None = None) -> RemoteJob:
        """Prepare a job for other machines."""
        identity = read_identity(folder) if folder is not None else ""
        return cls(job, folder, folder_identity=identity, variables=variables or {})

    def run(self, send: Callable[[Event], None]) -> Ending:
        """Run the job on this machine.

        If the folder is locked, the lock may be that of a job on a lost node, so the job waits for a while.

        Args:
            send: Called with the progress.
        """
        os.environ.update(self.variables)
        use_one_thread()
        if not self.job.resources.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # cluster software leaves GPUs visible
        deadline_s = time.monotonic() + IN_USE_S
        try:
            self._check_machine()
            if self.directory.is_dir():
                os.chdir(self.directory)
            while True:
                try:
                    return do_job(self.job, send, self.job.resources.cores)
                except InUseError:
                    if time.monotonic() > deadline_s:
                        raise
                    time.sleep(_RETRY_S)
        except Exception as error:
            return _pack_error(error)

    def _check_machine(self) -> None:
        """Raise NodeError if this machine has other software, or does not see the folder."""
        node = platform.node()
        if differences := config_differences(self.software, describe_environment(), ("at the command", "there")):
            raise NodeError(f"{node} has other software, so results would differ: {' '.join(differences)}")
        if self.folder is not None and (not self.folder.is_dir() or read_identity(self.folder) != self.folder_identity):
            raise NodeError(f"{node} does not see the folder {self.folder}; all nodes need it at the same path")


def _pack_error(error: Exception) -> Exception:
    """Return an error that can be pickled, with the traceback if it is a bug."""
    place = getattr(error, "place", "")
    bug = getattr(error, "bug", "") or internal_error_traceback(error)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = InputError(describe_error(error))
    error.bug = bug  # type: ignore[attr-defined]
    error.place = place  # type: ignore[attr-defined]
    return error


def encode_ending(ending: Ending) -> dict[str, Any]:
    """Encode how a job ended as JSON values, which hold no code."""
    if not isinstance(ending, Exception):
        return {"machine": None if ending is None else asdict(ending)}
    known = ending
    kind = _find_error(type(ending).__name__)
    if kind is not type(ending) or str(_make_error(kind, str(ending))) != str(ending):
        known = InputError(describe_error(ending))
    return {
        "error": type(known).__name__,
        "message": str(known),
        "bug": str(getattr(ending, "bug", "")),
        "place": str(getattr(ending, "place", "")),
    }


def decode_ending(values: Mapping[str, Any]) -> Ending:
    """Decode what `encode_ending` returned.

    Raises:
        DamagedError: The values are not those of an ending.
    """
    try:
        if "machine" in values:
            return None if values["machine"] is None else Machine(**values["machine"])
        kind = _find_error(values["error"]) or InputError
        error = _make_error(kind, str(values["message"]))
        error.bug = str(values["bug"])  # type: ignore[attr-defined]
        error.place = str(values["place"])  # type: ignore[attr-defined]
    except (LookupError, TypeError) as fault:
        raise DamagedError(f"the answer of a job has no result: {fault}") from fault
    return error


def _make_error(kind: type[Exception], message: str) -> Exception:
    """Make an error with a message, whatever its constructor takes."""
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


def _find_error(name: str) -> type[Exception] | None:
    """Return the error of this package or of Python with a name, None for no such error."""
    kind = getattr(errors, name, None) or getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None


class Losses:
    """Counts how often a job was lost since its last new generation, so that a long job may lose many nodes."""

    def __init__(self) -> None:
        self._losses = Counter[str]()
        self._reached: dict[str, int] = {}

    def note(self, event: Event) -> None:
        """Note the progress of a job.

        Its start also counts, because a node may be lost before it reports a generation.
        """
        if event.phase in ("start", "generation") and event.done > self._reached.get(event.job, -1):
            self._reached[event.job] = event.done
            self._losses[event.job] = 0

    def may_repeat(self, job: str) -> bool:
        """Count a loss, and return whether the job may be repeated."""
        self._losses[job] += 1
        return self._losses[job] < TRIES
