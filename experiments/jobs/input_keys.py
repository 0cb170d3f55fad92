"""Keys of inputs: work with the same key as before need not be done again.

A key covers the content of a file, the settings, the content of the files that settings name, the code of this
program and of other packages that takes part, and the versions of libraries. What a reader opens besides, such as the
buffers of a glTF file, is known once the file was read, and is compared by digest.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import selfcorrect
from selfcorrect.motion.geometry.compiled import KERNELS
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.software import describe_software
from selfcorrect.storage.files.digests import compute_digest, compute_file_digest


def make_input_key(
    source: Path, settings: object, named_files: Sequence[Path | None], plugins: Sequence[Identity] = ()
) -> str:
    """Return the key of a file and of all that the result depends on.

    Args:
        source: The file; a missing one has a key as well.
        settings: Values for JSON; other values count by their text.
        named_files: Files that the settings name, whose content counts.
        plugins: Identities of the code of other packages that takes part.
    """
    digests = [compute_file_digest(source), *(path and _digest_shared_file(path) for path in named_files)]
    parts = [settings, digests, digest_software(), [asdict(identity) for identity in plugins]]
    return compute_digest(json.dumps(parts, default=str).encode())


CODE = (
    "core", "motion", "runtime", "storage", "datasets", "simulators", "experiments/data", "experiments/file_correction",
    "experiments/jobs",
)  # fmt: skip
"""Folders of the package with all code behind the result of a correction, or a set of motions."""

CODE_OF_TOYS = (
    *CODE, "correctors", "loop", "metrics", "models", "remedies", "experiments/studies", "experiments/toy",
)  # fmt: skip
"""Folders of the package with all code behind a toy loop."""

_SUFFIXES = (".py", ".so", ".pyd")
"""Suffixes of code, as written and compiled."""


def list_code(folders: Sequence[str] = CODE) -> dict[str, Path]:
    """Return the files of the code in folders of the package, by name in the package."""
    files = {}
    for name in folders:
        places = [folder for place in selfcorrect.__path__ if (folder := Path(place, name)).is_dir()]
        for folder in places[:1]:
            paths = [path for path in folder.rglob("*") if path.suffix in _SUFFIXES]
            files |= {f"{name}/{path.relative_to(folder).as_posix()}": path for path in paths}
    return files


@lru_cache(maxsize=2)
def digest_software(folders: Sequence[str] = CODE) -> str:
    """Return a digest of the code in folders of the package, the versions of Python and libraries, and the kernels.

    The code counts as of the first need of the digest. Kernels that the environment leaves out count as missing.
    """
    code = {name: compute_file_digest(path) for name, path in sorted(list_code(folders).items())}
    return compute_digest(json.dumps([code, describe_software(), KERNELS is not None]).encode())


def digest_sidecars(opened: Iterable[Path], source: Path) -> dict[str, str]:
    """Return the digests of the files that were opened beside a source, by path."""
    return {str(path): compute_file_digest(path) for path in opened if path != source}


def are_unchanged(digests: Mapping[str, str]) -> bool:
    """Return whether files still have these digests."""
    return all(compute_file_digest(Path(path)) == digest for path, digest in digests.items())


def _digest_shared_file(path: Path) -> str:
    """Return the digest of a file that many inputs share; the file is read again after any change."""
    if not path.is_file():
        return ""
    state = path.stat()
    return _digest_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=8)
def _digest_state(path: Path, *state: int) -> str:
    """Return the digest of a file in a state; nobody can set back the time of the last change (`st_ctime`)."""
    return compute_file_digest(path)
