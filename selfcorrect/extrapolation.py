"""Negative extrapolation: a model moved away from what it becomes when it trains on its own samples.

After Alemohammad et al. 2025, "Neon" (arXiv 2510.03597): the step from a model to the one fine-tuned on its own samples
shows the bias of a generation, so a step in the other direction takes it off. It needs nothing but the model itself.
"""

from __future__ import annotations

from torch import Tensor

from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.randomness import Stream
from selfcorrect.samples import Samples


def extrapolated(model: GenerativeModel, own: Samples, steps: int, strength: float, stream: Stream) -> GenerativeModel:
    """φ + w (φ − φ′), φ′ being the model φ after `steps` further optimiser steps on its own samples.

    strength: w; 0 is φ itself, 1 mirrors φ′. Works on `state()`: numbers are extrapolated, counts stay φ's.
    """
    state, degraded = model.state(), model.fit(own, steps, stream).state()
    return model.load_state({name: _beyond(tensor, degraded[name], strength) for name, tensor in state.items()})


def _beyond(tensor: Tensor, degraded: Tensor, strength: float) -> Tensor:
    return tensor + strength * (tensor - degraded) if tensor.is_floating_point() else tensor
