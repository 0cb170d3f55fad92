"""Correction inside the sampler.

A diffusion model's predictions are corrected during drawing, not the samples after. The published place of a simulator
in a motion diffusion model (PhysDiff, Yuan et al. 2023, arXiv 2212.02500). What is corrected is the predicted clean
sample of some denoising steps, so that the later steps start from corrected values and return these to what the model
finds likely. Each of these steps costs as much as a correction of the finished sample.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from ...core.randomness import Stream
from ...core.samples import Samples
from ..bias import Bias
from ..correctors.contract import Corrector, call_corrector
from ..models.diffusion.steering import Projected, steer
from ..models.protocol import GenerativeModel


@dataclass
class CorrectingSampler:
    """Sampler with predictions corrected on the way.

    It counts the corrected values.
    """

    model: Projected
    corrector: Corrector
    corrector_calls: int = 0
    """Number of values that the corrector got so far, each step of each sample."""

    def __call__(self, labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        """Draw a value per label.

        With `slots`, only values at these positions are drawn; see `selfcorrect.loop.bias.Sampler`.
        """

        def correct(clean: Tensor, clean_labels: Tensor, step: int) -> Tensor:
            predicted = Samples.synthetic(clean.cpu(), clean_labels.cpu(), 0)
            answer = call_corrector(self.corrector, predicted, stream.child("inside", step))
            self.corrector_calls += len(predicted)
            accepted = answer.accepted.reshape(-1, *(1,) * (clean.ndim - 1))
            return answer.samples.values.where(accepted, predicted.values)

        return replace(self.model, project=correct).sample(labels if slots is None else labels[slots], stream)


def corrected_inside(corrector: Corrector, every: int = 1, first: int = 0) -> Bias:
    """Return a bias that corrects predictions during sampling.

    The predicted clean sample is corrected in every `every`-th denoising step from step `first` on. A prediction that
    the corrector rejects stays unchanged. The sampler counts corrector calls, and the loop logs the count as
    `corrector_calls`. Works with the diffusion models of this package; InputError for any other model.

    Args:
        every: Distance between two corrected steps, at least 1.
        first: The first corrected step, 0-based, below the model's number of sampling steps.
    """

    def bias(model: GenerativeModel, parents: Samples) -> CorrectingSampler:
        return CorrectingSampler(steer(Projected, model, every=every, first=first), corrector)

    return bias
