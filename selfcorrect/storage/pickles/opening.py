"""What a file of results is, by its content: .npz, .npy of objects, a pickle, joblib's, or PyTorch's archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ...core.errors import InputError, short
from ..files.arrays import skip_to_objects
from ..files.limits import check_unpacked, open_file, read_bytes, unpacked_limit_bytes
from .nested import PickledResults
from .results import NpzResults, Results

_PACKED: dict[bytes, tuple[Callable[[], Any], Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": (partial(zlib.decompressobj, 31), gzip.compress),
    b"\x78": (zlib.decompressobj, zlib.compress),
    b"BZh": (bz2.BZ2Decompressor, bz2.compress),
    b"\xfd7zXZ": (lzma.LZMADecompressor, lzma.compress),
    b"\x5d\x00": (lzma.LZMADecompressor, partial(lzma.compress, format=lzma.FORMAT_ALONE)),
}
"""How joblib compresses, by what such files begin with: what unpacks them, and what packs them again."""

_TIMES = 3
"""How many times what was compressed is in memory while it is read."""


def open_results(path: Path) -> Results:
    """A file of results, by its content; InputError where it is none or damaged."""
    with open_file(path) as file:
        start = file.read(6)
    if start[:2] == b"PK":
        return _zipped(path)
    if start[:6] == b"\x93NUMPY":
        with open_file(path) as file:
            skip_to_objects(path, file)
            return PickledResults(path, read_bytes(path), file.tell())
    content, pack = _unpacked(path, read_bytes(path))
    return PickledResults(path, content, pack=pack)


def _zipped(path: Path) -> Results:
    content = read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
                raise InputError(f"{path}: compressed in a way that neither NumPy nor PyTorch uses")
            described = [info.filename for info in infos if info.filename.endswith("/data.pkl")]
            if not described:
                return NpzResults(path)
            check_unpacked(path, _TIMES * sum(info.file_size for info in infos), stored=len(content))
            entries = {info.filename: archive.read(info) for info in infos}
    except InputError:
        raise
    except Exception as error:  # a damaged archive makes its reader raise errors of any kind
        raise InputError(f"{path}: the file cannot be read ({short(error)})") from error
    return PickledResults(path, entries[described[0]], entries=entries, pickle=described[0])


def _unpacked(path: Path, content: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """The content of a file that joblib compressed, bounded, and how it is compressed again."""
    found = next((how for start, how in _PACKED.items() if content.startswith(start)), None)
    if found is None:
        return content, bytes
    unpacking, pack = found
    most = max(unpacked_limit_bytes(), 8 * len(content)) // _TIMES
    try:
        whole = unpacking().decompress(content, most + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: not a readable pickle file ({short(error)})") from error
    check_unpacked(path, _TIMES * len(whole), stored=len(content))
    return whole, pack
