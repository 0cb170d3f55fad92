"""The examples run as they stand, from any folder."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SHORT_WINDOWS, WITHOUT_FIGURES

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

SAYS = {
    "correct_a_file": "walk-corrected.bvh, before-and-after.png",
    "correct_samples_in_memory": "4 of 4 accepted",
    "corrector_in_a_toy_loop": "uncorrected: spread",
    "own_dataset": "('cartwheel', 82)",
    "own_generative_model": "Augment(synthetic_ratio=1.0) over generations 16 to 30",
    "read_a_run_in_pandas": "synthetic_share",
    "regression_test_of_a_loop": "corrected: over generations 6 to 10",
    "track_with_wandb": "written to runs/tracked",
}
"""What each prints, among other things."""

QUICK_MOTION = (
    "--preset quick --generations 1 --real-count 24 --evaluated-count 24 --steps 2 --initial-steps 5 --workers 1 "
    "--wandb off --out run"
)


AS_IT_STANDS = f"""
{SHORT_WINDOWS}
{WITHOUT_FIGURES}
import sys, runpy
from pathlib import Path

sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A program that runs the one it is given."""


def test_each_example_is_run_here():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {*SAYS, "corrector_in_the_motion_loop", "several_gpus"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Examples run in this process, which has PyTorch.

    `test_the_first_example_…` starts one.
    """
    script = EXAMPLES / f"{name}.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.syspath_prepend(str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out


@pytest.mark.slow
def test_first_example_takes_own_file(tmp_path: Path, walk: Motion):
    save_motion(tmp_path / "mine.bvh", walk.frames(0, 20))
    call = [sys.executable, str(EXAMPLES / "correct_a_file.py"), "mine.bvh"]
    process = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr
    assert "mine-corrected.bvh" in process.stdout


@pytest.mark.nightly  # a motion experiment with a user's corrector is in `tests/experiments/studies/motion`
def test_own_corrector_runs(tmp_path: Path):
    call = [sys.executable, "-c", AS_IT_STANDS, str(EXAMPLES / "corrector_in_the_motion_loop.py")]
    process = subprocess.run([*call, *QUICK_MOTION.split()], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr
    rows = [json.loads(row) for row in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert "replace+corrector_in_the_motion_loop.above_the_floor" in {row["arm"] for row in rows}
