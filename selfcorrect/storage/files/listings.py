"""Lists of digests: `digests.json` has the digest of every other file that was written with it, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...core.errors import DamagedError
from .digests import damage_of, digest_of_file, sealed, unsealed
from .writing import write_atomically

DIGESTS = "digests.json"


def write_listing(folder: Path, paths: Iterable[Path]) -> None:
    """List the digests of files in and below a folder, which are there."""
    digests = {path.relative_to(folder).as_posix(): digest_of_file(path) for path in sorted(paths)}
    write_atomically(folder / DIGESTS, sealed(digests))


def states_of(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of the last change (ns) of each file among some paths, sorted.

    They show that inputs are others without reading them.
    """
    found = sorted((str(path), path.stat()) for path in paths if path.is_file())
    return [(name, state.st_size, state.st_mtime_ns) for name, state in found]


def listed_in(listing: Path) -> list[tuple[Path, str]]:
    """A list and the files in it, and what is wrong with each, "" for nothing."""
    try:
        digests = unsealed(listing)
    except DamagedError as error:
        return [(listing, str(error))]
    paths = {listing.parent / name: str(expected) for name, expected in digests.items()}
    return [(listing, ""), *((path, damage_of(path, expected)) for path, expected in paths.items())]


def titles_of(files: Sequence[Path]) -> list[str]:
    """The shortest ends of files' names that distinguish them; a file that is named twice has numbers."""
    whole = [file.resolve() for file in files]
    longest = max((len(file.parts) for file in whole), default=0)
    ends = [["/".join(file.with_suffix("").parts[-count:]) for file in whole] for count in range(1, longest)]
    names = next((each for each in [*ends, [str(file) for file in files]] if len(set(each)) == len(each)), None)
    return names or [f"{file.stem} ({number})" for number, file in enumerate(files, 1)]
