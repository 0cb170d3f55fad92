"""Pairs of texts, such as documents with summaries, from JSON lines or Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.lib
import pyarrow.parquet

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.strict_json import parsed

from ..toy.text import read_text

Pair = tuple[str, str]


def text_pairs(path: Path, first: str = "document", second: str = "summary") -> list[Pair]:
    """The non-empty texts of two columns, row by row; `path` is a .jsonl or .parquet file, or a folder of them.

    InputError, naming file and row, where a column is missing or holds no text.
    """
    files = sorted(file for file in path.iterdir() if file.suffix in _READERS) if path.is_dir() else [path]
    if not files or not all(file.is_file() and file.suffix in _READERS for file in files):
        raise InputError(f"{path}: expected a .jsonl or .parquet file, or a folder of them")
    pairs = list[Pair]()
    for file in files:
        for number, row in enumerate(_READERS[file.suffix](file), 1):
            one, other = (row.get(first), row.get(second)) if isinstance(row, dict) else (None, None)
            if not (isinstance(one, str) and isinstance(other, str)):
                raise InputError(f"{file}, row {number}: expected texts {first!r} and {second!r}")
            if one.strip() and other.strip():
                pairs.append((one, other))
    if not pairs:
        raise InputError(f"{path}: holds no pair of {first!r} and {second!r}")
    return pairs


def _of_lines(file: Path) -> Iterator[Any]:
    for number, line in enumerate(read_text(file).splitlines(), 1):
        yield parsed(line, f"{file}, row {number}")


def _of_parquet(file: Path) -> Iterator[Any]:
    try:
        yield from pyarrow.parquet.read_table(file).to_pylist()
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise InputError(f"{file}: no Parquet file that can be read ({error})") from error


_READERS = {".jsonl": _of_lines, ".parquet": _of_parquet}
