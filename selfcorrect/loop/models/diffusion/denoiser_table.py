"""Denoisers by name, without importing the networks."""

from ....runtime.registry import Registry, Row

_NETWORKS = "selfcorrect.loop.models.diffusion.denoisers"

DENOISERS = Registry(
    "denoiser",
    [
        Row("patch-mixer", f"{_NETWORKS}:PatchMixer", "MLP-Mixer on patches of frames: quick to train, jittery."),
        Row("dct-mixer", f"{_NETWORKS}:DctMixer", "MLP-Mixer on cosine frequencies: quick to train, no jitter."),
        Row("dct-mlp", f"{_NETWORKS}:DctMlp", "MLP on the lowest cosine frequencies: smooth by construction."),
        Row(
            "dct-transformer",
            f"{_NETWORKS}:DctTransformer",
            "Transformer with a token per cosine frequency: near real motion in minutes.",
        ),
        Row("temporal-conv", f"{_NETWORKS}:TemporalConvolutions", "Dilated convolutions along time: smooth."),
        Row(
            "transformer",
            f"{_NETWORKS}:Transformer",
            "The encoder of the motion diffusion model, with a token per frame.",
        ),
    ],
    group="selfcorrect.denoisers",
)
"""Networks by name. Each row refers to a callable (config, frames, features, classes) that returns a freshly
initialised module. The module maps noisy values (N, T, D), times (N,) int64 and labels (N,) int64 to clean values
(N, T, D). The label `classes` means any class."""
