"""Cost of a motion experiment with a transformer: operations, memory and GPU hours, without PyTorch."""

import math
from dataclasses import dataclass

from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.presets import preset_names

from ..arms import STATIC, ArmSettings
from .correctors.table import corrector_row, is_own
from .settings import MotionSettings

SUSTAINED_PER_S = 2e13
"""Operations per second of a data-centre GPU on a network of this size. Assumed, not measured."""
FLOATS_PER_CHANNEL = 20
"""Numbers that training keeps per token, layer and channel, for the backward pass."""
_COLUMNS = {"features": 93, "humanml3d": 263}
"""Features per frame of a body of 15 joints, and HumanML3D's."""


@dataclass(frozen=True)
class TransformerCost:
    """Cost of the transformer on sequences of tokens."""

    config: DiffusionConfig
    frames: int
    features: int

    @property
    def forward(self) -> float:
        """Operations to predict one sequence, two per multiplication and addition."""
        width, tokens = self.config.width, self.frames + 1
        layer = 16 * width**2 * tokens + 4 * tokens**2 * width
        return self.config.depth * layer + 4 * self.frames * self.features * width

    @property
    def step(self) -> float:
        """Operations of an optimiser step: the forward pass, and a backward pass of twice the operations."""
        return 3 * self.config.batch_size * self.forward

    @property
    def sample(self) -> float:
        """Operations to draw one sample."""
        evaluations = self.config.sampling_steps * (1 if self.config.guidance_scale == 1 else 2)
        return evaluations * self.forward

    @property
    def training_bytes(self) -> float:
        """Memory of training: weights, gradients, both moments of Adam, the average, and activations of a batch."""
        width, tokens = self.config.width, self.frames + 1
        weights = self.config.depth * 8 * width**2 + 2 * self.features * width
        heads = 4
        activations = self.config.depth * tokens * (FLOATS_PER_CHANNEL * width + 2 * heads * tokens)
        return 4 * (5 * weights + self.config.batch_size * activations)


def count_drawn(arm: ArmSettings, settings: MotionSettings) -> float:
    """Count the samples that an arm draws for training, over all generations."""
    words = arm.policy.split(":")[1:]
    size = {"replace": words[:1], "freeze": words[:1], "union": words[1:]}.get(arm.kind)
    is_finite = math.isfinite(arm.synthetic_ratio)
    per_real = arm.synthetic_ratio if is_finite else float(size[0]) if size else 1.0  # of other policies, a guess
    return per_real * settings.real_count * (1 if arm.kind in STATIC else settings.generations)


def describe_plan(settings: MotionSettings) -> list[str]:
    """Describe the training, the samples and the time of correctors, a line each."""
    lines = []
    for denoiser in settings.arms:
        steps = f"{settings.initial_steps[denoiser]} steps in generation 0, then {settings.steps[denoiser]} in each"
        if settings.generator and denoiser not in preset_names():
            lines.append(f"{denoiser}: {steps}")
            continue
        config = settings.configure(denoiser)
        lines.append(f"{denoiser}: {steps}, batch size {config.batch_size}, learning rate {config.learning_rate:g}")
    lines.append(
        f"{settings.frames} frames a sample at {settings.fps:g} per second, {settings.evaluated_count} samples "
        "evaluated in each generation"
    )
    hours: dict[str, float] = {}
    for arm in settings.all_arms:
        if arm.corrector != "none":
            seconds = 0.0 if is_own(arm.corrector) else corrector_row(arm.corrector).seconds
            corrected = count_drawn(arm, settings) * settings.seeds
            hours[arm.corrector] = hours.get(arm.corrector, 0.0) + corrected * seconds / 3600
    if hours:
        words = [f"{name} {_describe_hours(value)}" for name, value in hours.items()]
        lines.append(f"processor hours of correctors, about: {', '.join(words)}")
    return lines


def _describe_hours(hours: float) -> str:
    """Write hours; 0 are not known."""
    if hours == 0:
        return "not known"
    return f"{hours:.2g}" if hours >= 0.01 else "below 0.01"


def describe_cost(settings: MotionSettings) -> str:
    """State operations, memory and GPU hours; "" unless all networks are transformers."""
    if settings.generator and ":" in settings.generator[0]:
        return ""  # the network is the user's own
    operations = 0.0
    memory = 0.0
    for denoiser, arms in settings.arms.items():
        name = "paper" if settings.generator and denoiser not in preset_names() else denoiser
        config = settings.configure(name)
        if config.denoiser != "transformer":
            return ""
        cost = TransformerCost(config, settings.frames, _COLUMNS[settings.representation])
        operations += settings.initial_steps[denoiser] * cost.step
        for arm in arms:
            steps = settings.steps[denoiser] if arm.steps is None else arm.steps
            evaluated = settings.generations * settings.evaluated_count
            drawn = evaluated + count_drawn(arm, settings)
            operations += settings.generations * steps * cost.step + drawn * cost.sample
        memory = max(memory, cost.training_bytes)
    operations *= settings.seeds
    hours = operations / SUSTAINED_PER_S / 3600
    return (
        f"{operations:.2g} operations of the network on {settings.frames} frames, {memory / 1e9:.1f} GB of GPU memory "
        f"per process, {hours:.2g} GPU hours at {SUSTAINED_PER_S:.0e} operations per second; correctors run on CPUs"
    )
