"""Fittings: how a model is trained on a training set.

Training is plain, has a remedy for the learner's bias, or learns from pairs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch

from ..core.checks import MAX_SETTING, MIN_RATIO, check_count, check_number
from ..core.errors import SettingError
from ..core.randomness import Stream
from ..core.samples import Samples
from .correctors.loop_correction import CorrectedBatch
from .models.pairs import PairModel, Pairs, swap_half
from .models.protocol import GenerativeModel

Fitting: TypeAlias = Callable[[GenerativeModel, Samples, int, Stream], GenerativeModel]
"""Function of a model, its training set, the number of optimiser steps and a stream, to the trained model."""


@runtime_checkable
class PairFitting(Protocol):
    """A fitting that learns from pairs of a drawn sample and its correction.

    Corrections are not training data, so policies mix samples as drawn.
    """

    def with_pairs(self, batch: CorrectedBatch, model: GenerativeModel) -> Fitting:
        """Return the fitting for a generation."""
        ...


Rework: TypeAlias = Callable[[Samples, Stream], Samples]


def fit_plainly(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
    """Train for a number of optimiser steps."""
    return model.fit(training, steps, stream)


@dataclass(frozen=True)
class PreferCorrections:
    """Train a preference for each correction over the sample as drawn.

    The loss is the plain loss on the training set plus a preference loss on the generation's pairs (`models.pairs`). If
    the training set is real data only, the model's own distribution cancels out of the preference and only the
    correction is left, so nothing pulls the model towards its own samples. Samples that a corrector rejects or does not
    move are in no pair. Without pairs, training is plain.
    """

    weight: float = 2.0
    """κ, weight of the preference relative to the plain loss."""
    saturation: float = 20.0
    """β. Margins far beyond 1/β, in units of the model's error, count no further."""
    shuffled: bool = False
    """Swap the sides of a random half of the pairs, as a placebo."""

    def __post_init__(self) -> None:
        for name in ("weight", "saturation"):
            check_number(f"{name} of a preference", getattr(self, name), MIN_RATIO, MAX_SETTING)

    @property
    def name(self) -> str:
        """Name of the fitting in names of arms."""
        kind = "shuffled-pairs" if self.shuffled else "pairs"
        return f"{kind}-{self.weight:g}-{self.saturation:g}"

    def with_pairs(self, batch: CorrectedBatch, model: GenerativeModel) -> Fitting:
        """Return the fitting for a generation, see `PairFitting`."""
        rows = torch.from_numpy(batch.samples.provenance.distance > 0)
        losers = batch.raw.take(rows)
        winners = batch.samples.take(rows)

        def fitting(start: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
            if len(losers) == 0:
                return start.fit(training, steps, stream)
            if not isinstance(start, PairModel):
                raise SettingError(f"{type(start).__name__} cannot learn from pairs: it has no `fit_with_pairs`")
            sides = (winners.values, losers.values)
            if self.shuffled:
                sides = swap_half(*sides, stream.child("swapped"))
            pairs = Pairs(*sides, losers.labels, model, self.weight, self.saturation)
            return start.fit_with_pairs(training, pairs, steps, stream)

        return fitting


@dataclass(frozen=True)
class FitEpochs:
    """Train for a number of passes over the training set.

    Steps are then proportional to the data.
    """

    epochs: float
    """Number of passes."""
    batch_size: int | None = None
    """Samples per batch; None for the model's own."""

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, MIN_RATIO, MAX_SETTING)
        if self.batch_size is not None:
            check_count("batch_size", self.batch_size, 1)

    @property
    def name(self) -> str:
        """Name of the fitting in names of arms."""
        return f"epochs-{self.epochs:g}" + (f"-of-{self.batch_size}" if self.batch_size else "")

    def __call__(self, model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        """Train for all passes over the training set, ignoring `steps`."""
        batch_size = self.batch_size or getattr(getattr(model, "config", model), "batch_size", None)
        if not isinstance(batch_size, int):
            raise SettingError(f"the model {type(model).__name__} has no batch_size; give FitEpochs(…, batch_size=…)")
        return model.fit(training, math.ceil(self.epochs * len(training) / batch_size), stream)


def extrapolate(
    strength: float = 1.0, rework: Rework | None = None, base: Fitting | PairFitting = fit_plainly
) -> Fitting | PairFitting:
    """Return a fitting that extrapolates to φ + w (φ − φ′).

    φ is the fitted model, and φ′ is φ after training on its own samples for as many steps again (after Alemohammad et
    al. 2025, "Neon", arXiv 2510.03597). The step from φ to φ′ shows the bias of one generation, so a step in the
    opposite direction removes it. Only the model is needed. Floating-point numbers of `state()` are extrapolated;
    counts are φ's.

    Args:
        strength: w. With 0, the result is φ; with 1, it mirrors φ′.
        rework: Change of φ's samples before φ′ trains on them, such as the loop's correction. Leave it out if the
            learner learns the correction: φ's samples are then already corrected, φ − φ′ is only the learner's bias,
            and with `rework`, extrapolation would undo the correction (docs/results/index.md). Use it for a network
            that fits corrected samples badly; otherwise φ − φ′ also contains that misfit, and extrapolation doubles it.
        base: Fitting of φ. φ′ is always trained plainly.

    Raises:
        SettingError: The strength is not finite.
    """
    check_number("the strength of an extrapolation", strength, -MAX_SETTING, MAX_SETTING)
    if isinstance(base, PairFitting):
        return _ExtrapolatedPairs(strength, rework, base)
    return _extrapolate_fitting(strength, rework, base)


def _extrapolate_fitting(strength: float, rework: Rework | None, base: Fitting) -> Fitting:
    """Extrapolate a fitting, see `extrapolate`."""

    def fitting(model: GenerativeModel, training: Samples, steps: int, stream: Stream) -> GenerativeModel:
        fitted = base(model, training, steps, stream)
        values = fitted.sample(training.labels, stream.child("own"))
        drawn = Samples.synthetic(values, training.labels, 0)
        if rework is not None:
            drawn = rework(drawn, stream.child("rework"))
        refitted = fitted.fit(drawn, steps, stream.child("negative"))
        return combine_weights(fitted, 1 + strength, refitted, -strength)

    return fitting


@dataclass(frozen=True)
class _ExtrapolatedPairs:
    """Extrapolation of a fitting that learns from pairs."""

    strength: float
    rework: Rework | None
    base: PairFitting

    def with_pairs(self, batch: CorrectedBatch, model: GenerativeModel) -> Fitting:
        return _extrapolate_fitting(self.strength, self.rework, self.base.with_pairs(batch, model))


def combine_weights(
    model: GenerativeModel, weight: float, other: GenerativeModel, other_weight: float
) -> GenerativeModel:
    """Return weight · `model` + other_weight · `other`, with the integer tensors of `model`."""
    other_state = other.state()
    combined = {}
    for name, tensor in model.state().items():
        if tensor.is_floating_point():
            tensor = weight * tensor + other_weight * other_state[name]
        combined[name] = tensor
    return model.load_state(combined)
