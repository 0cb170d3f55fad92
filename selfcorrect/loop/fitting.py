"""Fittings: how a model becomes the next one on a training set, plainly or with a remedy for the learner's bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from ..core.errors import SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from ..models.protocol import OPTIMISER_PREFIX, GenerativeModel

Fitting: TypeAlias = Callable[[GenerativeModel, Samples, int, Stream], GenerativeModel]
"""(model, training set, optimiser steps, stream) → the trained model."""

Rework: TypeAlias = Callable[[Samples, Stream], Samples]

Errors: TypeAlias = Callable[[GenerativeModel, Tensor, Tensor, Stream], Tensor]
"""(model, values (N, *event), labels (N,), stream) → (N,), how unlikely the model finds each of its samples."""


def fit_plainly(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
    """The model after `steps` optimiser steps on the training set."""
    return model.fit(training, steps, stream)


def extrapolate(strength: float = 1.0, rework: Rework | None = None) -> Fitting:
    """φ + w (φ − φ′): moved away from φ′, what φ becomes by as many steps again on its own samples.

    After Alemohammad et al. 2025, "Neon" (arXiv 2510.03597). The step from a model to the one trained on its samples
    shows the bias of a generation, so a step the other way removes it. It needs only the model itself.
    strength: w; 0 is φ, 1 mirrors φ′. Works on `state()`: numbers are extrapolated, counts stay φ's.
    rework: what φ's own samples go through before φ′ trains on them, such as the loop's correction. For a learner that
    learns the correction leave it out: φ's draws are corrected already, φ − φ′ is the learner's bias alone, and with
    rework extrapolation takes the correction back (`analysis.theory.corrected_extrapolation`). A network that fits
    corrected samples badly needs it: without it φ − φ′ also contains that fit, which extrapolation doubles
    (docs/remedies.md).
    """
    if not -1e6 < strength < 1e6:
        raise SettingError(f"the strength of an extrapolation must be finite, got {strength}")

    def fitting(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        fitted = model.fit(training, steps, stream)
        values = fitted.sample(training.labels, stream.child("own"))
        own = Samples.synthetic(values, training.labels, 0)
        if rework is not None:
            own = rework(own, stream.child("rework"))
        return _combine_weights(fitted, 1 + strength, fitted.fit(own, steps, stream.child("negative")), -strength)

    return fitting


def truncate_known(share: float, errors: Errors) -> Fitting:
    """Trains without the `share` of samples that the last model knows best.

    After "truncated cross-entropy" (arXiv 2509.08972), which drops the tokens predicted with most confidence from the
    loss; here a sample is dropped as a whole. An untrained model is fitted to all.
    """
    if not 0 <= share < 1:
        raise SettingError(f"the share of samples that a truncated loss drops must be in [0, 1), got {share}")

    def fitting(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        known = errors(model, training.values, training.labels, stream.child("errors"))
        dropped = known.argsort()[: int(share * len(training))]
        kept = training.with_weights(training.weights.index_fill(0, dropped, 0.0))
        return model.fit(kept, steps, stream)

    return fitting


def average_weights(share: float) -> Fitting:
    """A running average of the weights over generations: `share` of the last model's and 1 − `share` of the new fit."""
    if not 0 <= share < 1:
        raise SettingError(f"the share of the last model in a weight average must be in [0, 1), got {share}")

    def fitting(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        return _combine_weights(model.fit(training, steps, stream), 1 - share, model, share)

    return fitting


def _combine_weights(
    model: GenerativeModel, weight: float, other: GenerativeModel, other_weight: float
) -> GenerativeModel:
    """Return `model` with weight · its numbers + other_weight · the other's; counts and its optimiser stay its own."""
    other_state = other.state()
    combined = {}
    for name, tensor in model.state().items():
        if tensor.is_floating_point() and not name.startswith(OPTIMISER_PREFIX):
            tensor = weight * tensor + other_weight * other_state[name]
        combined[name] = tensor
    return model.load_state(combined)
