"""Inputs of a comparison: tasks and arms, ready or made for each seed, and how they reach other processes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self, TypeAlias

import cloudpickle
import torch

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import InputError, SelfcorrectError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.bias import sample_plainly
from selfcorrect.loop.fitting import fit_plainly
from selfcorrect.loop.models.resampling import Copying
from selfcorrect.loop.run import Arm, Task
from selfcorrect.runtime.bugs import describe_with_location
from selfcorrect.runtime.identity import Identity, identity_of
from selfcorrect.runtime.user_code import is_of_users, name_of

from ..arms import folder_name

TaskSource: TypeAlias = Task | Callable[[Stream], Task]
"""A task for all seeds, or a function of the seed's stream that makes one for each."""

ArmSource: TypeAlias = Arm | Callable[[Task, Stream], Arm]
"""An arm, or a function that makes the arm from a seed's task, e.g. for a corrector that knows the training data."""


@dataclass(frozen=True)
class TaskEntry:
    """A task of a comparison."""

    source: TaskSource
    name: str
    """The user's name."""
    count: int | None = None
    """Number n of real training samples, None for all; samples of a smaller size are among those of a larger size."""

    def make(self, stream: Stream) -> Task:
        """Return the task for the stream of a seed."""
        source = self.source
        task = source if isinstance(source, Task) else _call(source, (stream,), Task, f"task {self.name!r}")
        if self.count is None:
            return task
        if self.count > len(task.real):
            have = f"task {self.name!r} has {len(task.real)} real training samples"
            raise SettingError(f"{have}, fewer than {self.count} of real_counts")
        rows = torch.randperm(len(task.real), generator=stream.child("real_counts").generator())[: self.count]
        return replace(task, real=task.real.take(rows.sort().values))


@dataclass(frozen=True)
class ArmEntry:
    """An arm of a comparison."""

    source: ArmSource
    name: str
    """The user's name."""
    strength: float | None = None
    """Strength γ of the correction, None for the arm's own."""
    is_copying: bool = False
    """True for a loop without a model: training samples of the right label are drawn at random and copied."""

    def make(self, task: Task, stream: Stream) -> tuple[Task, Arm]:
        """Make the arm of a seed's task, and the task, which has another model if the arm copies."""
        source = self.source
        arm = source if isinstance(source, Arm) else _call(source, (task, stream), Arm, f"arm {self.name!r}")
        if self.strength is not None and arm.correction is not None:
            arm = replace(arm, correction=replace(arm.correction, strength=self.strength))
        return (replace(task, model=Copying(task.real)) if self.is_copying else task), arm


@dataclass(frozen=True)
class ComparisonInputs:
    """The tasks and arms of a comparison by name."""

    tasks: Mapping[str, TaskEntry]
    arms: Mapping[str, ArmEntry]

    @classmethod
    def from_sources(cls, tasks: Mapping[str, TaskSource], arms: Mapping[str, ArmSource]) -> Self:
        """Return what a user gave."""
        return cls(
            {name: TaskEntry(source, name) for name, source in tasks.items()},
            {name: ArmEntry(source, name) for name, source in arms.items()},
        )

    def __post_init__(self) -> None:
        for kind, names in (("task", self.tasks), ("arm", self.arms)):
            if not names:
                raise SettingError(f"a comparison needs at least one {kind}")
            expected_type = Task if kind == "task" else Arm
            for name, entry in names.items():
                if not isinstance(name, str) or not folder_name(name):
                    raise SettingError(f"names of {kind}s must have letters or digits, got {name!r}")
                if not isinstance(entry.source, expected_type) and not callable(entry.source):
                    expected = f"{expected_type.__name__} or a function that makes one"
                    raise SettingError(f"{kind} {name!r}: expected {expected}, got {describe_value(entry.source)}")
            folders = [folder_name(name) for name in names]
            if doubled := [name for name, folder in zip(names, folders, strict=True) if folders.count(folder) > 1]:
                raise SettingError(f"{kind}s need names that differ in letters or digits, got {', '.join(doubled)}")

    def identities(self, first: Mapping[str, Task]) -> dict[str, Identity]:
        """Return the identities of user code, by names for messages.

        Args:
            first: Tasks of the first seed.
        """
        codes: dict[str, Any] = {}
        for name in self.tasks:
            codes |= self._task_code(name, first[name])
        for name in self.arms:
            codes |= self._arm_code(name)
        return {title: identity_of(code) for title, code in codes.items() if is_of_users(code)}

    def _task_code(self, name: str, task: Task) -> dict[str, Any]:
        code: dict[str, Any] = {}
        if not isinstance(self.tasks[name].source, Task):
            code[f"the function that makes task {name!r}"] = self.tasks[name].source
        code[f"the model of task {name!r}"] = task.model
        code[f"the evaluation of task {name!r}"] = task.evaluate
        return code

    def _arm_code(self, name: str) -> dict[str, Any]:
        arm = self.arms[name].source
        if not isinstance(arm, Arm):
            return {f"the function that makes arm {name!r}": arm}
        code: dict[str, Any] = {}
        for part in _list_correctors(arm.correction and arm.correction.corrector):
            code[f"the corrector {name_of(part)!r} of arm {name!r}"] = part
        code[f"the policy of arm {name!r}"] = arm.policy
        code[f"the sampling bias of arm {name!r}"] = arm.bias
        code[f"the fitting of arm {name!r}"] = arm.fitting
        return code


def name_arms(arms: Any) -> Mapping[str, Any]:
    """Return arms by name; arms in a list are named by their settings.

    Raises:
        SettingError: The arms are neither a list nor a mapping.
    """
    if isinstance(arms, Mapping):
        return arms
    if not isinstance(arms, Sequence) or not all(isinstance(arm, Arm) for arm in arms):
        expected = "a list of arms, or arms and functions that make them by name: {name: arm, …}"
        raise SettingError(f"arms must be {expected}; got {describe_value(arms)}")
    names = [str(arm) for arm in arms]
    if doubled := next((name for name in names if names.count(name) > 1), ""):
        raise SettingError(f"two arms are both {doubled}; give arms by name: {{name: arm, …}}")
    return dict(zip(names, arms, strict=True))


def pack(inputs: ComparisonInputs) -> bytes:
    """Pack tasks and arms for other processes; raises SettingError if they cannot be copied."""
    try:
        return cloudpickle.dumps(inputs)
    except Exception as error:  # whatever an object raises that is not made to be copied
        raise SettingError(
            f"the tasks and arms cannot be sent to other processes: {error}; give a function that makes them"
        ) from error


def _list_correctors(corrector: Any) -> Iterator[Any]:
    """Yield the correctors inside a corrector: itself, or those that a chain or control of the library calls."""
    if parts := getattr(corrector, "parts", ()):
        for part in parts:
            yield from _list_correctors(part)
    elif corrector is not None:
        yield corrector


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], kind: type, who: str) -> Any:
    """Call a user's function and check its answer; SettingError names the function's error and the place."""
    try:
        value = function(*arguments)
    except SelfcorrectError:
        raise
    except Exception as error:
        raise SettingError(f"the function that makes {who} failed: {describe_with_location(error)}") from error
    if not isinstance(value, kind):
        raise InputError(f"{who} should be of type {kind.__name__}, got {type(value).__name__}")
    return value


def config_of(arm: Arm) -> dict[str, Any]:
    """Return an arm's settings as JSON values, without its generations, with user code by name (see `identities`)."""
    config = _to_json(arm)
    del config["generations"]
    for name, usual in (("bias", sample_plainly), ("fitting", fit_plainly)):
        if getattr(arm, name) is usual:
            del config[name]
    return config


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if is_dataclass(value) and not callable(value):
        inside = {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}
        return inside if isinstance(value, Arm) else {"kind": type(value).__name__, **inside}
    return name_of(value)
