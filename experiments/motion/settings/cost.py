"""What a motion experiment will take: time, memory and disk, from what its parts took when they were measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...studies.arms import Arm
from ..correctors.table import is_own, stages
from .experiment import DenoiserArms, MotionSettings
from .published import PublishedModel
from .run_options import Keep

STEP_MS = {"dct-mixer": 40.0, "patch-mixer": 40.0, "dct-mlp": 24.0, "temporal-conv": 55.0, "transformer": 120.0}
"""Milliseconds of an optimiser step on one core of an AMD EPYC. All times here are medians of docs/results/*.json."""
SAMPLE_MS = {"dct-mixer": 4.4, "patch-mixer": 4.4, "dct-mlp": 2.4, "temporal-conv": 6.0, "transformer": 17.0}
"""Of a drawn sample, with the usual number of sampling steps."""
EVALUATE_MS = {"dct-mixer": 5.4, "patch-mixer": 5.4, "dct-mlp": 3.1, "temporal-conv": 6.5, "transformer": 13.0}
"""Of a judged sample, drawing it included."""
CORRECT_MS = {
    "none": 0.0,
    "kinematic": 2.6,
    "low-pass": 0.8,
    "frozen": 0.5,
    "frozen-real": 0.5,
    "residual-free": 460.0,
    "residual-free-fallback": 650.0,
    "residual-free-verifier": 460.0,
    "random-verifier": 0.1,
}
"""Of a corrected window; other built-in correctors simulate it."""
SIMULATE_MS, OWN_MS = 48.0, 5.0
CAPTIONS_S = 300.0
"""Of a seed whose captions are kept: vectors of captions, and the judge that learns to match them with motions."""
TRACE_MS = 1.0
"""Of a drawn sample whose parents are looked for."""
COMMIT_MS = 100.0
"""Of a generation that is written."""
SAMPLED = {
    "matched": 8, "lineages": 8, "sims": 9, "moment-matching": 27, "farthest-points": 4, "self-verified": 4,
    "likelihood-rank": 5, "latent-filter": 4, "oversampling": 4,
}  # fmt: skip
"""Time of a sample that is kept, in samples of a plain loop, by remedy."""
TRAINED = {"extrapolated": 2.1, "lineages": 2.3, "sims": 1.4, "more-steps": 2, "ecosystem": 1.3}
"""Time of an optimiser step, in those of a plain loop, by remedy."""
SPREAD = 2.5
"""All published runs took between expectation / SPREAD and expectation × SPREAD."""

MODEL_MB = {"dct-mixer": 5.3, "patch-mixer": 5.3, "dct-mlp": 20.0}
WINDOW_KB_PER_FRAME = 0.375
"""Of a stored window: its features as float32."""
PROCESS_GB = 0.8
OUTSIDE_S = 45.0
"""Of processes that start, and of the report."""


@dataclass(frozen=True)
class Cost:
    """What an experiment is and takes."""

    arms: int
    generations: int
    """Of all arms and seeds together."""
    core_seconds: float | None
    """None where a denoiser was never measured."""
    memory_gb: float
    disk_gb: float

    def minutes(self, workers: int) -> float | None:
        """Wall time with so many processes, each on a separate core."""
        return None if self.core_seconds is None else (self.core_seconds / workers + OUTSIDE_S) / 60

    def lines(self, workers: int) -> list[str]:
        """In words, for so many processes."""
        minutes = self.minutes(workers)
        time = "not known: a denoiser was never measured" if minutes is None else self._time(minutes)
        return [
            f"{self.arms} arms, {self.generations} generations in all",
            f"time with {workers} processes: {time}",
            f"memory: about {self.memory_gb * workers:.1f} GB",
            f"disk: about {self.disk_gb:.1f} GB",
        ]

    def _time(self, minutes: float) -> str:
        least, most = (duration(minutes * factor) for factor in (1 / SPREAD, SPREAD))
        return f"about {duration(minutes)} (from {least} to {most}) on free cores like those of an AMD EPYC"


def duration(minutes: float) -> str:
    """A time in words, to the minute or to the hour."""
    if minutes >= 100:
        return f"{minutes / 60:.0f} hours"
    return f"{minutes:.0f} minutes" if minutes >= 1.5 else "1 minute"


def expected(settings: MotionSettings, keep: Keep = "all") -> Cost:
    """What an experiment takes from its start to its report."""
    runs = [(comparison, arm) for comparison in settings.comparisons for arm in comparison.arms]
    seconds = [_first_s(settings, comparison) for comparison in settings.comparisons]
    seconds += [_arm_s(settings, comparison, arm) for comparison, arm in runs]
    known = all(comparison.denoiser in STEP_MS for comparison in settings.comparisons)
    disk_mb = sum(_arm_mb(settings, comparison, arm, keep) for comparison, arm in runs)
    disk_mb += sum(MODEL_MB.get(comparison.denoiser, 10.0) for comparison in settings.comparisons)
    return Cost(
        len(runs),
        settings.seeds * settings.generations * len(runs),
        settings.seeds * sum(seconds) if known else None,
        PROCESS_GB,
        settings.seeds * disk_mb / 1000,
    )


def _first_s(settings: MotionSettings, comparison: DenoiserArms) -> float:
    """Generation 0 of one seed."""
    name = comparison.denoiser
    steps = settings.initial_steps[name] * STEP_MS.get(name, 0.0)
    captions_s = CAPTIONS_S if settings.captions else 0.0
    return captions_s + (steps + _judged(settings) * EVALUATE_MS.get(name, 0.0)) / 1000


def _judged(settings: MotionSettings) -> int:
    """Samples drawn in each generation to be judged, those for captions included."""
    return settings.judged_count * (2 if settings.captions else 1)


def _arm_s(settings: MotionSettings, comparison: DenoiserArms, arm: Arm) -> float:
    """All generations of an arm of one seed."""
    name = comparison.denoiser
    train_ms = settings.steps[name] * STEP_MS.get(name, 0.0) * TRAINED.get(arm.remedy, 1)
    judge_ms = _judged(settings) * EVALUATE_MS.get(name, 0.0)
    if settings.judge_corrected:
        judge_ms += settings.judged_count * _correct_ms(arm.corrector)
    each_ms = SAMPLE_MS.get(name, 0.0) * SAMPLED.get(arm.remedy, 1) + _correct_ms(arm.corrector)
    drawn = sum(_drawn(settings, arm))
    return (settings.generations * (train_ms + judge_ms + COMMIT_MS) + drawn * (each_ms + TRACE_MS)) / 1000


def _correct_ms(corrector: str) -> float:
    return OWN_MS if is_own(corrector) else sum(CORRECT_MS.get(stage, SIMULATE_MS) for stage in stages(corrector))


def _drawn(settings: MotionSettings, arm: Arm) -> Iterator[float]:
    """Samples drawn in each generation."""
    ratio = arm.synthetic_ratio
    usual = 1.0 if math.isinf(ratio) or math.isnan(ratio) else ratio
    later = {"freeze": 0.0, "renew": float(arm.policy.partition(":")[2] or 1)}.get(arm.kind, usual)
    for generation in range(settings.generations):
        yield settings.real_count * (usual if generation == 0 else later)


def _arm_mb(settings: MotionSettings, comparison: DenoiserArms, arm: Arm, keep: Keep) -> float:
    """Models and samples that an arm of one seed leaves."""
    if keep == "sampling":
        return MODEL_MB.get(comparison.denoiser, 10.0) / 2  # the running average without the network
    drawn = list(_drawn(settings, arm))
    models, kept = (2, sum(drawn)) if keep == "all" else (1, drawn[-1])
    copies = 1 if arm.corrector == "none" else 2  # as drawn and as corrected
    samples_mb = kept * copies * settings.frames * WINDOW_KB_PER_FRAME / 1000
    return models * MODEL_MB.get(comparison.denoiser, 10.0) + samples_mb


# --- the published network on a GPU ----------------------------------------------------------------------------------

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


def forward_passes(settings: MotionSettings, repetitions: int) -> float:
    """Passes of one motion through the network in an experiment, all seeds together; multimodality is not counted.

    A training step takes three for each motion of its batch: forward, and backward for inputs and weights. The last
    generation is judged as often again as there are repetitions.
    """
    (one,) = settings.comparisons
    steps = settings.initial_steps[one.denoiser] + len(one.arms) * settings.generations * settings.steps[one.denoiser]
    drawn = sum(each for arm in one.arms for each in _drawn(settings, arm))
    judged = settings.judged_count * (1 + len(one.arms) * (settings.generations + repetitions))
    return settings.seeds * (3.0 * BATCH * steps + (drawn + judged) * NOISE_LEVELS)


def gpu_line(settings: MotionSettings, files: PublishedModel) -> str:
    """The arithmetic of the published network, and the hours that it takes where a GPU sustains what is assumed."""
    operations = forward_passes(settings, files.repetitions) * forward_flops()
    slow, fast = (f"{operations / tflops / 1e12 / 3600:.3g}" for tflops in SUSTAINED_TFLOPS)
    return (
        f"arithmetic at MDM's published size: {operations / 1e18:.3g} · 10¹⁸ operations, that is {slow} GPU hours at "
        f"{SUSTAINED_TFLOPS[0]:g} · 10¹² a second, {fast} at {SUSTAINED_TFLOPS[1]:g} · 10¹²; not measured on a GPU"
    )
