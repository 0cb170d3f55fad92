"""The published experiment's data, model and judges, from a HumanML3D folder, MDM's files and the field's evaluator.

A label is a motion with its captions: n training motions, then the fresh ones that the loop does not train on. So a
synthetic sample has the captions and the length of the real motion in whose place it stands.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.collections.humanml3d import CaptionedRows, captioned_rows, statistics
from selfcorrect.datasets.splits import path_and_split
from selfcorrect.datasets.windows import Windows
from selfcorrect.loop.policy import fresh_blocks
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.metrics.joint_space import BATCH
from selfcorrect.models.diffusion.acceleration import Acceleration
from selfcorrect.models.diffusion.mdm.captions import CaptionEncoder, caption_encoder, make_prompts
from selfcorrect.models.diffusion.mdm.checkpoint import MdmCheckpoint, load_mdm
from selfcorrect.models.diffusion.mdm.model import FRAMES
from selfcorrect.models.diffusion.mdm.network import Prompts
from selfcorrect.models.diffusion.model import choose_device
from selfcorrect.motion.encodings.humanml3d_codec import HumanML3DCodec
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.text_motion.evaluator import load_evaluator
from selfcorrect.motion.measures.text_motion.networks import UNIT_FRAMES
from selfcorrect.motion.measures.text_motion.protocol import CaptionedMotions
from selfcorrect.runtime.progress import Progress

from ..settings.published import GUIDANCE, PublishedModel
from .field import BeginningsEvaluator, FieldJudge
from .parts import JudgedTask, MotionData

_NAMED = 40
"""Characters of a caption that name a motion in reports."""


@dataclass(frozen=True, eq=False)
class PublishedParts:
    """All that the arms of one seed share, but the model's device."""

    checkpoint: MdmCheckpoint
    prompts: Prompts
    """Prompts of the training motions, then of the fresh ones."""
    codec: HumanML3DCodec
    real: Samples
    fresh: Samples
    data: MotionData
    field: FieldJudge
    evaluator: BeginningsEvaluator


@lru_cache(maxsize=1)
def published_parts(
    files: PublishedModel,
    data: tuple[str, ...],
    reference: tuple[str, ...],
    real_count: int,
    judged_count: int,
    frames: int,
    stream: Stream,
) -> PublishedParts:
    """Read and encode everything; InputError, naming the file, for what does not fit together."""
    checkpoint = load_mdm(Path(files.mdm).expanduser())
    evaluator = load_evaluator(Path(files.evaluator).expanduser())
    folder, training, fresh, test = _motions(data, reference, real_count, judged_count, stream)
    mean, std = statistics(folder)
    if checkpoint.arguments.columns != len(mean):
        raise InputError(f"{files.mdm}: makes {checkpoint.arguments.columns} numbers per frame, HumanML3D has 263")
    codec = HumanML3DCodec.of_rows(training[0].rows, mean, std, FRAMES)
    encode = _encoder(checkpoint.arguments.text_encoder_type, files.text_encoder)
    described = tuple(_to_captioned_motions(motion) for motion in test)
    field = FieldJudge(evaluator, described, _prompts(test, encode), codec, frames, files.repetitions)
    windows = {
        name: _windows(motions, codec, field)
        for name, motions in (("training", training), ("fresh", fresh), ("test", test))
    }
    one_label = replace(windows["test"], labels=np.zeros(len(test), dtype=np.int64))
    base = MotionEvaluator.fit(one_label.batch, one_label.labels)
    values = codec.tensor([motion.rows for motion in (*training, *fresh)])
    labels = torch.arange(len(training) + len(fresh))
    all_samples = Samples.real(values, labels)
    return PublishedParts(
        checkpoint,
        _prompts((*training, *fresh), encode),
        codec,
        Samples.real(values[: len(training)], labels[: len(training)]),
        all_samples.take(labels[len(training) :]),
        MotionData(windows["training"], windows["fresh"], one_label, windows["fresh"], "sources"),
        field,
        BeginningsEvaluator(base.kinematic, base.geometric, base.reference, field),
    )


def published_task(
    parts: PublishedParts,
    initial_steps: int,
    device: str,
    progress: Progress,
    training_steps: int,
    acceleration: Acceleration,
) -> JudgedTask:
    """The loop's task on a device."""
    place = choose_device(device)
    model = parts.checkpoint.model(parts.prompts, place).with_sampling(guidance_scale=GUIDANCE)
    model = replace(
        model,
        on_training_step=lambda step: progress("train", step, training_steps),
        on_sampling_step=lambda step: progress("sample", step, model.config.sampling_steps),
        acceleration=acceleration,
    )
    field = replace(parts.field, evaluator=parts.field.evaluator.on_device(place))
    task = Task(
        model=model,
        real=parts.real,
        evaluate=_judge(parts, field),
        initial_steps=initial_steps,
        space=lambda values: parts.evaluator.geometric(field.cut_beginnings(parts.codec.decode(values))),
    )
    evaluator = replace(parts.evaluator, frames_of=field)
    return JudgedTask(task, parts.codec, parts.data, parts.fresh, fresh_blocks(parts.fresh), evaluator, field=field)


def _judge(parts: PublishedParts, field: FieldJudge) -> Callable[[Candidate], Mapping[str, float]]:
    """Samples for captions of the test set, judged by the field's evaluator, and on their beginnings by all else."""

    def evaluate(candidate: Candidate) -> dict[str, float]:
        asked = field.draw_requests(candidate.stream.child("asked"))
        values = field.sample_motions(candidate.model, asked, candidate.stream.child("sample"))
        scores = parts.evaluator.evaluate(parts.codec.decode(values), np.zeros(len(values), dtype=np.int64))
        return {**scores, **field.score_samples(values, asked, candidate.stream.child("field"))}

    return evaluate


# --- data ------------------------------------------------------------------------------------------------------------


def _motions(
    data: tuple[str, ...], reference: tuple[str, ...], real_count: int, judged_count: int, stream: Stream
) -> tuple[Path, list[CaptionedRows], list[CaptionedRows], list[CaptionedRows]]:
    """Folder, training, fresh and test motions; fresh ones are other training motions, or those of the split val."""
    if len(data) != 1 or len(reference) > 1 or data[0] == "deepmimic":
        raise InputError(f"the published model takes one HumanML3D folder (--data), got {', '.join(data)}")
    if judged_count < BATCH:
        raise InputError(
            f"the field's evaluator counts in batches of {BATCH} motions, got --judged-count {judged_count}"
        )
    folder, split = path_and_split(data[0])
    if not (folder / "new_joint_vecs").is_dir():
        raise InputError(f"{folder}: has no new_joint_vecs; expected a HumanML3D folder, or FOLDER#SPLIT")
    there, test_split = path_and_split(reference[0]) if reference else (folder, None)
    all_training = captioned_rows(folder, split or "train")
    if len(all_training) < real_count:
        raise InputError(
            f"{folder}: split {split or 'train'!r} has {len(all_training)} motions with captions, and n = {real_count}"
        )
    training, others = np.split(stream.child("data").numpy().permutation(len(all_training)), [real_count])
    fresh = [all_training[row] for row in others[:judged_count]]
    if len(fresh) < judged_count and (folder / "val.txt").is_file():
        fresh += _select_random(captioned_rows(folder, "val"), judged_count - len(fresh), stream.child("fresh"))
    test = _select_random(captioned_rows(there, test_split or "test"), judged_count, stream.child("test"))
    for kind, motions in (("fresh real", fresh), ("test", test)):
        if len(motions) < judged_count:
            raise InputError(
                f"judging {judged_count} motions needs as many {kind} ones, {folder} has {len(motions)}; "
                "lower --judged-count"
            )
    return (
        folder,
        [_crop_to_model(all_training[row]) for row in training],
        [_crop_to_model(motion) for motion in fresh],
        [_crop_to_model(motion) for motion in test],
    )


def _select_random(motions: list[CaptionedRows], count: int, stream: Stream) -> list[CaptionedRows]:
    return [motions[row] for row in stream.numpy().permutation(len(motions))[:count]]


def _crop_to_model(motion: CaptionedRows) -> CaptionedRows:
    """The longest beginning that fills movements of four frames and that the model has room for."""
    rows = motion.rows[: min(len(motion.rows), FRAMES) // UNIT_FRAMES * UNIT_FRAMES]
    return replace(motion, rows=rows)


def _to_captioned_motions(motion: CaptionedRows) -> CaptionedMotions:
    texts, tokens = zip(*((caption.text, caption.tokens) for caption in motion.captions), strict=True)
    return CaptionedMotions(motion.rows, texts, tokens)


def _prompts(motions: Sequence[CaptionedRows], encode: CaptionEncoder) -> Prompts:
    captions = [[caption.text for caption in motion.captions] for motion in motions]
    return make_prompts(captions, [len(motion.rows) for motion in motions], encode)


@lru_cache(maxsize=1)
def _encoder(kind: str, place: str) -> CaptionEncoder:
    return caption_encoder(kind, place)


def _windows(motions: Sequence[CaptionedRows], codec: HumanML3DCodec, field: FieldJudge) -> Windows:
    """The beginnings of motions, each with another label."""
    batch = field.cut_beginnings(codec.decode(codec.tensor([motion.rows for motion in motions])))
    names = tuple(f"{motion.name} {motion.captions[0].text[:_NAMED]}" for motion in motions)
    nothing = np.zeros(len(motions))
    return Windows(
        batch,
        labels=np.arange(len(motions)),
        label_names=names,
        clips=np.array([motion.name for motion in motions]),
        start_s=nothing,
        stop_s=nothing + (field.frames - 1) / codec.fps,
        mirrored=np.zeros(len(motions), dtype=bool),
    )
