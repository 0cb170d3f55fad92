"""Results that programs save as nested dictionaries: .pkl, .pt and .npy of objects, read and written back.

Nothing in the files is run (see `machine`); PyTorch and joblib are not needed. An array is named by the keys that lead
to it, with dots between them: "people.1.smplx_world.pose". Writing replaces the numbers that changed where they lie;
all other bytes of the file stay. Where a file says "the same array again" and only one of the two changes, the other
one gets a copy.
"""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import check_unpacked, unpacked_limit_bytes
from selfcorrect.storage.files.writing import replacing
from selfcorrect.storage.pickles.machine import Machine
from selfcorrect.storage.pickles.names import RESULTS
from selfcorrect.storage.pickles.opcodes import (
    array_opcodes,
    bytes_opcodes,
    spliced,
    tensor_opcodes,
    text_opcodes,
    third,
)
from selfcorrect.storage.pickles.results import Results
from selfcorrect.storage.pickles.stored import (
    DEEPEST,
    LEGACY,
    Leaf,
    Stored,
    array_leaf,
    check,
    dtype_of_storage,
    list_of_storages,
    number_sizes,
    view,
)
from selfcorrect.storage.pickles.things import Located, Refused, Thing, dtype_of, refusing

_MOST_NAMES = 400_000


@dataclass
class _Edits:
    """Changes of the entries of a file."""

    inside: dict[str, bytearray]
    """Entries in which numbers were replaced."""
    cuts: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Stretches of the pickle, from where to where, and the opcodes that take their place."""
    storages: dict[str, bytes] = field(default_factory=dict)
    """New entries."""


class PickledResults(Results):
    """The arrays of a pickle: of one alone, within a .npy file, or in the zip archive that PyTorch makes.

    entries: the parts of the file by name, "" for the only one; pickle: which of them is the pickle; start: where in
    it the pickle begins; packed: how the file was compressed.
    """

    def __init__(
        self, path: Path, entries: Mapping[str, bytes], pickle: str = "", start: int = 0, packed: str = ""
    ) -> None:
        self.path, self._entries, self._pickle, self._packed = path, dict(entries), pickle, packed
        self._leaves: dict[str, Leaf] = {}
        self.numbers: dict[str, float] = {}
        self._seen: set[tuple[str, int]] = set()
        self._names = 0
        with refusing(path):
            machine = Machine(self._entries[pickle], RESULTS, start)
            value = machine.run()
            self._legacy: dict[str, Stored] = {}
            if value == LEGACY:
                value, machine = self._before_zips(machine)
            self._frames = machine.frames
            self._walk(value, "", 0)
        self.shapes = {name: leaf.shape for name, leaf in self._leaves.items()}

    # reading

    def array(self, name: str) -> np.ndarray:
        """The array of that name, a copy."""
        leaf = self._leaves[name]
        size = math.prod(leaf.shape) * leaf.dtype.itemsize
        check_unpacked(self.path, size, stored=len(self._entries[leaf.stored.entry]))
        return view(leaf, self._content(leaf.stored)).copy()

    def _content(self, stored: Stored) -> bytes:
        if stored.written is not None:
            return stored.written
        return self._entries[stored.entry][stored.start : stored.start + stored.size]

    def _before_zips(self, machine: Machine) -> tuple[Any, Machine]:
        """The value of a PyTorch file from before zip archives: pickles behind one another, then the storages."""
        content = self._entries[self._pickle]
        for _ in range(2):
            machine = Machine(content, RESULTS, machine.file.tell())
            machine.run()
        machine = Machine(content, RESULTS, machine.file.tell())
        value = machine.run()
        keys = Machine(content, RESULTS, machine.file.tell())
        self._place_storages(list_of_storages(keys.run()), self._pickle, keys.file.tell(), number_sizes(value))
        return value, machine

    def _place_storages(self, keys: list[Any], entry: str, at: int, sizes: Mapping[str, int]) -> None:
        content = self._entries[entry]
        for key in keys:
            (count,) = struct.unpack_from("<q", content, at)
            size = count * sizes[key] if key in sizes else -1
            if size < 0 or at + 8 + size > len(content):
                raise ValueError("a storage ends before its numbers do")
            self._legacy[key] = Stored(entry, at + 8, size)
            at += 8 + size

    def _walk(self, value: Any, name: str, depth: int) -> None:
        self._names += 1
        if depth > DEEPEST or self._names > min(_MOST_NAMES, unpacked_limit_bytes() // 256):
            raise Refused("too much that is nested")
        if isinstance(value, bool | str | bytes) or value is None:
            return
        if isinstance(value, int | float):
            self.numbers[name] = float(value) if abs(value) < 1e300 else math.inf
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                self._walk(item, f"{name}.{index}" if name else str(index), depth + 1)
        elif isinstance(value, dict):
            for key, item in value.items():
                word = key.decode("latin-1") if isinstance(key, bytes) else str(key)
                self._walk(item, f"{name}.{word}" if name else word, depth + 1)
        elif isinstance(value, Thing):
            self._walk_thing(value, name, depth)

    def _walk_thing(self, thing: Thing, name: str, depth: int, again: tuple[int, int] | None = None) -> None:
        match thing.kind:
            case "again":
                self._walk_thing(thing.state, name, depth, (thing.begin, thing.end))
            case "array":
                *_, shape, dtype, fortran, content = thing.state
                if isinstance(content, list):
                    self._walk(content[0] if shape == () and len(content) == 1 else content, name, depth + 1)
                else:
                    leaf = array_leaf(self._pickle, shape, dtype_of(dtype), bool(fortran), content)
                    self._keep(name, leaf, (0, 0), again)
            case "tensor":
                storage, offset, shape, strides = thing.state
                if (found := self._storage(storage)) is not None:
                    stored, dtype = found
                    self._keep(name, Leaf(stored, dtype, shape, strides, offset), (storage.begin, storage.end), again)
            case "scalar":
                dtype, content = thing.state
                one = np.frombuffer(content, dtype_of(dtype))
                if one.size == 1 and one.dtype.kind in "fiu":
                    self.numbers[name] = float(one[0])

    def _keep(self, name: str, leaf: Leaf, named: tuple[int, int], again: tuple[int, int] | None) -> None:
        """Take note of an array; named: where its storage is; again: where the file says that it is an earlier one."""
        check(leaf)
        place = (leaf.stored.entry, leaf.stored.start if leaf.stored.written is None else -id(leaf.stored.written))
        kind = "array" if again else "storage" if place in self._seen else ""
        self._seen.add(place)
        self._leaves[name] = replace(leaf, place=again or named, again=kind)

    def _storage(self, storage: Thing) -> tuple[Stored, np.dtype] | None:
        """Where the numbers of a tensor are; None for types that NumPy has not."""
        if isinstance(storage.state, Located):  # a separate file within this one
            return self._nested_storage(storage.state)
        _, kind, key, *_ = storage.state
        dtype = dtype_of_storage(kind)
        if dtype is None:
            return None
        if self._legacy:
            return self._legacy[key], dtype
        entry = f"{self._pickle.removesuffix('data.pkl')}data/{key}"
        return Stored(entry, 0, len(self._entries[entry])), dtype

    def _nested_storage(self, content: Located) -> tuple[Stored, np.dtype] | None:
        if content.start < 0:
            raise Refused("a tensor whose bytes are written as text")
        inner = PickledResults.__new__(PickledResults)
        inner.path, inner._entries, inner._pickle, inner._legacy = self.path, {"": bytes(content)}, "", {}
        first = Machine(bytes(content), RESULTS)
        if first.run() != LEGACY:
            raise Refused("a tensor of an unknown kind")
        value, _ = inner._before_zips(first)
        found = inner._storage(value) if isinstance(value, Thing) and value.kind == "storage" else None
        if found is None:
            return None
        stored, dtype = found
        return Stored(self._pickle, content.start + stored.start, stored.size), dtype

    # writing

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        """Write a file like this one with other numbers, of the same shapes, under some names."""
        del frames
        edits = _Edits({})
        touched = {self._leaves[name].stored for name in changed}
        for name, leaf in self._leaves.items():
            if leaf.stored not in touched:
                continue
            old = view(leaf, self._content(leaf.stored))
            new = changed.get(name, old)
            if new.shape != leaf.shape:
                raise InputError(
                    f"{target}: {name} of {self.path.name} has shape {leaf.shape}, and {new.shape} does not fit there"
                )
            if leaf.again:
                self._add(edits, leaf, new)
            elif name in changed:
                self._replace(edits, leaf, new)
        with replacing(target) as temporary:
            temporary.write_bytes(self._packed_again(self._joined(edits)))

    def _replace(self, edits: _Edits, leaf: Leaf, new: np.ndarray) -> None:
        stored = leaf.stored
        if stored.written is not None:
            content = bytearray(stored.written)
            view(leaf, content)[...] = new
            edits.cuts.append((stored.written.end, stored.written.end, b"0" + bytes_opcodes(bytes(content))))
            return
        whole = edits.inside.setdefault(stored.entry, bytearray(self._entries[stored.entry]))
        view(leaf, memoryview(whole)[stored.start : stored.start + stored.size])[...] = new

    def _add(self, edits: _Edits, leaf: Leaf, new: np.ndarray) -> None:
        """Give an array separate numbers where the file says "the same again"."""
        begin, end = leaf.place
        if leaf.stored.entry != self._pickle:
            prefix = f"{self._pickle.removesuffix('data.pkl')}data/"
            taken = {*self._entries, *edits.storages}
            key = next(str(key) for key in itertools.count() if f"{prefix}{key}" not in taken)
            storage = bytearray(self._content(leaf.stored))
            view(leaf, storage)[...] = new
            if leaf.again == "array":
                storage = bytearray(np.ascontiguousarray(new, leaf.dtype).tobytes())
                edits.cuts.append((begin, end, tensor_opcodes(key, leaf.dtype, leaf.shape)))
            else:
                edits.cuts.append((*third(self._entries[self._pickle], begin + 1, end), text_opcodes(key)))
            edits.storages[f"{prefix}{key}"] = bytes(storage)
        elif leaf.again == "array" and not self._legacy:
            edits.cuts.append((begin, end, array_opcodes(np.asarray(new, leaf.dtype))))
        else:
            raise InputError(
                f"{self.path}: two of its tensors share their numbers, and only one changed; save them apart"
            )

    def _joined(self, edits: _Edits) -> bytes:
        entries = {**self._entries, **{name: bytes(content) for name, content in edits.inside.items()}}
        if edits.cuts:
            cuts = [(at, at + 9, b"") for at in self._frames] + edits.cuts
            entries[self._pickle] = spliced(entries[self._pickle], sorted(cuts, key=lambda cut: cut[0]))
        entries |= edits.storages
        if not self._pickle:
            return entries[""]
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in entries.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        return file.getvalue()

    def _packed_again(self, content: bytes) -> bytes:
        match self._packed:
            case "gzip":
                return gzip.compress(content)
            case "zlib":
                return zlib.compress(content)
            case "bz2":
                return bz2.compress(content)
            case "xz":
                return lzma.compress(content)
            case "lzma":
                return lzma.compress(content, format=lzma.FORMAT_ALONE)
        return content
