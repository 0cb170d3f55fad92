"""Keys of inputs: finished work is skipped.

A key covers the content of a file, the settings, the content of the files that settings name, the code of this
program and of other packages that takes part, and the versions of libraries. What a reader opens or looks for besides,
such as the buffers of a glTF file or the skeletons in its folder, is known once the file was read, and is compared by
digest.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import selfcorrect
from selfcorrect.motion.geometry.compiled import KERNELS
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.software import describe_software
from selfcorrect.storage.files.digests import compute_digest, compute_file_digest
from selfcorrect.storage.files.limits import InputRecord, list_files


def make_input_key(
    source: Path | str, settings: object, named_files: Sequence[Path | None], plugins: Sequence[Identity] = ()
) -> str:
    """Return the key of a file's inputs.

    Args:
        source: The file, or the digest of its content; a missing file has a key as well.
        settings: Values for JSON; other values count by their text.
        named_files: Files that the settings name, whose content counts.
        plugins: Identities of the code of other packages that takes part.
    """
    digest = source if isinstance(source, str) else compute_file_digest(source)
    digests = [digest, *(path and _digest_shared_file(path) for path in named_files)]
    parts = [settings, digests, digest_software(), [asdict(identity) for identity in plugins]]
    return compute_digest(json.dumps(parts, default=str).encode())


@lru_cache(maxsize=1)
def digest_software() -> str:
    """Digest this program: its code, the kernels in use, and the versions of Python and libraries.

    Any change of any module counts, so that nobody has to list the modules behind a result. The digest takes about
    40 ms, once per process.
    """
    code = {name: compute_file_digest(path) for name, path in sorted(list_code().items())}
    return compute_digest(json.dumps([code, describe_software(), KERNELS is not None]).encode())


def list_code() -> dict[str, Path]:
    """List the program's source and compiled modules, by their path in the folder of its packages."""
    installed = Path(selfcorrect.__file__).parent
    others = (Path(place, name) for place in selfcorrect.__path__ for name in ("simulators", "datasets", "experiments"))
    paths = {path for folder in (installed, *others) for path in folder.rglob("*") if path.suffix in _SUFFIXES}
    return {path.relative_to(installed.parent).as_posix(): path for path in paths}


_SUFFIXES = (".py", ".so", ".pyd")
"""Suffixes of modules, as source and compiled."""


def digest_sidecars(record: InputRecord, source: Path) -> dict[str, str]:
    """Return digests of the files beside a source.

    What was opened and looked for; "" for files that are not there.

    Returns:
        Digests by path from the source's folder; listings have names such as "*.asf/", as no file has.
    """
    folder = source.resolve().parent
    digests = {}
    for path in record.paths:
        name = os.path.relpath(path.parent.resolve() / path.name, folder)
        if path != source and folder / name != source.resolve():
            digests[name] = _digest_sidecar(folder, name)
    for place, suffix in record.listings:
        name = os.path.join(os.path.relpath(place.resolve(), folder), f"*{suffix}", "")
        digests[name] = _digest_sidecar(folder, name)
    return digests


def are_unchanged(digests: Mapping[str, str], source: Path) -> bool:
    """Return whether all files beside a source are unchanged."""
    folder = source.resolve().parent
    return all(_digest_sidecar(folder, name) == digest for name, digest in digests.items())


def _digest_sidecar(folder: Path, name: str) -> str:
    """Return the digest of a file, or of the names in a folder; "" if there is none."""
    path = folder / name
    if name.endswith(os.sep):
        names = [file.name for file in list_files(path.parent, path.suffix)]
    elif path.is_dir():
        names = sorted(os.listdir(path))
    else:
        return compute_file_digest(path)
    return compute_digest(json.dumps(names).encode())


def _digest_shared_file(path: Path) -> str:
    """Digest a file that many inputs share; it is read again after any change."""
    if not path.is_file():
        return ""
    state = path.stat()
    return _digest_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=8)
def _digest_state(path: Path, *state: int) -> str:
    """Return the digest of a file in a state; nobody can set back the time of the last change (`st_ctime`)."""
    return compute_file_digest(path)
