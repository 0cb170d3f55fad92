"""Digests (SHA-256) of committed files, by which bits that have flipped on a disk are noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfcorrect.errors import DamagedError

_SEAL = "sha256"


def digest(content: bytes) -> str:
    """The digest of a file's content."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """The digest of a file, "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checked(path: Path, expected: str) -> bytes:
    """A file's content; DamagedError where it is not there or is not what was written."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing") from error
    if digest(content) != expected:
        raise DamagedError(f"{path} is not what was written: it differs from its digest")
    return content


def sealed(values: Mapping[str, Any]) -> bytes:
    """Values as JSON that holds its own digest, for `unsealed`."""
    return (json.dumps({**values, _SEAL: digest(_canonical(values))}, indent=1) + "\n").encode()


def unsealed(path: Path) -> dict[str, Any]:
    """The values of a file made by `sealed`; DamagedError where they are not what was written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} is not what was written: {error}") from error
    return unsealed_bytes(content, str(path))


def unsealed_bytes(content: bytes, where: str) -> dict[str, Any]:
    """The values in what `sealed` made, which messages call `where`."""
    try:
        values = json.loads(content)
        seal = values.pop(_SEAL)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedError(f"{where} is not what was written: {error}") from error
    if digest(_canonical(values)) != seal:
        raise DamagedError(f"{where} is not what was written: it differs from its digest")
    return values


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True).encode()
