"""Limits on users' files.

Only regular files are opened, only below the given folder, and only up to a limit of memory.
"""

import errno
import math
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ...core.checks import describe_value
from ...core.errors import InputError, SettingError, shorten_message

LIMIT_VARIABLE = "SELFCORRECT_UNPACKED_LIMIT_MB"
"""Environment variable that sets the limit, in MB."""

_DEFAULT_LIMIT_MB = 512.0
_MAX_GROWTH = 8
"""Maximum growth from file to memory, as of numbers written in one or two characters. Compressed motion grows by 1.1
to 4."""
COPIES_IN_WORK = 20
"""Maximum number of copies of a motion's numbers in memory during a correction, of which 16 to 20 were measured."""


def unpacked_limit_bytes() -> int:
    """Return the memory limit for compressed or generated files."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        megabytes = float(text) if text else _DEFAULT_LIMIT_MB
    except ValueError:
        megabytes = 0.0
    if not 0 < megabytes < 1e9:
        raise SettingError(f"{LIMIT_VARIABLE} must be a positive number of megabytes, got {describe_value(text)}")
    return int(megabytes * 2**20)


def check_unpacked(what: object, size: float, *, stored: float = 0) -> None:
    """Raise InputError if a file would take too much memory.

    Args:
        what: Name of the file in the message.
        size: Size in memory, in bytes.
        stored: Size on disk, in bytes. A file that grows by at most a factor of eight may use all of the machine's
            memory.
    """
    limit = unpacked_limit_bytes()
    if size > limit and size > min(_MAX_GROWTH * stored, _machine_bytes()):
        raise InputError(
            f"{what}: would take {_format_size(size)} of memory, but the limit is {_format_size(limit)}; "
            f"if that is intended, raise {LIMIT_VARIABLE}"
        )


def _machine_bytes() -> float:
    """Return the machine's memory, or infinity if unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # as on Windows
        return math.inf


class Budget:
    """Memory limit for all parts of a file together.

    The arguments are those of `check_unpacked`.
    """

    def __init__(self, what: object, *, stored: float) -> None:
        self.what = what
        self.stored = stored
        self.taken = 0.0
        self._most = max(unpacked_limit_bytes(), _MAX_GROWTH * stored)

    def take(self, size: float) -> None:
        """Count `size` bytes, and raise InputError beyond the limit."""
        self.taken += size
        if self.taken > self._most:
            check_unpacked(self.what, self.taken, stored=self.stored)


def check_workable(what: object, size: float, *, stored: float) -> None:
    """Raise InputError for motions that are too large to correct.

    A correction holds several copies in memory.

    Args:
        size: Size of one copy in memory, in bytes.
    """
    check_unpacked(what, COPIES_IN_WORK * size, stored=COPIES_IN_WORK * stored)


def _format_size(size: float) -> str:
    return f"{size / 2**20:.4g} MB"


@dataclass
class InputRecord:
    """Files and listings that readers looked for.

    A result depends on what exists and on what does not.
    """

    paths: list[Path] = field(default_factory=list)
    """Files that were opened or looked for, in order, even if they do not exist."""
    listings: list[tuple[Path, str]] = field(default_factory=list)
    """Folders that were searched, each with the suffix of the files."""


_record: ContextVar[InputRecord | None] = ContextVar("record", default=None)


@contextmanager
def record_inputs() -> Iterator[InputRecord]:
    """Record what readers open or look for within a block.

    Only functions of this module are recorded.
    """
    record = InputRecord()
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def note_paths(paths: Iterable[Path]) -> None:
    """Record files that were opened by other means, such as in a child process."""
    if (record := _record.get()) is not None:
        record.paths += paths


def is_there(path: Path) -> bool:
    """Return whether a file exists, and record the question."""
    note_paths([path])
    return path.is_file()


def list_files(folder: Path, suffix: str) -> list[Path]:
    """Return a folder's files with a suffix, sorted, and record the listing.

    `suffix` is in lower case and matches names in any case.
    """
    if (record := _record.get()) is not None:
        record.listings.append((folder, suffix))
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == suffix and path.is_file())


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Cycles of links, pipes, devices and sockets are refused without waiting.
    """
    nonblocking = getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | nonblocking))  # noqa: SIM115 - handed on
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{path}: symbolic links form a cycle, expected a file") from error
        raise
    note_paths([path])
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise InputError(f"{path}: is not a regular file")
    return file


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        InputError: The file is larger than 4 GB and than eight times the limit.
    """
    with open_file(path) as file:
        usual_limit = max(unpacked_limit_bytes(), int(_DEFAULT_LIMIT_MB * 2**20))
        check_unpacked(path, os.fstat(file.fileno()).st_size, stored=usual_limit)
        return file.read()


def unpack(what: object, content: bytes, copies: int = 1) -> bytes:
    """Unpack content that was compressed by gzip or zlib.

    Args:
        copies: Number of copies in memory that count against the limit.

    Raises:
        InputError: The content is damaged or cut off, or would take more memory than the limit.
    """
    most = max(unpacked_limit_bytes(), _MAX_GROWTH * len(content)) // copies
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        unpacked = decompressor.decompress(content, most + 1)
    except zlib.error as error:
        raise InputError(f"{what}: cannot be unpacked ({shorten_message(error)})") from error
    check_unpacked(what, copies * len(unpacked), stored=len(content))
    if not decompressor.eof or decompressor.unused_data:
        raise InputError(f"{what}: cannot be unpacked: its content is cut off, or followed by something else")
    return unpacked


def read_text(path: Path) -> str:
    """Return the text of a regular file, in UTF-8 with or without a byte-order mark."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a text file, got bytes that are not UTF-8 ({error})") from error


_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
r"""Names that Windows reserves for devices, or that lead elsewhere there, as `..\x` and `C:x` do."""


def is_file_name(name: object) -> bool:
    """Return whether a value names a file below a folder.

    It must be printable text that does not lead out of the folder.
    """
    if not isinstance(name, str) or not name.isprintable():
        return False
    path = PurePosixPath(name)
    is_invalid = sys.platform == "win32" and any(_NOT_ON_WINDOWS.search(part) for part in path.parts)
    return path.name != "" and not path.is_absolute() and ".." not in path.parts and not is_invalid


def path_below(folder: Path, name: object) -> Path:
    """Return the path of a name within a folder.

    Raises:
        InputError: The path leads out of `folder`, possibly through a link.
    """
    where = f"{folder}: {str(name)[:100]!r}"
    if not isinstance(name, str) or not name or "\0" in name or not name.isprintable():
        raise InputError(f"{where} is not the name of a file")
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links, a name too long
        raise InputError(f"{where} leads nowhere ({error})") from error
    if not inside:
        raise InputError(f"{where} leads out of this folder, and only files in the folder are read")
    return path
