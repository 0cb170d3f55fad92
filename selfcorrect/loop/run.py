"""The self-consuming loop: sample → bias → correct → mix → train → evaluate → commit.

Generation 0 is trained on real data alone and shared by all arms of a comparison that have the same seed. Arms draw
from the same named streams, so that they differ only in their plans (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..core.checks import check_callable, check_count, check_methods, describe_value
from ..core.errors import CorrectorError, InputError, LoopError, SettingError, TrainingDivergedError
from ..core.randomness import Stream
from ..core.samples import Samples, check_drawn, content_hash
from ..correctors.contract import load_state, name_of, state_of
from ..correctors.correction import CorrectedBatch, Correction, Redraw, apply_corrector
from ..models.protocol import GenerativeModel
from ..runtime.bugs import bug_behind, describe
from ..runtime.heap import give_back_freed_memory
from ..runtime.process_state import preserve_global_state
from ..runtime.stopwatch import Stopwatch
from ..storage.runs.protocol import Generation, Metrics, Record, Store
from .ancestry import Genealogy, Space
from .bias import Bias, Sampler, sample_independently, sample_plainly
from .fitting import Fitting, fit_plainly
from .policy import Policy, format_policy, measure_mixture, overlapping, sampling_labels
from .trial import has_user_code, try_correction, warn_on_global_rng

TRAINING_LOSS = "training_loss"
"""Key of the loss of the last fit, of models that have it as an attribute of that name."""

CORRECTOR_CALLS = "corrector_calls"
"""Key of the number of values that the corrector got, and the attribute of a sampler that corrects while it draws."""

MODEL_METHODS = ("fit", "sample", "state", "load_state")
"""Of a `GenerativeModel`."""


@dataclass(frozen=True)
class Task:
    """What all arms of a comparison have in common: an untrained model, real training data, a judge."""

    model: GenerativeModel
    """The untrained model."""
    real: Samples
    """Real training data (n, *event), held-out data not among them."""
    evaluate: Evaluate
    """Judges each generation: a `Candidate` → numbers by name, one or one per replicate."""
    initial_steps: int = 0
    """Optimiser steps of generation 0."""
    space: Space | None = None
    """The space in which ancestry is traced and measured; without it, it is not."""
    held_out: Samples | None = None
    """Real data on which no model is trained, for the floor of comparisons: what the judge says of them, no model can
    be expected to beat."""

    def __post_init__(self) -> None:
        check_methods("model", self.model, MODEL_METHODS, "see selfcorrect.GenerativeModel")
        if not isinstance(self.real, Samples):
            raise SettingError(f"real must be Samples, got {describe_value(self.real)}; write Samples.real(values)")
        if not isinstance(self.held_out, Samples | None):
            got = describe_value(self.held_out)
            raise SettingError(f"held_out must be Samples, got {got}; write Samples.real(values)")
        check_callable("evaluate", self.evaluate)
        check_count("initial_steps", self.initial_steps, 0)


@dataclass(frozen=True)
class Plan:
    """What makes an arm: a point on the four axes policy, training, transform and sampling bias."""

    policy: Policy
    """Which samples train the next generation."""
    generations: int
    """Generations after generation 0, at least 1."""
    steps: int = 0
    """Optimiser steps per generation, the same in every arm of a fair comparison."""
    from_scratch: bool = False
    """Train each generation anew instead of fine-tuning the last model."""
    bias: Bias = sample_plainly
    """How sampling is tilted towards quality."""
    correction: Correction | None = None
    """What happens to synthetic samples before they are used; None leaves them."""
    correct_real: bool = False
    """Real training data go through the corrector too, once."""
    fitting: Fitting = fit_plainly
    """How a model is trained on a training set, e.g. `selfcorrect.loop.fitting.extrapolated(1.0)`."""

    def __post_init__(self) -> None:
        made = "; parse_policy makes one from text" if isinstance(self.policy, str) else ""
        check_methods("policy", self.policy, ("count", "mix"), f"expected a policy such as Replace(){made}")
        check_count("generations", self.generations, 1)
        check_count("steps", self.steps, 0)
        if not isinstance(self.correction, Correction | None):
            raise SettingError(
                f"correction must be a Correction, got {describe_value(self.correction)}; write Correction(…)"
            )
        if self.correct_real and self.correction is None:
            raise SettingError("correct_real needs a correction, and this plan has none")

    def __str__(self) -> str:
        """The plan as the name of a folder, e.g. "augment-0.5+my_corrector+strength-1"."""
        correction = self.correction
        parts = [format_policy(self.policy).replace(":", "-"), correction.name if correction else "none"]
        parts += ["real-corrected"] * self.correct_real + ["from-scratch"] * self.from_scratch
        parts += [
            name_of(each)
            for each, usual in ((self.bias, sample_plainly), (self.fitting, fit_plainly))
            if each is not usual
        ]
        if correction and math.isfinite(correction.strength):
            word = "strength" if correction.operator == "mixture" else correction.operator
            parts.append(f"{word}-{correction.strength:g}")
        return "+".join(parts)


@dataclass(frozen=True)
class Candidate:
    """A trained generation before its judge. Draws are the same in every arm and do not touch the loop's own."""

    generation: int
    """Its number."""
    model: GenerativeModel
    """The trained model."""
    correction: Correction | None
    """The arm's correction, None for an arm without."""
    real: Samples
    """The loop's real training data."""
    stream: Stream
    """The judge's own random numbers."""

    def samples(self, count: int) -> Samples:
        """Raw samples (count, *event) of the model, labels distributed as in the real data: what is judged."""
        labels = sampling_labels(self.real.labels, count, self.stream.child("label"))
        draw = _Drawer(self.model, sample_independently(self.model.sample), self.generation, self.real)
        return draw(labels, self.stream.child("sample"))

    def correct(self, samples: Samples) -> CorrectedBatch | None:
        """The arm's correction of `samples`, rejected ones dropped; None for an arm without correction."""
        return self.correction and apply_corrector(samples, self.correction, self.stream.child("correct"))


Evaluate: TypeAlias = Callable[[Candidate], Mapping[str, "float | np.ndarray | Tensor"]]


def train_first_generation(task: Task, store: Store, stream: Stream) -> None:
    """Generation 0, on real data alone, for all arms; does nothing where `store` has it."""
    if store.latest >= 0:
        return
    _try_shape(task, stream.child("trial", "shape"))
    watch = Stopwatch()
    with _phase(watch, "train", 0):
        model = _fit(task.model, task.real, task.initial_steps, stream.child("generation", 0, "train"))
    with _phase(watch, "evaluate", 0):
        scores = _evaluate(task, model, None, 0, stream)
    store.commit(Generation(0, model.state(), None, {**scores, **_training_loss(model)}, watch.lap()))


def run_loop(
    task: Task,
    plan: Plan,
    store: Store,
    first: Record,
    stream: Stream,
    observe: Callable[[Generation], object] = lambda generation: None,
) -> GenerativeModel:
    """Run one arm from where `store` stands to the plan's last generation; returns the last model.

    first: the store with generation 0. stream: the root stream of the seed, the same for all arms.
    observe: called after each commit. A corrector of users is tried first on two real and two generated samples
    (`selfcorrect.loop.trial`). Raises LoopError when a generation fails.
    """
    done = max(store.latest, 0)
    model = task.model.load_state(store.state(done) if done else first.state(0))
    if done >= plan.generations:
        return model
    watch = Stopwatch()
    guard = _MutationGuard(task.real, content_hash(task.real), plan.correction)
    with _phase(watch, "correct", done + 1):
        if plan.correction is not None and has_user_code(plan.correction) and not done:
            try_correction(plan.correction, model, task.real, stream)
        real = task.real
        if plan.correction is not None and plan.correct_real:
            real = correct_real_data(real, plan.correction, stream)
            guard.check()
        if done and plan.correction is not None:
            load_state(plan.correction.corrector, store.corrector_state(done))
    genealogy = task.space and Genealogy.from_real(task.real, task.space)
    with _phase(watch, "mix", done + 1):
        nothing = real.take(torch.arange(0))
        batch = store.batch(done) if done else CorrectedBatch(nothing, nothing)
        training = _training_set(task, plan, real, store, done, batch, stream)
    for generation in range(done + 1, plan.generations + 1):
        here = stream.child("generation", generation)
        with _phase(watch, "sample", generation):
            past = store if overlapping(plan.policy) else None
            parents = training if plan.bias is sample_plainly else _restore_drawn_values(training, batch, past)
            sampler = plan.bias(model, parents)
            draw = _Drawer(model, sampler, generation - 1, real)
            labels = sampling_labels(real.labels, plan.policy.count(len(real), generation), here.child("label"))
            raw = draw(labels, here.child("sample")) if len(labels) else real.take(labels)
        with _phase(watch, "correct", generation):
            batch = _correct(raw, plan.correction, here.child("correct"), _timed_redraw(draw, labels, watch))
            guard.check(batch.samples)
        descent: Metrics = {}
        if genealogy:
            with _phase(watch, "trace", generation):
                batch, descent = genealogy.trace(batch, training)
        with _phase(watch, "mix", generation):
            history = LoopHistory(store, generation, batch.samples)
            training = plan.policy.mix(real, history, generation, here.child("mix"))
            if genealogy and overlapping(plan.policy):
                descent["surviving_lineages"] = genealogy.surviving(training)
        with _phase(watch, "train", generation):
            last = task.model if plan.from_scratch else model
            model = _fit(last, training, plan.steps, here.child("train"), plan.fitting)
        with _phase(watch, "evaluate", generation):
            scores = _evaluate(task, model, plan.correction, generation, stream)
            guard.check()
            kept = state_of(plan.correction.corrector) if plan.correction else {}
        calls = _corrector_calls(sampler, plan.correction, batch)
        measured = {**scores, **_training_loss(model), **_measure_realised(training, batch), **calls, **descent}
        finished = Generation(generation, model.state(), batch, measured, watch.lap(), kept)
        store.commit(finished)
        observe(finished)
        give_back_freed_memory()
    return model


@dataclass(frozen=True)
class _MutationGuard:
    """Notices what code of others did to the loop's own data, before it is trained on or committed."""

    real: Samples
    hash: str
    """Of `real` before any of that code was called."""
    correction: Correction | None

    def check(self, corrected: Samples | None = None) -> None:
        """CorrectorError where real data were changed in place, or where corrected samples have new labels."""
        name = self.correction.name if self.correction else ""
        if content_hash(self.real) != self.hash:
            who = f"corrector {name!r} or the judge" if self.correction else "the judge"
            raise CorrectorError(f"{who} changed the real training data in place; work on a copy (`values.clone()`)")
        known = self.real.labels.unique()
        if corrected is not None and not torch.isin(corrected.labels, known).all():
            new = corrected.labels[~torch.isin(corrected.labels, known)][0]
            raise CorrectorError(
                f"corrector {name!r} returned the label {int(new)}, which no real sample has; "
                f"real labels are from {int(known[0])} to {int(known[-1])}"
            )


def _restore_drawn_values(training: Samples, newest: CorrectedBatch, past: Store | None) -> Samples:
    """The training set with the samples of its newest batch as they were drawn. Children do not aim at their parents'
    corrections, or these would add up over generations. With the store of `past` batches, older ones are uncorrected
    too.
    """
    batches = [newest]
    if past is not None:
        older = np.unique(training.provenance.generation)[:-1]
        batches += [past.batch(int(generation) + 1) for generation in older]
    changed = [batch for batch in batches if batch.samples is not batch.drawn and len(batch.samples)]
    if not changed:
        return training
    known, values = training.provenance, training.values.clone()
    for batch in changed:
        rows = known.synthetic & (known.generation == batch.drawn.provenance.generation[0])
        values[torch.from_numpy(rows)] = batch.drawn.values[torch.from_numpy(known.draw[rows])]
    return training.with_values(values)


def _training_set(
    task: Task, plan: Plan, real: Samples, store: Store, generation: int, batch: CorrectedBatch, stream: Stream
) -> Samples:
    """What the model of a committed generation, whose samples are in `batch`, was trained on: mixed again."""
    if generation == 0:
        return task.real
    history = LoopHistory(store, generation, batch.samples)
    return plan.policy.mix(real, history, generation, stream.child("generation", generation, "mix"))


def correct_real_data(real: Samples, correction: Correction, stream: Stream) -> Samples:
    """Real data after the full corrector, for `correct_real` and for judging a corrector's fidelity.

    A row that the corrector rejects keeps its own value, so that every policy sees the same number of real samples.
    """
    full = replace(correction, strength=math.inf, on_rejection="drop")
    batch = apply_corrector(real, full, stream.child("correct_real"))
    rows = torch.from_numpy(batch.samples.provenance.draw).to(real.values.device)
    values = real.values.index_copy(0, rows, batch.samples.values)
    return replace(real, values=values, provenance=batch.drawn.provenance)


@dataclass(frozen=True)
class LoopHistory:
    """Committed batches from the store, read when asked for, and the current one."""

    store: Store
    latest: int
    current: Samples

    def count(self, generation: int) -> int:
        return len(self.current) if generation == self.latest else self.store.count(generation)

    def batch(self, generation: int) -> Samples:
        return self.current if generation == self.latest else self.store.samples(generation)


@dataclass(frozen=True)
class _Drawer:
    """Draws of a model of `generation` as samples of the real data's type and device, refused if not finite."""

    model: GenerativeModel
    sampler: Sampler
    generation: int
    real: Samples

    def __call__(self, labels: Tensor, stream: Stream, slots: Tensor | None = None) -> Samples:
        with warn_on_global_rng(self.model, "sample"):
            values = self.sampler(labels, stream, slots).to(self.real.values)
        labels = labels if slots is None else labels[slots]
        check_drawn(values, len(labels), self.real)
        if not values.isfinite().all():
            broken = ~values.isfinite().flatten(1).all(dim=1)
            raise InputError(f"sample {int(broken.nonzero()[0])} of the model is not finite (NaN or infinity)")
        return Samples.synthetic(values, labels, self.generation)


def _try_shape(task: Task, stream: Stream) -> None:
    """InputError where the untrained model draws values of a wrong shape; many models must be trained before."""
    try:
        with preserve_global_state("the model", stream.seed):
            values = task.model.sample(task.real.labels[:2], stream)
    except Exception:  # whatever an untrained model of users raises
        return
    if isinstance(values, Tensor):
        check_drawn(values, min(2, len(task.real)), task.real)


def _correct(raw: Samples, correction: Correction | None, stream: Stream, redraw: Redraw) -> CorrectedBatch:
    return CorrectedBatch(raw, raw) if correction is None else apply_corrector(raw, correction, stream, redraw)


def _fit(
    model: GenerativeModel, training: Samples, steps: int, stream: Stream, fitting: Fitting = fit_plainly
) -> GenerativeModel:
    if len(training) == 0:
        raise InputError("the training set is empty")
    with warn_on_global_rng(model, "fit"):
        trained = fitting(model, training, steps, stream)
    for name, tensor in trained.state().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise TrainingDivergedError(f"training left numbers in {name!r} that are not finite (NaN or infinity)")
    return trained


def _evaluate(
    task: Task, model: GenerativeModel, correction: Correction | None, generation: int, stream: Stream
) -> Metrics:
    here = stream.child("generation", generation, "evaluate")
    with preserve_global_state("the judge", here.child("global generators").seed):
        scores = task.evaluate(Candidate(generation, model, correction, task.real, here))
    return {name: np.asarray(value, dtype=np.float64).tolist() for name, value in scores.items()}


def _training_loss(model: GenerativeModel) -> Metrics:
    """Return the loss of the model's last fit, by its key; nothing for a model that does not report one."""
    loss = getattr(model, TRAINING_LOSS, math.nan)
    return {TRAINING_LOSS: loss} if isinstance(loss, float) and math.isfinite(loss) else {}


def _corrector_calls(sampler: Sampler, correction: Correction | None, batch: CorrectedBatch) -> Metrics:
    """Return how many values the corrector got in a generation: samples, and predictions inside the sampler."""
    after = len(batch.drawn) if correction is not None and correction.strength > 0 else 0
    return {CORRECTOR_CALLS: after + getattr(sampler, CORRECTOR_CALLS, 0)}


def _measure_realised(training: Samples, batch: CorrectedBatch) -> Metrics:
    """What the generation really trained on, and what its corrector did."""
    distance = batch.samples.provenance.distance
    return {
        **measure_mixture(training),
        "drawn_count": len(batch.drawn),
        "rejected_count": batch.rejected,
        "corrected_distance": float(distance.mean()) if len(distance) else 0.0,
    }


@contextmanager
def _phase(watch: Stopwatch, name: str, generation: int) -> Iterator[None]:
    """Count the time of a phase, and say in which generation and phase an error came."""
    with watch.phase(name):
        try:
            yield
        except Exception as error:
            intact = f"; generations up to {generation - 1} are kept and the run can be resumed" if generation else ""
            message = f"generation {generation} stopped in phase {name!r}: {describe(error)}{intact}"
            raise LoopError(message, bug_behind(error)) from error


def _timed_redraw(draw: _Drawer, labels: Tensor, watch: Stopwatch) -> Redraw:
    """Draws the samples of a batch at given positions again; the time counts as sampling for every caller."""

    def redraw(slots: Tensor, stream: Stream) -> Samples:
        with watch.phase("sample"):
            return draw(labels, stream, slots)

    return redraw
