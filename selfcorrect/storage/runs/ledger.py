"""Which parts of a long task are done: a small sealed file for each, written after the part itself.

The place that a task fills belongs to it for good: another task, or the same with other settings, is refused there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, TypeVar

from ...core.errors import DamagedError, InputError, RunFolderError
from ..files.digests import sealed, unsealed_bytes
from ..files.locks import LOCK
from ..files.places import Place, write_file
from ..files.strict_json import as_json, read_as
from .run_folder import config_differences

FOLDER = ".ledger"
_TASK = "task.json"

T = TypeVar("T")


@contextmanager
def claimed(out: Place, task: Mapping[str, object]) -> Iterator[None]:
    """Sole use of the place that a task fills, new or begun by the same one. `task`: JSON values that identify it.

    RunFolderError where there is anything else, or another process is at work there.
    """
    wanted = as_json(task)
    recorded = _task_in(out)
    if recorded is None and (foreign := [name for name in out.names("*") if name != LOCK]):
        raise RunFolderError(f"{out}: holds other files ({', '.join(foreign[:3])}); choose another folder")
    if recorded is not None and (differences := config_differences(recorded, wanted)):
        raise RunFolderError(
            f"{out}: belongs to another task. {' '.join(differences)} Choose another folder, or use those."
        )
    with out.claimed():
        if recorded is None:
            write_file(out / FOLDER, _TASK, sealed(wanted))
        yield


def _task_in(out: Place) -> dict[str, Any] | None:
    content = (out / FOLDER).read([_TASK]).get(_TASK)
    return None if content is None else unsealed_bytes(content, f"{out}/{FOLDER}/{_TASK}")


def record(out: Place, part: str, facts: Any) -> None:
    """Record that a part is done, by a dataclass of facts about it."""
    write_file(out / FOLDER, f"{part}.json", sealed(asdict(facts)))


def recorded(out: Place, parts: Sequence[str], kind: type[T]) -> dict[str, T]:
    """The records of the parts that are done, by their names; a record that is damaged counts as none."""
    contents = (out / FOLDER).read([f"{part}.json" for part in parts])
    found: dict[str, T] = {}
    for name, content in contents.items():
        with suppress(DamagedError, InputError):
            found[name.removesuffix(".json")] = read_as(kind, unsealed_bytes(content, name), name)
    return found


def all_recorded(out: Place, parts: Sequence[str], kind: type[T]) -> list[T]:
    """The records of all parts, which are done; DamagedError where a record is damaged since."""
    found = recorded(out, parts, kind)
    if damaged := [part for part in parts if part not in found]:
        raise DamagedError(
            f"{out}/{FOLDER}/{damaged[0]}.json is not what was written; the same command does that part again"
        )
    return [found[part] for part in parts]
