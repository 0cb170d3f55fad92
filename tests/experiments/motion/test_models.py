"""An arm's models are sampled as the arm has it."""

from pathlib import Path

import pytest
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.motion.settings import MotionSettings
from selfcorrect.experiments.motion.task import MotionTask, motion_task, trained_model
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.run import train_first_generation
from selfcorrect.loop.store.folder_store import FolderStore

ANCESTRAL = ArmSettings("replace", sampler="ddim", eta=1.0)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[MotionTask, Path]:
    """A task, and the folder of a generation 0 that is hardly trained."""
    arms = {"dct-mlp": (BASELINE, ANCESTRAL)}
    settings = MotionSettings(arms, 1, 1, real_count=64, evaluated_count=32, initial_steps={"dct-mlp": 2})
    task = motion_task(settings, "dct-mlp", streams(0))
    folder = tmp_path_factory.mktemp("run") / "first"
    with FolderStore(folder, {}) as store:
        train_first_generation(task, store, streams(0))
    return task, folder


def test_a_model_is_sampled_as_its_arm_says(first: tuple[MotionTask, Path]) -> None:
    usual = trained_model(first[0], BASELINE, first[1], 0)
    ancestral = trained_model(first[0], ANCESTRAL, first[1], 0)
    assert isinstance(usual, MotionDiffusion)
    assert isinstance(ancestral, MotionDiffusion)
    assert (usual.config.sampler, usual.config.eta) == ("multistep", 0.0)
    assert (ancestral.config.sampler, ancestral.config.eta) == ("ddim", 1.0)
    labels = torch.zeros(3, dtype=torch.long)
    assert not torch.equal(usual.sample(labels, streams(1)), ancestral.sample(labels, streams(1)))
