"""One rule for every command that writes files: nothing is lost by it."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from selfcorrect.core.errors import SettingError

FOREIGN = "exists and was not written by this command"
ANOTHER = "choose another place with --out, or say --overwrite"


def place_of(path: Path) -> Path:
    """The path without links, also where these lead nowhere or in a circle."""
    return Path(os.path.realpath(path))


def check_output(path: Path | None, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """SettingError where writing one file, or none, would overwrite an input, or what is there without leave to."""
    if path is None:
        return
    if place_of(path) in map(place_of, inputs):
        raise SettingError(f"{path}: an input would be overwritten; {ANOTHER}")
    if path.is_file() and not overwrite:
        raise SettingError(f"{path}: exists; {ANOTHER}")


def check_targets(
    pairs: Sequence[tuple[Path, Path]], may_replace: Callable[[Path], bool], otherwise: str, inputs: Iterable[Path] = ()
) -> None:
    """SettingError where writing (source, target) pairs would overwrite an input or one another, or foreign files.

    may_replace: whether a target that is there may be replaced; otherwise: what to do where not, the end of the
    sentence; inputs: further files that no target may be.
    """
    sources = {place_of(source) for source, _ in pairs} | set(map(place_of, inputs))
    taken: dict[Path, Path] = {}
    for source, target in pairs:
        place = place_of(target)
        if (other := taken.setdefault(place, source)) != source:
            raise SettingError(f"{other} and {source} would both become {target}; {otherwise}")
        if place in sources:
            raise SettingError(f"{target}: an input would be overwritten; {otherwise}")
        if os.path.lexists(target) and not may_replace(target):
            raise SettingError(f"{target}: {FOREIGN}; {otherwise}")
    for place, source in taken.items():
        if within := next((parent for parent in place.parents if parent in taken), None):
            raise SettingError(f"{taken[within]} would become {within}, which {source} needs as a folder; {otherwise}")
