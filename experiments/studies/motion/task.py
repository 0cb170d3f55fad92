"""Data, model and evaluator of the motion experiment, shared by all arms of a denoiser and seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.collections.deepmimic import CYCLIC
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Split, Windows, split_sources, split_windows
from selfcorrect.loop.ancestry import novelty
from selfcorrect.loop.models.diffusion.model import MotionDiffusion, choose_device
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.policy import FreshSource, fresh_blocks, parse_policy
from selfcorrect.loop.remedies.remedies import RemedyInputs, with_remedy
from selfcorrect.loop.run import Arm, Candidate, Task
from selfcorrect.loop.store.protocol import Record
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.encodings.humanml3d_codec import HumanML3DCodec
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.metrics import CORRECTED, NOVELTY, load_metric
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.runtime.supervision import call_fenced

from ..arm_words import describe_arm
from ..arms import ArmSettings
from ..tables import JOINTS_MOVED, JOINTS_MOVED_WITHIN, JOINTS_TURNED
from .own_generator import OwnModel, load_generator, name_in_messages, takes_settings
from .settings import MotionSettings, set_sampling
from .start import read_start

CODECS = {"features": FeatureCodec, "humanml3d": HumanML3DCodec}
"""Codec of each representation."""
WINDOWS_PER_LABEL = 70
"""Most windows of a label, so that long clips do not drown short ones; doubled while there are too few windows."""


@dataclass(frozen=True, eq=False)
class MotionData:
    """Real windows of one seed, without windows in common."""

    training: Windows
    """The n windows that the loop has."""
    fresh: Windows
    """Real windows of the same clips, as many as are evaluated in each generation, for the noise floor and for controls
    with fresh real data."""
    reference: Windows
    """Windows that samples are evaluated against."""
    others: Windows
    """Real windows of the same clips that are in none of these, or in the reference alone."""
    held_out: Literal["nothing", "times", "sources"]
    """Material that only the reference shows: other times of the same clips, or other sources."""
    start: tuple[MotionBatch, Tensor] | None = None
    """Motions and labels that the loop starts from in place of the training windows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MotionTask(Task):
    """The loop's task, with what is needed to read values as motions and to evaluate these."""

    codec: FeatureCodec
    data: MotionData
    fresh: Samples
    evaluator: MotionEvaluator
    data_labels: Tensor
    """The data's label (classes,) int64 of each label that the model is conditioned on."""

    @property
    def fresh_source(self) -> FreshSource:
        """Source of fresh real data."""
        return fresh_blocks(self.fresh)

    def beginnings(self, values: Tensor) -> MotionBatch:
        """Return the motions behind values (N, T, D)."""
        return self.codec.decode(values)

    def score_windows(self, batch: MotionBatch, labels: np.ndarray) -> dict[str, float]:
        """Score real windows as samples; the evaluator's metrics are among the scores."""
        return novelty_of_samples(self.evaluator, self.data.training, batch, labels)

    def score_samples(self, samples: Samples) -> dict[str, float]:
        """Score samples of real windows or of a model by the evaluator's metrics and `score_windows`."""
        batch = self.codec.decode(samples.values)
        labels = self.data_labels[samples.labels].numpy()
        return self.evaluator.evaluate(batch, labels) | self.score_windows(batch, labels)

    def score_real(self, stream: Stream) -> dict[str, dict[str, float]]:
        """Return a generator's further scores of real data, if it has some: title → scores."""
        return {}

    def score_model(self, model: GenerativeModel, stream: Stream) -> dict[str, float]:
        """Return a generator's further scores of the last model of an arm, if it has some."""
        return {}


@dataclass(frozen=True)
class Sharing:
    """Settings that all arms of a seed share."""

    device: str = "cpu"
    progress: Progress = silent
    """Called with the steps that are done."""
    training_steps: int = 0
    """Optimiser steps in a call of `progress`."""


@lru_cache(maxsize=2)
def _load_split(data: tuple[str, ...], reference: tuple[str, ...], frames: int, fps: float, needed: int) -> Split:
    """Load training and held-out windows, more and denser ones while there are fewer than needed.

    Without a reference, times of the motions are held out.
    """
    motions = [motion for source in data for motion in load_motions(source)]
    others = [motion for source in reference for motion in load_motions(source)]
    cap = WINDOWS_PER_LABEL
    settings = WindowSettings(frames=frames, fps=fps, cyclic=CYCLIC, cap_per_label=cap)
    count = 0
    while True:
        split = split_sources(motions, others, settings) if others else split_windows(motions, settings)
        if len(split.training) >= needed or len(split.training) == count:
            return split
        count = len(split.training)
        cap *= 2
        settings = replace(settings, cap_per_label=cap, stride=max(1, settings.stride // 2))


def select_windows(settings: MotionSettings, split: Split, stream: Stream) -> MotionData:
    """Select n training windows at random, and reference windows.

    `settings.reference` names the sources of the reference windows. Without it they are the held-out windows, if these
    are at least as many as the evaluated samples and have at least half of the labels. Clips that are too short to hold
    out whole windows leave the other windows of the same clips. These share frames with training windows, so they show
    how far a loop drifts from its data, not how well a model generalises.

    Raises:
        InputError: The reference has fewer windows than there are evaluated samples.
    """
    needed = settings.real_count + 2 * settings.evaluated_count
    if len(split.training) < needed:
        raise InputError(
            f"training on {settings.real_count} windows and evaluating {settings.evaluated_count} samples needs "
            f"at least {needed} real windows, the data have {len(split.training)}: use --evaluated-count with a "
            f"smaller number, or --data with more motions"
        )
    order = stream.child("data").numpy().permutation(len(split.training))
    fresh_end = settings.real_count + settings.evaluated_count
    training = split.training.take(order[: settings.real_count])
    fresh = split.training.take(order[settings.real_count : fresh_end])
    rest = split.training.take(order[fresh_end:])
    is_enough = len(split.held_out) >= settings.evaluated_count
    if settings.reference:
        if not is_enough:
            raise InputError(
                f"evaluating {settings.evaluated_count} samples needs as many reference windows, "
                f"{', '.join(settings.reference)} has {len(split.held_out)}"
            )
        if not np.isin(split.held_out.labels, split.training.labels).any():
            raise InputError(f"{', '.join(settings.reference)} has no label in common with {', '.join(settings.data)}")
        return MotionData(training, fresh, split.held_out, rest, "sources")
    is_varied = 2 * len(np.unique(split.held_out.labels)) >= len(split.training.label_names)
    if is_enough and is_varied:
        return MotionData(training, fresh, split.held_out, rest, "times")
    return MotionData(training, fresh, rest, rest, "nothing")


# --- what the arms of a seed share ---


@runtime_checkable
class SeedParts(Protocol):
    """What the arms of a seed share, made by `MotionParts` and by generators of other packages."""

    @property
    def data(self) -> MotionData: ...

    def make_task(self, denoiser: str, sharing: Sharing) -> MotionTask:
        """Return the task of a denoiser's arms."""
        ...


@dataclass(frozen=True, eq=False)
class MotionParts:
    """Real data, evaluator and tasks of a seed, a task for each denoiser."""

    settings: MotionSettings
    data: MotionData
    own: OwnModel | None = None
    """The user's model in place of the networks."""

    @cached_property
    def evaluator(self) -> MotionEvaluator:
        """The evaluator that compares with the reference."""
        evaluator = MotionEvaluator.fit(self.data.reference.batch, self.data.reference.labels)
        return replace(evaluator, own=tuple(map(load_metric, self.settings.metric)))

    def make_task(self, denoiser: str, sharing: Sharing) -> MotionTask:
        """Return the task of a denoiser's arms."""
        data = self.data
        codec = CODECS[self.settings.representation].fit(data.training.batch)
        real, fresh = as_samples(data.training, codec), as_samples(data.fresh, codec)
        data_labels = torch.arange(len(data.training.label_names))
        if data.start is not None:
            motions, labels = data.start
            real = Samples.real(codec.encode(motions), labels)
        elif self.settings.labels == "window":
            data_labels = real.labels
            real = Samples.real(real.values, torch.arange(len(real)))
            fresh = Samples.real(fresh.values, _find_nearest_windows(self.evaluator, data.training, data.fresh))
        return MotionTask(
            model=self.make_model(denoiser, real, len(data_labels), sharing),
            real=real,
            evaluate=_make_evaluation(self.settings, codec, self.evaluator, data.training, data_labels),
            initial_steps=self.settings.initial_steps[denoiser],
            space=lambda values: self.evaluator.geometric(codec.decode(values)),
            measure_correction=partial(measure_displacement, codec),
            codec=codec,
            data=data,
            fresh=fresh,
            evaluator=self.evaluator,
            data_labels=data_labels,
        )

    def make_model(self, denoiser: str, real: Samples, classes: int, sharing: Sharing) -> GenerativeModel:
        """Return the untrained model of real windows (N, T, D), with labels of so many classes."""
        device = choose_device(sharing.device)
        if self.own is not None:
            return self.own.make(real, classes, device)
        config = self.settings.configure(denoiser)
        return MotionDiffusion(
            config,
            frames=real.values.shape[1],
            features=real.values.shape[2],
            classes=classes,
            device=device,
            on_training_step=lambda step: sharing.progress("train", step, sharing.training_steps),
            on_sampling_step=lambda step: sharing.progress("sample", step, config.sampling_steps),
        )


@lru_cache(maxsize=1)
def load_parts(settings: MotionSettings, stream: Stream) -> SeedParts:
    """Load what the arms of a seed share, made by a generator if the settings name one."""
    if not settings.generator:
        return MotionParts(settings, load_windows(settings, stream))
    name = settings.generator[0]
    function = load_generator(name)
    if takes_settings(function):
        return call_fenced(name_in_messages(name), SeedParts, function, settings, stream)
    own = OwnModel.from_words(settings.generator, function)
    return MotionParts(settings, load_windows(settings, stream), own)


def load_windows(settings: MotionSettings, stream: Stream) -> MotionData:
    """Load sources and draw a seed's windows."""
    needed = settings.real_count + 2 * settings.evaluated_count
    split = _load_split(settings.data, settings.reference, settings.frames, settings.fps, needed)
    data = select_windows(settings, split, stream)
    if not settings.start_from:
        return data
    finished, samples = read_start(settings.start_from, stream.root_seed)
    windows = load_windows(finished, stream).training
    if windows.label_names != data.training.label_names:
        raise SettingError(f"{settings.start_from[0]} has other labels than the data of this run")
    codec = CODECS[finished.representation].fit(windows.batch)
    return replace(data, start=(codec.decode(samples.values), samples.labels))


def motion_data(settings: MotionSettings, stream: Stream) -> MotionData:
    """Return the real windows of a seed."""
    return load_parts(settings, stream).data


def make_motion_task(
    settings: MotionSettings, denoiser: str, seed_stream: Stream, sharing: Sharing = Sharing()
) -> MotionTask:
    """Return the task of a denoiser and seed."""
    return load_parts(settings, seed_stream).make_task(denoiser, sharing)


def novelty_of_samples(
    evaluator: MotionEvaluator, training: Windows, batch: MotionBatch, labels: np.ndarray
) -> dict[str, float]:
    """Measure the novelty of M motions with labels (M,) int64 against the training windows, as metric → value."""
    vectors = evaluator.geometric(batch)
    training_vectors = evaluator.geometric(training.batch)
    return {NOVELTY: novelty(vectors, labels, training_vectors, training.labels)}


def as_samples(windows: Windows, codec: FeatureCodec) -> Samples:
    """Return real windows as normalised features."""
    return Samples.real(codec.encode(windows.batch), torch.from_numpy(windows.labels))


def measure_displacement(codec: FeatureCodec, raw: Samples, corrected: Samples) -> dict[str, float]:
    """Measure how far a correction moved motions.

    Returns:
        The root mean square over samples, frames and joints of the joints' displacement in the world, in mm, of the
        same without the root's displacement, and of the change of local joint rotations, in degrees.
    """
    before, after = codec.decode(raw.values), codec.decode(corrected.values)
    moved_m = joint_positions(after) - joint_positions(before)
    within_m = moved_m - moved_m[..., :1, :]
    turned_rad = turn_angles(before.rotations, after.rotations)
    return {
        JOINTS_MOVED: 1000 * float(np.sqrt(np.square(moved_m).sum(-1).mean())),
        JOINTS_MOVED_WITHIN: 1000 * float(np.sqrt(np.square(within_m).sum(-1).mean())),
        JOINTS_TURNED: float(np.degrees(np.sqrt(np.square(turned_rad).mean()))),
    }


def _find_nearest_windows(evaluator: MotionEvaluator, training: Windows, others: Windows) -> Tensor:
    """Return nearest training windows (M,), of the same label if there is one."""
    vectors = evaluator.geometric(others.batch)
    known = evaluator.geometric(training.batch)
    labels = np.where(np.isin(others.labels, training.labels), others.labels, -1)
    rows = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        inside = labels == label
        candidates = np.flatnonzero(training.labels == label) if label >= 0 else np.arange(len(known))
        rows[inside] = candidates[cdist(vectors[inside], known[candidates]).argmin(axis=1)]
    return torch.from_numpy(rows)


def _make_evaluation(
    settings: MotionSettings, codec: FeatureCodec, evaluator: MotionEvaluator, training: Windows, data_labels: Tensor
) -> Callable[[Candidate], Mapping[str, float]]:
    """Make the evaluation of raw samples and, in a separate series, of the same samples after the arm's correction."""

    def evaluate(candidate: Candidate) -> dict[str, float]:
        samples = candidate.samples(settings.evaluated_count)
        batch = codec.decode(samples.values)
        labels = data_labels[samples.labels].numpy()
        scores = evaluator.evaluate(batch, labels)
        scores |= novelty_of_samples(evaluator, training, batch, labels)
        corrected = candidate.correct(samples) if settings.evaluate_corrected else None
        if corrected is not None:
            corrected_batch = codec.decode(corrected.samples.values)
            corrected_scores = evaluator.evaluate(corrected_batch, data_labels[corrected.samples.labels].numpy())
            scores |= {CORRECTED + name: value for name, value in corrected_scores.items()}
        return scores

    return evaluate


def sampled_task(task: MotionTask, arm: ArmSettings, progress: Progress = silent) -> Task:
    """Return the task with an arm's sampling; SettingError if the arm changes a model that cannot change."""
    model = task.model
    if not isinstance(model, MotionDiffusion):
        if arm.sampling:
            raise SettingError(
                f"the arm {describe_arm(arm)} needs a diffusion model, got {type(model).__name__}; "
                f"leave out {', '.join(arm.sampling)}"
            )
        return task
    config = set_sampling(model.config, arm)
    model = replace(model, config=config, on_sampling_step=lambda step: progress("sample", step, config.sampling_steps))
    return replace(task, model=model)


def trained_model(task: MotionTask, arm: ArmSettings, record: Record, generation: int) -> GenerativeModel:
    """Return the model of a committed generation, with the arm's sampling and members."""
    loop_arm = Arm(parse_policy(arm.policy, task.fresh_source), generations=1)
    loop_task, _ = with_remedy(sampled_task(task, arm), loop_arm, arm.remedy, RemedyInputs())
    return loop_task.model.load_state(record.state(generation))
