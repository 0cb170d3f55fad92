"""Build the extension for Blender's platform: a zip for each Python of Blender, with the program and its wheels.

`python tools/blender_platform.py [--system linux] [--out build]` downloads the wheels of that system and packs them. It
also resolves the wheels of all other systems, without downloading them, and fails if a wheel is missing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from check_wheels import SYSTEMS, System, Target, find_problems, list_requirements
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {"linux": "linux-x64", "macos": "macos-arm64", "windows": "windows-x64"}
"""Our names of systems → names of Blender's platform. MuJoCo 4 has no wheels for Intel Macs."""
HOSTS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
"""Values of `sys.platform` → our names of the systems whose kernels are compiled there."""


@dataclass(frozen=True)
class Release:
    """Versions of Blender with one Python."""

    first: str
    stop: str
    """First version with another Python, "" if there is none yet."""
    python: str

    def make_manifest(self, wheels: Sequence[str], platform: str) -> str:
        """Return a platform's manifest.

        Nothing is installed later, so no network is needed.
        """
        text = (ROOT / "blender" / "blender_manifest.toml").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("network = ")]
        listed = ", ".join(f'"./wheels/{name}"' for name in wheels)
        place = next(place for place, line in enumerate(lines) if line.startswith("blender_version_min"))
        lines[place : place + 1] = [
            f'blender_version_min = "{self.first}"',
            *([f'blender_version_max = "{self.stop}"'] if self.stop else []),
            f'platforms = ["{platform}"]',
            f"wheels = [{listed}]",
        ]
        return "\n".join(lines) + "\n"


RELEASES = (Release(first="4.5.0", stop="5.1.0", python="3.11"), Release(first="5.1.0", stop="", python="3.13"))


def list_needs() -> list[Requirement]:
    """Return the program's requirements, MuJoCo without window.

    Only its engine is needed: it has no window in Blender.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = list(list_requirements(project))
    for need in needs:
        if need.name == "mujoco":
            need.name = "mujoco-core"
    return needs


def download_wheels(target: Target, folder: Path) -> list[Path]:
    """Download pinned wheels and build the program's.

    They are those that it needs. The program's wheel has compiled kernels if it is for the system on which it is built.
    """
    needed = [f"{item.name}{item.specifier}" for item in list_needs() if target.wants(item)]
    run_pip("download", "--dest", str(folder), *target.options, *needed)
    is_native = HOSTS.get(sys.platform) == target.system.name
    os.environ["SELFCORRECT_PURE"] = "" if is_native else "1"
    run_pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    for left in (ROOT / "build").glob("*lib*"):
        shutil.rmtree(left)
    return sorted(folder.glob("*.whl"))


def run_pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words], check=True)


def pack(out: Path, wheels: Sequence[Path], release: Release, platform: str) -> None:
    """Write the zip with NumPy apart.

    As one of the wheels it would replace Blender's own, older one.
    """
    own = [wheel for wheel in wheels if wheel.name.startswith("numpy-")]
    shared = [wheel for wheel in wheels if wheel not in own]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted((ROOT / "blender").glob("*.py")):
            packed.write(file, file.name)
        manifest = release.make_manifest([wheel.name for wheel in shared], platform)
        packed.writestr("blender_manifest.toml", manifest)
        for folder, members in (("wheels", shared), ("own_wheels", own)):
            for wheel in members:
                packed.write(wheel, f"{folder}/{wheel.name}", zipfile.ZIP_STORED)


def build(release: Release, system: System, folder: Path) -> None:
    """Write the zip of a release for a system."""
    platform = PLATFORMS[system.name]
    out = folder / f"selfcorrect-blender-{release.first.removesuffix('.0')}-{platform}.zip"
    with tempfile.TemporaryDirectory() as downloads:
        wheels = download_wheels(Target(release.python, system), Path(downloads))
        pack(out, wheels, release, platform)
    print(f"{out}: {len(wheels)} wheels, {out.stat().st_size / 1e6:.1f} MB", flush=True)


def check_wheels(release: Release, system: System) -> list[str]:
    """Return the wheels that a release lacks.

    There is a line for each on a system.
    """
    target = Target(release.python, system)
    missing = find_problems(list_needs(), target)
    print(f"{target}: {'wheels are missing' if missing else 'all wheels are there'}", flush=True)
    return missing


def main() -> int:
    """Build zips and print missing wheels.

    The zips are for one system, the wheels for others; returns 1 if any lack.
    """
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--system", default="linux", choices=PLATFORMS)
    options.add_argument("--out", type=Path, default=ROOT / "build")
    names = [release.first for release in RELEASES]
    options.add_argument("--release", nargs="*", default=names, choices=names, help="first Blender of each zip")
    options.add_argument("--only", action="store_true", help="do not look at the other systems")
    arguments = options.parse_args()
    os.environ["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    arguments.out.mkdir(parents=True, exist_ok=True)
    problems = []
    for release in RELEASES:
        if release.first not in arguments.release:
            continue
        for system in SYSTEMS:
            if system.name == arguments.system:
                build(release, system, arguments.out)
            elif system.name in PLATFORMS and not arguments.only:
                problems += check_wheels(release, system)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
