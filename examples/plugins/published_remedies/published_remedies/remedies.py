"""The remedies: functions (task, arm, inputs) → (task, arm), each of which changes an arm on one axis of the loop."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Bias, Sampler, sample_independently
from selfcorrect.loop.fitting import extrapolate
from selfcorrect.loop.models.diffusion.steering import steer
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.remedies.inside_sampler import corrected_inside
from selfcorrect.loop.remedies.matching import newest_synthetic
from selfcorrect.loop.remedies.remedies import Remedy, RemedyInputs, TaskArm, matching, with_place
from selfcorrect.loop.run import Arm, Task

from .candidates import Rule, select_candidates
from .ecosystem import Ecosystem
from .sampling import Guided, Rescaled, Truncated, denoising_errors
from .selection import farthest_points, in_latent_subspace, least_likely, match_moments, most_confident
from .training import average_weights, truncate_known

DRAWS = 4
"""Candidates per sample wanted of the remedies that select."""


def lineages_quarter(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Matching, and extrapolation by a quarter of the step: its scatter is a sixteenth."""
    task, arm = matching(task, arm, inputs)
    return task, replace(arm, fitting=extrapolate(0.25, None, arm.fitting))


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
    """Stop the reverse process early.

    The process stops at a tenth of the noise levels in generation 1, and at 1/t² of that in generation t.
    """

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        line = newest_synthetic(parents)
        generation = int(line.provenance.generation[0]) + 2 if len(line) else 1
        steps = model.config.diffusion_steps if hasattr(model, "config") else 0  # type: ignore[attr-defined]
        return sample_independently(steer(Truncated, model, level=round(steps / 10 / generation**2)).sample)

    return task, replace(arm, bias=bias)


def inside_sampler(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """The place "sampler" of the corrector as a remedy; an arm without a corrector stays as it is."""
    return with_place(task, arm, "sampler") if arm.correction else (task, arm)


def inside_sampler_once(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """The corrector works on predictions once, in the last step of the third quarter of the denoising steps.

    An arm without a corrector stays as it is.
    """
    if arm.correction is None:
        return task, arm
    config = getattr(task.model, "config", None)
    steps = config.sampling_steps if config else 1
    bias = corrected_inside(arm.correction.corrector, steps, max(0, 3 * steps // 4 - 1))
    return task, replace(arm, bias=bias, correction=None)


def oversampling(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Four times as many samples, trained on for as many steps."""
    return task, replace(arm, policy=Replace(DRAWS)) if isinstance(arm.policy, Replace) else arm


def moment_matching(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Mean and standard deviations per label held at the parents'."""
    return task, replace(arm, bias=match_moments)


def _selecting(rule: Callable[[RemedyInputs], Rule]) -> Remedy:
    def apply(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
        bias: Bias = select_candidates(DRAWS, rule(inputs))
        return task, replace(arm, bias=bias)

    return apply


spread_out = _selecting(lambda inputs: farthest_points(inputs.embed))
self_verified = _selecting(lambda inputs: most_confident(denoising_errors))
likelihood_rank = _selecting(lambda inputs: least_likely(denoising_errors))
latent_filter = _selecting(lambda inputs: in_latent_subspace(inputs.embed))

# ---------------------------------------------------------------- training


def truncated_loss(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """The fifth of the samples that the last model knows best is left out of the loss."""
    return task, replace(arm, fitting=truncate_known(0.2, denoising_errors))


def averaged_weights(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """A running average of the weights over generations, half of it new in each."""
    return task, replace(arm, fitting=average_weights(0.5))


def ecosystem(task: Task, arm: Arm, inputs: RemedyInputs) -> TaskArm:
    """Four models that share out the training set and train on the pool of their samples."""
    return replace(task, model=Ecosystem.replicate(task.model, 4)), arm
