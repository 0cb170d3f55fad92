"""Read glTF 2.0 containers and their numbers, and write the same file with other numbers.

Everything in a .glb or .gltf file other than animations is kept unchanged. Source: Khronos, "glTF 2.0 Specification".
We do not use the library `pygltflib` (except in tests) because it takes over a hundred times as long to read an
ordinary file and does not limit the size of buffers.
"""

import base64
import binascii
import copy
import json
import os
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import check_unpacked, is_there, read_bytes
from selfcorrect.storage.files.strict_json import parse_json
from selfcorrect.storage.files.writing import replacing

_DATA = "data:application/octet-stream;base64,"
_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_TYPES = {width: kind for kind, width in _WIDTHS.items()}
_FLOAT = 5126
_UNSIGNED_SHORT = 5123
_COMPRESSION = "EXT_meshopt_compression"
DAMAGES = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct.error)
"""Exceptions that reading a damaged file may raise."""


_START_BYTES = 64
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""Bytes that may precede the JSON text of a .gltf: byte-order marks and blanks."""


@dataclass(frozen=True)
class Document:
    """The JSON content and the buffers of a glTF file."""

    content: dict[str, Any]
    buffers: tuple[bytes | bytearray, ...]

    def items(self, name: str) -> list[dict[str, Any]]:
        """Return the list `name` of the JSON content, or an empty list if it is missing."""
        return self.content.get(name) or []


def read_document(path: Path) -> Document:
    """Read a .glb or .gltf file and its buffers.

    Raises InputError for damage.
    """
    data = read_bytes(path)
    is_binary = data.startswith(b"glTF")
    is_text = data[:_START_BYTES].lstrip(_BEFORE_JSON).startswith(b"{")
    if not is_binary and not is_text:
        begins = f"begins with {data[:4].hex(' ')}" if data else "is empty"
        raise InputError(
            f'{path}: not a glTF file: expected it to begin with "glTF" (.glb) or "{{" (.gltf), but it {begins}'
        )
    try:
        text, chunk = _split_chunks(data) if is_binary else (data, b"")
        content = parse_json(text, path)
        version = str(content["asset"]["version"])
        if not version.startswith("2"):
            raise InputError(f"{path}: expected glTF 2.0, got version {version[:20]}")
        if _COMPRESSION in (content.get("extensionsRequired") or []):
            raise InputError(f"{path}: the numbers are compressed ({_COMPRESSION}); export without compression")
        buffers = _read_buffers(path, content.get("buffers") or [], data, chunk)
    except InputError:
        raise
    except (*DAMAGES, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable glTF file ({type(error).__name__}: {error})") from error
    return Document(content, buffers)


def _split_chunks(data: bytes) -> tuple[bytes, bytes]:
    """Return the JSON text and the numbers of a .glb, which are its first chunks of either kind."""
    chunks: dict[bytes, bytes] = {}
    start = 12
    while start + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, start)
        stop = start + 8 + length
        if stop > len(data):
            raise ValueError("the file is cut off")
        if not chunks.get(kind):
            chunks[kind] = data[start + 8 : stop]
        start = stop
    return chunks.get(b"JSON", b""), chunks.get(b"BIN\0", b"")


def _read_buffers(path: Path, entries: list[dict[str, Any]], data: bytes, chunk: bytes) -> tuple[bytes, ...]:
    """Read all buffers.

    Raises InputError if together they take too much memory, as many copies of one file may.
    """
    beside: dict[Path, bytes] = {}
    buffers: list[bytes] = []
    size = 0
    for entry in entries:
        content = _read_buffer(path, entry, chunk, beside)
        length = int(entry["byteLength"])
        if not 0 <= length <= len(content):
            raise InputError(f"{path}: expected a buffer of {length} bytes, got {len(content)}")
        size += length
        check_unpacked(path, size, stored=len(data) + sum(map(len, beside.values())))
        buffers.append(content[:length])
    return tuple(buffers)


def _read_buffer(path: Path, entry: dict[str, Any], chunk: bytes, beside: dict[Path, bytes]) -> bytes:
    """Read a buffer. Files beside the document are read once and kept in `beside`."""
    uri = entry.get("uri")
    if uri is None:
        return chunk
    if uri.startswith("data:"):
        try:
            return base64.b64decode(uri.partition(",")[2], validate=True)
        except binascii.Error as error:
            raise InputError(f"{path}: a buffer is not base64 ({error})") from error
    try:
        if not is_there(path.parent / uri):
            uri = unquote(uri)  # names with spaces are written with %20
        file = Path(os.path.realpath(path.parent / uri))
        if not file.is_relative_to(os.path.realpath(path.parent)):
            raise InputError(f"{path}: expected buffers in the file's folder, got {uri[:60]!r}, which is outside")
        if file not in beside:
            beside[file] = read_bytes(file)
    except OSError as error:  # no such file, a folder, a name too long
        raise InputError(f"{path}: the numbers are in {uri[:60]!r}, which is not a file in the same folder") from error
    return beside[file]


def numbers(document: Document, index: int) -> np.ndarray:
    """Read an accessor's array (count, width) as floats; normalised integers become fractions."""
    accessor = document.items("accessors")[index]
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("sparse accessors are not supported")
    array = _view(document, accessor)
    if not accessor.get("normalized"):
        return array.astype(float)
    return np.maximum(array / float(np.iinfo(array.dtype).max), -1.0)


def _view(document: Document, accessor: dict[str, Any]) -> np.ndarray:
    """Return a view (count, width) of an accessor's stored numbers."""
    view = document.items("bufferViews")[accessor["bufferView"]]
    dtype = np.dtype(_KINDS[accessor["componentType"]])
    width = _WIDTHS[accessor["type"]]
    count = int(accessor["count"])
    item = dtype.itemsize * width
    stride = int(view.get("byteStride") or item)
    start = int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))
    buffer = document.buffers[view["buffer"]]
    if count < 1 or stride < item or start < 0 or start + (count - 1) * stride + item > len(buffer):
        raise ValueError("an accessor reaches beyond its buffer")
    return np.ndarray((count, width), dtype, buffer, start, (stride, dtype.itemsize))


@dataclass(frozen=True)
class AccessorNumbers:
    """The first buffer of a document and its accessors, to which arrays are appended."""

    content: dict[str, Any] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)

    def add(self, array: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """Append an array and return the accessor's index.

        Args:
            array: (N,) or (N, C), floats or unsigned integers.
            target: glTF's number for the purpose of the array; None for animations.
            bounds: Whether to write the smallest and largest values, too.
        """
        are_counts = array.dtype.kind == "u"
        array = np.ascontiguousarray(array, dtype="<u2" if are_counts else "<f4")
        self.buffer.extend(b"\0" * (-len(self.buffer) % 4))
        views = self.content.setdefault("bufferViews", [])
        accessors = self.content.setdefault("accessors", [])
        view = {"buffer": 0, "byteOffset": len(self.buffer), "byteLength": array.nbytes}
        views.append(view if target is None else view | {"target": target})
        width = array.shape[1] if array.ndim == 2 else 1
        accessor = {
            "bufferView": len(views) - 1,
            "componentType": _UNSIGNED_SHORT if are_counts else _FLOAT,
            "count": len(array),
            "type": _TYPES[width],
        }
        if bounds:
            accessor["min"] = np.atleast_1d(array.min(axis=0)).tolist()
            accessor["max"] = np.atleast_1d(array.max(axis=0)).tolist()
        accessors.append(accessor)
        self.buffer.extend(array.tobytes())
        return len(accessors) - 1


AnimationTracks = tuple[np.ndarray, dict[tuple[int, str], np.ndarray]]
"""Times (T,) in s, and values (T, C) by node and animated property."""


def with_tracks(document: Document, tracks: Mapping[int, AnimationTracks]) -> Document:
    """Return the document with other channel values.

    Args:
        tracks: New values, by index of the animation. If a channel has floating-point values at the same times, they
            are
            overwritten. Otherwise the values, or the missing channel, are appended to the first buffer.
    """
    buffers = [bytearray(buffer) for buffer in document.buffers]
    changed = Document(copy.deepcopy(document.content), tuple(buffers))
    added = AccessorNumbers(changed.content, buffers[0])
    uses: Counter[int] = Counter()
    for animation in document.items("animations"):
        uses.update(animation["samplers"][channel["sampler"]]["output"] for channel in animation["channels"])
    for index, (times_s, values) in tracks.items():
        _change_animation(changed, added, uses, changed.items("animations")[index], times_s, values)
    for buffer, array in zip(changed.items("buffers"), buffers, strict=True):
        buffer["byteLength"] = len(array)
    return replace(changed, buffers=tuple(map(bytes, buffers)))


def _change_animation(
    document: Document,
    added: AccessorNumbers,
    uses: Mapping[int, int],
    animation: dict[str, Any],
    times_s: np.ndarray,
    tracks: dict[tuple[int, str], np.ndarray],
) -> None:
    """Change an animation's channels in place; `uses` counts the channels that use each accessor."""
    channels = {}
    for channel in animation["channels"]:
        channels[channel["target"].get("node"), channel["target"]["path"]] = channel
    samplers = animation["samplers"]
    time: int | None = None
    for (node, path), values in tracks.items():
        channel = channels.get((node, path))
        if channel and _try_replace_values(document, uses, samplers[channel["sampler"]], times_s, values):
            continue
        time = added.add(times_s, bounds=True) if time is None else time
        if channel:
            channel["sampler"] = len(samplers)
        else:
            animation["channels"].append({"target": {"node": node, "path": path}, "sampler": len(samplers)})
        samplers.append({"input": time, "output": added.add(values)})


def _try_replace_values(
    document: Document, uses: Mapping[int, int], sampler: dict[str, Any], times_s: np.ndarray, values: np.ndarray
) -> bool:
    """Overwrite a sampler's values, and return whether it was possible.

    The old values must be floats that no other channel uses, interpolated linearly, at the same times.
    """
    accessor = document.items("accessors")[sampler["output"]]
    keys_s = numbers(document, sampler["input"])[:, 0]
    is_linear = sampler.get("interpolation", "LINEAR") == "LINEAR"
    is_plain = accessor["componentType"] == _FLOAT and uses[sampler["output"]] == 1
    if not (is_linear and is_plain and accessor["count"] == len(values) and len(keys_s) == len(times_s)):
        return False
    if not np.allclose(keys_s, times_s, atol=1e-5):
        return False
    _view(document, accessor)[...] = values
    return True


def write_document(path: Path, document: Document) -> None:
    """Write a document as .gltf, with its numbers in base64, or for any other suffix as binary .glb."""
    content = copy.deepcopy(document.content)
    is_text = path.suffix.lower() == ".gltf"
    for index, (buffer, array) in enumerate(zip(content.get("buffers") or [], document.buffers, strict=True)):
        buffer.pop("uri", None)
        if is_text or index:
            buffer["uri"] = _DATA + base64.b64encode(array).decode()
    # UTF-8 cannot encode a lone surrogate in a name. It stays escaped, as it was in the JSON text.
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")
    first = document.buffers[0] if document.buffers else b""
    with replacing(path) as temporary:
        temporary.write_bytes(text if is_text else binary(text, first))


def binary(text: bytes, numbers: bytes | bytearray) -> bytes:
    """Return the bytes of a .glb with two chunks, each padded to a multiple of four bytes."""
    text += b" " * (-len(text) % 4)
    numbers += b"\0" * (-len(numbers) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(numbers), b"BIN\0") + numbers
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
