"""Versions of Python, platform and packages, on which results depend."""

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RECORDED_PACKAGES = (
    "selfcorrect", "torch", "numpy", "scipy", "pybullet", "mujoco", "mujoco-core", "safetensors", "pyarrow", "ufbx",
    "smplx",
)  # fmt: skip
"""Packages whose versions affect results."""


@functools.cache
def describe_environment() -> dict[str, Any]:
    """Return versions, platform and git commit."""
    return {**describe_software(), "git_commit": _git_commit(Path(__file__).resolve())}


@functools.cache
def describe_software() -> dict[str, Any]:
    """Return Python, platform, and versions of packages."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in RECORDED_PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit(source: Path) -> str | None:
    """Return the commit of the repository that contains `source`, or None.

    An installed copy has no commit.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(source.parent), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", source.name)
        return git("rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None
