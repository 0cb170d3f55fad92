"""SHA-256 digests, which detect damaged files."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import DamagedError, InputError
from .limits import read_bytes
from .locks import LOCK
from .strict_json import parse_json
from .writing import write_atomically

DIGEST_KEY = "sha256"
"""Name of the last member of a JSON file, its digest."""
NO_CHECKSUM = "its checksum is missing"
_ENDING = b'\n "sha256": "%s"\n}\n'
_ANY_ENDING = re.compile(rb',?\n "(.{6})": "([0-9a-f]{64})"\n}\n\Z')
"""End of a file with a digest, whose name may be damaged."""


def compute_digest(content: bytes) -> str:
    """Return the digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def compute_file_digest(path: Path) -> str:
    """Return a file's digest, or "" if there is no file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_path(path: Path) -> str:
    """Return a digest of a file, or of all names and contents in a folder.

    If there is neither, the result is "".
    """
    if not path.is_dir():
        return compute_file_digest(path)
    outputs = {lock.parent for lock in path.rglob(LOCK)}
    files = sorted(file for file in path.rglob("*") if file.is_file() and outputs.isdisjoint(file.parents))
    lines = [f"{file.relative_to(path).as_posix()} {compute_file_digest(file)}" for file in files]
    return compute_digest("\n".join(lines).encode()) if lines else ""


def describe_damage(path: Path, expected: str | None = None) -> str:
    """Describe how a file is damaged, or return "".

    A file is damaged if its content does not match the digest.

    Args:
        expected: The digest; None for JSON that contains its digest.
    """
    if expected is not None:
        actual = compute_file_digest(path)
        fault = "is damaged: checksum mismatch" if actual else "is missing"
        return "" if actual == expected else f"{path} {fault}"
    try:
        read_with_digest(path)
    except DamagedError as error:
        return str(error)
    return ""


def read_checked(path: Path, expected: str) -> bytes:
    """Read a file and check its digest.

    Raises:
        DamagedError: The file is missing or does not match the digest.
    """
    content = _read_content(path)
    if compute_digest(content) != expected:
        raise DamagedError(f"{path} is damaged: checksum mismatch")
    return content


def _read_content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    except (OSError, InputError) as error:
        raise DamagedError(f"{path} is damaged: {error}") from error


def encode_with_digest(values: Mapping[str, Any]) -> bytes:
    """Encode values as JSON with a digest, for `read_with_digest`."""
    return append_digest((json.dumps(values, indent=1) + "\n").encode())


def write_with_digest(path: Path, values: Mapping[str, Any]) -> None:
    """Replace a file atomically by JSON with a digest."""
    write_atomically(path, encode_with_digest(values))


def append_digest(text: bytes) -> bytes:
    """Append a digest to JSON text.

    It becomes the last member of an indented object, and covers all text before it.
    """
    start = text.rstrip().removesuffix(b"}").rstrip()
    return start + (b"" if start.endswith(b"{") else b",") + format_ending(compute_digest(start))


def format_ending(text_digest: str) -> bytes:
    """Format the end of an object with its digest.

    The digest is that of the text up to a comma.
    """
    return _ENDING % text_digest.encode()


def read_with_digest(path: Path) -> dict[str, Any]:
    """Read JSON from `encode_with_digest` and check its digest.

    Raises:
        DamagedError: The file is missing or does not match its digest.
    """
    return decode_with_digest(_read_content(path), str(path))


def decode_with_digest(content: bytes, where: str) -> dict[str, Any]:
    """Decode JSON from `encode_with_digest` and check its digest.

    Raises:
        DamagedError: The content does not match its digest. The message begins with `where`.
    """
    try:
        values = parse_json(content, "its text")
    except InputError as error:
        raise DamagedError(f"{where} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise DamagedError(f"{where} is damaged: expected an object")
    ending = _find_ending(content)
    if ending is None:
        raise DamagedError(f"{where} is damaged: {NO_CHECKSUM}")
    if ending.groups() != (DIGEST_KEY.encode(), compute_digest(content[: ending.start()]).encode()):
        raise DamagedError(f"{where} is damaged: checksum mismatch")
    del values[DIGEST_KEY]
    return values


def has_digest(content: bytes) -> bool:
    """Return whether a text ends with a digest, valid or not."""
    return _find_ending(content) is not None


def _find_ending(content: bytes) -> re.Match[bytes] | None:
    return _ANY_ENDING.search(content, max(0, len(content) - 100))


DIGESTS = "digests.json"


def write_listing(folder: Path, paths: Iterable[Path]) -> None:
    """Write a list of digests of files in and below a folder."""
    digests = {path.relative_to(folder).as_posix(): compute_file_digest(path) for path in paths}
    write_atomically(folder / SUMS, format_sums(digests))


def find_listing(folder: Path) -> Path | None:
    """Return the path of a folder's list of digests, or None."""
    return folder / SUMS if (folder / SUMS).is_file() else None


SUMS = "SHA256SUMS"
"""Name of a folder's list of digests, which `sha256sum -c` can check as well."""
_SUM = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)", re.DOTALL)


def format_sums(digests: Mapping[str, str]) -> bytes:
    """Format digests as `sha256sum` does, one line per file.

    Special characters in names are escaped.
    """
    lines = []
    for name, file_digest in sorted(digests.items()):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        lines.append(f"{'' if escaped == name else chr(92)}{file_digest}  {escaped}\n")
    return os.fsencode("".join(lines))


def read_sums(path: Path) -> dict[str, str]:
    """Read a list of digests by file name.

    Raises:
        DamagedError: The file is not such a list.
    """
    digests = {}
    for line in _read_content(path).removesuffix(b"\n").split(b"\n"):
        match = _SUM.fullmatch(line)
        if match is None:
            raise DamagedError(f"{path} is damaged: {line[:80]!r} is not the checksum of a file")
        name = os.fsdecode(match[3])
        if match[1]:
            name = name.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
        digests[name] = match[2].decode()
    return digests


def check_listing(listing: Path) -> list[tuple[Path, str]]:
    """Check a list of digests and the files in it.

    Returns:
        Each file with a description of its damage, "" for an intact file.
    """
    try:
        digests = read_sums(listing) if listing.name == SUMS else read_with_digest(listing)
    except DamagedError as error:
        return [(listing, str(error))]
    paths = {listing.parent / name: str(expected) for name, expected in digests.items()}
    return [(listing, ""), *((path, describe_damage(path, expected)) for path, expected in paths.items())]


def make_titles(files: Sequence[Path]) -> list[str]:
    """Return the shortest ends of paths that distinguish files, as titles.

    A file that is given twice gets a number.
    """
    paths = [file.resolve() for file in files]
    longest = max((len(path.parts) for path in paths), default=0)
    for count in range(1, longest):
        titles = ["/".join(path.with_suffix("").parts[-count:]) for path in paths]
        if len(set(titles)) == len(titles):
            return titles
    titles = [str(file) for file in files]
    if len(set(titles)) == len(titles):
        return titles
    return [f"{file.stem} ({number})" for number, file in enumerate(files, 1)]
