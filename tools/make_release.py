"""Build what a release offers for download: wheels, sdist and the extension for Blender, with digests and notes.

`python tools/make_release.py FOLDER` with the package `build`. The folder must not exist. Files in wheels are dated by
the last commit, so the same commit gives the same wheel without kernels, byte for byte.

| file | what it is |
| --- | --- |
| `selfcorrect-VERSION-py3-none-any.whl` | wheel for every system, without compiled kernels |
| `selfcorrect-VERSION-cp311-abi3-SYSTEM.whl` | wheel with kernels, for the system that builds it |
| `selfcorrect-VERSION.tar.gz` | sdist |
| `selfcorrect-blender-VERSION.zip` | the extension for Blender |
| `constraints.txt` | the tested versions of all dependencies |
| `SHA256SUMS`, `NOTES.md` | digests of these files; the section of the changelog |
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from check_release import REPOSITORY, check_changelog, check_sdist, check_wheel, run

DIGESTS = "SHA256SUMS"
NOTES = "NOTES.md"


def main(folder: Path) -> int:
    """Build all files into a new folder, look into them, and return 1 for problems, which are printed."""
    folder = folder.resolve()
    if folder.exists():
        print(f"wrong: {folder}: exists; move it away, or choose another folder")
        return 1
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    problems = [*check_clean(), *check_changelog(version)]
    if not problems:
        folder.mkdir(parents=True)
        sdist, *wheels = build(folder)
        problems = [*check_sdist(sdist), *(problem for wheel in wheels for problem in check_wheel(wheel))]
        build_extension(folder / f"selfcorrect-blender-{version}.zip")
        shutil.copy(REPOSITORY / "constraints.txt", folder)
        (folder / NOTES).write_text(read_notes(version), encoding="utf-8")
        (folder / DIGESTS).write_text(list_digests(folder), encoding="utf-8")
    for problem in problems:
        print(f"wrong: {problem}")
    if not problems:
        print(f"{version}, in {folder}:", *sorted(path.name for path in folder.iterdir()), sep="\n  ")
    return 1 if problems else 0


def check_clean() -> list[str]:
    """Return files that differ from the last commit, which a release would contain."""
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [f"{line[3:]}: not committed" for line in changed]


def build(folder: Path) -> tuple[Path, Path, Path]:
    """Build the sdist, and from it the wheels without and with kernels."""
    committed_s = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
    os.environ["SOURCE_DATE_EPOCH"] = committed_s
    os.environ.pop("SELFCORRECT_PURE", None)
    run([sys.executable, "-m", "build", "--outdir", folder, REPOSITORY])
    (with_kernels,) = folder.glob("*.whl")
    if with_kernels.name.endswith("-none-any.whl"):
        sys.exit("wrong: the wheel has no kernels; install a C compiler")
    os.environ["SELFCORRECT_PURE"] = "1"
    (sdist,) = folder.glob("*.tar.gz")
    pure = folder / "pure"
    run([sys.executable, "-m", "build", "--outdir", pure, REPOSITORY])
    (wheel,) = pure.glob("*-none-any.whl")
    wheel = wheel.rename(folder / wheel.name)
    shutil.rmtree(pure)
    return sdist, wheel, with_kernels


def build_extension(target: Path) -> None:
    """Build the extension for Blender, with the wheel without kernels in it."""
    run(["make", "blender", f"PYTHON={sys.executable}"], cwd=REPOSITORY)
    shutil.copy(REPOSITORY / "build" / "selfcorrect-blender.zip", target)


def read_notes(version: str) -> str:
    """Return the section of a version in the changelog, without its heading."""
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    match = re.search(rf"^## {re.escape(version)} — .*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, "the changelog was checked"
    return match[1].strip() + "\n"


def list_digests(folder: Path) -> str:
    """Return SHA-256 digests of all files but the list itself, as `sha256sum --check` reads them."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name != DIGESTS:
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return "".join(lines)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    sys.exit(main(options.parse_args().folder))
