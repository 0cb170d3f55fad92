"""The extension works inside Blender without a window.

SELFCORRECT_BPY names a Python with the module `bpy`.
"""

import ast
import io
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ground_motions import repeat_walk

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.load import load_motion

from .loading import EXTENSION

BLENDER = os.environ.get("SELFCORRECT_BPY", "")
HERE = Path(__file__).resolve().parent
CASES = [
    node.name
    for node in ast.parse((HERE / "inside.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
]
WHEEL = "selfcorrect-9.9.9-py3-none-any.whl"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BLENDER, reason="needs Blender: set SELFCORRECT_BPY to a Python that has the module bpy"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Case → traceback, "" where it went well."""
    folder = tmp_path_factory.mktemp("blender")
    archive = folder / "extension.zip"
    clip = folder / "clip.bvh"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in (*EXTENSION.glob("*.py"), *EXTENSION.glob("*.toml")):
            packed.write(file, file.name)
        packed.writestr(f"program/{WHEEL}", make_wheel())
    read = ("--up", "y!", "--metres-per-unit", "0.01")
    selfcorrect = [sys.executable, "-m", "selfcorrect.commands.cli"]
    for name in ("walk", "spoiled-walk", "jump"):
        subprocess.run([*selfcorrect, "data", "samples", "--clip", name, "--out", name], cwd=folder, check=True)
    (folder / "walk" / "bvh.bvh").rename(clip)
    save_motion(folder / "stroll.bvh", repeat_walk(load_motion(clip), 3))
    (folder / "spoiled-walk" / "bvh.bvh").rename(folder / "spoiled.bvh")
    for with_ends, without_ends in ((clip, "without-ends.bvh"), (folder / "spoiled.bvh", "spoiled-without-ends.bvh")):
        (folder / without_ends).write_text(re.sub(r"\s*End Site\s*\{[^}]*\}", "", with_ends.read_text()))
    (folder / "jump" / "bvh.bvh").rename(folder / "leap.bvh")
    subprocess.run([*selfcorrect, "correct", "clip.bvh", "-o", "corrected", *read], cwd=folder, check=True)
    findings = ("--format", "json", "-o", "spoiled.json")
    subprocess.run([*selfcorrect, "check", "spoiled.bvh", *findings, *read], cwd=folder, check=False)
    program = script(folder / "selfcorrect", selfcorrect)
    fake = script(folder / "fake", [BLENDER, str(HERE / "fake_program.py")])
    environment = {
        **os.environ,
        "BLENDER_USER_RESOURCES": str(folder / "user"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SELFCORRECT_PICTURE": str(EXTENSION.parent / "docs/pictures/blender-job.svg"),
    }
    words = [BLENDER, HERE / "inside.py", archive, clip, program, fake, folder / "results.json"]
    (folder / "user").mkdir()
    process = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert (folder / "results.json").is_file(), process.stdout[-3000:] + process.stderr[-3000:]
    return json.loads((folder / "results.json").read_text())


def make_wheel() -> bytes:
    """Make a wheel that only shows its version."""
    information = "selfcorrect-9.9.9.dist-info"
    files = {
        "selfcorrect.py": "def main():\n    print('selfcorrect 9.9.9')\n",
        f"{information}/METADATA": "Metadata-Version: 2.1\nName: selfcorrect\nVersion: 9.9.9\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": "[console_scripts]\nselfcorrect = selfcorrect:main\n",
    }
    files[f"{information}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{information}/RECORD"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return content.getvalue()


def script(path: Path, words: list[str]) -> Path:
    """A program that calls these words with what follows."""
    quoted = " ".join(f"'{word}'" for word in words)
    path.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("case", CASES)
def test_case(case: str, results: dict[str, str]) -> None:
    assert results[case] == ""
