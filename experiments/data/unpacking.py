"""Turn shards of motions back into files, one for each motion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.formats import Format, is_motion_file, writer_of
from selfcorrect.datasets.shards.manifest import opened, read_manifest
from selfcorrect.datasets.shards.schema import Entry
from selfcorrect.storage.files.limits import path_below
from selfcorrect.storage.files.places import Place

from ..jobs.targets import ANOTHER, check_targets


def unpack(folder: Place, out: Path, kind: Format, overwrite: bool) -> Iterator[tuple[str, Path]]:
    """Write each motion of a set below `out`, and give its name and file.

    Raises SettingError where two would become one file, or one is there, before anything is written; InputError where a
    name leads out of the folder.
    """
    targets = [(Path(f"{folder}/{entry.name}"), _target(out, entry, kind)) for entry in _entries(folder)]
    check_targets(targets, lambda _: overwrite, ANOTHER)
    write = writer_of(kind)
    for entry in _entries(folder):
        target = _target(out, entry, kind)
        write(target, entry.motion)
        yield entry.name, target


def _entries(folder: Place) -> Iterator[Entry]:
    for shard in read_manifest(folder).shards:
        with opened(folder, shard) as file:
            for rows in file.rows():
                yield from rows


def _target(out: Path, entry: Entry, kind: Format) -> Path:
    """The place of a motion, its name with the format's suffix in place of that of another."""
    path = path_below(out, entry.name)
    if path == out or path.name in ("", ".", ".."):
        raise InputError(f"{entry.name!r} is not the name of a file")
    return path.with_suffix(kind.suffixes[0]) if is_motion_file(path) else path.with_name(path.name + kind.suffixes[0])
