"""A network of diffusers, such as a UNet or a transformer, with its scheduler."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.models.network import NetworkModel
from selfcorrect.models.torch_model import Module, build_module, draw_in_batches

Condition: TypeAlias = Callable[[Tensor], Mapping[str, Any]]
"""Labels (B,) on the network's device → further keyword arguments of the network, e.g. encoder_hidden_states."""
Predict: TypeAlias = Callable[[Tensor, Tensor, float], Tensor]
"""(scaled noisy values, time, σ of schedulers that have it) → prediction of the scheduler's type."""


@dataclass(frozen=True, eq=False)
class DiffusersModel(NetworkModel[nn.Module]):
    """A denoiser of diffusers as a generative model of values (N, *event), images or latents.

    Training adds noise by the scheduler's ᾱ and minimises the squared error of what the scheduler's `prediction_type`
    names: the noise, the clean value, or the velocity (Ho et al. 2020; Salimans and Ho 2022). Schedulers of flow
    matching train on clean → noise paths (Lipman et al. 2023). Without `condition`, a network with class embeddings
    gets the labels as `class_labels`. A second half of the output's channels, a learned variance, is not trained.
    """

    module: Module | None = None
    """The network, whose weights training starts from, or a function that builds one."""
    scheduler: Any = None
    """A scheduler of diffusers; it stays as it is, and copies of it are used."""
    shape: tuple[int, ...] = ()
    """Shape of one value: (channels, height, width), or (height, width) for one channel."""
    sampling_steps: int = 50
    condition: Condition | None = None
    sampling_batch: int = 256
    """Number of values that are denoised together."""

    def __post_init__(self) -> None:
        from diffusers.schedulers.scheduling_utils import SchedulerMixin

        if not isinstance(self.scheduler, SchedulerMixin):
            raise SettingError(f"DiffusersModel needs a scheduler of diffusers, got {type(self.scheduler).__name__}")
        if not (hasattr(self.scheduler, "scale_noise") or hasattr(self.scheduler, "alphas_cumprod")):
            kind = type(self.scheduler).__name__
            raise SettingError(
                f"{kind} says neither ᾱ (alphas_cumprod) nor a path of flow matching; use another scheduler"
            )
        if not callable(self.module):
            raise SettingError("DiffusersModel needs a module of diffusers, or a function that builds one")
        if len(self.shape) not in (2, 3):
            raise SettingError(f"shape must be (channels, height, width) or (height, width), got {self.shape}")
        trained = int(self._config("num_train_timesteps", 0))
        if not 1 <= self.sampling_steps <= trained:
            raise SettingError(
                f"sampling_steps must be from 1 to the {trained} that the scheduler has, got {self.sampling_steps}"
            )

    @property
    def parts(self) -> tuple[object, ...]:
        """Code and weights of users, by which a run folder identifies the model."""
        return (self.module, self.scheduler, *filter(None, [self.condition]))

    def build(self) -> nn.Module:
        assert self.module is not None
        return build_module(self.module)

    def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the network's prediction at uniformly drawn times."""
        clean = values.reshape(len(values), *self._channels_first)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        rows = torch.randint(int(self._config("num_train_timesteps", 0)), (len(clean),), generator=generator)
        noisy, times, target = self._add_noise(clean, noise, rows)
        return mse_loss(self._predict(network, noisy, times, labels), target)

    def _add_noise(self, clean: Tensor, noise: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return noisy values, times for the network, and the target of its prediction."""
        if hasattr(self.scheduler, "scale_noise"):  # flow matching
            share = self.scheduler.sigmas[rows].to(clean).reshape(-1, 1, 1, 1)
            return (1 - share) * clean + share * noise, self.scheduler.timesteps[rows].to(clean.device), noise - clean
        # the scheduler's `add_noise` differs between schedulers
        alpha_bar = self.scheduler.alphas_cumprod[rows].to(clean).reshape(-1, 1, 1, 1)
        noisy = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
        times = rows.to(clean.device)
        match self._config("prediction_type", "epsilon"):
            case "epsilon":
                return noisy, times, noise
            case "sample":
                return noisy, times, clean
            case "v_prediction":
                return noisy, times, alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * clean
            case unknown:
                expected = "epsilon, sample, v_prediction"
                raise SettingError(f"the scheduler's prediction_type must be one of {expected}, got {unknown!r}")

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        """Return one value per entry of `labels` by the scheduler's reverse steps, float32 on the CPU."""
        generator = stream.generator()
        return draw_in_batches(labels, self.sampling_batch, lambda part: self._denoise(part.to(self.device), generator))

    def _denoise(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        start = torch.randn((len(labels), *self._channels_first), generator=generator).to(self.device)

        def predict(scaled: Tensor, time: Tensor, sigma: float) -> Tensor:
            return self._predict(self.trained, scaled, time.expand(len(labels)).to(self.device), labels)

        return self._reverse(start, predict, generator).reshape(len(labels), *self.shape)

    def _reverse(self, start: Tensor, predict: Predict, generator: torch.Generator) -> Tensor:
        """Return samples (B, C, H, W) from unit noise by the steps of a copy of the scheduler."""
        scheduler = copy.deepcopy(self.scheduler)
        scheduler.set_timesteps(self.sampling_steps)
        draws = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
        values = start * getattr(scheduler, "init_noise_sigma", 1.0)
        sigmas = getattr(scheduler, "sigmas", torch.full((len(scheduler.timesteps),), math.nan))
        for step, time in enumerate(scheduler.timesteps):
            scaled = scheduler.scale_model_input(values, time) if hasattr(scheduler, "scale_model_input") else values
            predicted = predict(scaled, time, float(sigmas[step]))
            values = scheduler.step(predicted, time, values, **draws).prev_sample
        return values

    @torch.no_grad()
    def variance_kept(self, variance: float, count: int = 50_000) -> float:
        """Return the share of the variance of N(0, `variance`) that the scheduler keeps with an exactly right network.

        It is measured on `count` draws, because schedulers may clip: the standard error is 0.6 % for 50,000.
        """
        generator = torch.Generator().manual_seed(0)

        def predict(scaled: Tensor, time: Tensor, sigma: float) -> Tensor:
            if hasattr(self.scheduler, "scale_noise"):  # flow matching: noise − clean value at (1 − σ) x₀ + σ ε
                total = variance * (1 - sigma) ** 2 + sigma**2
                return (sigma - variance * (1 - sigma)) / total * scaled
            alpha_bar = float(self.scheduler.alphas_cumprod[round(float(time))])
            clean = variance * alpha_bar**0.5 / (variance * alpha_bar + 1 - alpha_bar) * scaled
            noise = (scaled - alpha_bar**0.5 * clean) / (1 - alpha_bar) ** 0.5
            match self._config("prediction_type", "epsilon"):
                case "epsilon":
                    return noise
                case "sample":
                    return clean
                case _:
                    return alpha_bar**0.5 * noise - (1 - alpha_bar) ** 0.5 * clean

        start = torch.randn((count, 1, 1, 1), generator=generator)
        return float(self._reverse(start, predict, generator).var()) / variance

    def _predict(self, network: Any, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        output = network(noisy, timestep=times, **self._conditions(network, labels)).sample
        return output[:, : noisy.shape[1]] if output.shape[1] == 2 * noisy.shape[1] else output

    def _conditions(self, network: Any, labels: Tensor) -> Mapping[str, Any]:
        if self.condition is not None:
            return self.condition(labels)
        config = getattr(network, "config", {})
        classes = config.get("num_class_embeds") or config.get("num_embeds_ada_norm")
        return {"class_labels": labels} if classes else {}

    @property
    def _channels_first(self) -> tuple[int, ...]:
        return self.shape if len(self.shape) == 3 else (1, *self.shape)

    def _config(self, name: str, otherwise: Any) -> Any:
        return self.scheduler.config.get(name, otherwise)
