"""Novelty of the samples that an evaluation draws is 0 for copies and leaves other scores unchanged."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch
from torch import Tensor

import selfcorrect as sc
from selfcorrect.core.randomness import Stream
from selfcorrect.experiments.studies.comparison.novelty import MAX_SAMPLES, measure_novelty_of
from selfcorrect.motion.measures.metrics import NOVELTY

STREAM = sc.streams(3)


@dataclass(frozen=True)
class Draws(sc.Gaussian):
    """A model that draws what a test gives it."""

    values: Tensor = field(default_factory=lambda: torch.zeros(1))

    def sample(self, labels: Tensor, stream: Stream) -> Tensor:
        return self.values[torch.randint(len(self.values), (len(labels),), generator=stream.generator())]


def judge(candidate: sc.Candidate) -> dict[str, float]:
    values = candidate.samples(150).values
    values -= values.mean(0)  # an evaluation may change what it drew
    return {"spread": float(values.std())}


def evaluate(training: Tensor, drawn: Tensor, judged=judge) -> dict[str, float]:
    real = sc.Samples.real(training)
    plain = Draws.standard(training.shape[1])
    model = Draws(plain.mean, plain.covariance, values=drawn)
    task = measure_novelty_of(sc.Task(plain, real, judged))
    return dict(task.evaluate(sc.Candidate(1, model, None, real, STREAM)))  # type: ignore[arg-type]


def draw(count: int, name: str) -> Tensor:
    return torch.randn((count, 3), generator=STREAM.child(name).generator(), dtype=torch.float64)


def test_copies_have_no_novelty() -> None:
    training = draw(400, "training")
    assert evaluate(training, training)[NOVELTY] < 1e-6
    assert evaluate(training, draw(400, "new"))[NOVELTY] == pytest.approx(1.0, abs=0.2)
    assert evaluate(training, 3 * draw(400, "new"))[NOVELTY] > 1.5


def test_distances_are_exact_in_pieces() -> None:
    training = draw(9000, "many")
    drawn = draw(1, "one")
    distances = (training - drawn).norm(dim=1)
    rows = torch.linspace(0, len(training) - 1, MAX_SAMPLES).round().long()
    among = torch.cdist(training[rows], training)
    spacing = among.topk(2, dim=1, largest=False).values[:, 1].median()
    assert evaluate(training, drawn)[NOVELTY] == pytest.approx(float(distances.min() / spacing), rel=1e-6)


def test_no_other_score_changes() -> None:
    training = draw(60, "training")
    drawn = draw(60, "new")
    scores = evaluate(training, drawn)
    real = sc.Samples.real(training)
    plain = Draws.standard(3)
    candidate = sc.Candidate(1, Draws(plain.mean, plain.covariance, values=drawn), None, real, STREAM)  # type: ignore[arg-type]
    assert {key: value for key, value in scores.items() if key != NOVELTY} == judge(candidate)


def test_unmeasurable_novelty_is_skipped() -> None:
    training = draw(60, "training")
    assert evaluate(training, training, lambda candidate: {"a": 1.0}) == {"a": 1.0}

    def judge_replicates(candidate: sc.Candidate) -> dict[str, Tensor]:
        return {"mean": candidate.samples(10).values.mean(0)}

    assert list(evaluate(training, training, judge_replicates)) == ["mean"]  # type: ignore[arg-type]
    assert list(evaluate(torch.ones(5, 3), torch.ones(5, 3))) == ["spread"]
    own_novelty = evaluate(training, training, lambda candidate: {**judge(candidate), NOVELTY: 7.0})
    assert own_novelty[NOVELTY] == 7.0


@dataclass(frozen=True)
class WithLoss(sc.Gaussian):
    """A model that reports the loss of its fit."""

    training_loss: ClassVar[float] = 0.25


def test_novelty_is_not_judged() -> None:
    task = sc.Task(WithLoss.standard(3), sc.Samples.real(draw(40, "training")), judge)
    arms = {"real": sc.Arm(sc.RealOnly(), 1), "loop": sc.Arm(sc.Replace(), 1)}
    comparison = sc.compare(task, arms, seeds=2, workers=1)
    assert comparison.tables["arms"].columns == ["spread", "novelty", "training loss"]
    assert [row.cells[2].value for row in comparison.tables["arms"].rows] == ["–", "0.250", "0.250", "0.250"]
    assert list(comparison.tables["differences"].columns) == ["spread"]


def test_entropy_is_reported() -> None:
    task = sc.Task(sc.Gaussian.standard(3), sc.Samples.real(draw(40, "training")), judge, space=lambda values: values)
    arms = {"real": sc.Arm(sc.RealOnly(), 2), "narrow": sc.Arm(sc.Replace(), 2, correction=sc.Correction(halve))}
    comparison = sc.compare(task, arms, seeds=2, workers=1)
    assert comparison.tables["arms"].columns == ["spread", "novelty", "training entropy"]
    entropies = {row.title: float(row.cells[2].value.replace("−", "-")) for row in comparison.tables["arms"].rows[2:]}
    assert entropies["real"] == 0.0
    assert entropies["narrow"] < -0.5  # samples are halved twice: −2 log 2, but for noise
    assert list(comparison.tables["differences"].columns) == ["spread"]


def halve(values: Tensor) -> Tensor:
    return values / 2
