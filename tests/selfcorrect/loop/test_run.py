"""Loops follow known laws, share random numbers, resume.

The order of steps and errors are tested, too.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import run_in_memory

from selfcorrect.core.errors import CorrectorError, LoopError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import sample_plainly
from selfcorrect.loop.correctors.contract import Corrected, chain, lift
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Accumulate, Augment, RealOnly, Replace
from selfcorrect.loop.run import Arm, Candidate, Task, correct_real_data, run_loop, train_first_generation
from selfcorrect.loop.store.folder_store import FolderStore
from selfcorrect.loop.store.memory import MemoryStore
from selfcorrect.runtime.stopwatch import Stopwatch, add_processor_time

STREAM = streams(7)
SEEDS = 300
COUNT = 20


def trace(candidate: Candidate) -> dict[str, torch.Tensor]:
    return {"variance": candidate.model.state()["covariance"].diagonal(dim1=-2, dim2=-1).mean(dim=-1)}


def gaussian_task(count: int = COUNT, seeds: int = SEEDS) -> Task:
    model = Gaussian.standard(seeds, 1)
    return Task(model, Samples.real(model.sample(torch.zeros(count, dtype=torch.int64), STREAM.child("data"))), trace)


def run(arm: Arm, task: Task | None = None, store: Any = None) -> Any:
    return run_in_memory(task or gaussian_task(), arm, STREAM, store)


def mean_variance(store: MemoryStore, generation: int) -> float:
    return float(np.mean(store.metrics(generation)["variance"]))


def test_variance_falls_as_predicted():
    """The variance falls by (1 − 1/n)^(t + 1).

    This is E[σ²_t] by maximum likelihood on n samples of the last model, with n samples from N(0, 1).
    """
    store = run(Arm(Replace(), 20))
    for generation in (1, 5, 20):
        variances = np.asarray(store.metrics(generation)["variance"])
        interval = 4 * variances.std() / np.sqrt(SEEDS)
        assert variances.mean() == pytest.approx((1 - 1 / COUNT) ** (generation + 1), abs=interval)
    assert mean_variance(store, 20) < 0.5


def test_ideal_corrector_holds_loop():
    def ideal(samples: Samples, stream) -> Samples:
        return samples.with_values(torch.randn(samples.values.shape, generator=stream.generator(), dtype=torch.float64))

    corrected = run(Arm(Replace(), 20, correction=Correction(ideal, 1.0, replicate_axes=1)))
    assert mean_variance(corrected, 20) > 0.85 > mean_variance(run(Arm(Replace(), 20)), 20)


def test_arms_share_their_sampling_noise():
    """Arms draw the same raw samples.

    All arms start from the shared generation 0, whatever they do with the samples.
    """
    correction = Correction(lift(torch.tanh), 1.0)
    first = run(Arm(Replace(), 1)).batch(1).drawn.values
    two = run(Arm(Replace(), 1, correction=correction)).batch(1).drawn.values
    longer = run(Arm(Accumulate(), 3)).batch(1).drawn.values
    assert torch.equal(first, two)
    assert torch.equal(first, longer)


def test_evaluation_samples_are_shared():
    seen = []

    def judge(candidate: Candidate) -> dict[str, float]:
        seen.append(candidate.samples(50).values)
        return {}

    task = replace(gaussian_task(), evaluate=judge)
    run(Arm(RealOnly(), 1), task)
    first_run = list(seen)
    seen = []
    run(Arm(RealOnly(), 1, correction=Correction(lift(torch.tanh))), task)
    assert all(torch.equal(a, b) for a, b in zip(first_run, seen, strict=True))


def test_judge_gets_both_series():
    def judge(candidate: Candidate) -> dict[str, float]:
        raw = candidate.samples(50)
        corrected = candidate.correct(raw)
        return {"raw": float(raw.values.abs().max()), "corrected": corrected and float(corrected.samples.values.max())}

    store = run(
        Arm(Augment(1.0), 1, correction=Correction(lift(torch.zeros_like))),
        replace(gaussian_task(), evaluate=lambda c: judge(c) if c.correction else {}),
    )
    assert store.metrics(1)["raw"] > 0
    assert store.metrics(1)["corrected"] == 0


class CountingModel(Gaussian):
    """A Gaussian that counts optimiser steps, added up by fine-tuning."""

    def fit(self, samples, steps, stream):
        fitted = super().fit(samples, steps, stream)
        return fitted.load_state({**fitted.state(), "steps": self.state()["steps"] + steps})

    def state(self):
        return {**super().state(), "steps": getattr(self, "steps", torch.tensor(0))}

    def load_state(self, state):
        loaded = super().load_state(state)
        object.__setattr__(loaded, "steps", state["steps"])
        return loaded


@pytest.mark.parametrize("policy", [RealOnly(), Replace(), Accumulate()])
def test_arms_spend_equal_steps(policy):
    task = replace(gaussian_task(seeds=2), initial_steps=100)
    task = replace(task, model=CountingModel(task.model.mean, task.model.covariance))
    assert run(Arm(policy, 4, steps=10), task).state(4)["steps"] == 140
    assert run(Arm(policy, 4, steps=10, from_scratch=True), task).state(4)["steps"] == 10


def test_realised_ratios_follow_rejection():
    def reject_half(samples: Samples) -> Corrected:
        return Corrected(samples, torch.arange(len(samples)) % 2 == 0)

    redrawn = run(Arm(Augment(1.0), 2, correction=Correction(reject_half))).metrics(2)
    assert redrawn["synthetic_ratio"] == 1.0
    assert redrawn["rejected_count"] == redrawn["drawn_count"] - COUNT > 0
    dropped = run(Arm(Augment(1.0), 2, correction=Correction(reject_half, on_rejection="drop"))).metrics(2)
    assert dropped["synthetic_ratio"] == 0.5
    assert dropped["synthetic_share"] == pytest.approx(1 / 3)


def test_real_data_are_corrected_once():
    task = gaussian_task(seeds=1)

    def pull_to_one(samples: Samples) -> Corrected:
        return Corrected(samples.with_values(torch.ones_like(samples.values)), torch.arange(len(samples)) != 3)

    real = correct_real_data(task.real, Correction(pull_to_one, 0.5), STREAM)
    assert (real.values[torch.arange(COUNT) != 3] == 1).all()
    assert torch.equal(real.values[3], task.real.values[3])
    assert not real.provenance.synthetic.any()
    store = run(Arm(RealOnly(), 1, correction=Correction(pull_to_one), correct_real=True), task)
    expected = real.values.var(correction=0)
    assert mean_variance(store, 1) == pytest.approx(float(expected))


def test_failing_corrector_can_resume():
    def breaks_in_the_third_generation(samples: Samples) -> Samples:
        if samples.provenance.generation[0] >= 2:
            raise ZeroDivisionError("no such height")
        return samples

    store = MemoryStore()
    with pytest.raises(LoopError, match=r"generation 3 .*'correct': .*'breaks_in_the_third"):
        run(Arm(Replace(), 5, correction=Correction(breaks_in_the_third_generation)), store=store)
    assert store.latest == 2
    run(Arm(Replace(), 5, correction=Correction(lambda samples: samples)), store=store)
    assert torch.equal(store.state(5)["mean"], run(Arm(Replace(), 5)).state(5)["mean"])


class BrokenModel(Gaussian):
    """A Gaussian whose second training or sampling goes wrong."""

    broken_fit = broken_sample = False

    def fit(self, samples, steps, stream):
        fitted = super().fit(samples, steps, stream)
        bad = self.broken_fit and samples.provenance.synthetic.any()
        return replace(fitted, mean=fitted.mean * float("nan")) if bad else fitted

    def sample(self, labels, stream):
        values = super().sample(labels, stream)
        if self.broken_sample:
            values[4] = float("inf")
        return values


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("broken_fit", "generation 1 stopped in phase 'train': training left numbers in 'mean' that are not finite"),
        ("broken_sample", "generation 1 stopped in phase 'sample': sample 4 of the model is not finite"),
    ],
)
def test_nan_stops_before_commit(fault, message):
    task = gaussian_task(seeds=1)
    broken = type("Broken", (BrokenModel,), {fault: True})(task.model.mean, task.model.covariance)
    store = MemoryStore()
    with pytest.raises(LoopError, match=message):
        run(Arm(Augment(1.0), 3), replace(task, model=broken), store)
    assert store.latest == -1


def test_timings_cover_generation():
    timings = run(Arm(Augment(1.0), 2)).timings(2)
    assert set(timings) == {"sample", "correct", "mix", "train", "evaluate", "else", "processor"}


def test_nested_phase_counts_once(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    watch = Stopwatch()
    with watch.phase("correct"), watch.phase("sample"):
        pass
    seconds = watch.lap()
    del seconds["processor"]
    assert seconds == {"else": 2.0, "correct": 2.0, "sample": 1.0}


def test_lap_excludes_waiting():
    watch = Stopwatch()
    with watch.phase("train"):
        time.sleep(0.2)
    add_processor_time(5)
    first, second = watch.lap(), watch.lap()
    assert first["train"] >= 0.2
    assert 5 <= first["processor"] < 5.15
    assert second["processor"] < 0.1


def test_bias_sees_drawn_samples(tmp_path):
    """Parents are generation 2's raw draws.

    This holds for generation 3 after a correction by +100, also after a stop.
    """
    seen: list[Samples] = []

    def spy(model, parents: Samples):
        seen.append(parents)
        return sample_plainly(model, parents)

    task = gaussian_task(seeds=2)
    arm = Arm(Augment(0.5), 3, bias=spy, correction=Correction(lift(lambda values: values + 100)))
    store = run(arm, task)
    real = seen[2].take(torch.arange(COUNT))
    synthetic = seen[2].take(torch.arange(COUNT, COUNT + COUNT // 2))
    assert torch.equal(seen[0].values, task.real.values)
    assert torch.equal(real.values, task.real.values)
    assert torch.equal(synthetic.values, store.batch(2).drawn.values)
    assert torch.equal(store.batch(2).samples.values, synthetic.values + 100)
    for generations in (2, 3):
        with FolderStore(tmp_path / "run", {}) as stopped:
            run(replace(arm, generations=generations), task, stopped)
    assert torch.equal(seen[-1].values, seen[2].values)


def test_finished_loop_is_untouched(tmp_path: Path):
    task = gaussian_task(10, 5)
    arm = Arm(Accumulate(), generations=3)
    first = MemoryStore()
    train_first_generation(task, first, STREAM)
    with FolderStore(tmp_path / "run", {}) as store:
        last = run_loop(task, arm, store, first, STREAM)
        store.finish(last.state())
        reopened = run_loop(task, arm, store, first, STREAM, lambda generation: pytest.fail("a generation was run"))
        assert all(torch.equal(value, reopened.state()[name]) for name, value in last.state().items())
    missing = pytest.raises(LoopError, match=r"synthetic\.safetensors is missing")
    with FolderStore(tmp_path / "run", {}) as store, missing:
        run_loop(task, replace(arm, generations=4), store, first, STREAM)


@pytest.mark.parametrize("column", ["values", "labels", "weights"])
def test_changing_real_data_raises(column: str):
    task = gaussian_task(seeds=2)

    def meddles(samples: Samples) -> Samples:
        getattr(task.real, column)[3] += 1
        return samples

    store = MemoryStore()
    message = r"generation 1 .*'meddles' or the evaluation changed the real training data in place"
    with pytest.raises(LoopError, match=message):
        run(Arm(Replace(), 2, correction=Correction(meddles)), task, store)
    assert store.latest == -1


def test_unknown_label_raises():
    def relabels(samples: Samples) -> Samples:
        return replace(samples, labels=samples.labels + 7)

    with pytest.raises(LoopError, match=r"'relabels'.*label 7"):
        run(Arm(Replace(), 2, correction=Correction(relabels)))


class Drifting:
    """Moves samples by the running mean of all samples so far."""

    def __init__(self) -> None:
        self.mean, self.seen = torch.zeros(()), torch.tensor(0)

    def __call__(self, samples: Samples) -> Samples:
        self.seen += 1
        self.mean += (samples.values.mean() + 0.1 - self.mean) / self.seen
        return samples.with_values(samples.values + self.mean)

    def state(self) -> dict[str, torch.Tensor]:
        return {"mean": self.mean, "seen": self.seen}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        self.mean, self.seen = state["mean"].clone(), state["seen"].clone()


@pytest.mark.parametrize("wrapped", [lambda corrector: corrector, lambda corrector: chain(lift(torch.tanh), corrector)])
def test_corrector_state_resumes(wrapped, tmp_path: Path):
    task = gaussian_task(seeds=2)

    def last(folder: Path, *stops: int) -> torch.Tensor:
        """Return the last model after these stops.

        The run stopped at these generations and went on each time in a new process.
        """
        for generations in (*stops, 5):
            with FolderStore(folder, {}) as store:
                run(Arm(Replace(), generations, correction=Correction(wrapped(Drifting()))), task, store)
                mean = store.state(generations)["mean"]
        return mean

    assert torch.equal(last(tmp_path / "whole"), last(tmp_path / "stopped", 1, 3))
    with FolderStore(tmp_path / "plain", {}) as store:
        run(Arm(Replace(), 1, correction=Correction(lift(lambda values: values))), task, store)
        assert store.corrector_state(1) == {}
    assert not list((tmp_path / "plain").rglob("corrector.safetensors"))


def test_invalid_state_raises():
    def keeps(samples: Samples) -> Samples:
        return samples

    keeps.state = lambda: [1, 2]
    keeps.load_state = lambda state: None
    with pytest.raises(CorrectorError, match=r"'keeps'.*got list"):
        run(Arm(Replace(), 1, correction=Correction(keeps)))


@dataclass(frozen=True)
class WithLoss(Gaussian):
    """A Gaussian whose loss is its data's mean."""

    training_loss: float = math.nan

    def fit(self, samples: Samples, steps: int, stream: Stream) -> WithLoss:
        return replace(super().fit(samples, steps, stream), training_loss=float(samples.values.mean()))


def test_training_loss_is_logged():
    task = gaussian_task(seeds=1)
    plain = run(Arm(Replace(), 2), task)
    assert "training_loss" not in plain.metrics(2)
    logged = run(Arm(Replace(), 2), replace(task, model=WithLoss.standard(1, 1)))
    for generation in (1, 2):
        trained_on = float(logged.samples(generation).values.mean())
        assert logged.metrics(generation)["training_loss"] == pytest.approx(trained_on)
        assert logged.metrics(generation)["variance"] == plain.metrics(generation)["variance"]


@pytest.mark.parametrize("scores", [0.5, None, [1.0]])
def test_invalid_evaluation_raises(scores: object) -> None:
    task = replace(gaussian_task(seeds=2), evaluate=lambda candidate: scores)  # type: ignore[arg-type]
    message = "phase 'evaluate': `evaluate` of the task returned .*, expected numbers by name"
    with pytest.raises(LoopError, match=message):
        train_first_generation(task, MemoryStore(), STREAM)


@pytest.mark.parametrize("values", [[], np.empty(0), torch.ones(0), np.ones((2, 2)), "0.5", None, 1j])
def test_score_without_numbers_raises(values: object) -> None:
    task = replace(gaussian_task(seeds=2), evaluate=lambda candidate: {"spread": values})  # type: ignore[dict-item]
    with pytest.raises(LoopError, match="'spread', expected a number or one per replicate"):
        train_first_generation(task, MemoryStore(), STREAM)


@dataclass(frozen=True)
class Odd(Gaussian):
    """A trained model whose draws are changed by `change`."""

    change: Any = None

    def sample(self, labels: torch.Tensor, stream: Stream) -> Any:
        values = super().sample(labels, stream)
        return values if torch.equal(self.mean, torch.zeros_like(self.mean)) else self.change(values)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: None,
        lambda values: values.numpy(),
        lambda values: values.tolist(),
        lambda values: values.to(torch.complex128),
        lambda values: values.sum(),
        lambda values: values[:-1],
        lambda values: torch.cat([values, values], dim=1),
    ],
)
def test_invalid_draws_raise(change: Any) -> None:
    plain = gaussian_task(seeds=2)
    model = Odd(plain.model.mean, plain.model.covariance, change=change)
    with pytest.raises(LoopError, match=r"'sample': (expected|the model)"):
        run(Arm(Replace(), 2), replace(plain, model=model))


def test_draws_keep_no_graph() -> None:
    plain = gaussian_task(seeds=2)
    model = Odd(plain.model.mean, plain.model.covariance, change=lambda values: values.requires_grad_())
    store = run(Arm(Replace(), 2), replace(plain, model=model))
    expected = run(Arm(Replace(), 2), plain)
    assert store.metrics(2)["variance"] == expected.metrics(2)["variance"]
