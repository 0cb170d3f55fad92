"""Check that every dependency of the base and of the extra `loops` has wheels for each Python and system.

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOOKED_UP = ("torch",)
"""Packages that are not resolved: only their wheels are looked up."""


@dataclass(frozen=True)
class System:
    """A system's wheel tags and marker values.

    The tags are best first, the values are those of requirements' markers.
    """

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
        """Return pip's options for this target.

        pip takes the wheels of it.
        """
        platforms = [word for platform in self.system.platforms for word in ("--platform", platform)]
        return ["--only-binary", ":all:", "--python-version", self.python, "--implementation", "cp", *platforms]

    def wants(self, requirement: Requirement, extras: Iterable[str] = ("",)) -> bool:
        """Return whether a requirement counts here.

        pip decides this by the Python that runs it.
        """
        marker = requirement.marker
        return marker is None or any(marker.evaluate({**self.environment, "extra": extra}) for extra in extras)


def list_requirements(project: Mapping[str, Any], extra: str = "") -> Iterator[Requirement]:
    """Yield requirements of the base or an extra.

    An extra has those of the project's extras that it names.
    """
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    for requirement in map(Requirement, lines):
        if canonicalize_name(requirement.name) != canonicalize_name(project["name"]):
            yield requirement
            continue
        for named_extra in sorted(requirement.extras):
            yield from list_requirements(project, named_extra)


def find_problems(requirements: Iterable[Requirement], target: Target) -> list[str]:
    """Return requirements without a wheel, a line each.

    They are those for a target.
    """
    missing = []
    to_resolve = []
    for requirement in filter(target.wants, requirements):
        if canonicalize_name(requirement.name) not in LOOKED_UP:
            to_resolve.append(requirement)
        elif not has_wheel(requirement, target):
            missing.append(f"{target}: no wheel of {requirement.name}{requirement.specifier}")
    return missing + resolve(to_resolve, target)


def has_wheel(requirement: Requirement, target: Target) -> bool:
    """Return whether the index has an allowed wheel.

    The package has only wheels.
    """
    lines = _pip("index", "versions", *target.options, requirement.name).stdout.splitlines()
    versions = next((line.partition(":")[2] for line in lines if line.startswith("Available versions:")), "")
    return any(requirement.specifier.filter(filter(None, versions.replace(" ", "").split(","))))


def resolve(requirements: Iterable[Requirement], target: Target) -> list[str]:
    """Resolve requirements and return pip's errors.

    Those of theirs that pip leaves out though they count are resolved, too.
    """
    lines = sorted({_without_marker(requirement) for requirement in requirements})
    while True:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            where = ["--target", folder, "--report", str(report)]
            process = _pip("install", "--quiet", "--dry-run", "--ignore-installed", *where, *target.options, *lines)
            if process.returncode:
                errors = [line for line in process.stderr.splitlines() if line.startswith("ERROR")]
                return [f"{target}: {' '.join(errors) or process.stderr.strip()}"]
            installed = json.loads(report.read_text(encoding="utf-8"))["install"]
        unmet = find_unmet(installed, target) - set(lines)
        if not unmet:
            return []
        lines += sorted(unmet)


def find_unmet(installed: Sequence[Mapping[str, Any]], target: Target) -> set[str]:
    """Return packages' unmet requirements at the target.

    They would be installed, and count there.
    """
    names = {canonicalize_name(item["metadata"]["name"]) for item in installed}
    names.update(LOOKED_UP)
    unmet = set()
    for item in installed:
        extras = ("", *item.get("requested_extras", ()))
        for requirement in map(Requirement, item["metadata"].get("requires_dist", ())):
            if target.wants(requirement, extras) and canonicalize_name(requirement.name) not in names:
                unmet.add(_without_marker(requirement))
    return unmet


def _without_marker(requirement: Requirement) -> str:
    """Return a requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _pip(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, capture_output=True, text=True)


def main() -> int:
    """Print missing wheels; return 1 if any."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--python", nargs="*", default=PYTHONS, choices=PYTHONS)
    names = [system.name for system in SYSTEMS]
    options.add_argument("--system", nargs="*", default=names, choices=names)
    options.add_argument("--layer", nargs="*", default=["base", "loops"])
    arguments = options.parse_args()
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    problems = []
    for python, system, layer in product(arguments.python, SYSTEMS, arguments.layer):
        if system.name in arguments.system:
            requirements = [
                *list_requirements(project),
                *(() if layer == "base" else list_requirements(project, layer)),
            ]
            missing = find_problems(requirements, Target(python, system))
            print(f"{layer}, {Target(python, system)}: {'missing' if missing else 'all there'}", flush=True)
            problems += missing
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
