"""Entry points of an installed package add names that work like built-ins."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import REPOSITORY, SHORT_WINDOWS, WITHOUT_FIGURES, Says, add_package

from selfcorrect.core.randomness import streams
from selfcorrect.datasets.load import load_motions
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.motion.axes import budget
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.task import Sharing, load_parts
from selfcorrect.loop.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.loop.models.diffusion.presets import preset

SMALL_MOTION = f"""
{SHORT_WINDOWS}
{WITHOUT_FIGURES}
import sys
from selfcorrect.commands.cli import main

sys.exit(main(["motion", *sys.argv[1:]]))
"""

ENTRY_POINTS = """
[selfcorrect.correctors]
raised = zoo:raised
made = zoo:made

[selfcorrect.denoisers]
one-layer = zoo:OneLayer

[selfcorrect.runners]
in-a-thread = zoo:in_a_thread

[selfcorrect.datasets]
zoo = zoo:ZOO
broken = zoo:raised
"""

MODULE = '''
"""A package of somebody else."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from torch import nn

from selfcorrect.datasets.collections.dataset import Clip, Dataset
from selfcorrect.datasets.collections.deepmimic import load_deepmimic


def clips(folder, split=None, *, allow_pickle=False):
    """The names in zoo.txt are DeepMimic's."""
    motions = {motion.label: motion for motion in load_deepmimic()}
    names = (folder / "zoo.txt").read_text().split()
    return [Clip(name, folder / "zoo.txt", lambda name=name: [motions[name]]) for name in names]


ZOO = Dataset(
    name="zoo", title="The zoo", holds="a few clips", obtain="here", licence="none", layout="zoo.txt",
    recognises=lambda path: (path / "zoo.txt").is_file(), clips=clips,
)


def raised(motion):
    """Raises a motion by a centimetre."""
    return replace(motion, root_m=motion.root_m + [0.0, 0.01, 0.0])


def made(inputs):
    """A corrector made from what the loop offers: pulls values towards their mean over the real data."""
    mean = inputs.real.values.mean(0)
    return lambda samples: samples.with_values(0.9 * samples.values + 0.1 * mean)


@contextmanager
def in_a_thread(where, folder, show):
    """Runs jobs in a thread, and notes them."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda job: pool.submit(_noted, job)


def _noted(job):
    with Path("noted.txt").open("a") as notes:
        print(job.name, file=notes)
    job.function(*job.arguments, lambda *progress: None)


class OneLayer(nn.Module):
    """Predicts every clean feature from all features of its frame."""

    def __init__(self, config, frames, features, classes):
        super().__init__()
        self.layer = nn.Linear(features, features)

    def forward(self, noisy, times, labels):
        return self.layer(noisy)
'''


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Install the package `zoo` as pip does."""
    folder = tmp_path / "site"
    add_package(folder, "zoo", ENTRY_POINTS)
    (folder / "zoo.py").write_text(MODULE)
    return folder


def test_plugin_names_are_known(zoo: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="unknown corrector 'raised'"):
        MotionSettings({"dct-mlp": (ArmSettings("replace", "raised"),)}, 1, 1)
    monkeypatch.syspath_prepend(str(zoo))
    assert budget(ArmSettings("replace", "raised")) == "not known (custom corrector)"
    assert DENOISERS.row("one-layer").summary == "Added by zoo 1.2."
    assert preset("one-layer").config.denoiser == "one-layer"


def test_plugin_dataset_is_recognised(zoo: Path, tmp_path: Path, monkeypatch, says: Says):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "zoo.txt").write_text("walk backflip")
    monkeypatch.syspath_prepend(str(zoo))
    with pytest.warns(UserWarning, match=r"'broken'.*Dataset"):
        assert [motion.label for motion in load_motions(folder)] == ["walk", "backflip"]
    assert "walk" in says("data stats --dataset zoo", folder)


def test_guide_entry_point_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    page = (REPOSITORY / "docs" / "own-generator.md").read_text(encoding="utf-8")
    (tmp_path / "my_generator.py").write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    points = page.split("```toml\n")[1].split("```")[0].replace("project.entry-points.", "").replace('"', "")
    add_package(tmp_path, "mixers", points)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_generator", raising=False)
    settings = replace(PRESETS["quick"], real_count=24, evaluated_count=24, frames=12, generator=("gaussians",))
    task = load_parts(settings.name_generator(), streams(0)).make_task("gaussians", Sharing())
    trained = task.model.fit(task.real, 1, streams(1))
    assert trained.sample(task.real.labels[:3], streams(3)).shape == (3, 12, task.real.values.shape[2])


@pytest.mark.long
def test_motion_uses_plugins(zoo: Path, tmp_path: Path):
    small = (
        "--preset quick --generations 1 --real-count 24 --evaluated-count 24 --steps 2 --initial-steps 5 --wandb off"
    )
    chosen = "--denoiser one-layer --corrector raised made --runner in-a-thread --wandb off --out run"
    process = subprocess.run(
        [sys.executable, "-c", SMALL_MOTION, *small.split(), *chosen.split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(zoo)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {row["denoiser"] for row in rows} == {"one-layer"}
    jobs = (tmp_path / "noted.txt").read_text().splitlines()
    assert len(jobs) == 1 + 1 + 5 + 5  # generation 0, real data, arms, and the feasibility of each
    moved = {row["arm"]: row["corrected_distance"] for row in rows if row["generation"] == 1}
    loops = ("none", "none+copying", "raised", "made")
    assert moved.keys() == {"real+none", *(f"replace+{loop}" for loop in loops)}
    assert moved["replace+none"] == 0 < min(moved["replace+raised"], moved["replace+made"])
