"""Build wheel and sdist, look into them, and run the README's commands with what the sdist installs.

`python tools/check_release.py FOLDER` with the packages `build` and `twine`; all that is made lies in FOLDER. With
--motion, `make motion` runs, too, with a tiny experiment; it installs PyTorch.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import venv
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from zipfile import ZipFile

REPOSITORY = Path(__file__).resolve().parents[1]
FORBIDDEN = re.compile(
    r"(^|/)(tests?|benchmarks|docs)/|^(examples|tools|build|runs|\.github|\.ci)/|\.(svg|png|gif|mp4|pyc)$|(?<!/_kernels\.abi3)\.so$"
)
"""Files that neither wheel nor sdist has: tests, benchmarks, the site and its pictures, and intermediate files."""
NEEDED = (
    "selfcorrect/py.typed",
    "selfcorrect/__init__.py",
    "selfcorrect/__init__.pyi",
    "datasets/collections/deepmimic_clips.zip",
    "experiments/studies/page.html",
    "commands/edit/edit.js",
    "selfcorrect/motion/pictures/player.html",
    "selfcorrect/motion/pictures/timeline.js",
    "commands/cli.py",
)
"""Files that both have, below `selfcorrect/` in the wheel."""
NEEDED_IN_SDIST = (
    "Makefile",
    "constraints.txt",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "SECURITY.md",
)
LARGEST_MB = 5
BASE_LIMIT_MB = 400
BASE_LIMIT_S = 60
TINY = (
    "--preset quick --generations 1 --real-count 24 --evaluated-count 24 --steps 6 --initial-steps 60 --engine mujoco "
    "--out runs/tiny"
)
"""Options of `selfcorrect motion` for an experiment of a minute, in the engine that every system has."""


def main(folder: Path, *, motion: bool = False) -> int:
    """Run all checks; return 1 for problems.

    On request `make motion` runs, too; the problems are printed.
    """
    folder = folder.resolve()
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    wheel, sdist = build_archives(folder / "dist")
    run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist])
    problems = [*check_changelog(version), *check_wheel(wheel), *check_sdist(sdist)]
    if not problems:
        problems += check_installed(sdist, folder)
        if motion:
            problems += check_motion(sdist, folder)
    for problem in problems:
        print(f"wrong: {problem}")
    if not problems:
        print(f"{version} can be released")
    return 1 if problems else 0


def build_archives(folder: Path) -> tuple[Path, Path]:
    """Build wheel and sdist, one from the other.

    The wheel is made from the sdist, as installers make it.
    """
    run([sys.executable, "-m", "build", "--outdir", folder, REPOSITORY])
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def check_changelog(version: str) -> list[str]:
    """Return problems of the changelog.

    A section of this version with a day in the past is expected.
    """
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    match = re.search(rf"^## {re.escape(version)} — (\d{{4}}-\d\d-\d\d)$", text, re.MULTILINE)
    if match is None:
        return [f"CHANGELOG.md: expected a section '## {version} — YEAR-MONTH-DAY'"]
    return [] if date.fromisoformat(match[1]) <= date.today() else [f"CHANGELOG.md: {version} is of a day to come"]


def check_wheel(wheel: Path) -> list[str]:
    """Return problems of a wheel's contents."""
    with ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    needed = [name if name.startswith("selfcorrect/") else f"selfcorrect/{name}" for name in NEEDED]
    strangers = [
        f"{wheel.name}: {name} is outside of selfcorrect" for name in names if not name.startswith("selfcorrect/")
    ]
    return [*strangers, *_check_names(wheel, names, needed), *_check_size(wheel)]


def check_sdist(sdist: Path) -> list[str]:
    """Return problems of an sdist's contents."""
    with tarfile.open(sdist) as archive:
        names = [name for member in archive if member.isfile() and (name := member.name.partition("/")[2])]
    names = [name for name in names if not name.startswith("selfcorrect.egg-info/")]
    return [*_check_names(sdist, names, (*NEEDED, *NEEDED_IN_SDIST)), *_check_size(sdist)]


def _check_names(archive: Path, names: Iterable[str], needed: Iterable[str]) -> list[str]:
    names = set(names)
    print(f"{archive.name}: {len(names)} files, {archive.stat().st_size / 1e6:.1f} MB")
    unwanted = [f"{archive.name}: has {name}" for name in sorted(names) if FORBIDDEN.search(name)]
    return [*unwanted, *(f"{archive.name}: lacks {name}" for name in needed if name not in names)]


def _check_size(archive: Path) -> list[str]:
    size_mb = archive.stat().st_size / 1e6
    return [] if size_mb <= LARGEST_MB else [f"{archive.name}: has {size_mb:.1f} MB, {LARGEST_MB} at most are meant"]


def check_installed(sdist: Path, folder: Path) -> list[str]:
    """Install the base and run the README's commands.

    The environment is new and the base is an sdist's; returns the problems.
    """
    environment = folder / "base"
    venv.create(environment, with_pip=True, clear=True)
    before_mb = size_mb(environment)
    start_s = read_processor_s()
    constraints = REPOSITORY / "constraints.txt"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", constraints, sdist])
    installed_s = read_processor_s() - start_s
    installed_mb = size_mb(environment) - before_mb
    work = folder / "work"
    work.mkdir(exist_ok=True)
    for command in read_commands():
        run([python.with_name(command[0]), *command[1:]], cwd=work)
    first_s = read_processor_s() - start_s
    print(f"base: {installed_mb:.0f} MB, {installed_s:.0f} s to install, {first_s:.0f} s with README's commands")
    limits = ((installed_mb, BASE_LIMIT_MB, "MB"), (installed_s, BASE_LIMIT_S, "s of processor time to install"))
    return [f"the base takes {value:.0f} {unit}, {most} are meant" for value, most, unit in limits if value > most]


def check_motion(sdist: Path, folder: Path) -> list[str]:
    """Run `make motion` in an unpacked sdist.

    It installs what it needs; returns the problems.
    """
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    start_s = time.monotonic()
    run(["make", "motion", f"PYTHON={sys.executable}", f"OPTIONS={TINY}"], cwd=unpacked)
    print(f"make motion: {time.monotonic() - start_s:.0f} s with a tiny experiment")
    return [] if (unpacked / "runs/tiny/report.html").is_file() else ["make motion wrote no report"]


def read_commands() -> list[list[str]]:
    """Return the README's commands on a clip."""
    section = (
        (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("## Correct a clip")[2].partition("\n## ")[0]
    )
    commands = re.findall(r"^    (selfcorrect .*)$", section, re.MULTILINE)
    assert commands, "README.md has commands under 'Correct a clip'"
    return [command.split("#")[0].split() for command in commands]


def read_processor_s() -> float:
    """Return the processor time of programs so far.

    It is 0 on Windows.
    """
    times = os.times()
    return times.children_user + times.children_system


def size_mb(folder: Path) -> float:
    """Return the size of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def run(command: Iterable[str | Path], cwd: Path | None = None) -> None:
    """Run a program; exit if it fails."""
    words = list(map(str, command))
    print("$", *(word if len(word) < 80 else f"{word[:60].splitlines()[0]}…" for word in words), flush=True)
    if subprocess.run(words, cwd=cwd).returncode:
        sys.exit(f"wrong: {words[0]} failed")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--motion", action="store_true")
    sys.exit(main(**vars(options.parse_args())))
