"""The models of an arm, untrained and as a run left them."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.storage.runs.folder_store import FolderReader

from ...remedies.remedies import RemedyInputs, with_remedy
from ...studies.arms import ArmSettings
from .parts import MotionTask


def sampled_task(task: MotionTask, arm: ArmSettings, progress: Progress = silent) -> Task:
    """The loop's task with the arm's way of sampling."""
    model = cast(MotionDiffusion, task.model)
    config = arm.change_config(model.config)
    model = replace(model, config=config, on_sampling_step=lambda step: progress("sample", step, config.sampling_steps))
    return replace(task, model=model)


def trained_model(task: MotionTask, arm: ArmSettings, folder: Path, generation: int) -> GenerativeModel:
    """The model of a committed generation in a run folder, sampled and made up of others as the arm has it."""
    loop_arm = Arm(parse_policy(arm.policy, task.fresh_source), generations=1)
    loop_task, _ = with_remedy(sampled_task(task, arm), loop_arm, arm.remedy, RemedyInputs())
    return loop_task.model.load_state(FolderReader(folder).state(generation))
