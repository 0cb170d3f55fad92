"""The published experiment with the published generator: files of users, and the sizes of Gillman et al. 2024."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from selfcorrect.core.errors import SettingError

from ...studies.arms import Arm

FRAMES, FPS = 40, 20.0
"""Of what precision, recall and the like are measured: the first two seconds, which every motion of HumanML3D has."""
JUDGED = 546
"""Test motions of the paper."""
STEPS = {64: (78, 16), 128: (156, 16), 256: (312, 16), 2794: (3125, 625)}
"""Optimiser steps of generation 0 and of every later one, by n."""
GUIDANCE = 1.0
"""Scale at which the published loop samples, for training and for judging: without guidance."""


@dataclass(frozen=True)
class PublishedModel:
    """Files of the published generator and of the field's evaluator."""

    mdm: str
    """A checkpoint of MDM, or its `args.json` for weights drawn anew."""
    evaluator: str
    """Folder of the evaluator of Guo et al. 2022."""
    text_encoder: str = ""
    """Folder of CLIP (or of DistilBERT), or its name in Hugging Face's cache; by default the published one."""
    repetitions: int = 20
    """How often the last generation of each arm is judged by the field's protocol."""

    def __post_init__(self) -> None:
        if not self.mdm or not self.evaluator:
            raise SettingError("the published model needs both: --mdm CHECKPOINT and --evaluator DIR")
        if not 1 <= self.repetitions <= 1000:
            raise SettingError(f"repetitions must be from 1 to 1000, got {self.repetitions}")


def published_steps(real_count: int) -> tuple[int, int]:
    """Optimiser steps of generation 0 and of later ones: those of the nearest published n, at most real_count."""
    smaller = [count for count in STEPS if count <= real_count] or [min(STEPS)]
    return STEPS[max(smaller)]


# --- what it takes on a GPU ------------------------------------------------------------------------------------------

SUSTAINED_TFLOPS = (5.0, 20.0)
"""Arithmetic that a GPU is assumed to sustain on this network: float32 on a card for games, matrix units of one for
data centres. Assumptions, not measurements."""
COLUMNS, WIDTH, LAYERS, FEED_FORWARD, TOKENS, BATCH, NOISE_LEVELS = 263, 512, 8, 1024, 197, 64, 1000
"""The published network, with motions padded to 196 frames."""


def forward_flops(width: int = WIDTH, layers: int = LAYERS, tokens: int = TOKENS, columns: int = COLUMNS) -> int:
    """Additions and multiplications of one motion's way through the network, matrix products alone."""
    per_token = layers * (4 * width * width + 2 * width * FEED_FORWARD)
    attention = layers * 2 * tokens * width
    ends = 2 * columns * width
    return 2 * tokens * (per_token + attention) + 2 * (tokens - 1) * ends


@dataclass(frozen=True)
class Work:
    """What an experiment computes with the published network, in forward passes of one motion."""

    training: float
    """Steps times batch, three times: forward, and backward for inputs and weights."""
    sampling: float
    """Of synthetic training samples."""
    judging: float
    """Of samples that are judged."""

    @property
    def flops(self) -> float:
        return (self.training + self.sampling + self.judging) * forward_flops()

    def hours(self, tflops: float) -> float:
        """On a GPU that sustains so many 10¹² operations a second."""
        return self.flops / tflops / 1e12 / 3600


class Counts(Protocol):
    """Of an experiment's settings."""

    @property
    def generations(self) -> int: ...
    @property
    def seeds(self) -> int: ...
    @property
    def real_count(self) -> int: ...
    @property
    def judged_count(self) -> int: ...


def work(arms: Sequence[Arm], counts: Counts, steps: tuple[int, int], repetitions: int) -> Work:
    """What arms of an experiment compute, all seeds together; steps: of generation 0 and of each later one.

    The last generation is judged as often again as there are repetitions. Multimodality is not counted.
    """
    trained = 3 * BATCH * (steps[0] + len(arms) * counts.generations * steps[1])
    drawn = sum(_per_real(arm) for arm in arms) * counts.generations * counts.real_count
    judged = counts.judged_count * (1 + len(arms) * (counts.generations + repetitions))
    return Work(
        float(counts.seeds * trained),
        float(counts.seeds * drawn * NOISE_LEVELS),
        float(counts.seeds * judged * NOISE_LEVELS),
    )


def _per_real(arm: Arm) -> float:
    """Samples drawn in each generation, per real one."""
    ratio = arm.synthetic_ratio
    return ratio if math.isfinite(ratio) else 1.0


def gpu_lines(files: PublishedModel, arms: Sequence[Arm], counts: Counts, steps: tuple[int, int]) -> list[str]:
    """The arithmetic of the published network, and the hours that it takes where a GPU sustains what is assumed."""
    done = work(arms, counts, steps, files.repetitions)
    total = done.training + done.sampling + done.judging
    shares = ", ".join(f"{name} {getattr(done, name) / total:.0%}" for name in ("training", "sampling", "judging"))
    slow, fast = (done.hours(tflops) for tflops in SUSTAINED_TFLOPS)
    return [
        f"arithmetic at MDM's published size: {done.flops / 1e18:.3g} · 10¹⁸ operations ({shares})",
        f"that is {slow:.3g} GPU hours at {SUSTAINED_TFLOPS[0]:g} · 10¹² operations a second, {fast:.3g} at "
        f"{SUSTAINED_TFLOPS[1]:g} · 10¹²; not measured on a GPU",
    ]
