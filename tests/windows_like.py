"""Pretend to be Windows on other systems.

`pretend` first imports the libraries that this package needs, because they look at the platform themselves, and then
removes the modules and functions that Windows lacks. Paths stay those of the real system, so file names cannot be
tested in this way.
"""

import errno
import importlib
import importlib.abc
import os
import select
import shutil
import signal
import struct
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

NO_MODULES = frozenset({"fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty", "pty"})
NO_FUNCTIONS: dict[ModuleType, tuple[str, ...]] = {
    os: (
        "fork", "forkpty", "geteuid", "getuid", "getegid", "getgid", "killpg", "setsid", "getpgid", "getsid", "mkfifo",
        "memfd_create", "sched_getaffinity", "statvfs", "sysconf", "waitid", "wait", "nice", "O_NOFOLLOW", "O_NONBLOCK",
        "O_DIRECTORY", "O_CLOEXEC",
    ),
    signal: ("SIGKILL", "SIGALRM", "setitimer", "SIGSTOP", "SIGHUP", "SIGXCPU"),
    select: ("poll", "epoll"),
}  # fmt: skip
"""Names that Python has only on Linux and macOS and that a program might use, by module."""

STANDARD = (
    "asyncio", "concurrent.futures.process", "ctypes.util", "logging.handlers", "multiprocessing.connection",
    "multiprocessing.managers", "multiprocessing.popen_spawn_posix", "multiprocessing.reduction",
    "multiprocessing.resource_tracker", "multiprocessing.shared_memory", "multiprocessing.synchronize", "platform",
    "shutil", "subprocess", "tempfile", "uuid", "webbrowser", "zipfile",
)  # fmt: skip
"""Modules of the standard library that look at the platform when they are imported."""

BASE = (
    "matplotlib.figure", "matplotlib.backends.backend_svg", "mujoco", "numpy", "PIL.Image", "PIL.ImageDraw",
    "PIL.ImageFont", "PIL.PngImagePlugin", "scipy.interpolate", "scipy.linalg", "scipy.ndimage", "scipy.optimize",
    "scipy.signal", "scipy.sparse.linalg", "scipy.spatial.transform", "scipy.special", "scipy.stats", "threadpoolctl",
    "tqdm.auto", "tyro",
)  # fmt: skip
"""Libraries that the package needs without its extras."""

EXTRAS = (
    "imageio", "imageio_ffmpeg", "jinja2", "pyarrow.parquet", "pybullet", "safetensors.torch",
    "sklearn.cluster", "sklearn.datasets", "sklearn.mixture", "sklearn.neighbors", "sklearn.neural_network", "torch",
    "torch.optim.swa_utils", "transformers", "ufbx",
)  # fmt: skip
"""Libraries that only some modules need, which are imported if they are installed."""


def pretend(libraries: Sequence[str] = BASE) -> None:
    """Import libraries, then leave this process only what Python has on Windows."""
    for name in (*STANDARD, *libraries):
        _import_if_there(name)
    sys.modules["msvcrt"] = _msvcrt()
    for name in NO_MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Missing())
    for module, names in NO_FUNCTIONS.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    shutil._use_fd_functions = False  # Windows opens no folders
    real = os.open
    os.open = lambda path, flags, *arguments, **options: _open_file(real, path, flags, *arguments, **options)
    sys.platform = "win32"


class _Missing(importlib.abc.MetaPathFinder):
    """Import finder that reports the modules that Windows lacks as missing."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname in NO_MODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        return


def _open_file(real: Any, path: Any, flags: int, *arguments: Any, **options: Any) -> int:
    if not flags & os.O_EXCL and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
    return real(path, flags, *arguments, **options)


def _msvcrt() -> ModuleType:
    """Return a fake `msvcrt` whose `locking` uses locks of open files, to which locks on Windows belong, too."""
    import fcntl

    module: Any = ModuleType("msvcrt")
    module.LK_UNLCK = 0
    module.LK_LOCK = 1
    module.LK_NBLCK = 2

    def locking(descriptor: int, mode: int, count: int) -> None:
        kind = fcntl.F_UNLCK if mode == module.LK_UNLCK else fcntl.F_WRLCK
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, place, count, 0))
        except OSError as error:
            raise OSError(errno.EACCES if mode == module.LK_NBLCK else errno.EDEADLK, "locked") from error

    module.locking = locking
    return module
