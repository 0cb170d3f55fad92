"""Settings of a motion diffusion model, checked when they are made."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from ....core.checks import check_choice, check_count, check_number
from ....core.errors import SettingError
from .denoiser_table import DENOISERS

SamplerName: TypeAlias = Literal["multistep", "ddim"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
"""multistep: second-order steps at times evenly spaced in log-SNR, which keep the variance of a Gaussian. ddim:
first-order steps at evenly spaced times, which shrink it."""

TrainingName: TypeAlias = Literal["fast", "plain"]


@dataclass(frozen=True)
class DiffusionConfig:
    """Settings of a motion diffusion model.

    The defaults suit small data on one CPU core.
    """

    # Network
    denoiser: str = "dct-mlp"
    """Network of `DENOISERS` that predicts the clean motion."""
    width: int = 384
    """Channels of the hidden layers."""
    depth: int = 3
    """Number of blocks."""
    dropout: float = 0.0
    """Dropout rate of the transformer; other networks have none."""

    # Noise
    diffusion_steps: int = 100
    """Number of noise levels."""
    snr_factor: float = 1.0
    """Factor on the signal-to-noise ratio of the cosine schedule; below 1 is noisier, 1 is the plain schedule."""

    # Sampling
    sampling_steps: int = 20
    """Network evaluations per sample, at most `diffusion_steps`."""
    sampler: SamplerName = "multistep"
    """Reverse process: steps of second order at times evenly spaced in log-SNR, or steps of DDIM at even times."""
    eta: float = 0.0
    """Noise in each reverse step: 0 is deterministic, 1 is ancestral; ddim with 1 is DDPM."""
    guidance_scale: float = 1.0
    """Classifier-free guidance: 0 ignores the labels, 1 is plain conditional sampling, above 1 exaggerates them."""
    temperature: float = 1.0
    """Factor on all noise that sampling draws; below 1 samples are more alike than what the model learned."""

    # Training
    training: TrainingName = "fast"
    """fast: networks on cosine coefficients train on these, transformers compute attention in batched products, and
    gradients are scaled within AdamW. plain: as runs did that record none. Both minimise the same loss, but draw other
    random numbers."""
    label_dropout: float = 0.1
    """Probability that a training sample's label is hidden, as guidance needs."""
    learning_rate: float = 1e-3
    """Peak learning rate of the first fit."""
    fine_tune_learning_rate: float = 5e-4
    """Peak learning rate of every later fit."""
    final_learning_rate: float = 0.1
    """Learning rate at the end of the cosine decay of each fit, as a fraction of the peak; 1 is a constant rate."""
    warm_up_steps: int = 50
    """Optimiser steps of linear warm-up in each fit, at most a tenth of the fit."""
    batch_size: int = 64
    """Samples per optimiser step."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW."""
    adam_beta2: float = 0.99
    """Decay of AdamW's running mean of squared gradients."""
    gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.98
    """Decay per step of the running average of the weights; samples come from the average."""

    def __post_init__(self) -> None:
        DENOISERS.row(self.denoiser)
        if self.sampler not in SAMPLERS:
            raise SettingError(f"sampler must be {' or '.join(SAMPLERS)}, got {self.sampler!r}")
        check_choice("training", self.training, get_args(TrainingName))
        for name in ("width", "depth", "diffusion_steps", "sampling_steps", "batch_size"):
            check_count(name, getattr(self, name), 1)
        if self.width % 8:
            raise SettingError(f"width must be a multiple of 8, got {self.width}")
        if self.sampling_steps > self.diffusion_steps:
            raise SettingError(f"sampling_steps must be at most diffusion_steps, got {self.sampling_steps}")
        for name, (least, most) in _BOUNDS.items():
            check_number(name, getattr(self, name), least, most)
        if self.guidance_scale != 1 and self.label_dropout == 0:
            raise SettingError("label_dropout must be positive if guidance_scale is not 1, got 0")


_SMALL = 1e-12
_LARGE = 1e12
_BOUNDS = {
    **dict.fromkeys(("snr_factor", "learning_rate", "fine_tune_learning_rate", "gradient_norm", "temperature"),
                    (_SMALL, _LARGE)),
    **dict.fromkeys(("guidance_scale", "weight_decay", "warm_up_steps"), (0.0, _LARGE)),
    **dict.fromkeys(("eta", "final_learning_rate"), (0.0, 1.0)),
    **dict.fromkeys(("dropout", "label_dropout", "ema_decay", "adam_beta2"), (0.0, 1 - _SMALL)),
}  # fmt: skip
"""Minimum and maximum of each number."""
