"""Networks that predict a clean motion from a noisy one, a diffusion time and a label.

All networks are built from a configuration and a shape, and are interchangeable: each maps noisy values (N, T, D),
times (N,) int64 and labels (N,) int64 to clean values (N, T, D). The label `classes` is the null label, "any class".
"""

import math
from typing import Any, TypeVar, cast

import numpy as np
import scipy.fft
import torch
from torch import Tensor, nn
from torch.nn import functional

from ....core.errors import SettingError
from .config import DiffusionConfig

_TIME_FEATURES = 64

Layer = TypeVar("Layer", nn.Linear, nn.Conv1d)


class PatchMixer(nn.Module):
    """MLP-Mixer on patches of a few frames (Tolstikhin et al. 2021).

    It trains quickly, but its samples jitter between frames.
    """

    def __init__(
        self, config: DiffusionConfig, frames: int, features: int, classes: int, patch_frames: int = 4
    ) -> None:
        super().__init__()
        width = config.width
        if frames % patch_frames:
            raise SettingError(f"the patch mixer needs a multiple of {patch_frames} frames, got {frames}")
        patches = frames // patch_frames
        patch_features = patch_frames * features
        self.patch_shape = (patches, patch_features)
        self.condition = Condition(classes, width)
        self.read = nn.Linear(patch_features, width)
        self.position = nn.Parameter(0.02 * torch.randn(patches, width))
        self.blocks = nn.ModuleList([MixerBlock(patches, width) for _ in range(config.depth)])
        self.write = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, patch_features))

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        condition = self.condition(times, labels)
        patches_first = noisy.reshape(-1, *self.patch_shape).transpose(0, 1)
        hidden = self.read(patches_first) + self.position[:, None]
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self.write(hidden).transpose(0, 1).reshape(noisy.shape)


class MixerBlock(nn.Module):
    """Block that mixes over patches, then over channels.

    The condition scales and shifts the inputs of both. The block starts as the identity. Hidden values are (P, N,
    width), patches first, so that mixing over patches is one large matrix product.
    """

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 4 * width)
        self.mix_patches = _mlp(patches, 4 * patches)
        self.mix_channels = _mlp(width, 2 * width)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        patch_scale, patch_shift, channel_scale, channel_shift = self.modulate(condition).chunk(4, -1)
        modulated = self.normalise(hidden) * (1 + patch_scale) + patch_shift
        hidden = hidden + self._mix_over_patches(modulated)
        return hidden + self.mix_channels(self.normalise(hidden) * (1 + channel_scale) + channel_shift)

    def _mix_over_patches(self, hidden: Tensor) -> Tensor:
        """Apply the patch perceptron along the first axis.

        The result is that of a transposed copy, in nine tenths of the time.
        """
        expand = cast(nn.Linear, self.mix_patches[0])
        activate = self.mix_patches[1]
        contract = cast(nn.Linear, self.mix_patches[2])
        inner = activate(torch.addmm(expand.bias[:, None], expand.weight, hidden.flatten(1)))
        return torch.addmm(contract.bias[:, None], contract.weight, inner).view(hidden.shape)


class DctMixer(PatchMixer):
    """MLP-Mixer on the low cosine frequencies of the whole motion.

    An orthonormal discrete cosine transform over time turns a motion into T coefficients per feature, of which the
    lowest `kept_share` is kept. Neighbouring frequencies form the tokens that mixer blocks mix, and the inverse
    transform returns to frames. So the output has no energy above the kept frequencies, and cannot jitter between
    frames as a mixer over patches does. All tokens share the weights that mix channels.

    The share was chosen on CMU windows of 48 frames at 30 fps, where the kept band ends at 6.25 Hz
    (docs/results/index.md).
    """

    basis: Tensor
    """(K, T) kept rows of the cosine transform."""

    def __init__(self, config: DiffusionConfig, frames: int, features: int, classes: int) -> None:
        kept_share = 5 / 12
        frequencies_per_token = 2
        tokens = max(1, round(kept_share * frames / frequencies_per_token))
        frequencies = tokens * frequencies_per_token
        super().__init__(config, frequencies, features, classes, patch_frames=frequencies_per_token)
        self.register_buffer("basis", cosine_basis(frames, frequencies), persistent=False)

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        return self.basis.T @ self.predict_coefficients(self.basis @ noisy, times, labels)

    def predict_coefficients(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Predict the clean motion's kept coefficients (N, K, D) from the noisy motion's."""
        return super().forward(noisy, times, labels)


class DctMlp(nn.Module):
    """Residual MLP on low cosine frequencies.

    They are the lowest of the whole motion, so output is smooth by construction.
    """

    basis: Tensor

    def __init__(self, config: DiffusionConfig, frames: int, features: int, classes: int) -> None:
        super().__init__()
        width = config.width
        frequencies = min(16, frames)
        self.register_buffer("basis", cosine_basis(frames, frequencies), persistent=False)
        self.condition = Condition(classes, width)
        self.read = nn.Linear(frequencies * features, width)
        self.modulate = nn.ModuleList([nn.Linear(width, width) for _ in range(config.depth)])
        self.blocks = nn.ModuleList()
        for _ in range(config.depth):
            layers = nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
            self.blocks.append(nn.Sequential(*layers))
        self.write = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, frequencies * features))

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        return self.basis.T @ self.predict_coefficients(self.basis @ noisy, times, labels)

    def predict_coefficients(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Predict the clean motion's kept coefficients (N, K, D) from the noisy motion's."""
        condition = self.condition(times, labels)
        hidden = self.read(noisy.flatten(1))
        for modulate, block in zip(self.modulate, self.blocks, strict=True):
            hidden = hidden + block(hidden + modulate(condition))
        return self.write(hidden).reshape(noisy.shape)


class DctTransformer(nn.Module):
    """Transformer with a token for each low cosine frequency of the whole motion.

    Each frequency has its own first and last layer, because a frequency is a quantity and not a place in a sequence.
    Outputs are scaled by the typical spectrum of motion, so that the network predicts numbers of one size. Diffusion
    time and label scale, shift and gate both halves of each pre-norm block, as in DiT (Peebles & Xie 2023).
    """

    basis: Tensor
    """(K, T) lowest rows of the cosine transform."""
    spectrum: Tensor
    """(K, 1) standard deviation of each coefficient, see `motion_spectrum`."""

    def __init__(self, config: DiffusionConfig, frames: int, features: int, classes: int) -> None:
        super().__init__()
        width = config.width
        frequencies = min(16, frames)
        self.register_buffer("basis", cosine_basis(frames, frequencies), persistent=False)
        self.register_buffer("spectrum", motion_spectrum(frames)[:frequencies, None], persistent=False)
        self.condition = Condition(classes, width)
        self.read = nn.Parameter(torch.randn(frequencies, features, width) / features**0.5)
        self.position = nn.Parameter(0.02 * torch.randn(frequencies, width))
        self.blocks = nn.ModuleList([ModulatedBlock(width) for _ in range(config.depth)])
        self.normalise = nn.LayerNorm(width)
        self.write = nn.Parameter(torch.zeros(frequencies, width, features))

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        return self.basis.T @ self.predict_coefficients(self.basis @ noisy, times, labels)

    def predict_coefficients(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        """Predict the clean motion's kept coefficients (N, K, D) from the noisy motion's."""
        condition = self.condition(times, labels)
        tokens = torch.einsum("nkd,kdw->nkw", noisy, self.read) + self.position
        for block in self.blocks:
            tokens = block(tokens, condition)
        return self.spectrum * torch.einsum("nkw,kwd->nkd", self.normalise(tokens), self.write)


class ModulatedBlock(nn.Module):
    """Pre-norm block of attention and a perceptron, both scaled, shifted and gated by a condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = 4
        self.normalise = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = _zero_parameters(nn.Linear(width, 6 * width))
        self.project = nn.Linear(width, 3 * width)
        self.gather = nn.Linear(width, width)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        modulation = self.modulate(condition)[:, None].chunk(6, -1)
        attention_scale, attention_shift, attention_gate, channel_scale, channel_shift, channel_gate = modulation
        attended = self._attend(self.normalise(tokens) * (1 + attention_scale) + attention_shift)
        tokens = tokens + (1 + attention_gate) * attended
        inner = self.normalise(tokens) * (1 + channel_scale) + channel_shift
        return tokens + (1 + channel_gate) * self.perceptron(inner)

    def _attend(self, tokens: Tensor) -> Tensor:
        """Return the self-attention of tokens (N, K, width)."""
        count, length, width = tokens.shape
        by_head = self.project(tokens).view(count, length, 3, self.heads, width // self.heads)
        queries, keys, values = by_head.permute(2, 0, 3, 1, 4).unbind(0)
        gathered = functional.scaled_dot_product_attention(queries, keys, values)
        return self.gather(gathered.transpose(1, 2).reshape(count, length, width))


class TemporalConvolutions(nn.Module):
    """Residual convolutions along time, with growing dilation."""

    def __init__(self, config: DiffusionConfig, frames: int, features: int, classes: int) -> None:
        super().__init__()
        width = config.width
        self.condition = Condition(classes, width)
        self.read = nn.Conv1d(features, width, 1)
        self.position = nn.Parameter(torch.zeros(width, frames))
        self.blocks = nn.ModuleList(
            [ConvolutionBlock(width, dilation=2 ** (index % 3)) for index in range(config.depth)]
        )
        self.write = nn.Conv1d(width, features, 1)

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        condition = self.condition(times, labels)
        hidden = self.read(noisy.transpose(1, 2)) + self.position
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self.write(hidden).transpose(1, 2)


class ConvolutionBlock(nn.Module):
    """Two convolutions, scaled and shifted by a condition between them.

    The block starts as the identity.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        kernel = 5
        self.modulate = nn.Linear(width, 2 * width)
        self.normalise_in = nn.GroupNorm(8, width)
        self.convolve_in = nn.Conv1d(width, width, kernel, padding="same", dilation=dilation)
        self.normalise_out = nn.GroupNorm(8, width)
        self.convolve_out = _zero_parameters(nn.Conv1d(width, width, kernel, padding="same"))

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulate(condition)[..., None].chunk(2, 1)
        inner = self.convolve_in(functional.silu(self.normalise_in(hidden)))
        return hidden + self.convolve_out(functional.silu(self.normalise_out(inner) * (1 + scale) + shift))


class Transformer(nn.Module):
    """The encoder of the motion diffusion model (Tevet et al. 2023).

    Each frame is a token, and so is the condition.
    """

    position: Tensor

    def __init__(self, config: DiffusionConfig, frames: int, features: int, classes: int) -> None:
        super().__init__()
        width = config.width
        make_layer = EncoderLayer if config.training == "fast" else nn.TransformerEncoderLayer
        layer = make_layer(width, 4, 2 * width, config.dropout, activation="gelu", batch_first=True)
        self.condition = Condition(classes, width)
        self.read = nn.Linear(features, width)
        self.register_buffer("position", sinusoids(torch.arange(frames + 1), width), persistent=False)
        self.encoder = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
        self.write = nn.Linear(width, features)

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        condition = self.condition(times, labels)
        tokens = torch.cat([condition[:, None], self.read(noisy)], 1) + self.position
        return self.write(self.encoder(tokens)[:, 1:])


class EncoderLayer(nn.TransformerEncoderLayer):
    """PyTorch's encoder layer, made faster for training on CPUs.

    Attention over some dozens of tokens is computed as batched matrix products.
    """

    def forward(self, src: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if not self.training or src.device.type != "cpu":
            return super().forward(src, *arguments, **options)
        hidden = self.norm1(src + self.dropout1(self._attend(src)))
        inner = self.linear2(self.dropout(self.activation(self.linear1(hidden))))
        return self.norm2(hidden + self.dropout2(inner))

    def _attend(self, tokens: Tensor) -> Tensor:
        """Return the self-attention of tokens (N, T, width)."""
        attention = self.self_attn
        count, length, width = tokens.shape
        heads = attention.num_heads
        channels = width // heads
        projected = functional.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
        by_head = projected.view(count, length, 3, heads, channels).permute(2, 0, 3, 1, 4)
        queries, keys, values = by_head.reshape(3, count * heads, length, channels).unbind(0)
        nothing = tokens.new_zeros(())
        scores = torch.baddbmm(nothing, queries, keys.transpose(1, 2), beta=0, alpha=channels**-0.5)
        shares = functional.dropout(scores.softmax(-1), attention.dropout)
        gathered = (shares @ values).view(count, heads, length, channels).transpose(1, 2)
        return attention.out_proj(gathered.reshape(count, length, width))


class Condition(nn.Module):
    """Joint embedding (N, width) of diffusion times (N,) and labels (N,).

    The label `classes` is the null label.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.label = nn.Embedding(classes + 1, width)
        self.time = nn.Sequential(nn.Linear(_TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, times: Tensor, labels: Tensor) -> Tensor:
        return functional.silu(self.time(sinusoids(times, _TIME_FEATURES)) + self.label(labels))


def cosine_basis(frames: int, frequencies: int) -> Tensor:
    """Return the lowest rows (frequencies, frames) of the cosine transform.

    The discrete cosine transform is orthonormal, in float32.
    """
    transform = scipy.fft.dct(np.eye(frames), axis=0, norm="ortho")
    return torch.as_tensor(transform[:frequencies], dtype=torch.float32)


def motion_spectrum(frames: int) -> Tensor:
    """Return the typical standard deviation (frames,) of each cosine coefficient of a normalised motion feature.

    The spectrum is flat below a corner and falls with the power 1.5 above it. The corner, a coefficient of 1/22 of the
    frames, is 0.7 Hz at 30 fps; it was fitted to the built-in windows. Features have unit variance, so the squares sum
    to the number of frames.
    """
    corner = frames / 22
    shape = (1 + (torch.arange(frames) / corner).square()).pow(-0.75)
    return shape * (frames / shape.square().sum()).sqrt()


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Return sinusoidal embeddings (N, width) of positions (N,).

    Wavelengths range from 2π to 2000π (Vaswani et al. 2017).
    """
    half = width // 2
    frequencies = torch.exp(-math.log(1000) * torch.arange(half, device=positions.device) / half)
    angles = positions[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), _zero_parameters(nn.Linear(hidden, width)))


def _zero_parameters(layer: Layer) -> Layer:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
