"""Whether every dependency of the base and of the extra `loops` has wheels for each Python and system.

`python tools/check_wheels.py [--python 3.13] [--system windows]` resolves each combination with pip, which installs
nothing, and fails where a wheel is missing. PyTorch is not resolved but looked up: some of its wheels pull gigabytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOOKED_UP = ("torch",)
"""Not resolved, with what depends on it: only whether there is a wheel is asked."""


@dataclass(frozen=True)
class System:
    """A system: the tags of its wheels, the best first, and what markers of requirements know of it."""

    name: str
    platforms: tuple[str, ...]
    markers: Mapping[str, str]


def _mac(machine: str, oldest: int, newest: int) -> tuple[str, ...]:
    return tuple(
        f"macosx_{version}_0_{kind}" for version in range(newest, oldest, -1) for kind in (machine, "universal2")
    )


SYSTEMS = (
    System(
        "linux",
        ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64"),
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    ),
    System(
        "linux-arm",
        ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64"),
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64", "os_name": "posix"},
    ),
    System(
        "macos",
        _mac("arm64", 10, 15),
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    ),
    System(
        "macos-intel",
        (*_mac("x86_64", 10, 15), *(f"macosx_10_{minor}_x86_64" for minor in range(16, 8, -1))),
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "x86_64", "os_name": "posix"},
    ),
    System(
        "windows",
        ("win_amd64",),
        {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
    ),
)


@dataclass(frozen=True)
class Target:
    """A Python on a system."""

    python: str
    system: System

    def __str__(self) -> str:
        return f"Python {self.python} on {self.system.name}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.system.markers,
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }

    @property
    def options(self) -> list[str]:
        """Those with which pip takes the wheels of this target."""
        platforms = [word for platform in self.system.platforms for word in ("--platform", platform)]
        return ["--only-binary", ":all:", "--python-version", self.python, "--implementation", "cp", *platforms]

    def wants(self, requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
        """Whether a requirement counts here, which pip decides by the Python that runs it."""
        marker = requirement.marker
        return marker is None or any(marker.evaluate({**self.environment, "extra": extra}) for extra in extras)


def declared(project: Mapping[str, Any], extra: str = "") -> Iterator[Requirement]:
    """The requirements of a project's base, or of an extra with all extras that it names of the project itself."""
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    for requirement in map(Requirement, lines):
        if canonicalize_name(requirement.name) != canonicalize_name(project["name"]):
            yield requirement
            continue
        for other in sorted(requirement.extras):
            yield from declared(project, other)


def problems(requirements: Iterable[Requirement], target: Target) -> list[str]:
    """What has no wheel for a target, a line each."""
    wanted = [one for one in requirements if target.wants(one)]
    looked_up = [one for one in wanted if canonicalize_name(one.name) in LOOKED_UP]
    missing = [f"{target}: no wheel of {one.name}{one.specifier}" for one in looked_up if not has_wheel(one, target)]
    resolved = [one for one in wanted if one not in looked_up]
    return missing + resolve(resolved, target)


def has_wheel(requirement: Requirement, target: Target) -> bool:
    """Whether the package index has a wheel that a requirement allows, of a package that comes as wheels alone."""
    lines = _pip("index", "versions", *target.options, requirement.name).stdout.splitlines()
    versions = next((line.partition(":")[2] for line in lines if line.startswith("Available versions:")), "")
    return any(requirement.specifier.filter(filter(None, versions.replace(" ", "").split(","))))


def resolve(requirements: Iterable[Requirement], target: Target) -> list[str]:
    """Resolve requirements, and what of theirs counts at the target alone, which pip leaves out; pip's complaint."""
    lines = sorted({_plain(one) for one in requirements})
    while True:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            where = ["--target", folder, "--report", str(report)]
            done = _pip("install", "--quiet", "--dry-run", "--ignore-installed", *where, *target.options, *lines)
            if done.returncode:
                wrong = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                return [f"{target}: {' '.join(wrong) or done.stderr.strip()}"]
            more = left_out(json.loads(report.read_text(encoding="utf-8"))["install"], target) - set(lines)
        if not more:
            return []
        lines += sorted(more)


def left_out(installed: Iterable[Mapping[str, Any]], target: Target) -> set[str]:
    """Requirements of what would be installed that count at the target and are not met."""
    installed = list(installed)
    names = {canonicalize_name(item["metadata"]["name"]) for item in installed}
    needed = (
        requirement
        for item in installed
        for requirement in map(Requirement, item["metadata"].get("requires_dist", ()))
        if target.wants(requirement, ("", *item.get("requested_extras", ())))
    )
    return {_plain(one) for one in needed if canonicalize_name(one.name) not in {*names, *LOOKED_UP}}


def _plain(requirement: Requirement) -> str:
    """A requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _pip(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, capture_output=True, text=True)


def main() -> int:
    """Print what is missing; 1 where anything is."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--python", nargs="*", default=PYTHONS, choices=PYTHONS)
    names = [system.name for system in SYSTEMS]
    options.add_argument("--system", nargs="*", default=names, choices=names)
    options.add_argument("--layer", nargs="*", default=["base", "loops"])
    given = options.parse_args()
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    found = []
    for python, system, layer in product(given.python, SYSTEMS, given.layer):
        if system.name in given.system:
            requirements = [*declared(project), *(() if layer == "base" else declared(project, layer))]
            wrong = problems(requirements, Target(python, system))
            print(f"{layer}, {Target(python, system)}: {'missing' if wrong else 'all there'}", flush=True)
            found += wrong
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
