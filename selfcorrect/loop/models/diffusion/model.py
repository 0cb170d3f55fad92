"""A diffusion model of motions or other sequences of equal length, for self-consuming loops."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from ....core.checks import describe_value
from ....core.errors import InputError, SettingError
from ....core.randomness import Stream
from ....core.samples import Samples
from ..adam import Adam
from ..pairs import Pairs
from ..saving import Saveable
from ..training import StepLosses, follow, layer_randomness, to_device, update
from .config import DiffusionConfig
from .denoiser_table import DENOISERS
from .schedule import NoiseSchedule, cosine_schedule
from .training import CoefficientNetwork, CoefficientTraining, NoisyBatch, draw_batch, learning_rate_factor

SAMPLING = ("guidance_scale", "temperature", "sampler", "eta", "sampling_steps")
"""Settings that affect sampling but not training."""

OnStep = Callable[[int], None]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device with this name.

    "auto" is the CUDA device if there is one, otherwise the CPU.

    Raises:
        SettingError: The device cannot be used.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:  # unknown; not built in; a plugin that is not there
        raise SettingError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return torch.device(name)


@dataclass(frozen=True, eq=False)
class MotionDiffusion(Saveable):
    """Denoising diffusion of labelled sequences (T, D).

    D is the number of features; labels are 0 … classes − 1. A model never changes in place: `fit` returns another model
    that continues the network, the running average and the step count. The first fit initialises the network. The
    optimiser starts anew in each fit and is not part of the state. All random numbers, except those inside layers, are
    drawn on the CPU whatever the device.
    """

    values_together: ClassVar[int] = 2**22
    """Maximum number of values that are denoised at once, which limits the memory of sampling."""

    config: DiffusionConfig
    frames: int
    features: int
    classes: int
    device: torch.device = field(default_factory=choose_device)
    on_training_step: OnStep | None = None
    """Called with the number of training steps done so far, for progress bars."""
    on_sampling_step: OnStep | None = None
    """Called with the number of sampling steps done so far."""
    steps: int = 0
    network: nn.Module | None = field(default=None, repr=False)
    average: nn.Module | None = field(default=None, repr=False)
    training_loss: float = math.nan
    """Mean loss over the last quarter of the last fit's steps, not part of the state."""

    @cached_property
    def schedule(self) -> NoiseSchedule:
        return cosine_schedule(self.config.diffusion_steps, self.config.snr_factor)

    def fit(self, samples: Samples, steps: int, stream: Stream) -> Self:
        """Return the model after more training steps.

        Batches are drawn in proportion to the samples' weights.

        Args:
            samples: The training set, values (N, T, D).
            steps: Number of optimiser steps.
            stream: Random numbers for batches and layers.

        Raises:
            InputError: Shapes or labels do not fit, or the model was kept only for sampling.
            TrainingDivergedError: The loss is not finite. The message names the step.
        """
        self._check(samples)
        return self._fit(samples, steps, stream)

    def fit_with_pairs(self, samples: Samples, pairs: Pairs, steps: int, stream: Stream) -> Self:
        """Return the model after more training steps on samples and pairs.

        A step takes about four times as long as one of `fit`, because pairs are passed through the network and through
        the reference.

        Args:
            samples: The training set, values (N, T, D), drawn in the batches of `fit`.
            pairs: Pairs of sequences, with a trained diffusion model as reference.
            steps: Number of optimiser steps.
            stream: Random numbers for batches, pairs and layers.

        Raises:
            InputError: The reference is not a trained diffusion model.
        """
        self._check(samples)
        if not isinstance(getattr(pairs.reference, "average", None), nn.Module):
            raise InputError(f"pairs need a trained diffusion model as reference, got {type(pairs.reference).__name__}")
        return self._fit(samples, steps, stream, pairs)

    def _fit(self, samples: Samples, steps: int, stream: Stream, pairs: Pairs | None = None) -> Self:
        with layer_randomness(stream.child("layers"), self.device):
            network = copy.deepcopy(self.network) if self.network else self._build()
            average = copy.deepcopy(self.average or network)
            loss = self._train(network, average, samples, steps, stream, pairs)
        return replace(
            self, network=network.eval(), average=average.eval(), steps=self.steps + steps, training_loss=loss
        )

    def _train(
        self, network: nn.Module, average: nn.Module, samples: Samples, steps: int, stream: Stream, pairs: Pairs | None
    ) -> float:
        """Train a network in place, and move its running average along.

        Returns:
            The mean loss over the last quarter of the steps without the preference loss, or NaN for no steps.
        """
        config = self.config
        peak = config.learning_rate if self.steps == 0 else config.fine_tune_learning_rate
        is_fast = config.training == "fast"
        optimiser = Adam(
            network.parameters(),
            peak,
            betas=(0.9, config.adam_beta2),
            weight_decay=config.weight_decay,
            fused=True,
            gradient_norm=config.gradient_norm if is_fast else None,
        )
        has_own_loss = type(self).loss is not MotionDiffusion.loss or type(self)._draw is not MotionDiffusion._draw
        coefficients = None
        if is_fast and not has_own_loss and isinstance(network, CoefficientNetwork):
            coefficients = CoefficientTraining.of(network, samples)
        network.train()
        averages = list(average.parameters())  # once, because a walk through modules is slow
        parameters = list(network.parameters())
        generator = stream.child("batches").generator()
        pair_generator = stream.child("pairs").generator()
        losses = StepLosses(
            f" of {steps} ({self.steps} before them); lower the learning rate (peak {peak}) or check the training data"
        )
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = peak * learning_rate_factor(step, steps, config)
            batch = self._draw(coefficients.samples if coefficients else samples, generator).to_device(self.device)
            if coefficients is None:
                loss = self.loss(network(batch.noisy, batch.times, batch.labels), batch.clean)
            else:
                loss = coefficients.loss(batch)
            losses.append(loss)
            if pairs is not None:
                loss = loss + self._pair_loss(network, pairs, pair_generator)
            update(optimiser, loss, None if is_fast else config.gradient_norm)
            follow(averages, parameters, self.steps + step + 1, config.ema_decay)
            if self.on_training_step:
                self.on_training_step(step + 1)
        return losses.mean_late()

    def _draw(self, samples: Samples, generator: torch.Generator) -> NoisyBatch:
        """Return a batch to train on, on the CPU."""
        return draw_batch(samples, self.schedule, self.config, self.classes, generator)

    def _pair_loss(self, network: nn.Module, pairs: Pairs, generator: torch.Generator) -> Tensor:
        """Return the preference loss of a batch of pairs, see `selfcorrect.loop.models.pairs`.

        Pairs are drawn with replacement. e(x) is the mean squared error of the predicted clean sample. Both sides of a
        pair, and the reference, have the same diffusion time and noise.
        """
        size = self.config.batch_size
        rows = torch.randint(len(pairs), (size,), generator=generator)
        times = torch.randint(len(self.schedule), (size,), generator=generator)
        is_hidden = torch.rand(size, generator=generator) < self.config.label_dropout
        labels = to_device(pairs.labels[rows].masked_fill(is_hidden, self.classes).repeat(2), self.device)
        losers = pairs.losers[rows].float()
        noise = torch.randn(losers.shape, generator=generator).repeat(2, 1, 1)
        clean = torch.cat((pairs.winners[rows].float(), losers))
        times = times.repeat(2)
        noisy = to_device(self.schedule.add_noise(clean, noise, times), self.device)
        inputs = (noisy, to_device(times, self.device), labels)
        clean = to_device(clean, self.device)
        predicted = network(*inputs)
        with torch.no_grad():
            predicted_before = pairs.reference.average(*inputs)  # type: ignore[attr-defined]
        changes = _errors(predicted, clean) - _errors(predicted_before, clean)
        of_winners, of_losers = changes.chunk(2)
        return pairs.preference_loss(of_winners - of_losers)

    def loss(self, predicted: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar training loss of predicted and clean values (B, T, D)."""
        return mse_loss(predicted, clean)

    @torch.no_grad()
    def mean_loss(self, samples: Samples, stream: Stream) -> float:
        """Return the running average's loss on samples, at times spread evenly over the noise levels.

        With the same stream and number of samples, noise and times are the same.
        """
        generator = stream.generator()
        count = len(samples)
        times = torch.arange(count) * len(self.schedule) // count
        times = times[torch.randperm(count, generator=generator)]
        noise = torch.randn(samples.values.shape, generator=generator)
        losses = []
        for rows in self._split(count):
            clean = samples.values[rows].float()
            noisy = to_device(self.schedule.add_noise(clean, noise[rows], times[rows]), self.device)
            labels = to_device(samples.labels[rows], self.device)
            predicted = self.trained(noisy, to_device(times[rows], self.device), labels)
            losses.append(self.loss(predicted, to_device(clean, self.device)) * len(clean))
        return float(sum(losses) / count)

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Sample a sequence for each label.

        Labels are (N,) int64. Values are (N, T, D) float32 on the CPU.
        """
        times = self.sampling_times()
        labels = labels.to(self.device)
        values = self.reverse(labels, stream, times)
        for rows in self._split(len(labels)):
            clean = self.denoise(values[rows], times[-1], labels[rows])
            values[rows] = self.adjust(clean, labels[rows], len(times) - 1)
        self._report(len(times))
        return values.cpu()

    def sampling_times(self, last: int = 0) -> list[int]:
        """Return the diffusion times of sampling, down to `last`.

        At these times, sampling calls the network.
        """
        count = min(self.config.sampling_steps, len(self.schedule) - last)
        is_multistep = self.config.sampler == "multistep"
        return self.schedule.log_snr_times(count, last) if is_multistep else self.schedule.even_times(count, last)

    def variance_kept(self, variance: float) -> float:
        """Return the share of variance that sampling keeps.

        The data are N(0, `variance`), and the network is exact for them. A fully synthetic loop of perfect models keeps
        this share in each generation. Guidance is ignored.
        """
        share = self.schedule.variance_kept(self.sampling_times(), variance, order=self._order, eta=self.config.eta)
        return self.config.temperature**2 * share

    def reverse(self, labels: Tensor, stream: Stream, times: Sequence[int]) -> Tensor:
        """Denoise from the first of `times` to the last.

        Pure noise becomes noisy values (N, T, D). Labels are (N,) int64.
        """
        generator = stream.generator()
        shape = (len(labels), self.frames, self.features)
        labels = labels.to(self.device)
        parts = self._split(len(labels))

        def adjust(aim: Tensor, step: int, rows: slice) -> Tensor:
            if rows == parts[0]:
                self._report(step + 1)
            return self.adjust(aim, labels[rows], step)

        return self.schedule.reverse(
            self._noise(shape, generator),
            times,
            lambda noisy, time, rows: self.denoise(noisy, time, labels[rows]),
            lambda: self._noise(shape, generator),
            order=self._order,
            eta=self.config.eta,
            adjust=adjust,
            parts=parts,
        )

    def _split(self, count: int) -> list[slice]:
        """Split samples into parts of nearly equal sizes, each denoised at once."""
        most_rows = max(1, self.values_together // (self.frames * self.features))
        number = max(1, math.ceil(count / most_rows))
        edges = [count * part // number for part in range(number + 1)]
        return [slice(start, stop) for start, stop in pairwise(edges)]

    def adjust(self, clean: Tensor, labels: Tensor, step: int) -> Tensor:
        """Adjust the clean sample predicted in a step.

        Sampling continues with the result. Subclasses that steer sampling override this method. If a subclass changes a
        sample depending on other samples, it sets `values_together` to `sys.maxsize`.

        Args:
            clean: (N, T, D) predicted clean samples, in parts if there are many.
            labels: (N,) on the model's device.
            step: Number of the step, from 0. The last step returns the samples.
        """
        return clean

    @property
    def _order(self) -> int:
        return 2 if self.config.sampler == "multistep" else 1

    def _noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=generator).mul_(self.config.temperature).to(self.device)

    def with_sampling(self, **settings: Any) -> Self:
        """Return the model with other sampling settings, named as in `SAMPLING`."""
        if others := settings.keys() - SAMPLING:
            raise SettingError(
                f"expected sampling settings among {', '.join(SAMPLING)}, got {', '.join(sorted(others))}"
            )
        return replace(self, config=replace(self.config, **settings))

    @property
    def trained(self) -> nn.Module:
        """The running average of the network.

        Raises:
            InputError: The model is not trained yet.
        """
        if self.average is None:
            raise InputError("this diffusion model is not trained yet: call fit or load_state first")
        return self.average

    def denoise(self, noisy: Tensor, time: int, labels: Tensor) -> Tensor:
        """Predict clean values with the running average and classifier-free guidance.

        Args:
            noisy: (N, T, D) noisy values.
            time: Diffusion time.
            labels: (N,) labels to sample.

        Returns:
            (N, T, D) clean values.
        """
        average = self.trained
        scale = self.config.guidance_scale
        if scale == 1:
            return average(noisy, _times(noisy, time), labels)
        null = torch.full_like(labels, self.classes)
        if scale == 0:
            return average(noisy, _times(noisy, time), null)
        doubled = torch.cat([noisy, noisy])
        conditional, free = average(doubled, _times(doubled, time), torch.cat([labels, null])).chunk(2)
        return free + scale * (conditional - free)

    def state(self) -> dict[str, Tensor]:
        """Return network, running average and step count.

        An untrained model has only the step count. Without the network, as after `for_sampling`, the model can be
        sampled but not trained.
        """
        tensors = {"steps": torch.tensor(self.steps)}
        for name, module in (("network", self.network), ("average", self.average)):
            if module is not None:
                tensors |= {f"{name}.{key}": value.detach().cpu() for key, value in module.state_dict().items()}
        return tensors

    def load_state(self, state: dict[str, Tensor]) -> Self:
        """Return the model with a stored state.

        Raises:
            InputError: The state does not fit this configuration.
        """
        steps = int(state["steps"])
        if steps < 0:
            raise InputError(f"steps must be at least 0, got {steps}")
        if len(state) == 1:
            return replace(self, network=None, average=None, steps=steps)
        has_network = any(key.startswith("network.") for key in state)
        with torch.random.fork_rng(devices=[]):  # what new layers draw is overwritten
            network = _load(self._build(), "network", state) if has_network else None
            average = _load(self._build(), "average", state)
        return replace(self, steps=steps, network=network, average=average)

    def for_sampling(self) -> Self:
        """Return the model without what only training needs."""
        return replace(self, network=None)

    def _build(self) -> nn.Module:
        name = self.config.denoiser
        network = DENOISERS.call(name, nn.Module, self.config, self.frames, self.features, self.classes)
        if DENOISERS.is_added(name):
            if not any(parameter.requires_grad for parameter in network.parameters()):
                raise InputError(f"{DENOISERS.title(name)} has no parameters to train")
            network.register_forward_hook(partial(_check_prediction, DENOISERS.title(name)))
        return network.to(self.device)

    def _report(self, steps_done: int) -> None:
        if self.on_sampling_step:
            self.on_sampling_step(steps_done)

    def _check(self, samples: Samples) -> None:
        if self.average is not None and self.network is None:
            raise InputError("this diffusion model was kept only for sampling and cannot be trained further")
        if len(samples) == 0 or samples.event_shape != (self.frames, self.features):
            raise InputError(
                f"training values must have shape (N ≥ 1, {self.frames}, {self.features}), "
                f"got {(len(samples), *samples.event_shape)}"
            )
        low = int(samples.labels.min())
        high = int(samples.labels.max())
        if low < 0 or high >= self.classes:
            raise InputError(f"labels must be from 0 to {self.classes - 1}, got {low} to {high}")
        if not samples.weights.sum() > 0:
            raise InputError("training needs at least one sample with a positive weight")


def _errors(predicted: Tensor, clean: Tensor) -> Tensor:
    return (predicted - clean).square().flatten(1).mean(1)


def _times(values: Tensor, time: int) -> Tensor:
    return torch.full((len(values),), time, device=values.device)


def _check_prediction(who: str, network: nn.Module, inputs: tuple[Tensor, ...], predicted: object) -> None:
    """Check the prediction of another package's denoiser.

    Raises:
        InputError: The prediction does not consist of floating-point numbers in the input's shape or, during training,
            does not depend on the parameters.
    """
    shape = tuple(inputs[0].shape)
    if not isinstance(predicted, Tensor) or predicted.shape != shape:
        got = tuple(predicted.shape) if isinstance(predicted, Tensor) else describe_value(predicted)
        raise InputError(f"{who} predicted {got}, expected values of shape {shape}")
    if not predicted.is_floating_point():
        raise InputError(f"{who} predicted numbers of type {predicted.dtype}, expected {inputs[0].dtype}")
    if network.training and torch.is_grad_enabled() and not predicted.requires_grad:
        raise InputError(f"{who} predicted values without gradients: they depend on none of its parameters")


def _load(module: nn.Module, name: str, state: dict[str, Tensor]) -> nn.Module:
    weights = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"the saved {name} does not fit this configuration: {error}") from error
    return module.eval()
