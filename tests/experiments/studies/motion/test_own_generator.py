"""A user's generative model is enough for every arm."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.own_generator import try_own_model
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.task import MotionParts, Sharing, load_parts, sampled_task
from selfcorrect.motion.measures.metrics import find_metric
from tests.helpers import REPOSITORY, assert_is_a_model_for_loops

PAGE = (REPOSITORY / "docs" / "own-generator.md").read_text(encoding="utf-8")
MINE = PAGE.split("```python\n")[1].split("```")[0].partition("\n")[2]

WRONG = """
import torch

import selfcorrect as sc


def module(frames, features):
    return torch.nn.Linear(features, features)


def shape(frames, features):
    network = torch.nn.Embedding(99, 3)
    return sc.TorchModel(
        module=network,
        objective=lambda module, values, labels, generator: module(labels).sum(),
        sampler=lambda module, labels, generator: module(labels),
    )


def fails(frames, features):
    def objective(module, values, labels, generator):
        return values.nowhere

    return sc.TorchModel(module=torch.nn.Linear(1, 1), objective=objective, sampler=objective)
"""

Says = Callable[..., str]
SMALL = (
    "motion --preset quick --generations 1 --real-count 24 --evaluated-count 24 --initial-steps 3 --steps 2 "
    "--arms replace replace,re-encoded --workers 1 --wandb off"
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_generator.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "wrong_generator.py").write_text(WRONG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_generator", "wrong_generator"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def _settings(*generator: str, **changes) -> MotionSettings:
    arms = {"dct-mlp": (BASELINE, ArmSettings("replace"))}
    return MotionSettings(arms, 1, 1, real_count=24, evaluated_count=24, generator=generator, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["gaussians", "unet"])
def test_guide_models_keep_contract(function: str):
    pytest.importorskip("diffusers")
    settings = _settings(f"my_generator.py:{function}").name_generator()
    task = load_parts(settings, streams(0)).make_task(f"my_generator.{function}", Sharing())
    assert_is_a_model_for_loops(task.model, task.real)
    try_own_model("mine", task.model, task.real, streams(1))
    assert list(settings.arms) == [f"my_generator.{function}"]
    assert settings.words(f"my_generator.{function}") == f"my_generator.{function}"
    assert sampled_task(task, ArmSettings("replace")).model is task.model
    with pytest.raises(SettingError, match="TorchModel; leave out eta"):
        sampled_task(task, ArmSettings("replace", eta=1.0))


def test_options_reach_the_function():
    pytest.importorskip("diffusers")
    parts = load_parts(_settings("my_generator.py:unet", "width=64"), streams(0))
    assert isinstance(parts, MotionParts)
    assert parts.own is not None
    assert parts.own.options == {"width": 64}
    with pytest.raises(SettingError, match=r"'depth'.*width"):
        load_parts(_settings("my_generator.py:unet", "depth=3"), streams(0))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("module", r"must return a model with fit.*got Linear.*TorchModel"),
        ("shape", r"shape \(3,\), real data have \(48, 93\)"),
        ("fails", r"nowhere.*wrong_generator.py, line 22"),
        ("lacking", "has no 'lacking'"),
    ],
)
def test_wrong_generators_raise_early(function: str, message: str):
    with pytest.raises(SettingError, match=message):
        _try(f"wrong_generator.py:{function}")


def _try(generator: str) -> None:
    task = load_parts(_settings(generator), streams(0)).make_task("dct-mlp", Sharing())
    try_own_model("mine", task.model, task.real, streams(1))


@pytest.mark.long
@pytest.mark.parametrize("function", ["gaussians", "unet"])
def test_guide_models_run_in_arms(says: Says, function: str):
    pytest.importorskip("diffusers")
    output = says(f"{SMALL} --generator my_generator.py:{function} --out run")
    assert f"my_generator.{function}, fully synthetic" in output
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert {row["denoiser"] for row in rows} == {f"my_generator.{function}"}
    moved = {row["arm"]: row["corrected_distance"] for row in rows if row["generation"] == 1}
    assert moved.keys() == {"real+none", "replace+none", "replace+re-encoded"}
    assert moved["replace+none"] == 0 < moved["replace+re-encoded"]


@pytest.mark.long
def test_loop_starts_from_run(says: Says):
    from selfcorrect.experiments.studies.motion.study import make_motion_study
    from selfcorrect.experiments.studies.motion.task import make_motion_task
    from selfcorrect.loop.store.folder_store import FolderReader

    says(f"{SMALL} --denoiser small-dct-mlp --out first")
    says(f"{SMALL} --denoiser small-dct-mlp --representation humanml3d --start-from first replace+none --out second")
    samples = FolderReader(Path("first/small-dct-mlp/seed-0/replace+none")).samples(1)
    settings = MotionSettings(
        {"small-dct-mlp": (BASELINE,)}, 1, 1, real_count=24, evaluated_count=24, start_from=("first", "replace+none")
    )
    task = make_motion_task(settings, "small-dct-mlp", streams(0))
    assert torch.equal(task.real.labels, samples.labels)
    again = task.codec.encode(task.codec.decode(samples.values))
    torch.testing.assert_close(task.real.values, again, atol=1e-4, rtol=0)
    assert make_motion_study(settings).config["start_from"] == ["first", "replace+none"]
    for start, message in {("first", "real+nothing"): "has no arm", ("nowhere", "replace+none"): "not a run"}.items():
        with pytest.raises(SettingError, match=message):
            make_motion_task(_settings(start_from=start), "dct-mlp", streams(0))


def test_training_loss_may_be_negative() -> None:
    """Such as a negative log-likelihood."""
    interval = find_metric("training_loss").interval(np.array([-2.5, -2.4, -2.6, -2.5, -2.3]))
    assert interval.low < interval.estimate < interval.high < 0
