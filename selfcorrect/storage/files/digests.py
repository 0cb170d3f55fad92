"""Digests (SHA-256) of committed files, by which bits that have flipped on a disk are noticed."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import DamagedError, InputError
from .limits import read_bytes
from .strict_json import parsed
from .writing import write_atomically

SEAL = "sha256"
_ENDING = b'\n "sha256": "%s"\n}\n'
_ENDS = re.compile(rb',?\n "sha256": "([0-9a-f]{64})"\n}\n\Z')

_NEARLY = re.compile(rb',?\n ".{6}": "[0-9a-f]{64}"\n}\n\Z')
"""The ending of a file that holds its digest, and one in which the name of that is damaged."""


def digest(content: bytes) -> str:
    """The digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """The digest of a file, "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage_of(path: Path, expected: str) -> str:
    """What is wrong with a file that had a digest, "" for nothing."""
    found = digest_of_file(path)
    return "" if found == expected else f"{path} is {'not what was written' if found else 'missing'}"


def damage_of_sealed(path: Path) -> str:
    """What is wrong with a file made by `sealed`, "" for nothing."""
    try:
        unsealed(path)
    except DamagedError as error:
        return str(error)
    return ""


def read_checked(path: Path, expected: str) -> bytes:
    """A file's content; DamagedError where it is not there or is not what was written."""
    content = _content(path)
    if digest(content) != expected:
        raise DamagedError(f"{path} is not what was written: it differs from its digest")
    return content


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    except (OSError, InputError) as error:
        raise DamagedError(f"{path} is not what was written: {error}") from error


def sealed(values: Mapping[str, Any]) -> bytes:
    """Values as JSON that holds its own digest, for `unsealed`."""
    return with_seal((json.dumps(values, indent=1) + "\n").encode())


def with_seal(text: bytes) -> bytes:
    """The indented JSON of an object with one more member, the digest of all text before that."""
    start = text.rstrip().removesuffix(b"}").rstrip()
    return start + (b"" if start.endswith(b"{") else b",") + seal_of(digest(start))


def seal_of(text_digest: str) -> bytes:
    """What ends an object, after a comma, whose text before that has this digest."""
    return _ENDING % text_digest.encode()


def unsealed(path: Path) -> dict[str, Any]:
    """The values of a file made by `sealed`; DamagedError where they are not what was written."""
    return unsealed_bytes(_content(path), str(path))


def unsealed_bytes(content: bytes, where: str) -> dict[str, Any]:
    """The values in what `sealed` made, which messages call `where`."""
    values, is_sealed = values_and_seal(content, where)
    if not is_sealed:
        raise DamagedError(f"{where} is not what was written: its digest is missing")
    return values


def values_and_seal(content: bytes, where: str) -> tuple[dict[str, Any], bool]:
    """The values of a file that should hold its digest, and whether it does: those of earlier versions need not.

    DamagedError where it is no JSON object, or differs from its digest.
    """
    try:
        values = parsed(content, "its text")
    except InputError as error:
        raise DamagedError(f"{where} is not what was written: {error}") from error
    if not isinstance(values, dict):
        raise DamagedError(f"{where} is not what was written: expected an object")
    if SEAL not in values:
        if ends_in_digest(content):
            raise DamagedError(f"{where} is not what was written: its digest is damaged")
        return values, False
    seal = values.pop(SEAL)
    if not holds_seal(content) and digest(_canonical(values)) != seal:  # the latter as earlier versions made it
        raise DamagedError(f"{where} is not what was written: it differs from its digest")
    return values, True


def ends_in_digest(content: bytes) -> bool:
    """Whether a text ends like one that holds its digest, be that right or not."""
    return _NEARLY.search(content, max(0, len(content) - 100)) is not None


def holds_seal(content: bytes) -> bool:
    """Whether a text ends with the digest of all before that."""
    ending = _ENDS.search(content, max(0, len(content) - 100))
    return ending is not None and digest(content[: ending.start()]) == ending[1].decode()


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True).encode()


DIGESTS = "digests.json"


def write_listing(folder: Path, paths: Iterable[Path]) -> None:
    """Write the list of the digests of files in and below a folder; that of earlier versions goes."""
    digests = {path.relative_to(folder).as_posix(): digest_of_file(path) for path in paths}
    write_atomically(folder / SUMS, format_sums(digests))
    (folder / DIGESTS).unlink(missing_ok=True)


def find_listing(folder: Path) -> Path | None:
    """Return the list of digests of a folder, also one of earlier versions; None where there is none."""
    return next((folder / name for name in (SUMS, DIGESTS) if (folder / name).is_file()), None)


SUMS = "SHA256SUMS"
"""Name of the list of digests of a folder's files, which `sha256sum -c` reads as well."""
_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)


def format_sums(digests: Mapping[str, str]) -> bytes:
    """Return a list of digests, by names of files, as `sha256sum` writes it: names with odd characters are escaped."""
    lines = []
    for name, file_digest in sorted(digests.items()):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        lines.append(f"{'' if escaped == name else chr(92)}{file_digest}  {escaped}\n")
    return os.fsencode("".join(lines))


def read_sums(path: Path) -> dict[str, str]:
    """Return the digests in such a list, by names of files; DamagedError where it is none."""
    digests = {}
    for line in _content(path).removesuffix(b"\n").split(b"\n"):
        match = _SUM.fullmatch(line)
        if match is None:
            raise DamagedError(f"{path} is not what was written: {line[:80]!r} is no digest of a file")
        name = os.fsdecode(match[3])
        if match[1]:
            name = name.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
        digests[name] = match[2].decode()
    return digests


def states_of(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of the last change (ns) of each file among some paths, sorted.

    They show that inputs are others without reading them.
    """
    found = sorted((str(path), path.stat()) for path in paths if path.is_file())
    return [(name, state.st_size, state.st_mtime_ns) for name, state in found]


def listed_in(listing: Path) -> list[tuple[Path, str]]:
    """A list and the files in it, and what is wrong with each, "" for nothing."""
    try:
        digests = read_sums(listing) if listing.name == SUMS else unsealed(listing)
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
