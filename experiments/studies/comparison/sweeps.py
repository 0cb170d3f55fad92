"""Expand the arms of a comparison by the strength γ or by a copying loop, and tasks by the number n of real samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.bias import sample_plainly
from selfcorrect.loop.fitting import fit_plainly
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.resampling import Copying

from .inputs import ArmSource, TaskSource, make_arm, make_task

COPYING = "copying"
"""Name of the arm without a model."""


@dataclass(frozen=True)
class TaskOfSize:
    """A task with fewer real training samples; samples of a smaller size are among the samples of a larger size."""

    source: TaskSource
    name: str
    count: int

    @property
    def parts(self) -> tuple[Any, ...]:
        """The code that makes the task."""
        return (self.source,)

    def __call__(self, stream: Stream) -> Task:
        task = make_task(self.source, self.name, stream)
        if self.count > len(task.real):
            have = f"task {self.name!r} has {len(task.real)} real training samples"
            raise SettingError(f"{have}, fewer than {self.count} of real_counts")
        rows = torch.randperm(len(task.real), generator=stream.child("real_counts").generator())[: self.count]
        return replace(task, real=task.real.take(rows.sort().values))


@dataclass(frozen=True)
class ArmOfStrength:
    """A function of a user that makes an arm, with another strength γ."""

    source: ArmSource
    name: str
    strength: float

    @property
    def parts(self) -> tuple[Any, ...]:
        """The code that makes the arm."""
        return (self.source,)

    def __call__(self, task: Task, stream: Stream) -> Arm:
        return _with_strength(make_arm(self.source, self.name, task, stream), self.strength)


@dataclass(frozen=True)
class CopyingArm:
    """The loop of an arm without a model: training samples of the right label are drawn at random and copied."""

    arm: Arm

    def __call__(self, task: Task, stream: Stream) -> Arm:
        return self.arm

    def change_task(self, task: Task) -> Task:
        """Return the task with a model that copies."""
        return replace(task, model=Copying(task.real))


def add_copying(arms: Mapping[str, ArmSource]) -> dict[str, ArmSource]:
    """Return arms and the arm `copying`, the control of the first uncorrected loop that is fully synthetic.

    Raises:
        SettingError: No arm is such a loop, or an arm has that name.
    """
    loops = [arm for arm in arms.values() if isinstance(arm, Arm) and arm.policy == Replace() and not arm.correction]
    if not loops or COPYING in arms:
        problem = f"an arm has the name {COPYING!r}" if loops else "there is none"
        raise SettingError(
            f"copying=True adds the arm {COPYING!r} to an uncorrected arm with the policy Replace(); {problem}"
        )
    plain = replace(loops[0], bias=sample_plainly, fitting=fit_plainly)
    return {**arms, COPYING: CopyingArm(plain)}


def expand_tasks(tasks: Mapping[str, TaskSource], real_counts: Sequence[int]) -> dict[str, TaskSource]:
    """Return each task once for each number of real training samples, by name.

    Args:
        real_counts: Numbers n; without any the tasks stay as they are.
    """
    if not real_counts:
        return dict(tasks)
    expanded: dict[str, TaskSource] = {}
    for name, source in tasks.items():
        for count in real_counts:
            title = f"{name}, n = {count}" if len(tasks) > 1 else f"n = {count}"
            expanded[title] = TaskOfSize(source, name, count)
    return expanded


def expand_arms(arms: Mapping[str, ArmSource], gammas: Sequence[float]) -> dict[str, ArmSource]:
    """Return each arm with a correction once for each strength γ, by name; other arms stay as they are.

    Args:
        arms: Arms by name, or functions that make them.
        gammas: Strengths; without any the arms stay as they are.

    Raises:
        SettingError: There are strengths, and no arm has a correction.
    """
    if not gammas:
        return dict(arms)
    expanded: dict[str, ArmSource] = {}
    for name, source in arms.items():
        if isinstance(source, Arm) and source.correction is None:
            expanded[name] = source
            continue
        for gamma in gammas:
            title = f"{name}, γ = {gamma:g}"
            is_arm = isinstance(source, Arm)
            expanded[title] = _with_strength(source, gamma) if is_arm else ArmOfStrength(source, name, gamma)
    if list(expanded) == list(arms):
        raise SettingError("gammas are strengths of corrections, and no arm has a correction; leave them out")
    return expanded


def _with_strength(arm: Arm, strength: float) -> Arm:
    if arm.correction is None:
        return arm
    return replace(arm, correction=replace(arm.correction, strength=strength))
