"""The base installs in a new environment.

What the tools for releases find wrong is tested, too.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest
from helpers import load_script

from selfcorrect.core.extras import EXTRA_OF
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.motion import Motion

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = (
    "selfcorrect",
    "simulators",
    "datasets",
    "experiments",
    "commands",
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
)
"""What an installation is built from."""
LARGEST_MB = 400


def tool(name: str) -> ModuleType:
    """A file of `tools` as a module."""
    return load_script(REPOSITORY / "tools" / f"{name}.py")


@pytest.mark.long
def test_base_is_small_and_corrects(tmp_path: Path, stepping: Motion) -> None:
    if not os.environ.get("SELFCORRECT_TEST_INSTALL"):
        pytest.skip("downloads for minutes: set SELFCORRECT_TEST_INSTALL=1")
    venv.create(tmp_path / "base", with_pip=True)
    python = tmp_path / "base" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    asked = subprocess.run(
        [*pip, "download", "--quiet", "--no-deps", "--dest", str(tmp_path), "tqdm"], capture_output=True
    )
    if asked.returncode:
        pytest.skip("no package index is reached")
    for name in SOURCES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, tmp_path / "sources" / name)
    constraints = ["--constraint", str(REPOSITORY / "constraints.txt")]
    began = time.monotonic()
    subprocess.run([*pip, "install", "--quiet", *constraints, str(tmp_path / "sources")], check=True)
    installed_s = time.monotonic() - began

    size_mb = sum(path.lstat().st_size for path in (tmp_path / "base").rglob("*") if path.is_file()) / 1e6
    assert size_mb < LARGEST_MB
    look = f"import importlib.util as u; print([n for n in {sorted(EXTRA_OF)!r} if u.find_spec(n)])"
    there = subprocess.run([str(python), "-c", look], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert there.stdout == "[]\n"

    save_motion(tmp_path / "steps.bvh", stepping)
    command = [str(python), "-m", "selfcorrect.commands.cli", "correct", "steps.bvh", "-o", "out", "--workers", "1"]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "Corrected 1 of 1 motion" in process.stdout
    assert len(open_motion(tmp_path / "out" / "steps.bvh").motion) == len(stepping)
    first_s = time.monotonic() - began
    print(f"base: {size_mb:.0f} MB, installed in {installed_s:.0f} s, first motion corrected after {first_s:.0f} s")


def test_extras_are_declared() -> None:
    wheels = tool("check_wheels")
    project = wheels.tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    distributions = {"yaml": "pyyaml", "sklearn": "scikit-learn", "pxr": "usd-core"}
    base = {requirement.name for requirement in wheels.list_requirements(project)}
    for package, extra in EXTRA_OF.items():
        name = distributions.get(package, package)
        assert name in {requirement.name for requirement in wheels.list_requirements(project, extra)}, extra
        assert name not in base
    everything = {requirement.name for requirement in wheels.list_requirements(project, "all")}
    assert {"torch", "pybullet", "smplx", "wandb"} <= everything
    assert {"numpy", "scipy", "mujoco"} <= base


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("selfcorrect/tests/test_x.py", "has selfcorrect/tests/test_x.py"),
        ("selfcorrect/benchmarks/x.py", "has selfcorrect/benchmarks/x.py"),
        ("docs/pictures/x.svg", "has docs/pictures/x.svg"),
    ],
)
def test_foreign_release_content_raises(tmp_path: Path, name: str, complaint: str) -> None:
    release = tool("check_release")
    wheel = tmp_path / "x.whl"
    sdist = tmp_path / "x.tar.gz"
    needed = [name if name.startswith("selfcorrect/") else f"selfcorrect/{name}" for name in release.NEEDED]
    with ZipFile(wheel, "w") as archive:
        for needed_name in (*needed, name):
            archive.writestr(needed_name, "")
    (tmp_path / "empty").touch()
    with tarfile.open(sdist, "w:gz") as archive:
        for needed_name in (*release.NEEDED, *release.NEEDED_IN_SDIST, name):
            archive.add(tmp_path / "empty", f"x/{needed_name}")
    assert any(complaint in line for line in release.check_wheel(wheel))
    assert release.check_sdist(sdist) == [f"x.tar.gz: {complaint}"]


def test_missing_release_content_is_named(tmp_path: Path) -> None:
    release = tool("check_release")
    with ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("selfcorrect/__init__.py", "")
    assert "x.whl: lacks selfcorrect/py.typed" in release.check_wheel(tmp_path / "x.whl")


def test_version_has_dated_section() -> None:
    release = tool("check_release")
    version = release.tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert release.check_changelog(version) == []
    assert release.check_changelog("9.9.9") == ["CHANGELOG.md: expected a section '## 9.9.9 — YEAR-MONTH-DAY'"]


def test_readme_commands_are_found() -> None:
    commands = tool("check_release").read_commands()
    assert {command[1] for command in commands} >= {"demo", "correct", "view"}


WITHOUT_EDITABLE_INSTALL = """
import importlib, sys

sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
for name in ("datasets", "simulators", "experiments", "commands"):
    print(importlib.import_module(f"selfcorrect.{name}").__file__)
"""


def test_clone_python_finds_packages() -> None:
    """A clone's folder comes before the installed package.

    This also holds after `pip install .`.
    """
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EDITABLE_INSTALL], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert [Path(line).parent for line in done.stdout.split()] == [
        REPOSITORY / name for name in ("datasets", "simulators", "experiments", "commands")
    ]


def test_release_has_digests_and_notes(tmp_path: Path) -> None:
    release = tool("make_release")
    version = release.tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    notes = release.read_notes(version)
    assert notes.startswith("* ")
    assert "\n## " not in notes
    (tmp_path / "a.whl").write_bytes(b"abc")
    (tmp_path / release.DIGESTS).write_text("old")
    assert release.list_digests(tmp_path) == f"{hashlib.sha256(b'abc').hexdigest()}  a.whl\n"
    assert release.main(tmp_path) == 1, "an existing folder is left as it is"
