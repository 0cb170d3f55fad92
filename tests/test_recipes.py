"""Recipes for clusters, CI and hooks: what can be checked without the cluster or the service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.motion.motion import Motion

jsonschema = pytest.importorskip("jsonschema", reason="comes with the extra `ray`")
yaml = pytest.importorskip("yaml", reason="comes with the extra `dev`")

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "examples" / "cluster"


"""The fields of KubeRay's v1 types that a recipe may need, and no others: read by hand from `rayjob_types.go`,
`raycluster_types.go` and the reference of KubeRay 1.7's API."""


def manifest() -> tuple[dict[str, Any], dict[str, Any]]:
    job, claim = yaml.safe_load_all((RECIPES / "kuberay.yaml").read_text())
    return job, claim


def test_the_kubernetes_manifest_runs_a_command_that_there_is_on_its_volume():
    job, _ = manifest()
    program, name, *options = job["spec"]["entrypoint"].split()
    assert (program, name) == ("selfcorrect", "motion")
    command = tyro.cli(MotionCommand, args=options)
    assert command.where.cluster == "auto"
    assert str(command.out).startswith("/runs/")


def test_recipes_use_the_version_of_ray_that_is_tested():
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().split() if line.startswith("ray=="))
    version = pinned.removeprefix("ray==")
    job, _ = manifest()
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == version
    assert f"FROM rayproject/ray:{version}-" in (RECIPES / "Dockerfile").read_text()


def test_the_image_has_the_extras_that_the_command_needs_and_bears_the_version() -> None:
    """A cluster runs loops with Ray; each extra that the image names is declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    match = re.search(r"/selfcorrect\[([\w,]+)\]", (RECIPES / "Dockerfile").read_text())
    assert match
    extras = set(match[1].split(","))
    assert {"loops", "ray"} <= extras <= set(project["optional-dependencies"])
    images = re.findall(
        r"/selfcorrect:(\S+)", (RECIPES / "kuberay.yaml").read_text() + (ROOT / "docs" / "scale.md").read_text()
    )
    assert set(images) == {project["version"]}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_batch_script_starts_ray_on_every_node_and_hands_its_words_on(tmp_path: Path):
    """Against stand-ins for Slurm's programs and for Ray, as the first of two nodes."""
    for name, script in {
        "scontrol": 'printf "node1\\nnode2\\n"',
        "getent": 'echo "10.0.0.1 STREAM $2"',
        "srun": 'shift; exec "$@"',
        "ray": 'printf "%s\\n" "$@"; echo "$RAY_AUTH_MODE $RAY_USAGE_STATS_ENABLED ${#RAY_AUTH_TOKEN}"',
        "python": "echo 0123456789abcdef",
    }.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_ID": "7",
        "SLURM_NODEID": "0", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_ON_NODE": "4",
    }  # fmt: skip
    words = ["motion", "--out", "a folder"]
    command = ["bash", str(RECIPES / "slurm.sh"), *words]
    lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines == [
        "symmetric-run", "--address", "10.0.0.1:20007", "--min-nodes", "2", "--num-cpus", "4",
        "--", "selfcorrect", *words, "--cluster", "auto", "token 0 16",
    ]  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path, stepping: Motion) -> Path:
    """A folder with a walk that stands 8 cm in the floor, and a file that is no motion."""
    save_motion(tmp_path / "sunk.bvh", replace(stepping, root_m=stepping.root_m - [0.0, 0.08, 0.0]))
    (tmp_path / "notes.txt").write_text("no motion")
    return tmp_path


ENVIRONMENT = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


@pytest.mark.slow
def test_the_action_fails_and_writes_findings_for_a_sunk_walk(checkout: Path) -> None:
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    inputs = {"PATHS": "sunk.bvh", "OPTIONS": "--select F", "JUNIT": "findings.xml"}
    assert set(steps[-1]["env"]) == set(inputs)
    command = ["bash", "-e", "-c", steps[-1]["run"]]
    process = subprocess.run(command, cwd=checkout, env=ENVIRONMENT | inputs, capture_output=True, text=True)
    assert process.returncode == 1, process.stderr
    assert "<failure" in (checkout / "findings.xml").read_text()


@pytest.mark.slow
def test_the_hook_checks_motion_files_and_nothing_else(checkout: Path) -> None:
    """The hook of the manifest, in the environment of the tests instead of its own."""
    hook = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    config = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"}]}]}
    (checkout / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=checkout, check=True)
    call = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"]
    process = subprocess.run(call, cwd=checkout, env=ENVIRONMENT, capture_output=True, text=True)
    assert process.returncode == 1, process.stdout + process.stderr
    assert "1 file: 1 with findings" in process.stdout
    assert "notes" not in process.stdout
