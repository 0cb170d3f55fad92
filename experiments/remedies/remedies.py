"""Functions of the rows of `table.REMEDIES`, each of which changes an arm on one axis of the loop, or two."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import Tensor

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import Embedding, flat
from selfcorrect.correctors.contract import filter_of
from selfcorrect.correctors.loop_correction import apply_corrector
from selfcorrect.loop.bias import Bias, Sampler, Score, sample_independently, sample_plainly
from selfcorrect.loop.fitting import (
    Errors,
    PairFitting,
    PreferCorrections,
    average_weights,
    extrapolate,
    truncate_known,
)
from selfcorrect.loop.policy import RealOnly, Replace, overlapping
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.diffusion.confidence import denoising_errors
from selfcorrect.models.diffusion.steering import Guided, Rescaled, Truncated, steer
from selfcorrect.models.ecosystem import Ecosystem
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.remedies.inside_sampler import corrected_inside
from selfcorrect.remedies.matching import Finish, lineage_matched, newest_synthetic, oldest_synthetic
from selfcorrect.remedies.selection import (
    Rule,
    farthest_points,
    in_latent_subspace,
    least_likely,
    match_moments,
    most_confident,
    select_candidates,
)

from .people import choose_by_raters
from .table import PLACES, REMEDIES

DRAWS = 4
"""Candidates per sample wanted of the remedies that select."""


@dataclass(frozen=True)
class RemedyInputs:
    """Inputs that a remedy may use beside its model: nothing here has seen real data after generation 0."""

    embed: Embedding = flat
    """Values to vectors of the training side, in which likeness is measured."""
    errors: Errors = denoising_errors
    """Function that returns how unlikely a model finds its samples."""
    finish: Finish | None = None
    """Last step of matching, in which children keep something of their parents."""
    raters: tuple[Score, ...] = ()
    """People, each as a score of samples."""


TaskArm: TypeAlias = tuple[Task, Arm]
Place: TypeAlias = Callable[[Task, Arm], TaskArm]
Remedy: TypeAlias = Callable[[Task, Arm, RemedyInputs], TaskArm]


def with_remedy(task: Task, arm: Arm, name: str, inputs: RemedyInputs | None = None) -> TaskArm:
    """Return a task and an arm with a remedy against the loss of modes.

    Args:
        task: The loop's task, whose model some remedies change.
        name: Name of the remedy in the table of remedies, "none" for no remedy.
        inputs: What the remedy may use beside the model, by default nothing.
    """
    apply: Remedy = REMEDIES.load(name)
    remedied_task, remedied = apply(task, arm, inputs or RemedyInputs())
    loses_pairs = isinstance(arm.fitting, PairFitting) and not isinstance(remedied.fitting, PairFitting)
    loses_sampler = arm.bias is not sample_plainly and remedied.bias is not arm.bias
    if loses_pairs or loses_sampler:
        axis = "training" if loses_pairs else "sampling"
        raise SettingError(f"the remedy {name} and this place of the corrector do not go together: both change {axis}")
    return remedied_task, remedied


def with_place(task: Task, arm: Arm, name: str) -> TaskArm:
    """Return a task and an arm whose corrector works in another place of the loop.

    Args:
        arm: The arm, whose corrector works on training data.
        name: Name of the place in the table of places.

    Raises:
        SettingError: The arm has no corrector.
    """
    place: Place = PLACES.load(name)
    if name != "data" and arm.correction is None:
        raise SettingError(f"the place {name} of a corrector needs a corrector, and this arm has none")
    return place(task, arm)


def none(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """As they are."""
    return task, arm


def matching(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Children matched to parents; see `selfcorrect.remedies.matching`."""
    heirs = oldest_synthetic if overlapping(arm.policy) else newest_synthetic
    return task, replace(arm, bias=lineage_matched(8, inputs.embed, finish=inputs.finish, heirs=heirs))


def extrapolation(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Negative extrapolation at w = 1; see `selfcorrect.loop.fitting`."""
    return task, replace(arm, fitting=extrapolate(1.0, None, arm.fitting))


def lineages(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Matching and extrapolation together."""
    return extrapolation(*matching(task, arm, inputs), inputs)


def lineages_quarter(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Matching, and extrapolation by a quarter of the step: its scatter is a sixteenth."""
    task, arm = matching(task, arm, inputs)
    return task, replace(arm, fitting=extrapolate(0.25, None, arm.fitting))


def lineages_reworked(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Matching, and extrapolation by half a step, for which the model's own samples are corrected, too."""
    task, arm = matching(task, arm, inputs)
    correction = arm.correction
    if correction is None:
        return task, replace(arm, fitting=extrapolate(0.5, None, arm.fitting))

    def rework(own: Samples, stream: Stream) -> Samples:
        return apply_corrector(own, correction, stream).samples

    return task, replace(arm, fitting=extrapolate(0.5, rework, arm.fitting))


# ---------------------------------------------------------------- sampling


def sims(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Samples away from the model's own fine-tuned self, ω = 1."""

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        def draw(labels: Tensor, stream: Stream) -> Tensor:
            values = model.sample(parents.labels, stream.child("own"))
            own_samples = Samples.synthetic(values, parents.labels, 0)
            return steer(Guided, model, worse=model.fit(own_samples, arm.steps, stream.child("worse"))).sample(
                labels, stream.child("guided")
            )

        return sample_independently(draw)

    return task, replace(arm, bias=bias)


def rescaled_score(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Broader modes by temporal score rescaling, k = 0.8, σ² = 0.25."""

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        return sample_independently(steer(Rescaled, model, sharpness=0.8, variance=0.25).sample)

    return task, replace(arm, bias=bias)


def annealed_truncation(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Stops the reverse process at a tenth of the noise levels in generation 1, at 1/t² of that in generation t."""

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        line = newest_synthetic(parents)
        generation = int(line.provenance.generation[0]) + 2 if len(line) else 1
        steps = model.config.diffusion_steps if hasattr(model, "config") else 0  # type: ignore[attr-defined]
        return sample_independently(steer(Truncated, model, level=round(steps / 10 / generation**2)).sample)

    return task, replace(arm, bias=bias)


def oversampling(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Four times as many samples, trained on for as many steps."""
    return task, replace(arm, policy=Replace(DRAWS)) if isinstance(arm.policy, Replace) else arm


def moment_matching(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Mean and standard deviations per label held at the parents'."""
    return task, replace(arm, bias=match_moments)


def preference(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Take, of four draws, the one that people would choose."""
    return task, replace(arm, bias=choose_by_raters(inputs.raters))


def _selecting(rule: Callable[[RemedyInputs], Rule]) -> Remedy:
    def apply(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
        bias: Bias = select_candidates(DRAWS, rule(inputs))
        return task, replace(arm, bias=bias)

    return apply


spread_out = _selecting(lambda inputs: farthest_points(inputs.embed))
self_verified = _selecting(lambda inputs: most_confident(inputs.errors))
likelihood_rank = _selecting(lambda inputs: least_likely(inputs.errors))
latent_filter = _selecting(lambda inputs: in_latent_subspace(inputs.embed))

# ---------------------------------------------------------------- training


def truncated_loss(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """The fifth of the samples that the last model knows best is left out of the loss."""
    return task, replace(arm, fitting=truncate_known(0.2, inputs.errors))


def averaged_weights(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """A running average of the weights over generations, half of it new in each."""
    return task, replace(arm, fitting=average_weights(0.5))


def ecosystem(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Four models that share out the training set and train on the pool of their samples."""
    return replace(task, model=Ecosystem.replicate(task.model, 4)), arm


# ---------------------------------------------------------------- places of the corrector


def in_data(task: Task, arm: Arm) -> TaskArm:
    """Return the loop as it is: corrections are training data."""
    return task, arm


def in_filter(task: Task, arm: Arm) -> TaskArm:
    """Let the corrector reject samples and change none."""
    correction = arm.correction
    assert correction is not None
    return task, replace(arm, correction=replace(correction, corrector=filter_of(correction.corrector)))


def in_preference(task: Task, arm: Arm, *, shuffled: bool = False) -> TaskArm:
    """Train on samples as they were drawn, and prefer their corrections.

    Beside real data only, one sample per real one is drawn for pairs.
    """
    policy = arm.policy
    if policy == RealOnly():
        policy = RealOnly(1.0)
    return task, replace(arm, policy=policy, fitting=PreferCorrections(shuffled=shuffled))


def in_shuffled_preference(task: Task, arm: Arm) -> TaskArm:
    """Exchange the sides of half of the pairs."""
    return in_preference(task, arm, shuffled=True)


def in_sampler(task: Task, arm: Arm) -> TaskArm:
    """Correct predictions, in the last step of each quarter of the denoising steps."""
    quarter = max(1, _sampling_steps(task) // 4)
    return _correct_inside(task, arm, every=quarter, first=quarter - 1)


def inside_sampler(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """The place "sampler" as a remedy."""
    return in_sampler(task, arm)


def inside_sampler_once(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """The corrector works on predictions once, in the last step of the third quarter of the denoising steps."""
    steps = _sampling_steps(task)
    return _correct_inside(task, arm, every=steps, first=max(0, 3 * steps // 4 - 1))


def _correct_inside(task: Task, arm: Arm, every: int, first: int) -> TaskArm:
    """The arm with its corrector inside the sampler and no correction of samples; without one, as it is."""
    if arm.correction is None:
        return task, arm
    bias = corrected_inside(arm.correction.corrector, every, first)
    return task, replace(arm, bias=bias, correction=None)


def _sampling_steps(task: Task) -> int:
    config = getattr(task.model, "config", None)
    return config.sampling_steps if config else 1


# ---------------------------------------------------------------- controls


def more_steps(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Twice the optimiser steps: what extrapolation spends, without it."""
    return task, replace(arm, steps=2 * arm.steps)
