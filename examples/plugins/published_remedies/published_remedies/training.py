"""Change training by losses and averages.

Published: a loss without the samples that are known best, and averages of weights.
"""

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.fitting import Fitting, combine_weights
from selfcorrect.loop.models.protocol import GenerativeModel

from .selection import Errors


def truncate_known(share: float, errors: Errors) -> Fitting:
    """Return a fitting without the best-known samples.

    The last model knows a `share` of them best. After "truncated cross-entropy" (arXiv 2509.08972), which drops the
    tokens predicted with most confidence from the loss; here a sample is dropped as a whole. An untrained model is
    fitted to all.
    """
    if not 0 <= share < 1:
        raise SettingError(f"the share of samples that a truncated loss drops must be in [0, 1), got {share}")

    def fitting(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        sample_errors = errors(model, training.values, training.labels, stream.child("errors"))
        dropped = sample_errors.argsort()[: int(share * len(training))]
        truncated = training.with_weights(training.weights.index_fill(0, dropped, 0.0))
        return model.fit(truncated, steps, stream)

    return fitting


def average_weights(share: float) -> Fitting:
    """Return a fitting to averaged weights.

    `share` is of the last model's, the rest of the new fit's.
    """
    if not 0 <= share < 1:
        raise SettingError(f"the share of the last model in a weight average must be in [0, 1), got {share}")

    def fitting(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        return combine_weights(model.fit(training, steps, stream), 1 - share, model, share)

    return fitting
