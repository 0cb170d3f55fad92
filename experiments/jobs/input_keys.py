"""Keys of inputs: work whose key is the same as before need not be done again.

A key covers the content of a file, the settings, the content of the files that settings name, and the code. What a
reader opens besides, such as the buffers of a glTF file, is known once the file was read, and is compared by digest.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import selfcorrect


def make_input_key(source: Path, settings: object, named_files: Sequence[Path | None]) -> str:
    """Return the key of a file and of all that its result depends on.

    Args:
        source: The file; a missing one has a key as well.
        settings: Values for JSON; other values count by their text.
        named_files: Files that the settings name, whose content counts.

    Returns:
        A hash.
    """
    named_hashes = [path and _hash_shared_file(path) for path in named_files]
    return hash_file(source, json.dumps([settings, named_hashes, hash_code()], default=str).encode())


CODE = (
    "core", "motion", "runtime", "storage", "datasets", "simulators", "experiments/data", "experiments/file_correction",
    "experiments/jobs",
)  # fmt: skip
"""Folders of the package with all code on which the result of a correction, or a set of motions, depends."""

CODE_OF_LOOPS = (
    *CODE, "correctors", "loop", "metrics", "models", "remedies", "experiments/curation", "experiments/motion",
    "experiments/remedies", "experiments/studies",
)  # fmt: skip
"""Folders of the package with all code on which a motion experiment depends."""

_SUFFIXES = (".py", ".so", ".pyd")
"""Suffixes of code, as written and compiled."""


def list_code(folders: Sequence[str] = CODE) -> dict[str, Path]:
    """Return the files of the code in folders of the package, by their names in the package."""
    files = {}
    for name in folders:
        places = [folder for place in selfcorrect.__path__ if (folder := Path(place, name)).is_dir()]
        for folder in places[:1]:
            paths = [path for path in folder.rglob("*") if path.suffix in _SUFFIXES]
            files |= {f"{name}/{path.relative_to(folder).as_posix()}": path for path in paths}
    return files


@lru_cache(maxsize=2)
def hash_code(folders: Sequence[str] = CODE) -> str:
    """Return a hash of the code in folders of the package, as the code is when the hash is first needed."""
    code_hash = hashlib.blake2b(digest_size=16)
    for name, path in sorted(list_code(folders).items()):
        content = path.read_bytes()
        code_hash.update(f"{name} {len(content)}\n".encode() + content)
    return code_hash.hexdigest()


def hash_file(path: Path, prefix: bytes = b"") -> str:
    """Return a hash of `prefix` and a file's content; "" for a missing file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(prefix, digest_size=16)).hexdigest()


def hash_sidecars(opened: Iterable[Path], source: Path) -> dict[str, str]:
    """Return the hashes of the files that were opened beside a source, by their paths."""
    return {str(path): hash_file(path) for path in opened if path != source}


def are_unchanged(hashes: Mapping[str, str]) -> bool:
    """Return whether files still have these hashes."""
    return all(hash_file(Path(path)) == file_hash for path, file_hash in hashes.items())


def _hash_shared_file(path: Path) -> str:
    """Return the hash of a file that many inputs share; it is read again once anything wrote to it."""
    if not path.is_file():
        return ""
    state = path.stat()
    return _hash_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=8)
def _hash_state(path: Path, *state: int) -> str:
    """Return the hash of a file in a state; nobody can set back the time of its last change (`st_ctime`)."""
    return hash_file(path)
