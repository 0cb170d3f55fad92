"""Refuse to overwrite inputs and foreign files."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.storage.files.writing import is_stream

FOREIGN = "exists and was not written by this command"
ANOTHER = "choose another --out, or pass --overwrite"


def place_of(path: Path) -> Path:
    """Resolve the links in a path, which may be broken or circular."""
    return Path(os.path.realpath(path))


def check_separate(outputs: Mapping[str, Path | None], inputs: Iterable[Path], others: Iterable[Path] = ()) -> None:
    """Raise SettingError if an output is the same file as an input or another output.

    Args:
        outputs: File of each option, or None for an option that was not given.
        inputs: Files that the command reads.
        others: Other files that the command writes.
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
            raise SettingError(f"{path}: {option} names another output of this command; choose another file")


def check_replaceable(path: Path) -> None:
    """Raise SettingError if a path is a folder, a pipe, a device or a broken link."""
    if is_stream(path) or (os.path.lexists(path) and not path.is_file()):
        raise SettingError(f"{path}: is not a regular file, and only regular files are replaced; choose another file")


def check_no_link(folders: Iterable[Path]) -> None:
    """Raise SettingError if a folder of records is a link."""
    for folder in folders:
        if folder.is_symlink():
            raise SettingError(f"{folder}: is a link, and records are kept only in folders; move it away")


def check_output(
    path: Path | None, overwrite: bool, inputs: Iterable[Path] = (), *, is_stream_allowed: bool = False
) -> None:
    """Check that a file can be written without loss.

    Args:
        path: File to write, or None for none.
        overwrite: Whether an existing file may be replaced.
        inputs: Files that the command reads.
        is_stream_allowed: Whether the path may be a pipe or a device, such as /dev/stdout.

    Raises:
        SettingError: An input or an existing file would be overwritten, or the path is not a regular file.
    """
    if path is None or (is_stream_allowed and is_stream(path)):
        return
    if not is_stream_allowed:
        check_replaceable(path)
    if place_of(path) in map(place_of, inputs):
        raise SettingError(f"{path}: an input would be overwritten; choose another place with --out")
    if path.is_file() and not overwrite:
        raise SettingError(f"{path}: exists; {ANOTHER}")


def check_not_opened(target: Path, opened: Iterable[Path]) -> None:
    """Raise SettingError if a file was opened while an input was read, such as its other frames, layers or buffers."""
    if target.exists() and place_of(target) in map(place_of, opened):
        raise SettingError(f"{target}: was read as a part of the input and would be overwritten; choose another file")


def check_targets(
    pairs: Sequence[tuple[Path, Path]],
    may_replace: Callable[[Path], bool],
    otherwise: str,
    inputs: Iterable[Path] = (),
    reason: str = "exists",
) -> None:
    """Check that targets can be written without loss.

    Args:
        pairs: Source and target of each file.
        may_replace: Returns whether an existing target may be replaced.
        otherwise: Advice at the end of the message.
        inputs: Other files that must not be overwritten.
        reason: Reason why a target is not replaced. `FOREIGN` is for commands that record what they wrote.

    Raises:
        SettingError: An input, a target, or a file that may not be replaced would be overwritten.
    """
    sources = {place_of(source) for source, _ in pairs} | set(map(place_of, inputs))
    source_by_target: dict[Path, Path] = {}
    for source, target in pairs:
        place = place_of(target)
        first_source = source_by_target.setdefault(place, source)
        if first_source != source:
            raise SettingError(
                f"{first_source} and {source} would both become {target}; choose two folders, or rename either file"
            )
        if place in sources:
            raise SettingError(f"{target}: an input would be overwritten; {otherwise}")
        if os.path.lexists(target) and not may_replace(target):
            raise SettingError(f"{target}: {reason}; {otherwise}")
    for place, source in source_by_target.items():
        for parent in place.parents:
            if parent in source_by_target:
                raise SettingError(
                    f"{source_by_target[parent]} would become {parent}, which {source} needs as a folder; {otherwise}"
                )
