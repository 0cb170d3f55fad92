"""glTF 2.0 containers, and the numbers inside.

The same .glb or .gltf file can be written with other numbers. Khronos, "glTF 2.0 Specification". What a file holds
beside animations is neither understood nor changed. The library `pygltflib`, which the tests use, takes over a hundred
times as long to read an ordinary file, and bounds no buffer.
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
"""Errors that a damaged file may raise. Readers raise them."""


_START_BYTES = 64
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""Bytes before the text of a .gltf: marks of byte order and blanks."""


@dataclass(frozen=True)
class Document:
    """A glTF file: JSON and buffers."""

    content: dict[str, Any]
    buffers: tuple[bytes | bytearray, ...]

    def items(self, name: str) -> list[dict[str, Any]]:
        """Return the list `name`, empty if missing."""
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
            f'{path}: not a glTF file: expected "glTF" (.glb) or "{{" (.gltf) at its start, but it {begins}'
        )
    try:
        text, chunk = _chunks(data) if is_binary else (data, b"")
        content = parse_json(text, path)
        version = str(content["asset"]["version"])
        if not version.startswith("2"):
            raise InputError(f"{path}: expected glTF 2.0, got version {version[:20]}")
        if _COMPRESSION in (content.get("extensionsRequired") or []):
            raise InputError(f"{path}: its numbers are compressed ({_COMPRESSION}); export it without compression")
        buffers = _buffers(path, content.get("buffers") or [], data, chunk)
    except InputError:
        raise
    except (*DAMAGES, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable glTF file ({type(error).__name__}: {error})") from error
    return Document(content, buffers)


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """Return the JSON and the numbers of a .glb, from the first chunk of either kind."""
    chunks: dict[bytes, bytes] = {}
    start = 12
    while start + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, start)
        stop = start + 8 + length
        if stop > len(data):
            raise ValueError("it is cut off")
        if not chunks.get(kind):
            chunks[kind] = data[start + 8 : stop]
        start = stop
    return chunks.get(b"JSON", b""), chunks.get(b"BIN\0", b"")


def _buffers(path: Path, entries: list[dict[str, Any]], data: bytes, chunk: bytes) -> tuple[bytes, ...]:
    """Read all buffers.

    Raises InputError if they take too much memory together, as copies of a file may.
    """
    beside: dict[Path, bytes] = {}
    buffers: list[bytes] = []
    size = 0
    for entry in entries:
        content = _buffer(path, entry, chunk, beside)
        length = int(entry["byteLength"])
        if not 0 <= length <= len(content):
            raise InputError(f"{path}: a buffer has {len(content)} bytes, {length} were expected")
        size += length
        check_unpacked(path, size, stored=len(data) + sum(map(len, beside.values())))
        buffers.append(content[:length])
    return tuple(buffers)


def _buffer(path: Path, entry: dict[str, Any], chunk: bytes, beside: dict[Path, bytes]) -> bytes:
    """Read a buffer; `beside` holds files that were read for earlier buffers."""
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
            raise InputError(f"{path}: its buffer {uri[:60]!r} lies outside the file's folder, where nothing is read")
        if file not in beside:
            beside[file] = read_bytes(file)
    except OSError as error:  # no such file, a folder, a name too long
        raise InputError(f"{path}: its numbers are in {uri[:60]!r}, which is no file in the same folder") from error
    return beside[file]


def numbers(document: Document, index: int) -> np.ndarray:
    """Read an accessor's array (count, width).

    Whole numbers that stand for fractions become fractions.
    """
    accessor = document.items("accessors")[index]
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("numbers in sparse accessors are not read")
    array = _view(document, accessor)
    if not accessor.get("normalized"):
        return array.astype(float)
    return np.maximum(array / float(np.iinfo(array.dtype).max), -1.0)


def _view(document: Document, accessor: dict[str, Any]) -> np.ndarray:
    """Return an accessor's stored numbers (count, width)."""
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
    """A document's first buffer and its accessors; arrays are added to both."""

    content: dict[str, Any] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)

    def add(self, array: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """Append an array and return the accessor's index.

        Args:
            array: (N,) or (N, C), floats or unsigned integers.
            target: Purpose of the array, a number of glTF; None for animations.
            bounds: Write the least and largest values, too.
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
"""Times (T,) in s, and values (T, C). Values are by node and path."""


def with_tracks(document: Document, tracks: Mapping[int, AnimationTracks]) -> Document:
    """Return the file with other channel values.

    If a channel already has as many floating-point values at these times, the new values replace the old in place.
    Otherwise they are added at the end of the first buffer, and so is a missing channel.
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
    """Change an animation's channels; `uses` is the number of channels that use each accessor."""
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
    """Replace a sampler's values in place, if possible, and return whether they were replaced.

    The values must be plain, at these times, and unshared.
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
    """Write a file as .gltf or .glb.

    .gltf is text with the numbers in base64; other suffixes give the binary .glb.
    """
    content = copy.deepcopy(document.content)
    is_text = path.suffix.lower() == ".gltf"
    for index, (buffer, array) in enumerate(zip(content.get("buffers") or [], document.buffers, strict=True)):
        buffer.pop("uri", None)
        if is_text or index:
            buffer["uri"] = _DATA + base64.b64encode(array).decode()
    # What UTF-8 cannot hold, half of a pair of surrogates in a name, stays the escape that it was in JSON.
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")
    first = document.buffers[0] if document.buffers else b""
    with replacing(path) as temporary:
        temporary.write_bytes(text if is_text else binary(text, first))


def binary(text: bytes, numbers: bytes | bytearray) -> bytes:
    """Return a .glb file of two chunks, each a multiple of four bytes long."""
    text += b" " * (-len(text) % 4)
    numbers += b"\0" * (-len(numbers) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(numbers), b"BIN\0") + numbers
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
