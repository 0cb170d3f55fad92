"""Build the extension for Blender's platform: one zip with the program and its wheels for one system, and no pip.

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
from pathlib import Path

from check_wheels import SYSTEMS, Target, find_problems, list_requirements

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"
"""Python of Blender 4.5 and 5.0."""
NEWEST = "5.1.0"
"""The first Blender with another Python."""
PLATFORMS = {"linux": "linux-x64", "macos": "macos-arm64", "macos-intel": "macos-x64", "windows": "windows-x64"}
"""Our names of systems → names of Blender's platform."""


def download_wheels(target: Target, folder: Path) -> list[Path]:
    """Build the program's wheel without compiled kernels, and download the wheels that it needs, as they are pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [f"{item.name}{item.specifier}" for item in list_requirements(project) if target.wants(item)]
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    run_pip("download", "--dest", str(folder), *constraints, *target.options, *needed)
    os.environ["SELFCORRECT_PURE"] = "1"
    run_pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    return sorted(folder.glob("*.whl"))


def run_pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words], check=True)


def make_manifest(wheels: Sequence[str], platform: str) -> str:
    """Return the manifest for a platform: nothing is installed later, so that no network is needed."""
    text = (ROOT / "blender" / "blender_manifest.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("network = ")]
    listed = ", ".join(f'"./wheels/{name}"' for name in wheels)
    place = next(place for place, line in enumerate(lines) if line.startswith("blender_version_min"))
    lines[place + 1 : place + 1] = [
        f'blender_version_max = "{NEWEST}"',
        f'platforms = ["{platform}"]',
        f"wheels = [{listed}]",
    ]
    return "\n".join(lines) + "\n"


def pack(out: Path, wheels: Sequence[Path], platform: str) -> None:
    """Write the zip. NumPy lies beside the other wheels: as one of them it would replace Blender's own, older one."""
    own = [wheel for wheel in wheels if wheel.name.startswith("numpy-")]
    shared = [wheel for wheel in wheels if wheel not in own]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted((ROOT / "blender").glob("*.py")):
            packed.write(file, file.name)
        packed.writestr("blender_manifest.toml", make_manifest([wheel.name for wheel in shared], platform))
        for folder, members in (("wheels", shared), ("own_wheels", own)):
            for wheel in members:
                packed.write(wheel, f"{folder}/{wheel.name}", zipfile.ZIP_STORED)


def check_other_systems(system: str) -> list[str]:
    """Return a line for each wheel that another system lacks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    problems = []
    for other in SYSTEMS:
        if other.name in PLATFORMS and other.name != system:
            missing = find_problems(list_requirements(project), Target(PYTHON, other))
            print(f"{PLATFORMS[other.name]}: {'wheels are missing' if missing else 'all wheels are there'}", flush=True)
            problems += missing
    return problems


def main() -> int:
    """Build the zip of a system, and print the wheels that other systems lack; return 1 if there are any."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--system", default="linux", choices=PLATFORMS)
    options.add_argument("--out", type=Path, default=ROOT / "build")
    options.add_argument("--only", action="store_true", help="do not look at the other systems")
    arguments = options.parse_args()
    platform = PLATFORMS[arguments.system]
    system = next(system for system in SYSTEMS if system.name == arguments.system)
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out / f"selfcorrect-blender-{platform}.zip"
    with tempfile.TemporaryDirectory() as folder:
        wheels = download_wheels(Target(PYTHON, system), Path(folder))
        pack(out, wheels, platform)
    print(f"{out}: {len(wheels)} wheels, {out.stat().st_size / 1e6:.0f} MB")
    problems = [] if arguments.only else check_other_systems(arguments.system)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
