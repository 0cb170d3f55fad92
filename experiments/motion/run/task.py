"""The motion experiment's data, model and judge: what all arms of one denoiser and seed have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from typing import Self

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.collections.deepmimic import CYCLIC
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Split, Windows, split_sources, split_windows
from selfcorrect.loop.ancestry import novelty
from selfcorrect.loop.policy import fresh_blocks
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.models.diffusion.acceleration import EXACT, Acceleration
from selfcorrect.models.diffusion.described import DescribedDiffusion
from selfcorrect.models.diffusion.model import MotionDiffusion, choose_device
from selfcorrect.models.text_embedding import minilm, sentence_vectors
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.metrics import CORRECTED, NOVELTY
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.progress import Progress, silent

from ..settings.experiment import DenoiserArms, MotionSettings
from .captions import CaptionJudge, label_by_caption
from .parts import JudgedTask, MotionData
from .published import PublishedParts, published_parts, published_task

WINDOWS_PER_LABEL = 70
"""At most so many windows of one label, so that long clips do not drown short ones; doubled while they are too few."""
WINDOWS_PER_CAPTION = 150
"""The same of one caption. Captions are meant to differ in frequency, so that this bounds the most frequent alone."""
CAPTION_STRIDE = 8
"""Frames between windows of captioned motions, whose captions so have counts that follow their length; halved while
windows are too few."""


@lru_cache(maxsize=2)
def _split(
    data: tuple[str, ...], reference: tuple[str, ...], frames: int, fps: float, captions: bool, needed: int
) -> Split:
    motions, others = (
        [motion for source in sources for motion in load_motions(source)] for sources in (data, reference)
    )
    settings = WindowSettings(frames=frames, fps=fps, cyclic=CYCLIC, cap_per_label=WINDOWS_PER_LABEL)
    if captions:
        settings = replace(settings, cap_per_label=WINDOWS_PER_CAPTION, stride=CAPTION_STRIDE)
        if any(motion.text for motion in motions):  # which may say left and right, and not only of one cycle "walk"
            settings = replace(settings, mirrored=False, cyclic=frozenset())
        motions = label_by_caption(motions)
        others = label_by_caption(others)
    count = 0
    while True:
        split = split_sources(motions, others, settings) if others else split_windows(motions, settings)
        if len(split.training) >= needed or len(split.training) == count:
            return split
        count = len(split.training)
        cap = settings.cap_per_label or WINDOWS_PER_LABEL
        settings = replace(settings, cap_per_label=2 * cap, stride=max(1, settings.stride // 2))


def motion_data(settings: MotionSettings, stream: Stream) -> MotionData:
    """Draw n training windows at random and choose the reference.

    With `settings.reference` it is the windows of those sources; InputError where they are fewer than the judged
    samples. Otherwise it is the held-out windows where they are at least as many as the judged samples and show at
    least half of the labels. Clips that are too short to hold out whole windows leave the other windows of the same
    clips. These share frames with training windows. So they show how far a loop drifts from what it was given, not how
    well a model generalises.
    """
    return (
        _load_published(settings, stream).data
        if settings.published
        else _choose_data(_DataSettings.from_settings(settings), stream)
    )


def _load_published(settings: MotionSettings, stream: Stream) -> PublishedParts:
    assert settings.published is not None
    return published_parts(
        settings.published, settings.data, settings.reference, settings.real_count, settings.judged_count,
        settings.frames, stream,
    )  # fmt: skip


def motion_evaluator(settings: MotionSettings, stream: Stream) -> MotionEvaluator:
    """The judge, fitted on the reference of `motion_data`."""
    if settings.published:
        return _load_published(settings, stream).evaluator
    return _fit_evaluator(_DataSettings.from_settings(settings), stream)


@dataclass(frozen=True)
class _DataSettings:
    """The settings that real data depend on, by which a process remembers them for its next job."""

    data: tuple[str, ...]
    reference: tuple[str, ...]
    frames: int
    fps: float
    captions: bool
    real_count: int
    judged_count: int

    @classmethod
    def from_settings(cls, settings: MotionSettings) -> Self:
        return cls(*(getattr(settings, field.name) for field in fields(cls)))


def caption_judge(settings: MotionSettings, stream: Stream) -> CaptionJudge | None:
    """The judge of retrieval, trained on the other windows of `motion_data`; None where labels are no captions."""
    return _fit_caption_judge(_DataSettings.from_settings(settings), stream) if settings.captions else None


@lru_cache(maxsize=1)
def _fit_caption_judge(settings: _DataSettings, stream: Stream) -> CaptionJudge:
    data = _choose_data(settings, stream)
    vectors = caption_vectors(data.training.label_names)
    return CaptionJudge.fit(data.others, data.training.labels, vectors, stream.child("retrieval"))


@lru_cache(maxsize=1)
def caption_vectors(captions: tuple[str, ...]) -> Tensor:
    """Return the sentence vectors (C, E) by which the model and its judge know captions."""
    return sentence_vectors(minilm(), captions)


@lru_cache(maxsize=1)
def _fit_evaluator(settings: _DataSettings, stream: Stream) -> MotionEvaluator:
    reference = _choose_data(settings, stream).reference
    return MotionEvaluator.fit(reference.batch, reference.labels)


@lru_cache(maxsize=1)
def _choose_data(settings: _DataSettings, stream: Stream) -> MotionData:
    needed = settings.real_count + 2 * settings.judged_count
    split = _split(settings.data, settings.reference, settings.frames, settings.fps, settings.captions, needed)
    if len(split.training) < needed:
        raise InputError(
            f"training on {settings.real_count} windows and judging {settings.judged_count} samples needs at least "
            f"{needed} real windows, the data have {len(split.training)}"
        )
    order = stream.child("data").numpy().permutation(len(split.training))
    cuts = (settings.real_count, settings.real_count + settings.judged_count)
    training, fresh, rest = (split.training.take(rows) for rows in np.split(order, cuts))
    enough = len(split.held_out) >= settings.judged_count
    if settings.reference:
        if not enough:
            raise InputError(
                f"judging {settings.judged_count} samples needs as many reference windows, "
                f"{', '.join(settings.reference)} has {len(split.held_out)}"
            )
        if not np.isin(split.held_out.labels, split.training.labels).any():
            raise InputError(f"{', '.join(settings.reference)} has no label in common with {', '.join(settings.data)}")
        return MotionData(training, fresh, split.held_out, rest, "sources")
    varied = 2 * len(np.unique(split.held_out.labels)) >= len(split.training.label_names)
    if enough and varied:
        return MotionData(training, fresh, split.held_out, rest, "times")
    return MotionData(training, fresh, rest, rest, "nothing")


def motion_task(
    settings: MotionSettings,
    comparison: DenoiserArms,
    seed_stream: Stream,
    device: str = "cpu",
    progress: Progress = silent,
    training_steps: int = 0,
    acceleration: Acceleration = EXACT,
) -> JudgedTask:
    """Everything that the arms of one denoiser and seed share; `training_steps` is for the progress bar alone."""
    if settings.published:
        initial = settings.initial_steps[comparison.denoiser]
        parts = _load_published(settings, seed_stream)
        return published_task(parts, initial, device, progress, training_steps, acceleration)
    data = motion_data(settings, seed_stream)
    codec = FeatureCodec.fit(data.training.batch)
    evaluator = motion_evaluator(settings, seed_stream)
    names = data.training.label_names
    make = partial(DescribedDiffusion, vectors=caption_vectors(names)) if settings.captions else MotionDiffusion
    model = make(
        comparison.preset.config,
        frames=settings.frames,
        features=len(codec.mean),
        classes=len(names),
        device=choose_device(device),
        on_training_step=lambda step: progress("train", step, training_steps),
        on_sampling_step=lambda step: progress("sample", step, comparison.preset.config.sampling_steps),
        acceleration=acceleration,
    )
    captions = caption_judge(settings, seed_stream)
    fresh = as_samples(data.fresh, codec)
    task = Task(
        model=model,
        real=as_samples(data.training, codec),
        evaluate=_judge(settings, codec, evaluator, captions, data.training),
        initial_steps=settings.initial_steps[comparison.denoiser],
        space=lambda values: evaluator.geometric(codec.decode(values)),
    )
    return JudgedTask(task, codec, data, fresh, fresh_blocks(fresh), evaluator, captions)


def novelty_of_samples(
    evaluator: MotionEvaluator, training: Windows, batch: MotionBatch, labels: np.ndarray
) -> dict[str, float]:
    """Return how new canonical motions with labels (M,) int64 are against the training windows, by the metric's key."""
    training_vectors = evaluator.geometric(training.batch)
    measured = novelty(evaluator.geometric(batch), labels, training_vectors, training.labels)
    return {NOVELTY: measured}


def as_samples(windows: Windows, codec: FeatureCodec) -> Samples:
    """Real windows as normalised features."""
    return Samples.real(codec.encode(windows.batch), torch.from_numpy(windows.labels))


def _judge(
    settings: MotionSettings,
    codec: FeatureCodec,
    evaluator: MotionEvaluator,
    captions: CaptionJudge | None,
    training: Windows,
) -> Callable[[Candidate], Mapping[str, float]]:
    """Judge raw samples, and in a separate series the same samples after the arm's correction."""

    def evaluate(candidate: Candidate) -> dict[str, float]:
        samples = candidate.samples(settings.judged_count)
        batch = codec.decode(samples.values)
        labels = samples.labels.numpy()
        scores = evaluator.evaluate(batch, labels)
        scores |= novelty_of_samples(evaluator, training, batch, labels)
        if captions:
            asked = torch.from_numpy(captions.select_captions(settings.judged_count))
            drawn = candidate.model.sample(asked, candidate.stream.child("captions"))
            scores |= captions.scores(codec.decode(drawn), asked.numpy())
        corrected = candidate.correct(samples) if settings.judge_corrected else None
        if corrected is None:
            return scores
        corrected_scores = evaluator.evaluate(codec.decode(corrected.samples.values), corrected.samples.labels.numpy())
        return {**scores, **{CORRECTED + name: value for name, value in corrected_scores.items()}}

    return evaluate
