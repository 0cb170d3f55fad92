"""A run folder: one process at a time, one config for good, and nothing half-written."""

from __future__ import annotations

import fcntl
import functools
import importlib.metadata
import json
import os
import platform
import secrets
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from selfcorrect.errors import DamagedError, InUseError, RunFolderError
from selfcorrect.storage.files import leftovers, remove_leftovers, sync_folder, write_atomically

LOCK = ".lock"
RECORDED_PACKAGES = ("selfcorrect", "torch", "numpy", "scipy", "pybullet", "mujoco", "safetensors", "pyarrow")


class FolderLock:
    """Sole use of a folder. The operating system drops it when the process ends, however it ends.

    The lock file names its holder. A file system shared by machines may drop the lock of a machine that it lost sight
    of, while the process there works on; when that asks `still_held` it is told who has the folder since.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holder = f"process {os.getpid()} on {platform.node()} ({secrets.token_hex(8)})\n"
        self._file = open(folder / LOCK, "a", encoding="utf-8")  # noqa: SIM115 - held until release
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise InUseError(f"the run folder {folder} is in use by another process") from None
        self._file.truncate(0)
        self._file.write(self._holder)
        self._file.flush()

    def still_held(self) -> None:
        """InUseError where another process has claimed the folder since."""
        holder = (self._folder / LOCK).read_text(encoding="utf-8")
        if holder != self._holder:
            raise InUseError(f"the run folder {self._folder} was taken over by {holder.partition(' (')[0]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        self._file.close()


def claim_folder(folder: Path, config: Mapping[str, object]) -> FolderLock:
    """Make or reopen a run folder, clear what a killed process left half-written, and lock it.

    A new folder records `config` (JSON values) and the environment; a used one must have the same config.
    Raises RunFolderError when it is locked, cannot be written, holds foreign files, or has another config.
    """
    wanted = json.loads(json.dumps(config))
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder)  # before anything is written there
        sync_folder(folder.parent)
        lock = FolderLock(folder)
        try:
            _record_or_compare(folder, wanted)
            remove_leftovers(folder)
        except BaseException:
            lock.release()
            raise
    return lock


def _record_or_compare(folder: Path, config: dict[str, object]) -> None:
    path = folder / "config.json"
    if path.exists():
        _refuse_other_config(folder, _recorded(path), config)
        _warn_of_other_environment(folder)
        return
    _refuse_foreign(folder)
    write_atomically(folder / "environment.json", _json_bytes(environment()))
    write_atomically(path, _json_bytes(config))


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds other files than a run folder whose first claim was cut short."""
    if (folder / "config.json").exists():
        return
    own = (LOCK, "environment.json", *map(str, leftovers(folder)))
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in own and str(entry) not in own)
    if foreign:
        raise RunFolderError(f"{folder} is not a run folder: it has no config.json and holds {', '.join(foreign[:3])}")


def _recorded(path: Path) -> dict[str, object]:
    try:
        recorded = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path} is not what was written: {error}") from error
    if not isinstance(recorded, dict):
        raise DamagedError(f"{path} is not what was written: expected settings, got {type(recorded).__name__}")
    return recorded


def _refuse_other_config(folder: Path, recorded: dict[str, object], wanted: dict[str, object]) -> None:
    if differences := config_differences(recorded, wanted):
        raise RunFolderError(
            f"the run folder {folder} belongs to another configuration. {' '.join(differences)} "
            "Resume with the recorded settings, or choose another folder."
        )


def config_differences(recorded: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    """One sentence per setting in which two configs differ; nested settings are named `outer.inner`."""
    old, new = _flatten(recorded), _flatten(wanted)
    return [
        f"{key} is {_shown(old, key)} in the folder and {_shown(new, key)} now."
        for key in sorted(old.keys() | new.keys())
        if _shown(old, key) != _shown(new, key)
    ]


def _flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            value = {str(index): item for index, item in enumerate(value)}
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _shown(flat: Mapping[str, object], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "not set"


def _warn_of_other_environment(folder: Path) -> None:
    try:
        recorded = _recorded(folder / "environment.json")
    except (DamagedError, FileNotFoundError):
        warnings.warn(f"{folder} does not tell any more in which environment it was begun", stacklevel=2)
        return
    if differences := config_differences(recorded, environment()):
        warnings.warn(f"{folder} was begun in another environment. {' '.join(differences)}", stacklevel=2)


@functools.cache
def environment() -> dict[str, object]:
    """What a result depends on beside its config: Python, platform, package versions and the source's git commit."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in RECORDED_PACKAGES},
        "git_commit": _git_commit(Path(__file__).resolve()),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit(source: Path) -> str | None:
    """The commit of the repository that tracks `source`, None for an installed copy."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source.parent), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", source.name)
        return git("rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


@contextmanager
def explain_write_error(folder: Path) -> Iterator[None]:
    """Turn an operating-system error into a RunFolderError of one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(f"cannot write to {folder}: {reason}; what was committed before is intact") from error


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
