"""The base installation works without the extras' packages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import LOOPS
from test_docs import BLOCK as CODE
from test_docs import PAGES, list_missing

from selfcorrect.core.extras import EXTRA_OF
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion

BLOCK = f"""
import sys
from importlib import metadata
from importlib.machinery import PathFinder

BLOCKED = {sorted(EXTRA_OF)!r}
find_installed, find_distribution = PathFinder.find_spec, metadata.distribution
PathFinder.find_spec = lambda name, *args: None if name in BLOCKED else find_installed(name, *args)
metadata.distribution = lambda name: find_distribution("missing " + name if name in BLOCKED else name)
from selfcorrect.commands.cli import main
"""

COMMANDS = (
    BLOCK
    + """
import json
for command in json.loads(sys.argv[1]):
    assert main(command) in ((0, 1) if command[0] == "check" else (0,)), command
print("loaded", sorted(set(BLOCKED) & set(sys.modules)))
"""
)

REFUSED = (
    BLOCK
    + """
import contextlib, io, json
for command in json.loads(sys.argv[1]):
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        code = main(command)
    print(json.dumps([code, told.getvalue()]))
"""
)

PYTHON = (
    BLOCK
    + """
import selfcorrect as sc

labels = [motion.label for motion in sc.load_motions("deepmimic")]
assert len(labels) == 15, labels
assert sc.PhysicsCorrector().tracker.engine.name == "mujoco"
try:
    sc.run_loop
except sc.MissingExtraError as error:
    print(error)
"""
)

PAGES_IN_TURN = (
    BLOCK
    + """
import json, os
for page, program in json.loads(sys.argv[1]).items():
    os.chdir(os.path.join(sys.argv[2], page))
    exec(compile(program, page, "exec"), {"__name__": "__main__"})
"""
)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program in a new interpreter."""
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)


@pytest.fixture
def steps(tmp_path: Path, stepping: Motion) -> Path:
    save_motion(tmp_path / "steps.bvh", stepping)
    return tmp_path / "steps.bvh"


@pytest.mark.slow
def test_base_corrects_checks_converts(tmp_path: Path, steps: Path) -> None:
    file = str(steps)
    out = str(tmp_path / "out")
    commands = [
        ["correct", file, "-o", out, "--workers", "1"],
        ["check", out + "/steps.bvh"],
        *(["data", "convert", file, "--out", out, "--to", kind] for kind in ("gltf", "amass", "humanml3d", "vrma")),
        ["data", "list"],
        ["data", "samples", "--out", out + "/samples"],
        ["data", "formats"],
        ["data", "check", str(tmp_path / "out" / "steps.bvh")],
        ["data", "stats", file],
        ["view", file, "--out", out + "/view.png"],
        ["view", file, "--out", out + "/view.gif"],
    ]
    process = run(COMMANDS, json.dumps(commands))
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.endswith("loaded []\n")
    assert "extra" not in process.stderr
    assert {"bvh", "amass", "gltf"} <= {path.stem for path in (tmp_path / "out" / "samples").iterdir()}
    assert "Report: " in process.stdout
    assert json.loads((tmp_path / "out" / "report.json").read_text())["settings"]["engine"] == "mujoco"
    assert {"steps.bvh", "view.png", "view.gif"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.slow
def test_motion_needs_no_extra() -> None:
    process = run(PYTHON)
    assert process.returncode == 0, process.stderr
    assert process.stdout == (
        "selfcorrect.run_loop needs the extra `loops` (No module named 'torch'): pip install 'selfcorrect[loops]'\n"
    )


MISSING = {
    "selfcorrect toy needs the extra `loops`": ["toy", LOOPS["gaussian-correct"], "--quick"],
    "selfcorrect motion needs the extra `loops`": ["motion", "--preset", "quick", "--engine", "mujoco"],
    "needs the extra `loops`": ["data", "shard", "steps.bvh", "-o", "shards"],
    "elsewhere choose the engine mujoco": ["correct", "steps.bvh", "--engine", "pybullet"],
    "a body model needs the extra `smpl`": ["correct", "steps.bvh", "--body-model", "steps.bvh"],
    "MP4 needs the extra `video`": ["view", "steps.bvh", "--out", "steps.mp4"],
    "USD needs the extra `usd`": ["data", "convert", "steps.bvh", "--out", "usd", "--to", "usd"],
}
"""What is said about commands that need more than the base."""


@pytest.mark.slow
def test_missing_extra_names_command(steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(steps.parent)
    process = run(REFUSED, json.dumps(list(MISSING.values())))
    assert process.returncode == 0, process.stderr
    for line, (sentence, command) in zip(process.stdout.splitlines()[-len(MISSING) :], MISSING.items(), strict=True):
        code, message = json.loads(line)
        assert code == 2, (command, message)
        assert sentence in message, (command, message)
        assert "pip install 'selfcorrect[" in message
        assert "Traceback" not in message


@pytest.mark.slow
def test_base_pages_run_in_base(tmp_path: Path) -> None:
    """Base pages run without PyTorch.

    PyTorch is out of reach from the start, in a process of its own. Each page has a folder of its own.
    """
    programs = {}
    for page in PAGES:
        text = page.read_text()
        if "torch" in list_missing(text):
            programs[page.stem] = "\n".join(block[1] for block in CODE.finditer(text))
            (tmp_path / page.stem).mkdir()
    assert programs
    process = run(PAGES_IN_TURN, json.dumps(programs), str(tmp_path))
    assert process.returncode == 0, process.stderr


TESTS = (
    f"BLOCKED = {sorted(EXTRA_OF)!r}"
    + """
import sys

class Blocked:  # pytest calls the path finder in ways of its own
    def find_spec(self, name, path=None, target=None):
        if name in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import pytest

sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow and not long", *sys.argv[1:]]))
"""
)


@pytest.mark.slow
def test_extra_tests_are_skipped() -> None:
    folder = Path(__file__).parent
    ran = run(TESTS, str(folder / "selfcorrect" / "statistics" / "test_statistics.py"), "-k", "mean or verdict")
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout
    left_out = run(TESTS, str(folder / "selfcorrect" / "loop" / "test_policy.py"))
    assert left_out.returncode in (0, pytest.ExitCode.NO_TESTS_COLLECTED), left_out.stdout
    assert "skipped" in left_out.stdout
    assert "error" not in left_out.stdout.lower()
