"""Keys of inputs, by which finished work is recognised and skipped.

A key covers the content of a file, the settings, the content of the files named in settings, the code of this program
and of the other packages involved, and the versions of libraries. Other files that a reader opens or looks for, such as
the buffers of a glTF file or the skeletons in its folder, are known only after the file was read, and are compared by
their digests then.
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
    """Return the key of a file, its settings and the software.

    Args:
        source: The file, which may be missing, or the digest of its content.
        settings: JSON values. Other values are compared by their text.
        named_files: Files named in the settings, which are compared by content.
        plugins: Identities of code of other packages that is involved.
    """
    digest = source if isinstance(source, str) else compute_file_digest(source)
    digests = [digest, *(path and _digest_shared_file(path) for path in named_files)]
    parts = [settings, digests, digest_software(), [asdict(identity) for identity in plugins]]
    return compute_digest(json.dumps(parts, default=str).encode())


@lru_cache(maxsize=1)
def digest_software() -> str:
    """Digest this program: its code, whether kernels are used, and the versions of Python and libraries.

    A change of any module counts, so that nobody has to list the modules that a result depends on. This takes about
    40 ms, once per process.
    """
    code = {name: compute_file_digest(path) for name, path in sorted(list_code().items())}
    return compute_digest(json.dumps([code, describe_software(), KERNELS is not None]).encode())


def list_code() -> dict[str, Path]:
    """List the source and compiled modules of the program, by their paths in the folder of its packages."""
    installed = Path(selfcorrect.__file__).parent
    others = (
        Path(place, name)
        for place in selfcorrect.__path__
        for name in ("simulators", "datasets", "experiments", "commands")
    )
    paths = {path for folder in (installed, *others) for path in folder.rglob("*") if path.suffix in _SUFFIXES}
    return {path.relative_to(installed.parent).as_posix(): path for path in paths}


_SUFFIXES = (".py", ".so", ".pyd")
"""Suffixes of source and compiled modules."""


def digest_sidecars(record: InputRecord, source: Path) -> dict[str, str]:
    """Return the digests of all other files that were opened or looked for while a source was read.

    Returns:
        Digests by path relative to the source's folder, "" for missing files. Listings have names such as "*.asf/",
        which no file has.
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


def list_sidecars(digests: Mapping[str, str], source: Path) -> list[Path]:
    """List the other files that were opened with a source, by the digests of `digest_sidecars`."""
    folder = source.resolve().parent
    return [folder / name for name, digest in digests.items() if digest and not name.endswith(os.sep)]


def are_unchanged(digests: Mapping[str, str], source: Path) -> bool:
    """Return whether all files that were opened or looked for with a source are unchanged."""
    folder = source.resolve().parent
    return all(_digest_sidecar(folder, name) == digest for name, digest in digests.items())


def _digest_sidecar(folder: Path, name: str) -> str:
    """Return the digest of a file, of the names in a folder, or of a listing; "" for a missing file."""
    path = folder / name
    if name.endswith(os.sep):
        names = [file.name for file in list_files(path.parent, path.suffix)]
    elif path.is_dir():
        names = sorted(os.listdir(path))
    else:
        return compute_file_digest(path)
    return compute_digest(json.dumps(names).encode())


def _digest_shared_file(path: Path) -> str:
    """Digest a file that many inputs share, reading it again only after it changed."""
    if not path.is_file():
        return ""
    state = path.stat()
    return _digest_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=8)
def _digest_state(path: Path, *state: int) -> str:
    """Return the digest of a file, cached by its state, which includes `st_ctime` because it cannot be set back."""
    return compute_file_digest(path)
