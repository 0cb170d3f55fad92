"""One rule for every command that writes files: nothing is lost by it."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from selfcorrect.core.errors import SettingError

FOREIGN = "exists and was not written by this command"
ANOTHER = "choose another place with --out, or say --overwrite"


def place_of(path: Path) -> Path:
    """The path without links, also where these lead nowhere or in a circle."""
    return Path(os.path.realpath(path))


def check_separate(outputs: Mapping[str, Path | None], inputs: Iterable[Path], others: Iterable[Path] = ()) -> None:
    """Check that single files to write are apart from each other, from inputs and from other files of the command.

    Args:
        outputs: the file of each option, None where the option is not given.
        inputs: files that are read.
        others: files that the command writes besides.

    Raises:
        SettingError: two of them would be one file.
    """
    input_places = set(map(place_of, inputs))
    other_places = set(map(place_of, others))
    option_at: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        place = place_of(path)
        first_option = option_at.setdefault(place, option)
        if first_option != option:
            raise SettingError(f"{path}: {first_option} and {option} name the same file; choose two files")
        if place in input_places:
            raise SettingError(f"{path}: {option} would overwrite an input; choose another file")
        if place in other_places:
            raise SettingError(f"{path}: {option} names a file that this command writes already; choose another one")


def check_replaceable(path: Path) -> None:
    """SettingError where a path is a folder, a pipe, a device, or a link that leads nowhere."""
    if os.path.lexists(path) and not path.is_file():
        raise SettingError(f"{path}: is no regular file, and nothing else is replaced; choose another file")


def check_output(
    path: Path | None, overwrite: bool, inputs: Iterable[Path] = (), *, is_stream_allowed: bool = False
) -> None:
    """Check that one file can be written and that nothing is lost by it.

    Args:
        path: the file, None where none is written.
        overwrite: whether a file that is there may be replaced.
        inputs: files that are read.
        is_stream_allowed: whether it may be a pipe or a device, such as /dev/stdout.

    Raises:
        SettingError: an input or a file without leave would be overwritten, or the path is no regular file.
    """
    if path is None:
        return
    if not is_stream_allowed:
        check_replaceable(path)
    if place_of(path) in map(place_of, inputs):
        raise SettingError(f"{path}: an input would be overwritten; {ANOTHER}")
    if path.is_file() and not overwrite:
        raise SettingError(f"{path}: exists; {ANOTHER}")


def check_targets(
    pairs: Sequence[tuple[Path, Path]],
    may_replace: Callable[[Path], bool],
    otherwise: str,
    inputs: Iterable[Path] = (),
    reason: str = "exists",
) -> None:
    """Check that nothing is lost by writing pairs of sources and targets.

    Args:
        pairs: the files, each (source, target).
        may_replace: whether a target that is there may be replaced.
        otherwise: what to do where not, the end of the sentence.
        inputs: further files that no target may be.
        reason: why a target is not replaced; `FOREIGN` is for commands that record what they wrote.

    Raises:
        SettingError: an input, one of the targets, or a file that may not be replaced would be overwritten.
    """
    sources = {place_of(source) for source, _ in pairs} | set(map(place_of, inputs))
    source_by_target: dict[Path, Path] = {}
    for source, target in pairs:
        place = place_of(target)
        if (first_source := source_by_target.setdefault(place, source)) != source:
            raise SettingError(f"{first_source} and {source} would both become {target}; {otherwise}")
        if place in sources:
            raise SettingError(f"{target}: an input would be overwritten; {otherwise}")
        if os.path.lexists(target) and not may_replace(target):
            raise SettingError(f"{target}: {reason}; {otherwise}")
    for place, source in source_by_target.items():
        if within := next((parent for parent in place.parents if parent in source_by_target), None):
            raise SettingError(
                f"{source_by_target[within]} would become {within}, which {source} needs as a folder; {otherwise}"
            )
