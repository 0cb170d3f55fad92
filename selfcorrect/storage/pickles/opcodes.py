"""Opcodes of pickles, written: what puts text, numbers, arrays and tensors on the stack, and PyTorch's archives."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from selfcorrect.storage.pickles.machine import opcodes_in
from selfcorrect.storage.pickles.stored import TORCH, packed_strides


def spliced(content: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    """The content with stretches (from, to) replaced."""
    parts, at = [], 0
    for start, stop, more in cuts:
        parts += [content[at:start], more]
        at = stop
    return b"".join([*parts, content[at:]])


def bytes_opcodes(content: bytes) -> bytes:
    """What puts bytes on the stack."""
    short = len(content) < 2**32
    return (b"B" + struct.pack("<I", len(content)) if short else b"\x8e" + struct.pack("<Q", len(content))) + content


def text_opcodes(text: str) -> bytes:
    """What puts a text on the stack."""
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def whole_opcodes(number: int) -> bytes:
    """What puts a whole number from −2³¹ to 2³¹ − 1 on the stack."""
    return b"J" + struct.pack("<i", number)


def sides_opcodes(sides: tuple[int, ...]) -> bytes:
    """What puts a tuple of whole numbers on the stack."""
    return b"(" + b"".join(map(whole_opcodes, sides)) + b"t"


def storage_opcodes(key: str, kind: str, count: int) -> bytes:
    """What puts a storage of PyTorch on the stack."""
    name = text_opcodes("storage") + f"ctorch\n{kind}Storage\n".encode()
    return b"(" + name + text_opcodes(key) + text_opcodes("cpu") + whole_opcodes(count) + b"tQ"


def tensor_opcodes(key: str, dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """What puts a tensor that fills its storage on the stack."""
    kind = next(kind for kind, code in TORCH.items() if np.dtype(code) == dtype)
    storage = storage_opcodes(key, kind, math.prod(shape))
    places = whole_opcodes(0) + sides_opcodes(shape) + sides_opcodes(packed_strides(shape))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + places + b"\x89ccollections\nOrderedDict\n)RtR"


def third(content: bytes, start: int, stop: int) -> tuple[int, int]:
    """From where to where the opcode goes that puts the third value of a stretch on the stack: a storage's key."""
    file, values, begin = io.BytesIO(content[:stop]), 0, start
    file.seek(start)
    for name, _ in opcodes_in(file):
        values += "PUT" not in name and name != "MEMOIZE"
        if values == 3:
            return begin, file.tell()
        begin = file.tell()
    raise ValueError("a storage without a key")


def array_opcodes(array: np.ndarray) -> bytes:
    """What puts an array on the stack, under names that NumPy 1 and 2 both know."""
    dtype = b"cnumpy\ndtype\n(" + text_opcodes(array.dtype.str[1:]) + b"\x89\x88tR"
    order = text_opcodes("<" if array.dtype.itemsize > 1 else "|")
    state = b"(" + whole_opcodes(3) + order + b"NNN" + whole_opcodes(-1) + whole_opcodes(-1) + whole_opcodes(0) + b"tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + whole_opcodes(0) + b"tC\x01btR"
    content = bytes_opcodes(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return empty + b"(" + whole_opcodes(1) + sides_opcodes(array.shape) + dtype + state + b"\x89" + content + b"tb"


def torch_archive(content: Mapping[str, Any]) -> bytes:
    """A file as PyTorch saves it: nested dictionaries of arrays, which become tensors, of numbers and of text."""
    storages: list[bytes] = []

    def opcodes(value: Any) -> bytes:
        if isinstance(value, Mapping):
            items = b"".join(text_opcodes(key) + opcodes(item) for key, item in value.items())
            return b"}(" + items + b"u"
        if isinstance(value, np.ndarray):
            storages.append(np.ascontiguousarray(value).tobytes())
            return tensor_opcodes(str(len(storages) - 1), value.dtype, value.shape)
        return text_opcodes(value) if isinstance(value, str) else b"G" + struct.pack(">d", value)

    pickle = b"\x80\x02" + opcodes(content) + b"."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        parts = {"data.pkl": pickle, "byteorder": b"little"}
        parts |= {f"data/{key}": storage for key, storage in enumerate(storages)} | {"version": b"3\n"}
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), part)
    return file.getvalue()
