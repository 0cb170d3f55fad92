"""Run folders: one process, one config, and nothing half-written."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from ...core.errors import DamagedError, RunFolderError, SettingError
from ...runtime.software import describe_environment
from ...storage.files.digests import DIGEST_KEY, read_with_digest, write_with_digest
from ...storage.files.locks import LOCK, FolderLock
from ...storage.files.strict_json import as_json
from ...storage.files.writing import explain_write_error, find_leftovers, remove_leftovers, sync_folder

MAX_DIFFERENCES = 8
"""Maximum number of differences between configs listed in a message, outer settings first."""
CONFIG = "config.json"
ENVIRONMENT = "environment.json"
FEASIBILITY_FILE = "feasibility.json"
IDENTITIES_FILE = "identities.json"
"""Identities of users' code, in a run folder and in each seed's folder."""
PARTS_FILE = "parts.json"
"""Parts of a run folder whose figures are in its report."""
REFERENCES_FILE = "references.json"
SUMMARY_FILE = "summary.json"
"""Results of a finished experiment."""


Extends: TypeAlias = Callable[[Mapping[str, object], Mapping[str, object]], bool]
"""Function of a recorded and a new config that returns whether the new one extends it: asks for all that it does, and
more."""


def claim_folder(folder: Path, config: Mapping[str, object], extends: Extends | None = None) -> FolderLock:
    """Claim a run folder for this process.

    The folder is created or reopened and locked, and files that a killed process left half-written are removed. A new
    folder records config and environment. A used one must have the same config, or a config that the new one extends
    and replaces.

    Args:
        extends: Function that returns whether a new config extends the recorded one; None for never.

    Raises:
        RunFolderError: The folder is locked, cannot be written, holds foreign files, or has another config.
    """
    new_config = as_json(config)
    if DIGEST_KEY in new_config:
        raise SettingError(f"a configuration has no {DIGEST_KEY!r}, where the digest is recorded")
    with explain_write_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder)  # before anything is written there
        sync_folder(folder.parent)
        lock = FolderLock(folder)
        try:
            _record_or_compare(folder, new_config, extends)
            remove_leftovers(folder, below=True)
        except BaseException:
            lock.release()
            raise
    return lock


def _record_or_compare(folder: Path, config: dict[str, object], extends: Extends | None) -> None:
    path = folder / CONFIG
    if path.exists():
        recorded = read_with_digest(path)
        if recorded != config and extends is not None and extends(recorded, config):
            write_with_digest(path, config)
        else:
            _refuse_other_config(folder, recorded, config)
        _warn_of_other_environment(folder)
        return
    _refuse_foreign(folder)
    write_with_digest(folder / ENVIRONMENT, describe_environment())
    write_with_digest(path, config)


def _refuse_foreign(folder: Path) -> None:
    """Raise RunFolderError if a folder has foreign files.

    A run folder whose first claim was interrupted has none.
    """
    if (folder / CONFIG).exists():
        return
    expected = (LOCK, ENVIRONMENT, *map(str, find_leftovers(folder)))
    paths = [path for path in folder.iterdir() if path.name not in expected and str(path) not in expected]
    foreign = sorted(path.name for path in paths)
    if foreign:
        raise RunFolderError(f"{folder} is not a run folder: expected config.json, got {', '.join(foreign[:3])}")


def _refuse_other_config(folder: Path, recorded: dict[str, object], config: dict[str, object]) -> None:
    if differences := config_differences(recorded, config):
        outer = sorted(differences, key=lambda sentence: sentence.partition(" ")[0].count("."))
        more = [f"{len(outer) - MAX_DIFFERENCES} more settings differ."] * (len(outer) > MAX_DIFFERENCES)
        writer, current = _read_version(folder), describe_environment()["packages"][_PROGRAM]
        origin = f" of {_PROGRAM} {writer}; this is {current}" if writer not in ("", current) else ""
        advice = f"with {_PROGRAM} {writer}" if origin else "with the recorded settings"
        raise RunFolderError(
            f"the run folder {folder} belongs to another configuration{origin}. "
            f"{' '.join([*outer[:MAX_DIFFERENCES], *more])} Resume {advice}, or choose another folder."
        )


_PROGRAM = "selfcorrect"


def _read_version(folder: Path) -> str:
    """Return the version of this program that began a run; "" if it is not known."""
    try:
        recorded = read_with_digest(folder / ENVIRONMENT)["packages"][_PROGRAM]
    except (DamagedError, LookupError, TypeError):
        return ""
    return recorded if isinstance(recorded, str) else ""


def config_differences(
    recorded: Mapping[str, object], config: Mapping[str, object], labels: tuple[str, str] = ("in the folder", "now")
) -> list[str]:
    """Describe the differences between two configs, one sentence per setting.

    Nested settings are named `outer.inner`.
    """
    old = _flatten(recorded)
    new = _flatten(config)
    return [
        f"{key} is {_format_setting(old, key)} {labels[0]} and {_format_setting(new, key)} {labels[1]}."
        for key in sorted(old.keys() | new.keys())
        if _format_setting(old, key) != _format_setting(new, key)
    ]


def _flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            value = {str(index): item for index, item in enumerate(value)}
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _format_setting(flat: Mapping[str, object], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "not set"


def _warn_of_other_environment(folder: Path) -> None:
    try:
        recorded = read_with_digest(folder / ENVIRONMENT)
    except DamagedError:
        warnings.warn(f"{folder}: the record of the environment in which the run began is damaged", stacklevel=2)
        return
    if differences := config_differences(recorded, describe_environment()):
        warnings.warn(f"{folder} began in another environment. {' '.join(differences)}", stacklevel=2)
