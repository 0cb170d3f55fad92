"""Models are sampled with their arm's settings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import selfcorrect as sc
from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.task import (
    JOINTS_MOVED,
    JOINTS_MOVED_WITHIN,
    JOINTS_TURNED,
    MotionTask,
    make_motion_task,
    trained_model,
)
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.resampling import RealDraws
from selfcorrect.loop.run import LOSS_ON_CORRECTED, LOSS_ON_RAW, Candidate, train_first_generation
from selfcorrect.loop.store.folder_store import FolderReader, FolderStore

ANCESTRAL = ArmSettings("replace", sampler="ddim", eta=1.0)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[MotionTask, Path]:
    """Return a task and a hardly trained generation 0."""
    arms = {"dct-mlp": (BASELINE, ANCESTRAL)}
    settings = MotionSettings(arms, 1, 1, real_count=64, evaluated_count=32, initial_steps={"dct-mlp": 2})
    task = make_motion_task(settings, "dct-mlp", streams(0))
    folder = tmp_path_factory.mktemp("run") / "first"
    with FolderStore(folder, {}) as store:
        train_first_generation(task, store, streams(0))
    return task, folder


def test_arm_sampling_is_used(first: tuple[MotionTask, Path]) -> None:
    usual = trained_model(first[0], BASELINE, FolderReader(first[1]), 0)
    ancestral = trained_model(first[0], ANCESTRAL, FolderReader(first[1]), 0)
    assert isinstance(usual, MotionDiffusion)
    assert isinstance(ancestral, MotionDiffusion)
    assert (usual.config.sampler, usual.config.eta) == ("multistep", 0.0)
    assert (ancestral.config.sampler, ancestral.config.eta) == ("ddim", 1.0)
    labels = torch.zeros(3, dtype=torch.long)
    assert not torch.equal(usual.sample(labels, streams(1)), ancestral.sample(labels, streams(1)))


def test_a_label_for_each_window() -> None:
    settings = replace(PRESETS["quick"], real_count=32, evaluated_count=32)
    by_label, by_window = (
        make_motion_task(replace(settings, labels=labels), "patch-mixer", streams(0)) for labels in ("data", "window")
    )
    assert by_window.real.labels.tolist() == list(range(32))
    assert torch.equal(by_window.real.values, by_label.real.values)
    assert torch.equal(by_window.data_labels, by_label.real.labels)
    known = torch.isin(by_label.fresh.labels, by_label.real.labels)
    assert torch.equal(by_window.data_labels[by_window.fresh.labels][known], by_label.fresh.labels[known])
    model = by_window.model.fit(by_window.real, 1, streams(0).child("train"))
    assert model.sample(torch.tensor([31]), streams(0)).shape == by_window.real.values[:1].shape


def test_labels_are_scored_by_data() -> None:
    settings = replace(PRESETS["quick"], labels="window", real_count=32, evaluated_count=32)
    task = make_motion_task(settings, "patch-mixer", streams(0))
    real = Candidate(0, RealDraws(task.real), None, task.real, streams(0).child("evaluate"))
    scores = task.evaluate(real)
    windows = task.data.training
    expected = task.evaluator.evaluate(windows.batch, windows.labels)
    assert scores["within_label_ratio"] == pytest.approx(expected["within_label_ratio"], rel=0.5)
    with pytest.raises(SettingError, match="start-from"):
        replace(settings, start_from=("runs/first", "replace+none"))


def test_pilot_has_the_task_of_the_command(first: tuple[MotionTask, Path]) -> None:
    changes = {"real_count": 64, "evaluated_count": 32, "initial_steps": 2}
    task = sc.motion_task(0, "dct-mlp", settings=changes)
    assert torch.equal(task.real.values, first[0].real.values)
    assert task.initial_steps == 2
    assert isinstance(first[0].model, MotionDiffusion)
    assert task.model.config == first[0].model.config
    changed = sc.motion_task(0, "dct-mlp", settings={**changes, "learning_rate": 4e-3, "batch_size": 8, "width": 64})
    assert isinstance(changed.model, MotionDiffusion)
    config = changed.model.config
    assert (config.learning_rate, config.fine_tune_learning_rate, config.batch_size, config.width) == (
        4e-3,
        1e-3,
        8,
        64,
    )
    assert sc.motion_corrector("none", task) is None
    with pytest.raises(SettingError, match=r"real_cuont.*real_count"):
        sc.motion_task(settings={"real_cuont": 3})
    with pytest.raises(SettingError, match="batch-size"):
        MotionSettings({"x": (BASELINE,)}, 1, 1, generator=("FILE.py:make",), batch_size=3)


def test_loop_reports_how_far_samples_were_moved(first: tuple[MotionTask, Path]) -> None:
    """Each corrected generation has the displacement and the loss on both sides; uncorrected ones have neither."""
    task = replace(first[0], evaluate=lambda candidate: {}, space=None)
    keys = {JOINTS_MOVED, JOINTS_MOVED_WITHIN, JOINTS_TURNED, LOSS_ON_RAW, LOSS_ON_CORRECTED}
    for name in ("none", "floor"):
        corrector = sc.motion_corrector(name, task)
        correction = None if corrector is None else sc.Correction(corrector)
        store = sc.MemoryStore()
        sc.run_loop(task, sc.Arm(sc.Replace(), 1, 2, correction=correction), store, FolderReader(first[1]), streams(0))
        figures = store.metrics(1)
        if name == "none":
            assert keys.isdisjoint(figures)
            continue
        assert figures[JOINTS_MOVED] > 1
        assert figures[JOINTS_MOVED_WITHIN] == pytest.approx(0, abs=0.1)
        assert figures[JOINTS_TURNED] == pytest.approx(0, abs=0.1)
        assert figures[LOSS_ON_RAW] != figures[LOSS_ON_CORRECTED]
