"""Bound the memory that reading parquet pages takes, by the page headers.

Memory for a page is allocated by the size in the page's own header, and the sizes in the footer may be wrong. PyArrow
shows only the footer and decodes whole pages, so reading few rows at a time does not bound the memory either. Headers
are structs of Thrift's compact protocol: pairs of a field's type and number, each followed by a value (parquet-format,
`PageHeader`). Reading them takes 4 % of the time for reading a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from selfcorrect.core.errors import InputError

_HEADER_BYTES = 2**16
"""Maximum size of a header, in bytes. A header may contain statistics with a smallest and a largest value."""
_DEPTH = 8
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
_SIZE, _STORED = 2, 3
_HEADS = {5: "data", 7: "dictionary", 8: "data"}
"""Kinds of pages by the number of the field that describes them. Field 1 of that struct is the number of values."""


@dataclass(frozen=True)
class ParquetPage:
    """A page as described by its header."""

    kind: str
    size: int
    """Size after decompression, in bytes."""
    values: int
    """Number of values, including repeated ones."""


class _Header:
    """Reader of a struct in Thrift's compact protocol."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def read_byte(self) -> int:
        if self.at >= len(self.content):
            raise InputError("a page ends within its header")
        self.at += 1
        return self.content[self.at - 1]

    def read_varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.read_byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise InputError("a page has a number of more than ten bytes in its header")

    def read_integer(self) -> int:
        value = self.read_varint()
        return (value >> 1) ^ -(value & 1)

    def read_value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self.read_byte()
        if kind in _INTEGERS:
            return self.read_integer()
        if kind in (_DOUBLE, _BINARY):
            length = 8 if kind == _DOUBLE else self.read_varint()
            self.at += length
            return None
        if kind in (_LIST, _SET):
            head = self.read_byte()
            count = self.read_varint() if head >> 4 == 15 else head >> 4
            return [self.read_value(head & 15, depth + 1) for _ in range(min(count, _HEADER_BYTES))]
        if kind == _STRUCT and depth < _DEPTH:
            return self.read_struct(depth + 1)
        raise InputError("a page has an unknown kind of header")

    def read_struct(self, depth: int = 0) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while head := self.read_byte():
            number = number + (head >> 4) if head >> 4 else self.read_integer()
            fields[number] = self.read_value(head & 15, depth)
        return fields


def read_pages(stream: BinaryIO, start: int, length: int) -> Iterator[ParquetPage]:
    """Yield the pages in a part of a file. Raises InputError if it does not consist of pages."""
    end = start + length
    while start < end:
        stream.seek(start)
        header = _Header(stream.read(min(_HEADER_BYTES, end - start)))
        fields = header.read_struct()
        size, stored = fields.get(_SIZE), fields.get(_STORED)
        if not isinstance(size, int) or not isinstance(stored, int) or size < 0 or stored < 0:
            raise InputError("a page has no size in its header")
        for number, kind in _HEADS.items():
            facts = fields.get(number)
            if isinstance(facts, dict) and isinstance(facts.get(1), int):
                yield ParquetPage(kind, size, max(facts[1], 0))
        start += header.at + stored
