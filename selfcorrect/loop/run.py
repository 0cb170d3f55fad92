"""The self-consuming loop.

Each generation has the phases sample → bias → correct → mix → train → evaluate → commit. Generation 0 is trained on
real data alone and shared by all arms of a comparison with the same seed. Arms draw from the same named streams, so
that they differ only in their settings (common random numbers).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..core.checks import check_callable, check_count, check_methods, describe_value, explain_arguments
from ..core.errors import InputError, LoopError, SelfcorrectError, SettingError, TrainingDivergedError
from ..core.randomness import Stream
from ..core.samples import Samples, check_drawn, digest_tensors
from ..runtime import global_generators
from ..runtime.bugs import describe_with_location, internal_error_traceback
from ..runtime.stopwatch import Stopwatch
from ..runtime.user_code import is_of_users, name_of
from .ancestry import Genealogy, Space
from .arm_name import format_arm_name
from .bias import Bias, Sampler, sample_independently, sample_plainly
from .correctors.contract import load_state, state_of
from .correctors.loop_correction import CorrectedBatch, Correction, Redraw, apply_corrector
from .fitting import Fitting, PairFitting, fit_plainly
from .models.protocol import GenerativeModel
from .policy import Policy, count_draws, format_policy, measure_mixture, mix_samples, overlapping, sampling_labels
from .store.memory import MemoryStore
from .store.protocol import Generation, Metrics, Record, Store
from .trial import DataGuard, digest_state, try_correction, try_policy

TRAINING_LOSS = "training_loss"
"""Key of the last fit's loss, and attribute of models that report it."""

LOSS_ON_RAW = "loss_on_raw"
"""Key of the trained model's loss on the samples before correction."""

LOSS_ON_CORRECTED = "loss_on_corrected"
"""Key of the trained model's loss on the samples after correction. If it is higher, corrections are hard to learn."""

CORRECTOR_CALLS = "corrector_calls"
"""Key of the number of values passed to the corrector, and attribute of samplers that correct while drawing."""

MODEL_METHODS = ("fit", "sample", "state", "load_state")
"""Methods of a `GenerativeModel`."""


@explain_arguments(data="real")
@dataclass(frozen=True)
class Task:
    """What all arms share: an untrained model, real training data, and an evaluation."""

    model: GenerativeModel
    """The untrained model."""
    real: Samples
    """Real training data (n, *event), without held-out data."""
    evaluate: Evaluate
    """Evaluation of each generation: a function from a `Candidate` to numbers by name, either one number or one per
    replicate."""
    initial_steps: int = 0
    """Optimiser steps of generation 0."""
    space: Space | None = None
    """Space in which ancestry is traced and measured; None for no ancestry."""
    measure_correction: Callable[[Samples, Samples], Metrics] | None = None
    """Function of raw samples and their corrections that returns how far these were moved, as numbers by name; None
    for the distance of values alone."""
    held_out: Samples | None = None
    """Real data that no model is trained on. Their scores are the floor of comparisons, because no model can be
    expected to beat real data."""

    def __post_init__(self) -> None:
        check_methods("model", self.model, MODEL_METHODS, "see selfcorrect.GenerativeModel")
        if not isinstance(self.real, Samples):
            raise SettingError(f"real must be Samples, got {describe_value(self.real)}; write Samples.real(values)")
        if not isinstance(self.held_out, Samples | None):
            got = describe_value(self.held_out)
            raise SettingError(f"held_out must be Samples, got {got}; write Samples.real(values)")
        check_callable("evaluate", self.evaluate)
        check_count("initial_steps", self.initial_steps, 0)


@explain_arguments(corrector="correction")
@dataclass(frozen=True)
class Arm:
    """Settings of an arm.

    An arm is a point on four axes: policy, training, correction and sampling bias.
    """

    policy: Policy
    """Choice of the samples that the next generation trains on."""
    generations: int
    """Generations after generation 0, at least 1."""
    steps: int = 0
    """Optimiser steps per generation, the same in every arm of a fair comparison."""
    from_scratch: bool = False
    """Train each generation from scratch instead of fine-tuning the last model."""
    bias: Bias = sample_plainly
    """Bias of sampling towards quality."""
    correction: Correction | None = None
    """Correction of synthetic samples before use; None for no correction."""
    correct_real: bool = False
    """Correct the real training data once, too."""
    fitting: Fitting | PairFitting = fit_plainly
    """How a model is trained: plainly, with a remedy such as `selfcorrect.loop.fitting.extrapolate(1.0)`, or on pairs
    of samples and corrections with `PreferCorrections()`."""

    def __post_init__(self) -> None:
        hint = "; parse_policy makes a policy from text" if isinstance(self.policy, str) else ""
        check_methods("policy", self.policy, ("count", "mix"), f"expected a policy such as Replace(){hint}")
        check_count("generations", self.generations, 1)
        check_count("steps", self.steps, 0)
        if not isinstance(self.correction, Correction | None):
            raise SettingError(
                f"correction must be a Correction, got {describe_value(self.correction)}; write Correction(…)"
            )
        if self.correct_real and self.correction is None:
            raise SettingError("correct_real needs a correction, and this arm has none")
        if isinstance(self.fitting, PairFitting) and self.correction is None:
            raise SettingError(f"the fitting {name_of(self.fitting)} needs a correction, and this arm has none")

    def __str__(self) -> str:
        """Return the arm's name for folders, such as "augment-0.5+my_corrector+strength-1"."""
        correction = self.correction
        changes: dict[str, object] = {
            "correct_real": self.correct_real or None,
            "from_scratch": self.from_scratch or None,
            "bias": None if self.bias is sample_plainly else name_of(self.bias),
            "fitting": None if self.fitting is fit_plainly else name_of(self.fitting),
        }
        if correction is not None and math.isfinite(correction.strength):
            changes[correction.operator] = correction.strength
        return format_arm_name(format_policy(self.policy), correction.name if correction else "none", changes)


@dataclass(frozen=True)
class Candidate:
    """A trained generation to evaluate.

    Its draws are the same in every arm and do not affect the loop's random numbers.
    """

    generation: int
    """Number of the generation."""
    model: GenerativeModel
    """The trained model."""
    correction: Correction | None
    """The arm's correction, or None."""
    real: Samples
    """The loop's real training data."""
    stream: Stream
    """Random numbers for the evaluation."""

    def samples(self, count: int) -> Samples:
        """Draw raw samples (count, *event), with labels distributed as in the real data."""
        labels = sampling_labels(self.real.labels, count, self.stream.child("label"))
        draw = _Drawer(self.model, sample_independently(self.model.sample), self.generation, self.real)
        return draw(labels, self.stream.child("sample"))

    def correct(self, samples: Samples) -> CorrectedBatch | None:
        """Apply the arm's correction, if it has one, and drop rejected samples."""
        if self.correction is None:
            return None
        return apply_corrector(samples, self.correction, self.stream.child("correct"))


Evaluate: TypeAlias = Callable[[Candidate], Mapping[str, "float | np.ndarray | Tensor"]]


def train_first_generation(task: Task, store: Store, stream: Stream) -> None:
    """Train generation 0 on real data, unless it is committed.

    All arms of a seed start from this generation. The shape of the untrained model's samples is checked first, because
    training may take hours.

    Raises:
        InputError: The model's samples have another shape than the real data.
        LoopError: Training or evaluation fails.
    """
    if store.latest >= 0:
        return
    _try_shape(task, stream.child("trial", "shape"))
    guard = DataGuard(task.real, None)
    watch = Stopwatch()
    with _phase(watch, "train", 0, store):
        model = _fit(task.model, task.real, task.initial_steps, stream.child("generation", 0, "train"))
    with _phase(watch, "evaluate", 0, store):
        scores = _evaluate(task, model, None, 0, stream)
        guard.check_real()
    store.commit(Generation(0, model.state(), None, {**scores, **_training_loss(model)}, watch.lap()))


def run_loop(
    task: Task,
    arm: Arm,
    store: Store,
    first: Record,
    stream: Stream,
    observe: Callable[[Generation], object] = lambda generation: None,
) -> GenerativeModel:
    """Run an arm to its last generation.

    The arm continues after the last generation in its store. A user's corrector is first tried on two real and two
    generated samples (`selfcorrect.loop.trial`).

    Args:
        task: Model, real data and evaluation.
        arm: Policy, correction, training and sampling bias.
        store: Store of the arm's generations from 1 on.
        first: Store with generation 0, the same for all arms of the seed.
        stream: Root stream of the seed, the same for all arms.
        observe: Function called with each generation after its commit.

    Raises:
        CorrectorError: A user's corrector fails in the trial.
        LoopError: A generation fails. Earlier generations are kept, and a run in a folder can be resumed.
    """
    latest = max(store.latest, 0)
    model = _load_model(task.model, store.state(latest) if latest else first.state(0))
    if latest >= arm.generations:
        return model
    run = _Run(task, arm, store, stream)
    if not latest:
        run.try_users_code(model)
    made = run.load(latest, model)
    for generation in range(latest + 1, arm.generations + 1):
        made = run.make_generation(generation, made)
        finished = run.commit(generation, made)
        observe(finished)
    return made.model


@dataclass(frozen=True)
class _Draws:
    """Samples of a generation before correction."""

    raw: Samples
    labels: Tensor
    draw: _Drawer
    """Draws further samples in the place of rejected ones."""


@dataclass(frozen=True)
class _Made:
    """What a generation leaves to the next one."""

    model: GenerativeModel
    training: Samples
    """Training set of the model."""
    batch: CorrectedBatch
    """Samples of the generation before, corrected."""
    metrics: Metrics = field(default_factory=dict)
    corrector_state: dict[str, Tensor] = field(default_factory=dict)


class _Run:
    """An arm's run: what its generations share, and a method per phase."""

    def __init__(self, task: Task, arm: Arm, store: Store, stream: Stream) -> None:
        self.task = task
        self.arm = arm
        self.store = store
        self.stream = stream
        self.watch = Stopwatch()
        self.guard = DataGuard(task.real, arm.correction)
        self.genealogy = None if task.space is None else Genealogy.from_real(task.real, task.space)
        self.real = task.real
        """Real data that policies mix, corrected if the arm says so."""

    def phase(self, name: str, generation: int) -> AbstractContextManager[None]:
        return _phase(self.watch, name, generation, self.store)

    def try_users_code(self, model: GenerativeModel) -> None:
        """Try a user's corrector and policy before the first generation."""
        correction = self.arm.correction
        if correction is not None and is_of_users(correction.corrector):
            with self.watch.phase("correct"):
                try_correction(correction, model, self.task.real, self.stream)
        if is_of_users(self.arm.policy):
            try_policy(self.arm.policy, self.task.real, self.stream)

    def load(self, latest: int, model: GenerativeModel) -> _Made:
        """Load what the latest committed generation left, and correct the real data."""
        correction = self.arm.correction
        with self.phase("correct", latest + 1):
            if correction is not None and self.arm.correct_real:
                self.real = correct_real_data(self.real, correction, self.stream)
                self.guard.check_real()
            if latest and correction is not None:
                load_state(correction.corrector, self.store.corrector_state(latest))
        with self.phase("mix", latest + 1):
            if not latest:
                nothing = self.real.take(torch.arange(0))
                return _Made(model, self.task.real, CorrectedBatch(nothing, nothing))
            batch = self.store.batch(latest)
            history = _make_history(self.arm, self.store, latest, batch)
            mix_stream = self.stream.child("generation", latest, "mix")
            training = mix_samples(self.arm.policy, self.real, history, latest, mix_stream)
            return _Made(model, training, batch)

    def make_generation(self, generation: int, last: _Made) -> _Made:
        """Make a generation from the last one, phase by phase."""
        stream = self.stream.child("generation", generation)
        draws = self.sample(generation, last, stream)
        batch, ancestry = self.correct(generation, draws, last, stream)
        training, entropy = self.mix(generation, batch, stream)
        model = self.train(generation, batch, training, last, stream)
        scores, corrector_state = self.evaluate(generation, model)
        metrics = {
            **scores,
            **_training_loss(model),
            **self.measure(draws, batch, training),
            **_measure_correction(self.task, model, batch, stream.child("losses")),
            **ancestry,
            **entropy,
        }
        return _Made(model, training, batch, metrics, corrector_state)

    def sample(self, generation: int, last: _Made, stream: Stream) -> _Draws:
        """Draw samples from the last model, biased as the arm says."""
        with self.phase("sample", generation):
            sampler = self.arm.bias(last.model, _find_parents(self.arm, last.training, last.batch, self.store))
            draw = _Drawer(last.model, sampler, generation - 1, self.real)
            count = count_draws(self.arm.policy, len(self.real), generation)
            labels = sampling_labels(self.real.labels, count, stream.child("label"))
            raw = draw(labels, stream.child("sample")) if len(labels) else self.real.take(labels)
        return _Draws(raw, labels, draw)

    def correct(
        self, generation: int, draws: _Draws, last: _Made, stream: Stream
    ) -> tuple[CorrectedBatch, dict[str, float]]:
        """Correct the samples, and trace and measure their ancestry."""
        with self.phase("correct", generation):
            batch = CorrectedBatch(draws.raw, draws.raw)
            if self.arm.correction is not None:
                redraw = _make_redraw(draws.draw, draws.labels, self.watch)
                batch = apply_corrector(draws.raw, self.arm.correction, stream.child("correct"), redraw)
            self.guard.check_real()
            self.guard.check_labels(batch)
            if self.genealogy is None:
                return batch, {}
            with self.watch.phase("trace"):
                return self.genealogy.trace(batch, last.training)

    def mix(self, generation: int, batch: CorrectedBatch, stream: Stream) -> tuple[Samples, dict[str, float]]:
        """Mix the next training set, and measure its entropy."""
        policy = self.arm.policy
        with self.phase("mix", generation):
            history = _make_history(self.arm, self.store, generation, batch)
            training = mix_samples(policy, self.real, history, generation, stream.child("mix"))
            if self.genealogy is None:
                return training, {}
            with self.watch.phase("trace"):
                return training, self.genealogy.measure_training(training, has_overlap=overlapping(policy))

    def train(
        self, generation: int, batch: CorrectedBatch, training: Samples, last: _Made, stream: Stream
    ) -> GenerativeModel:
        """Train the next model, from the last one or from scratch."""
        arm = self.arm
        with self.phase("train", generation):
            start = self.task.model if arm.from_scratch else last.model
            fitting = arm.fitting.with_pairs(batch, last.model) if isinstance(arm.fitting, PairFitting) else arm.fitting
            return _fit(start, training, arm.steps, stream.child("train"), fitting)

    def evaluate(self, generation: int, model: GenerativeModel) -> tuple[Metrics, dict[str, Tensor]]:
        """Evaluate the model, and return the corrector's state with the scores."""
        correction = self.arm.correction
        with self.phase("evaluate", generation):
            scores = _evaluate(self.task, model, correction, generation, self.stream)
            self.guard.check_real()
            return scores, state_of(correction.corrector) if correction else {}

    def measure(self, draws: _Draws, batch: CorrectedBatch, training: Samples) -> Metrics:
        """Measure the training set and the correction."""
        correction = self.arm.correction
        distance = batch.samples.provenance.distance
        calls = getattr(draws.draw.sampler, CORRECTOR_CALLS, 0)
        if correction is not None and correction.strength > 0:
            calls += len(batch.drawn)
        return {
            **measure_mixture(training),
            "drawn_count": len(batch.drawn),
            "rejected_count": batch.rejected,
            "corrected_distance": float(distance.mean()) if len(distance) else 0.0,
            CORRECTOR_CALLS: calls,
        }

    def commit(self, generation: int, made: _Made) -> Generation:
        """Commit a generation as a whole."""
        times_s = self.watch.lap()
        finished = Generation(generation, made.model.state(), made.batch, made.metrics, times_s, made.corrector_state)
        self.store.commit(finished)
        return finished


def _find_parents(arm: Arm, training: Samples, newest: CorrectedBatch, store: Store) -> Samples:
    """Return the training set with samples as they were drawn.

    Sampling biases see uncorrected samples. If children were matched to corrected parents, corrections would accumulate
    over generations. Samples of older generations that the policy keeps are uncorrected, too.
    """
    if arm.bias is sample_plainly:
        return training
    batches = [newest]
    if overlapping(arm.policy):
        older = np.unique(training.provenance.generation)[:-1]
        batches += [store.batch(int(generation) + 1) for generation in older]
    changed = [batch for batch in batches if batch.samples is not batch.drawn and len(batch.samples)]
    if not changed:
        return training
    provenance = training.provenance
    values = training.values.clone()
    for batch in changed:
        generation = batch.drawn.provenance.generation[0]
        rows = provenance.synthetic & (provenance.generation == generation)
        values[torch.from_numpy(rows)] = batch.drawn.values[torch.from_numpy(provenance.draw[rows])]
    return training.with_values(values)


def correct_real_data(real: Samples, correction: Correction, stream: Stream) -> Samples:
    """Return real data after the full corrector.

    They are needed for `correct_real` and to evaluate a corrector's fidelity. A row that the corrector rejects keeps
    its value, so that every policy has the same number of real samples.
    """
    full = replace(correction, strength=math.inf, on_rejection="drop")
    batch = apply_corrector(real, full, stream.child("correct_real"))
    rows = torch.from_numpy(batch.samples.provenance.draw).to(real.values.device)
    values = real.values.index_copy(0, rows, batch.samples.values)
    return replace(real, values=values, provenance=batch.drawn.provenance)


@dataclass(frozen=True)
class LoopHistory:
    """Committed batches, read from the store when needed, and the current batch."""

    store: Store
    latest: int
    current: Samples
    is_raw: bool = False
    """True to return samples as drawn, because corrections are used in pairs."""

    def batch(self, generation: int) -> Samples:
        if generation == self.latest:
            return self.current
        return self.store.batch(generation).raw if self.is_raw else self.store.samples(generation)


def _make_history(arm: Arm, store: Store, latest: int, batch: CorrectedBatch) -> LoopHistory:
    is_raw = isinstance(arm.fitting, PairFitting)
    return LoopHistory(store, latest, batch.raw if is_raw else batch.samples, is_raw)


@dataclass(frozen=True)
class _Drawer:
    """Draws samples from a generation's model.

    Samples are converted to the real data's type and device. Samples that are not finite raise InputError.
    """

    model: GenerativeModel
    sampler: Sampler
    generation: int
    real: Samples

    def __call__(self, labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Samples:
        drawn = self.sampler(labels, stream, slots)
        labels = labels if slots is None else labels[slots]
        check_drawn(drawn, len(labels), self.real)
        values = drawn.detach().to(self.real.values)
        if not values.isfinite().all():
            broken = ~values.isfinite().flatten(1).all(dim=1)
            raise InputError(f"sample {int(broken.nonzero()[0])} of the model is not finite (NaN or infinity)")
        return Samples.synthetic(values, labels, self.generation)


def _try_shape(task: Task, stream: Stream) -> None:
    """Raise InputError if an untrained model's samples have a wrong shape.

    Models that cannot be sampled before training are not checked.
    """
    try:
        with global_generators.use_seed(stream.seed):
            values = task.model.sample(task.real.labels[:2], stream)
    except Exception:  # whatever an untrained model of users raises
        return
    if isinstance(values, Tensor):
        check_drawn(values, min(2, len(task.real)), task.real)


def _fit(
    model: GenerativeModel, training: Samples, steps: int, stream: Stream, fitting: Fitting = fit_plainly
) -> GenerativeModel:
    if len(training) == 0:
        raise InputError("the training set is empty")
    trained = fitting(model, training, steps, stream)
    for name, tensor in _read_state(trained).items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise TrainingDivergedError(f"training left numbers in {name!r} that are not finite (NaN or infinity)")
    return trained


def _load_model(model: GenerativeModel, state: dict[str, Tensor]) -> GenerativeModel:
    """Load a state into a model, or raise LoopError."""
    try:
        return _check_model(model.load_state(state), "load_state")
    except SelfcorrectError:
        raise
    except Exception as error:
        message = f"the state of the model cannot be loaded: {describe_with_location(error)}"
        raise LoopError(message, internal_error_traceback(error)) from error


def _check_model(model: GenerativeModel, method: str) -> GenerativeModel:
    """Return a method's result if it is a model.

    Raises:
        InputError: It is not a model.
    """
    missing = [name for name in ("fit", "sample", "state") if not callable(getattr(model, name, None))]
    if missing:
        got = describe_value(model)
        raise InputError(f"`{method}` of the model returned {got}, expected a model with {', '.join(missing)}")
    return model


def _read_state(trained: GenerativeModel) -> Mapping[str, Tensor]:
    """Read the state of a trained model.

    Raises:
        InputError: Training did not return a model, or its state cannot be stored.
    """
    state: object = _check_model(trained, "fit").state()
    if not isinstance(state, Mapping):
        raise InputError(f"`state` of the model returned {describe_value(state)}, expected tensors by name")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"`state` of the model has {describe_value(tensor)} as {name!r}, expected a tensor")
    return state


def _evaluate(
    task: Task, model: GenerativeModel, correction: Correction | None, generation: int, stream: Stream
) -> Metrics:
    evaluation_stream = stream.child("generation", generation, "evaluate")
    is_watched = is_of_users(task.evaluate)
    state = digest_state(model) if is_watched else {}
    with global_generators.use_seed(evaluation_stream.child("global generators").seed):
        scores: object = task.evaluate(Candidate(generation, model, correction, task.real, evaluation_stream))
    if is_watched and digest_state(model) != state:
        raise SettingError(f"`evaluate` of the task ({name_of(task.evaluate)}) changed the model; work on a copy")
    return read_scores(scores)


def read_scores(scores: object) -> Metrics:
    """Return what an evaluation returned as numbers by name.

    Raises:
        SettingError: It is something else. The message names the score.
    """
    if not isinstance(scores, Mapping):
        example = '{"distance": 0.1}'
        returned = describe_value(scores)
        raise SettingError(f"`evaluate` of the task returned {returned}, expected numbers by name such as {example}")
    metrics: dict[str, float | list[float]] = {}
    for name, value in scores.items():
        is_real = isinstance(value, Tensor) and not value.is_complex()
        array = value.detach().cpu().double().numpy() if is_real else np.asarray(value)
        if not isinstance(name, str) or array.dtype.kind not in "biuf" or array.ndim > 1 or not array.size:
            got = describe_value(value) if not array.ndim else f"an array of type {array.dtype} and shape {array.shape}"
            raise SettingError(
                f"`evaluate` of the task returned {got} as {name!r}, expected a number or one per replicate"
            )
        metrics[name] = array.astype(np.float64).tolist()
    return metrics


def try_evaluation(task: Task, model: GenerativeModel, stream: Stream) -> None:
    """Try a user's evaluation on a model before training.

    Raises:
        SettingError: The evaluation fails, changes the model, or does not return numbers by name.
    """
    real = digest_tensors(task.real.values, task.real.labels)
    title = f"`evaluate` of the task ({name_of(task.evaluate)})"
    try:
        scores = _evaluate(task, model, None, 0, stream)
    except SettingError:
        raise
    except (ArithmeticError, np.linalg.LinAlgError):  # numbers of a model that has hardly been trained
        return
    except Exception as error:
        raise SettingError(f"{title} failed in a trial before training: {describe_with_location(error)}") from error
    if not scores:
        raise SettingError(f"{title} measures nothing, expected numbers by name")
    if digest_tensors(task.real.values, task.real.labels) != real:
        raise SettingError(f"{title} changed the real training data; work on a copy (`values.clone()`)")
    if missing := [name for name, value in scores.items() if not np.isfinite(value).all()]:
        warnings.warn(f"{title} gave no finite number for {missing[0]!r} in a trial before training", stacklevel=2)


def _training_loss(model: GenerativeModel) -> Metrics:
    """Return the last fit's loss by key.

    The result is empty if the model does not report a loss.
    """
    loss = getattr(model, TRAINING_LOSS, math.nan)
    return {TRAINING_LOSS: loss} if isinstance(loss, float) and math.isfinite(loss) else {}


def _measure_correction(task: Task, model: GenerativeModel, batch: CorrectedBatch, stream: Stream) -> Metrics:
    """Measure how far a generation's samples were moved, and how well the model that saw them fits both sides.

    The result is empty without a correction. The losses need a model with the method `mean_loss`.
    """
    if batch.samples is batch.drawn or not len(batch.samples):
        return {}
    raw = batch.raw
    figures = dict(task.measure_correction(raw, batch.samples)) if task.measure_correction else {}
    mean_loss: Callable[[Samples, Stream], float] | None = getattr(model, "mean_loss", None)
    if mean_loss is not None:
        figures |= {LOSS_ON_RAW: mean_loss(raw, stream), LOSS_ON_CORRECTED: mean_loss(batch.samples, stream)}
    return figures


@contextmanager
def _phase(watch: Stopwatch, name: str, generation: int, store: Store) -> Iterator[None]:
    """Time a phase, and add phase and generation to errors."""
    with watch.phase(name):
        try:
            yield
        except Exception as error:
            intact = ""
            if generation and not isinstance(store, MemoryStore):
                intact = f"; generations up to {generation - 1} are kept and the run can be resumed"
            message = f"generation {generation} stopped in phase {name!r}: {describe_with_location(error)}{intact}"
            raise LoopError(message, internal_error_traceback(error)) from error


def _make_redraw(draw: _Drawer, labels: Tensor, watch: Stopwatch) -> Redraw:
    """Return a function that redraws positions of a batch.

    The time of redraws counts as sampling.
    """

    def redraw(slots: Tensor, stream: Stream) -> Samples:
        with watch.phase("sample"):
            return draw(labels, stream, slots)

    return redraw
