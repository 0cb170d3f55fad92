"""Files as PyTorch saves them, written without PyTorch."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import TORCH, row_major_strides

_KINDS = {np.dtype(code): kind for kind, code in TORCH.items() if code}


def encode_tensors(content: Mapping[str, Any]) -> bytes:
    """Return a file as PyTorch saves it, of nested dictionaries of arrays (as tensors), numbers and text."""
    entries = {"archive/data.pkl": b"", "archive/byteorder": b"little", "archive/version": b"3\n"}
    entries["archive/data.pkl"] = pickle.PROTO + b"\x02" + _encode_value(content, entries) + pickle.STOP
    return write_archive(entries)


def _encode_value(value: Any, entries: dict[str, bytes]) -> bytes:
    """Return the opcodes of a value, and add an entry with the numbers of each array."""
    if isinstance(value, Mapping):
        items = [_encode_value(part, entries) for item in value.items() for part in item]
        return pickle.EMPTY_DICT + pickle.MARK + b"".join(items) + pickle.SETITEMS
    if not isinstance(value, np.ndarray):
        return pickle.dumps(value, protocol=2)[2:-1]  # without PROTO and STOP
    key = str(len(entries))
    entries[f"archive/data/{key}"] = value.tobytes()
    storage = _encode_tuple("storage", _encode_name(f"torch\n{_KINDS[value.dtype]}Storage"), key, "cpu", value.size)
    hooks = _encode_name("collections\nOrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    arguments = (storage + pickle.BINPERSID, 0, value.shape, row_major_strides(value.shape), False, hooks)
    return _encode_name("torch._utils\n_rebuild_tensor_v2") + _encode_tuple(*arguments) + pickle.REDUCE


def _encode_name(name: str) -> bytes:
    return pickle.GLOBAL + name.encode() + b"\n"


def _encode_tuple(*items: Any) -> bytes:
    """Return the opcodes of a tuple of values, or of opcodes of values."""
    opcodes = [item if isinstance(item, bytes) else _encode_value(item, {}) for item in items]
    return pickle.MARK + b"".join(opcodes) + pickle.TUPLE


def write_archive(entries: Mapping[str, bytes]) -> bytes:
    """Return PyTorch's archive with some entries by name; its pickle is the first."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, entry in entries.items():
            archive.writestr(zipfile.ZipInfo(name), entry)
    return file.getvalue()
