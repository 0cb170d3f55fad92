"""Which parts of a long task are done: a small sealed file for each, written after what it tells of.

The place that a task fills belongs to it for good: another task, or the same with other settings, is refused there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from selfcorrect.errors import DamagedError, RunFolderError
from selfcorrect.storage.digests import sealed, unsealed_bytes
from selfcorrect.storage.places import Place, write_file
from selfcorrect.storage.run_folder import config_differences

FOLDER = ".ledger"
_TASK = "task.json"
_LOCK = ".lock"


@contextmanager
def claimed(out: Place, task: Mapping[str, object]) -> Iterator[None]:
    """Sole use of the place that a task fills, new or begun by the same one. `task`: JSON values that tell it.

    RunFolderError where there is anything else, or another process is at work there.
    """
    wanted = json.loads(json.dumps(task))
    recorded = _task_in(out)
    if recorded is None and (foreign := [name for name in out.names("*") if name != _LOCK]):
        raise RunFolderError(f"{out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if recorded is not None and (differences := config_differences(recorded, wanted)):
        raise RunFolderError(
            f"{out}: belongs to another task. {' '.join(differences)} Choose another folder, or go on with those."
        )
    with out.claimed():
        if recorded is None:
            write_file(out / FOLDER, _TASK, sealed(wanted))
        yield


def _task_in(out: Place) -> dict[str, Any] | None:
    content = (out / FOLDER).read([_TASK]).get(_TASK)
    return None if content is None else unsealed_bytes(content, f"{out}/{FOLDER}/{_TASK}")


def record(out: Place, part: str, values: Mapping[str, Any]) -> None:
    """Tell that a part is done."""
    write_file(out / FOLDER, f"{part}.json", sealed(values))


def recorded(out: Place, parts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is told of the parts that are done, by their names; a record that is damaged counts as none."""
    contents = (out / FOLDER).read([f"{part}.json" for part in parts])
    found: dict[str, dict[str, Any]] = {}
    for name, content in contents.items():
        with suppress(DamagedError):
            found[name.removesuffix(".json")] = unsealed_bytes(content, name)
    return found
