"""Functions behind the rows of `table.REMEDIES`. Each changes an arm on one or two axes of the loop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ...core.checks import describe_value
from ...core.errors import InputError, SettingError
from ...core.randomness import Stream
from ...core.samples import Samples
from ..bias import sample_plainly
from ..correctors.anchors import Embedding, flat
from ..correctors.contract import filter_of
from ..correctors.loop_correction import apply_corrector
from ..fitting import PairFitting, PreferCorrections, extrapolate
from ..models.resampling import Copying
from ..policy import RealOnly, overlapping
from ..run import Arm, Task
from .inside_sampler import corrected_inside
from .matching import Finish, lineage_matched, newest_synthetic, oldest_synthetic
from .table import PLACES, REMEDIES


@dataclass(frozen=True)
class RemedyInputs:
    """What a remedy may use besides the model.

    Nothing here has seen real data after generation 0.
    """

    embed: Embedding = flat
    """Function from values to vectors, fitted to training data, in which samples are compared."""
    finish: Finish | None = None
    """Last step of matching, in which children take something from their parents."""


TaskArm: TypeAlias = tuple[Task, Arm]
CorrectorPlace: TypeAlias = Callable[[Task, Arm], TaskArm]
Remedy: TypeAlias = Callable[[Task, Arm, RemedyInputs], TaskArm]


def with_remedy(task: Task, arm: Arm, name: str, inputs: RemedyInputs | None = None) -> TaskArm:
    """Apply a remedy to a task and an arm.

    Args:
        task: The loop's task. Some remedies change its model.
        arm: The arm.
        name: Name of the remedy in the table, "none" for no remedy.
        inputs: What the remedy may use besides the model; by default nothing.

    Raises:
        InputError: The remedy did not return a task and an arm.
        SettingError: The remedy and the corrector's place change the same axis.
    """
    answer = REMEDIES.call(name, tuple, task, arm, inputs or RemedyInputs())
    if list(map(type, answer))[1:] != [Arm] or not isinstance(answer[0], Task):
        raise InputError(
            f"{REMEDIES.title(name) or name} returned {describe_value(answer)}, expected a task and an arm"
        )
    remedied_task, remedied = answer
    loses_pairs = isinstance(arm.fitting, PairFitting) and not isinstance(remedied.fitting, PairFitting)
    loses_sampler = arm.bias is not sample_plainly and remedied.bias is not arm.bias
    if loses_pairs or loses_sampler:
        axis = "training" if loses_pairs else "sampling"
        raise SettingError(f"the remedy {name} and this place of the corrector cannot be combined: both change {axis}")
    return remedied_task, remedied


def with_place(task: Task, arm: Arm, name: str) -> TaskArm:
    """Move the corrector to another place in the loop.

    Args:
        arm: The arm, with a corrector of training data.
        name: Name of the place in the table of places.

    Raises:
        SettingError: The arm has no corrector.
    """
    place: CorrectorPlace = PLACES.load(name)
    if name != "data" and arm.correction is None:
        raise SettingError(f"the place {name} of a corrector needs a corrector, and this arm has none")
    return place(task, arm)


def no_remedy(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Return task and arm unchanged."""
    return task, arm


def matching(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Match children to parents, see `selfcorrect.loop.remedies.matching`."""
    heirs = oldest_synthetic if overlapping(arm.policy) else newest_synthetic
    return task, replace(arm, bias=lineage_matched(embed=inputs.embed, finish=inputs.finish, heirs=heirs))


def extrapolation(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Extrapolate with w = 1, see `selfcorrect.loop.fitting`."""
    return task, replace(arm, fitting=extrapolate(1.0, None, arm.fitting))


def lineages(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Match and extrapolate."""
    return extrapolation(*matching(task, arm, inputs), inputs)


def lineages_reworked(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Match, and extrapolate by half a step with corrected samples."""
    task, arm = matching(task, arm, inputs)
    correction = arm.correction
    if correction is None:
        return task, replace(arm, fitting=extrapolate(0.5, None, arm.fitting))

    def rework(own: Samples, stream: Stream) -> Samples:
        return apply_corrector(own, correction, stream).samples

    return task, replace(arm, fitting=extrapolate(0.5, rework, arm.fitting))


# ---------------------------------------------------------------- places of the corrector


def in_data(task: Task, arm: Arm) -> TaskArm:
    """Return the loop unchanged, with corrections as training data."""
    return task, arm


def in_filter(task: Task, arm: Arm) -> TaskArm:
    """Let the corrector reject samples without changing any."""
    correction = arm.correction
    assert correction is not None
    return task, replace(arm, correction=replace(correction, corrector=filter_of(correction.corrector)))


def in_preference(task: Task, arm: Arm, *, shuffled: bool = False) -> TaskArm:
    """Train on samples as drawn, and prefer their corrections.

    If the policy uses real data only, one sample per real sample is drawn for the pairs.
    """
    policy = arm.policy
    if policy == RealOnly():
        policy = RealOnly(1.0)
    return task, replace(arm, policy=policy, fitting=PreferCorrections(shuffled=shuffled))


def in_shuffled_preference(task: Task, arm: Arm) -> TaskArm:
    """Swap the sides of half of the pairs."""
    return in_preference(task, arm, shuffled=True)


def in_sampler(task: Task, arm: Arm) -> TaskArm:
    """Correct predictions instead of samples.

    They are corrected in the last step of each quarter of the denoising steps.
    """
    assert arm.correction is not None
    config = getattr(task.model, "config", None)
    quarter = max(1, (config.sampling_steps if config else 1) // 4)
    bias = corrected_inside(arm.correction.corrector, quarter, quarter - 1)
    return task, replace(arm, bias=bias, correction=None)


# ---------------------------------------------------------------- controls


def copying(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Replace the model by draws of training samples.

    The loop then loses by neutral drift only.
    """
    return replace(task, model=Copying(task.real)), arm


def more_steps(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Train with twice the optimiser steps, as many as extrapolation uses."""
    return task, replace(arm, steps=2 * arm.steps)
