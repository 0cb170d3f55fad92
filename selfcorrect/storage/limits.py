"""What a file may ask for: only regular files are opened, and what one unpacks to is bounded before memory is taken."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from selfcorrect.errors import InputError, SettingError

LIMIT_VARIABLE = "SELFCORRECT_UNPACKED_LIMIT_MB"
"""Environment variable that raises (or lowers) the limit."""

_DEFAULT_LIMIT_MB = 512.0


def unpacked_limit_bytes() -> int:
    """How many bytes a compressed or generated file may become in memory."""
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        megabytes = float(text) if text else _DEFAULT_LIMIT_MB
    except ValueError:
        megabytes = 0.0
    if not 0 < megabytes < 1e9:
        raise SettingError(f"{LIMIT_VARIABLE} must be a positive number of megabytes, got {text!r}")
    return int(megabytes * 2**20)


def check_unpacked(what: object, size: float) -> None:
    """Refuse what would become more bytes in memory than the limit; `what` begins the sentence."""
    limit = unpacked_limit_bytes()
    if size > limit:
        raise InputError(
            f"{what}: would take {_readable(size)} of memory, the limit is {_readable(limit)}; "
            f"where that is meant, raise {LIMIT_VARIABLE}"
        )


def _readable(size: float) -> str:
    return f"{size / 2**20:.4g} MB"


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe, a device or a socket is refused and never waited for."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - handed to the caller
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise InputError(f"{path}: is no regular file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


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
