"""Load the published experiment's data, model and evaluators.

These are HumanML3D, MDM's checkpoint and the field's evaluator. A label is a motion with its captions: n training
motions, then the fresh ones that the loop does not train on. So a synthetic sample has the captions and the length of
the real motion that it replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.splits import path_and_split
from selfcorrect.datasets.windows import Windows
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.task import MotionData, MotionTask, Sharing
from selfcorrect.loop.models.diffusion.model import choose_device
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.run import Candidate
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.storage.files.limits import path_below

from .captions import CaptionEncoder, load_clip, make_prompts
from .checkpoint import MdmCheckpoint, load_mdm
from .codec import HumanML3DCodec
from .evaluator import load_evaluator
from .evaluator_networks import UNIT_FRAMES
from .joint_space import BATCH
from .judge import BeginningsEvaluator, FieldJudge
from .model import FRAMES
from .network import Prompts
from .rows import CaptionedRows, captioned_rows, read_statistics

GUIDANCE = 1.0
"""Scale at which the published loop samples, for training and for evaluation: without guidance."""
_CAPTION_WIDTH = 40
"""Longest part of a caption in the name of a motion, characters."""


@dataclass(frozen=True)
class PublishedFiles:
    """Files of the published generator and of the field's evaluator: options of `--generator mdm`."""

    checkpoint: str = ""
    """A checkpoint of MDM as its authors publish it (model000475000.pt, args.json beside it), or args.json for weights
    drawn anew, as Gillman et al. 2024 did."""
    evaluator: str = ""
    """Folder of the evaluator of Guo et al. 2022 (t2m), with glove in it or beside it."""
    clip: str = ""
    """Folder of CLIP, or its name in Hugging Face's cache."""
    repetitions: int = 20
    """How often the published protocol evaluates the last generation of each arm."""

    @classmethod
    def from_options(cls, options: Sequence[str]) -> PublishedFiles:
        """Parse options such as "evaluator=t2m".

        SettingError for an unknown or a missing option.
        """
        values: dict[str, Any] = dict(option.partition("=")[::2] for option in options)
        names = {field.name for field in fields(cls)}
        if not {"checkpoint", "evaluator"} <= values.keys() <= names:
            raise SettingError(
                "--generator mdm takes checkpoint=FILE evaluator=FOLDER, and perhaps clip=FOLDER repetitions=NUMBER, "
                f"got {' '.join(options) or 'no option'}"
            )
        repetitions = values.get("repetitions", "20")
        values["repetitions"] = int(repetitions) if repetitions.isdecimal() else repetitions
        check_count("repetitions", values["repetitions"], 1, 1000)
        return cls(**values)


@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedTask(MotionTask):
    """The loop's task with the field's scores."""

    field: FieldJudge

    def beginnings(self, values: Tensor) -> MotionBatch:
        """Return the first frames of the motions behind values."""
        return self.field.cut_beginnings(self.codec.decode(values))

    def score_windows(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """Return no scores, because novelty needs motions with the same label."""
        return {}

    def score_real(self, stream: Stream) -> dict[str, dict[str, float]]:
        """Return the scores of the test set itself."""
        return self.field.score_real(stream)

    def score_model(self, model: GenerativeModel, stream: Stream) -> dict[str, float]:
        """Return the scores of a model, means over repetitions."""
        return self.field.score_model(model, stream)


@dataclass(frozen=True, eq=False)
class PublishedParts:
    """What arms of a seed share: data, model and evaluators.

    The device of the model is not included.
    """

    initial_steps: int
    """Optimiser steps of generation 0."""
    checkpoint: MdmCheckpoint
    prompts: Prompts
    """Prompts of the training motions, then of the fresh ones."""
    codec: HumanML3DCodec
    real: Samples
    fresh: Samples
    data: MotionData
    field: FieldJudge
    evaluator: BeginningsEvaluator

    def make_task(self, denoiser: str, sharing: Sharing) -> MotionTask:
        """Return the loop's task on a device."""
        progress = sharing.progress
        place = choose_device(sharing.device)
        model = self.checkpoint.model(self.prompts, place).with_sampling(guidance_scale=GUIDANCE)
        model = replace(
            model,
            on_training_step=lambda step: progress("train", step, sharing.training_steps),
            on_sampling_step=lambda step: progress("sample", step, model.config.sampling_steps),
        )
        field = replace(self.field, evaluator=self.field.evaluator.on_device(place))
        return PublishedTask(
            model=model,
            real=self.real,
            evaluate=partial(_evaluate, self, field),
            initial_steps=self.initial_steps,
            space=lambda values: self.evaluator.geometric(field.cut_beginnings(self.codec.decode(values))),
            codec=self.codec,
            data=self.data,
            fresh=self.fresh,
            evaluator=replace(self.evaluator, frames_of=field),
            data_labels=torch.arange(len(self.real) + len(self.fresh)),
            field=field,
        )


@lru_cache(maxsize=1)
def load_parts(settings: MotionSettings, stream: Stream) -> PublishedParts:
    """Load a seed's data, model and evaluators.

    InputError names a file that is missing or does not fit.
    """
    if (settings.frames, settings.fps) != (40, 20.0) or len(settings.arms) != 1 or settings.evaluate_corrected:
        raise SettingError("--generator mdm goes with the presets paper-64 to paper-2794, without --evaluate-corrected")
    files = PublishedFiles.from_options(settings.generator[1:])
    checkpoint = load_mdm(Path(files.checkpoint).expanduser())
    evaluator = load_evaluator(Path(files.evaluator).expanduser())
    motions = _load_motions(settings, stream)
    mean, std = read_statistics(*(path_below(motions.folder, name) for name in ("Mean.npy", "Std.npy")))
    codec = HumanML3DCodec.of_rows(motions.training[0].rows, mean, std, FRAMES)
    encode = load_clip(files.clip)
    test_prompts = _make_prompts(motions.test, encode)
    field = FieldJudge(evaluator, motions.test, test_prompts, codec, settings.frames, files.repetitions)
    training_windows = _cut_windows(motions.training, codec, field)
    fresh_windows = _cut_windows(motions.fresh, codec, field)
    test_windows = _cut_windows(motions.test, codec, field)
    unlabelled = replace(test_windows, labels=np.zeros(len(motions.test), dtype=np.int64))
    base = MotionEvaluator.fit(unlabelled.batch, unlabelled.labels)
    all_motions = [*motions.training, *motions.fresh]
    values = codec.tensor([motion.rows for motion in all_motions])
    labels = torch.arange(len(all_motions))
    all_samples = Samples.real(values, labels)
    return PublishedParts(
        initial_steps=settings.initial_steps[next(iter(settings.arms))],
        checkpoint=checkpoint,
        prompts=_make_prompts(all_motions, encode),
        codec=codec,
        real=Samples.real(values[: settings.real_count], labels[: settings.real_count]),
        fresh=all_samples.take(labels[settings.real_count :]),
        data=MotionData(training_windows, fresh_windows, unlabelled, fresh_windows, "sources"),
        field=field,
        evaluator=BeginningsEvaluator(base.kinematic, base.geometric, base.ground, base.reference, field),
    )


def _evaluate(parts: PublishedParts, field: FieldJudge, candidate: Candidate) -> dict[str, float]:
    """Score samples by the field's and our evaluator.

    Samples belong to captions of the test set. Our evaluator scores their first frames.
    """
    requests = field.draw_requests(candidate.stream.child("asked"))
    values = field.sample_motions(candidate.model, requests, candidate.stream.child("sample"))
    labels = np.zeros(len(values), dtype=np.int64)
    scores = parts.evaluator.evaluate(parts.codec.decode(values), labels)
    return {**scores, **field.score_samples(values, requests, candidate.stream.child("field"))}


# --- data ------------------------------------------------------------------------------------------------------------


class _Motions(NamedTuple):
    """Motions of a HumanML3D folder."""

    folder: Path
    training: list[CaptionedRows]
    fresh: list[CaptionedRows]
    """Other training motions, or those of the split val."""
    test: list[CaptionedRows]


def _load_motions(settings: MotionSettings, stream: Stream) -> _Motions:
    data = settings.data
    reference = settings.reference
    real_count = settings.real_count
    evaluated_count = settings.evaluated_count
    if len(data) != 1 or len(reference) > 1 or data[0] == "deepmimic":
        raise InputError(f"the published model takes one HumanML3D folder (--data), got {', '.join(data)}")
    if evaluated_count < BATCH:
        raise InputError(f"the field's evaluator needs --evaluated-count of at least {BATCH}, got {evaluated_count}")
    folder, split = path_and_split(data[0])
    split = split or "train"
    if not (folder / "new_joint_vecs").is_dir():
        raise InputError(f"{folder}: has no new_joint_vecs; expected a HumanML3D folder, or FOLDER#SPLIT")
    test_folder, test_split = path_and_split(reference[0]) if reference else (folder, None)
    available = captioned_rows(folder, split)
    if len(available) < real_count:
        raise InputError(f"{folder}: split {split!r} has {len(available)} motions with captions, and n = {real_count}")
    order = stream.child("data").numpy().permutation(len(available))
    training = [available[row] for row in order[:real_count]]
    fresh = [available[row] for row in order[real_count:][:evaluated_count]]
    missing_count = evaluated_count - len(fresh)
    if missing_count and (folder / "val.txt").is_file():
        fresh += _select_random(captioned_rows(folder, "val"), missing_count, stream.child("fresh"))
    test = _select_random(captioned_rows(test_folder, test_split or "test"), evaluated_count, stream.child("test"))
    for kind, motions in (("fresh real", fresh), ("test", test)):
        if len(motions) < evaluated_count:
            raise InputError(
                f"evaluating {evaluated_count} motions needs as many {kind} ones, {folder} has {len(motions)}; "
                "lower --evaluated-count"
            )
    return _Motions(folder, _crop_motions(training), _crop_motions(fresh), _crop_motions(test))


def _select_random(motions: list[CaptionedRows], count: int, stream: Stream) -> list[CaptionedRows]:
    order = stream.numpy().permutation(len(motions))
    return [motions[row] for row in order[:count]]


def _crop_motions(motions: Sequence[CaptionedRows]) -> list[CaptionedRows]:
    """Crop motions to the model's length.

    The result is a multiple of the evaluator's four frames.
    """
    cropped = []
    for motion in motions:
        units = min(len(motion.rows), FRAMES) // UNIT_FRAMES
        cropped.append(replace(motion, rows=motion.rows[: units * UNIT_FRAMES]))
    return cropped


def _make_prompts(motions: Sequence[CaptionedRows], encode: CaptionEncoder) -> Prompts:
    captions = [[caption.text for caption in motion.captions] for motion in motions]
    lengths = [len(motion.rows) for motion in motions]
    return make_prompts(captions, lengths, encode)


def _cut_windows(motions: Sequence[CaptionedRows], codec: HumanML3DCodec, field: FieldJudge) -> Windows:
    """Return the beginnings of motions, each with another label."""
    decoded = codec.decode(codec.tensor([motion.rows for motion in motions]))
    names = [f"{motion.name} {motion.captions[0].text[:_CAPTION_WIDTH]}" for motion in motions]
    start_s = np.zeros(len(motions))
    window_s = (field.frames - 1) / codec.fps
    return Windows(
        field.cut_beginnings(decoded),
        labels=np.arange(len(motions)),
        label_names=tuple(names),
        clips=np.array([motion.name for motion in motions]),
        start_s=start_s,
        stop_s=start_s + window_s,
        mirrored=np.zeros(len(motions), dtype=bool),
    )
