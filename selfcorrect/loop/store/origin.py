"""Origins: what a stored part belongs to, recorded in the part itself.

Checksums find files that changed, not files that are in the wrong place, such as a backup that was restored into
another folder. So each generation records its run, arm, seed, number and settings, the digests of its contents, and the
digest of its parent, in a file `origin.json` that never changes. Each folder of generations records its last one in
`latest.json`, which tells a folder that lost generations from one that is still being written. Runs of older versions
have neither; their places are not verified.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import DamagedError
from ...storage.files.digests import (
    DIGESTS,
    compute_digest,
    decode_with_digest,
    encode_with_digest,
    read_checked,
    read_with_digest,
    write_with_digest,
)
from ...storage.files.strict_json import as_json
from .run_folder import CONFIG

ORIGIN = "origin.json"
LATEST = "latest.json"
FIRST_FOLDER = "first-generation"
"""Name of the folder of the generation 0 that all arms of a seed share."""
BELONGS_TO = "belongs_to"
"""Member of other JSON files with what they belong to."""
PUT_BACK = "parts were exchanged, copied or restored into the wrong folder: put each back to where it was made"


@dataclass(frozen=True)
class Owner:
    """The run, arm and seed to which generations or measurements belong."""

    task: str = ""
    arm: str = ""
    """Key of the arm; "" for what the arms of a seed share."""
    seed: int = 0
    study: str = ""
    """Digest of the settings that all arms and seeds share; "" if it is not known and not compared."""
    place: str = ""
    """Path in the run folder."""

    def to_json(self) -> dict[str, Any]:
        """Return what a part records of its owner."""
        return dict(vars(self))

    def describe_conflict(self, recorded: Mapping[str, Any]) -> str:
        """Describe whose a part is if it is not this owner's, or return ""."""
        expected = self.to_json()
        different = [name for name, value in expected.items() if recorded.get(name, value) != value]
        if not self.study or not recorded.get("study"):
            different = [name for name in different if name != "study"]
        if not different:
            return ""
        if different == ["study"]:
            return "belongs to a run with other settings"
        return f"belongs to {_describe(recorded)}, expected {_describe(expected)}"


def _describe(owner: Mapping[str, Any]) -> str:
    return owner.get("place") or f"arm {owner.get('arm')!r}, seed {owner.get('seed')}"


def digest_settings(settings: Mapping[str, object]) -> str:
    """Return the digest of settings, whatever their order."""
    return compute_digest(json.dumps(as_json(settings), sort_keys=True).encode())


def encode_origin(owner: Owner | None, number: int, settings: str, parent: str, contents: Mapping[str, str]) -> bytes:
    """Encode the origin of a generation.

    Args:
        owner: Run, arm and seed; None for a folder of its own.
        number: Number of the generation.
        settings: Digest of the settings of its folder.
        parent: Digest of the origin of the generation before; "" for none, or for one of an older version.
        contents: Digests of its other files that never change, by name.
    """
    values = owner.to_json() if owner is not None else {}
    values |= {"generation": number, "settings": settings, "parent": parent, "contents": dict(contents)}
    return encode_with_digest(values)


def read_origin(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the origin of a generation and its digest.

    Returns:
        The origin and its digest, both empty for a generation of an older version.

    Raises:
        DamagedError: The file is damaged, or the listed files are not those of the origin.
    """
    listing = read_with_digest(folder / DIGESTS)
    if ORIGIN not in listing:
        return {}, ""
    content = read_checked(folder / ORIGIN, listing[ORIGIN])
    origin = decode_with_digest(content, str(folder / ORIGIN))
    for name, digest in origin["contents"].items():
        if listing.get(name, digest) != digest:
            raise DamagedError(f"{folder / name} is of another generation; {PUT_BACK}")
    return origin, listing[ORIGIN]


def describe_misplacement(
    folder: Path, origin: Mapping[str, Any], owner: Owner | None, number: int, parent: str | None
) -> str:
    """Describe why a generation is not the one that its folder should hold, or return "".

    Args:
        folder: Folder of the generation.
        owner: Expected run, arm and seed; None if they are not known.
        number: Expected number.
        parent: Digest of the generation before; None if it is not known.
    """
    conflict = owner.describe_conflict(origin) if owner is not None else ""
    if conflict:
        return f"{folder} {conflict}; {PUT_BACK}"
    if origin["generation"] != number:
        return f"{folder} is generation {origin['generation']}, expected {number}; {PUT_BACK}"
    settings = folder.parent / CONFIG
    if not settings.is_file():
        return f"{settings} is missing"
    if digest_settings(read_with_digest(settings)) != origin["settings"]:
        return f"{folder} was made with other settings than {settings} has; {PUT_BACK}"
    if parent and origin["parent"] and origin["parent"] != parent:
        return f"{folder} continues another generation {number - 1} than the one that is there; {PUT_BACK}"
    return ""


def describe_wrong_place(path: Path, place: str, root: Path) -> str:
    """Describe that a part is not at its place below a folder, or return "".

    Args:
        path: The part.
        place: Its path in the run folder where it was made; "" if it is not known.
        root: A run folder, a folder above it or one in it.
    """
    expected = PurePosixPath(place).parts
    found = path.relative_to(root).parts
    common = min(len(expected), len(found))
    if not common or found[-common:] == expected[-common:]:
        return ""
    return f"{path} belongs to {place}; {PUT_BACK}"


def read_latest(folder: Path) -> tuple[int, str] | None:
    """Read the number of the last generation that was committed, and the digest of its origin.

    Returns:
        −1 and "" before the first generation, None for a folder of an older version.

    Raises:
        DamagedError: The file is damaged.
    """
    path = folder / LATEST
    if not path.exists():
        return None
    values = read_with_digest(path)
    return values["generation"], values["digest"]


def write_latest(folder: Path, number: int, digest: str) -> None:
    """Record the last generation of a folder."""
    write_with_digest(folder / LATEST, {"generation": number, "digest": digest})
