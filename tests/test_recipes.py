"""Recipes for CI and hooks hold offline.

What can be checked without the service is.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion

yaml = pytest.importorskip("yaml", reason="comes with the extra `dev`")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path, stepping: Motion) -> Path:
    """Return a folder with a walk 8 cm in the floor, and a file without motion."""
    save_motion(tmp_path / "sunk.bvh", replace(stepping, root_m=stepping.root_m - [0.0, 0.08, 0.0]))
    (tmp_path / "notes.txt").write_text("no motion")
    return tmp_path


ENVIRONMENT = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


@pytest.mark.slow
def test_action_fails_on_sunk_walk(checkout: Path) -> None:
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    inputs = {"PATHS": "sunk.bvh", "OPTIONS": "--select F", "JUNIT": "findings.xml"}
    assert set(steps[-1]["env"]) == set(inputs)
    command = ["bash", "-e", "-c", steps[-1]["run"]]
    process = subprocess.run(command, cwd=checkout, env=ENVIRONMENT | inputs, capture_output=True, text=True)
    assert process.returncode == 1, process.stderr
    assert "<failure" in (checkout / "findings.xml").read_text()


@pytest.mark.slow
def test_hook_checks_motion_files_only(checkout: Path) -> None:
    """The manifest's hook checks motion files only.

    The hook runs in the environment of the tests instead of its own.
    """
    hook = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    config = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"}]}]}
    (checkout / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=checkout, check=True)
    call = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"]
    process = subprocess.run(call, cwd=checkout, env=ENVIRONMENT, capture_output=True, text=True)
    assert process.returncode == 1, process.stdout + process.stderr
    assert "Findings in 1 of 1 files" in process.stdout
    assert "notes" not in process.stdout
