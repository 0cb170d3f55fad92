"""Files of others: only regular ones are opened, only below their folder, and what one unpacks to is bounded."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ...core.checks import describe_value
from ...core.errors import InputError, SettingError

LIMIT_VARIABLE = "SELFCORRECT_UNPACKED_LIMIT_MB"
"""Environment variable that raises (or lowers) the limit."""

_DEFAULT_LIMIT_MB = 512.0
_HONEST_GROWTH = 8
"""Numbers written in one or two characters grow by so much; compressed motion by 1.1 to 4."""
_IN_WORK = 4
"""How many times the numbers of a motion are in memory while it is checked, drawn or corrected."""


def unpacked_limit_bytes() -> int:
    """How many bytes a compressed or generated file may become in memory."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        megabytes = float(text) if text else _DEFAULT_LIMIT_MB
    except ValueError:
        megabytes = 0.0
    if not 0 < megabytes < 1e9:
        raise SettingError(f"{LIMIT_VARIABLE} must be a positive number of megabytes, got {describe_value(text)}")
    return int(megabytes * 2**20)


def check_unpacked(what: object, size: float, *, stored: float = 0) -> None:
    """Refuse what would become more bytes in memory than the limit; `what` begins the sentence.

    stored: bytes on disk; a file that becomes at most `_HONEST_GROWTH` times as large as it is may have any size.
    """
    limit = unpacked_limit_bytes()
    if size > limit and size > _HONEST_GROWTH * stored:
        raise InputError(
            f"{what}: would take {_readable(size)} of memory, the limit is {_readable(limit)}; "
            f"where that is meant, raise {LIMIT_VARIABLE}"
        )


class Budget:
    """Memory that all parts of a file may take together; `what` begins the sentence that refuses it.

    stored: bytes on disk, as for `check_unpacked`.
    """

    def __init__(self, what: object, *, stored: float) -> None:
        self.what, self.stored, self.taken = what, stored, 0.0
        self._most = max(unpacked_limit_bytes(), _HONEST_GROWTH * stored)

    def take(self, size: float) -> None:
        """Count so many bytes; InputError where that is more than is left."""
        self.taken += size
        if self.taken > self._most:
            check_unpacked(self.what, self.taken, stored=self.stored)


def check_workable(what: object, size: float, *, stored: float) -> None:
    """The same of the numbers of motions, which are in memory several times while they are worked on."""
    check_unpacked(what, _IN_WORK * size, stored=_IN_WORK * stored)


def _readable(size: float) -> str:
    return f"{size / 2**20:.4g} MB"


_opened: ContextVar[list[Path] | None] = ContextVar("opened", default=None)


@contextmanager
def noting_opened() -> Iterator[list[Path]]:
    """A list to which all files are added that `open_file` opens inside."""
    opened = list[Path]()
    token = _opened.set(opened)
    try:
        yield opened
    finally:
        _opened.reset(token)


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe, a device or a socket is refused and never waited for."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - handed to the caller
    if (opened := _opened.get()) is not None:
        opened.append(path)
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise InputError(f"{path}: is no regular file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_bytes(path: Path) -> bytes:
    """The content of a regular file."""
    with open_file(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """The text, UTF-8 with or without a byte-order mark, of a regular file."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a text file, got bytes that are no UTF-8 ({error})") from error


_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\\]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)
"""Names that Windows keeps for devices, or that lead elsewhere there, as `..\\x` and `C:x` do."""


def is_file_name(name: object) -> bool:
    """Whether it can be the name of a file below a folder: printable text that leads neither up nor elsewhere."""
    if not isinstance(name, str) or not name.isprintable():
        return False
    path = PurePosixPath(name)
    odd = sys.platform == "win32" and any(_NOT_ON_WINDOWS.search(part) for part in path.parts)
    return path.name != "" and not path.is_absolute() and ".." not in path.parts and not odd


def path_below(folder: Path, name: object) -> Path:
    """The path that a file of a dataset calls `name`; InputError where it leads out of `folder`, also by a link."""
    where = f"{folder}: {str(name)[:100]!r}"
    if not isinstance(name, str) or not name or "\0" in name or not name.isprintable():
        raise InputError(f"{where} is not the name of a file")
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links, a name too long
        raise InputError(f"{where} leads nowhere ({error})") from error
    if not inside:
        raise InputError(f"{where} leads out of this folder, and only files in it are read")
    return path
