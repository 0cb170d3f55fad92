"""Correction inside the sampler: a diffusion model's predictions are corrected while it draws.

This is the published place of a simulator in a motion diffusion model (PhysDiff, Yuan et al. 2023, arXiv 2212.02500).
The predicted clean sample is corrected in some denoising steps. Later steps start from the corrected values and return
them to what the model finds likely. Each of these steps costs as much as correcting the finished sample.
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
    """Sampler that corrects predictions and counts corrected values."""

    model: Projected
    corrector: Corrector
    corrector_calls: int = 0
    """Number of values passed to the corrector so far: one per sample and corrected step."""

    def __call__(self, labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Tensor:
        """Draw a value for each label, or for those at `slots`.

        See `selfcorrect.loop.bias.Sampler`.
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

    From step `first` on, the predicted clean sample of every `every`-th denoising step is corrected. A prediction that
    the corrector rejects is unchanged. The loop logs the number of corrected values as `corrector_calls`.

    Args:
        every: Distance between corrected steps, at least 1.
        first: First corrected step, from 0 and below the model's number of sampling steps.

    Raises:
        InputError: When drawing from a model that is not one of this package's diffusion models.
    """

    def bias(model: GenerativeModel, parents: Samples) -> CorrectingSampler:
        return CorrectingSampler(steer(Projected, model, every=every, first=first), corrector)

    return bias
