"""Wrong types and values raise, before anything runs, a sentence with what is expected."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import run_in_memory
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.loop.fitting import extrapolate

VALUES = torch.randn((16, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
REAL = sc.Samples.real(VALUES)
MODEL: Any = sc.Gaussian.standard(2)
WALK = made_motion("walk", frames=20)


def judge(candidate: sc.Candidate) -> dict[str, float]:
    raise AssertionError("nothing may run")


class Wide:
    """A model that draws three columns."""

    def fit(self, samples: object, steps: int, stream: object) -> Wide:
        raise AssertionError("nothing may run")

    def sample(self, labels: torch.Tensor, stream: object) -> torch.Tensor:
        return torch.zeros(len(labels), 3)

    def state(self) -> dict[str, torch.Tensor]:
        return {}

    def load_state(self, state: object) -> Wide:
        return self


def task(**changes: Any) -> sc.Task:
    return replace(sc.Task(MODEL, REAL, judge), **changes)


def arm(policy: Any = None, generations: Any = 2, **changes: Any) -> sc.Arm:
    return sc.Arm(policy or sc.Replace(), generations, **changes)


def motion(**changes: Any) -> sc.Motion:
    return sc.Motion(**{**vars(WALK), **changes})


def turn_nowhere() -> sc.Motion:
    """A motion in which a quaternion has no direction."""
    rotations = WALK.rotations.copy()
    rotations[7, WALK.skeleton.names.index("left_hip")] = 0.0
    return motion(rotations=rotations)


def compare(task: Any, arm: Any, **options: Any) -> object:
    return sc.compare(task, {"a": arm}, **options)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: arm("replace"), "policy has no mix, got 'replace'; expected a policy such as Replace()"),
        (lambda: sc.Augment("1"), "per real sample) must be a number from 0 to 1e+06, got '1'"),  # type: ignore[arg-type]
        (lambda: sc.Keep("0.5"), "fraction of keep must be a number from 0 to 1, got '0.5'"),  # type: ignore[arg-type]
        (lambda: sc.Replace(True), "size of replace must be a number from 1e-06 to 1e+06, got True"),
        (lambda: arm(steps=1.5), "steps must be a whole number, got 1.5"),
        (lambda: arm(steps=-5), "steps must be at least 0, got -5"),
        (lambda: arm(generations=True), "generations must be a whole number, got True"),
        (lambda: arm(generations=0), "generations must be at least 1, got 0"),
        (lambda: arm(correct_real=True), "correct_real needs a correction"),
        (lambda: arm(correction=judge), "correction must be a Correction, got a function"),
        (lambda: task(real=VALUES), "real must be Samples, got a Tensor; write Samples.real(values)"),
        (lambda: task(model=sc.Gaussian), "model must be an object, got the class Gaussian"),
        (lambda: task(model=3), "model has no fit and no sample and no state and no load_state, got 3"),
        (lambda: task(evaluate=None), "evaluate must be a function or another callable object, got None"),
        (lambda: sc.Samples.real(VALUES.numpy()), "real values must be a tensor (N, *event), got a ndarray"),
        (lambda: sc.Correction("kinematic"), "a corrector must be a function or another callable object"),  # type: ignore[arg-type]
        (lambda: sc.Correction(judge, strength=-0.5), "strength γ must be a number from 0 to inf, got -0.5"),
        (lambda: sc.Correction(judge, strength=math.nan), "strength γ must be a number from 0 to inf"),
        (lambda: sc.Correction(judge, operator="average"), "must be one of mixture, interpolation, got 'average'"),
        (lambda: sc.Correction(judge, on_rejection="retry"), "on_rejection must be one of redraw, drop"),
        (lambda: sc.Correction(judge, max_draws_per_sample=0.5), "a number from 1 to inf, got 0.5"),
        (lambda: sc.best_of(0, judge), "k ≥ 1 and at least one rater, got k = 0 and 1"),
        (lambda: sc.best_of(3), "got k = 3 and 0 raters"),
        (lambda: sc.best_of(3, judge, choice_noise=-1), "choice_noise must be a number from 0 to inf, got -1"),
        (lambda: extrapolate(math.inf), "must be a number from"),
        (lambda: MODEL.with_sampling(temperature=-1), "temperature must be a number from 0 to inf, got -1"),
        (lambda: motion(root_m=WALK.root_m.astype("f2")), "array of float32 or float64, got an array of float16"),
        (lambda: motion(root_m=WALK.root_m.tolist()), "got a list"),
        (lambda: motion(root_m=torch.zeros(20, 3, requires_grad=True)), "got a Tensor"),
        (lambda: motion(rotations=np.full((20, 22, 4), None)), "got an array of object"),
        (lambda: motion(fps="30"), "frames per second must be a number, got '30'"),
        (lambda: motion(fps=True), "frames per second must be a number, got True"),
        (lambda: motion(fps=math.inf), "expected 0.01 to 100000 frames per second, got inf"),
        (lambda: motion(fps=1e-30), "expected 0.01 to 100000 frames per second, got 1e-30"),
        (lambda: sc.correct(turn_nowhere(), kinematic=True), "invalid rotation of left_hip in frame 7"),
        (lambda: sc.streams(1.5), "a seed must be a whole number, got 1.5"),  # type: ignore[arg-type]
        (lambda: sc.Trial(seeds=[1, 2]), "must be a whole number, got [1, 2]"),  # type: ignore[arg-type]
        (lambda: compare(task(), arm(), seeds=[0, 1]), "seeds must be a whole number, got [0, 1]"),
        (lambda: compare(VALUES, arm()), "task 'task': expected Task or a function that makes one, got a Tensor"),
        (lambda: compare(task(), "replace"), "arm 'a': expected Arm or a function that makes one, got 'replace'"),
        (
            lambda: sc.train_first_generation(task(model=Wide()), sc.MemoryStore(), sc.streams(0)),
            "the model draws values of shape (3,), real data have (2,)",
        ),
    ],
)
def test_wrong_types_raise(wrong: Any, sentence: str) -> None:
    with pytest.raises(SelfcorrectError) as refusal:
        wrong()
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_value_function_is_corrector() -> None:
    def halve(values: torch.Tensor) -> torch.Tensor:
        return values / 2

    def of_samples(x: Any) -> Any:
        return x * 2

    def run(corrector: Any) -> torch.Tensor:
        silent = task(evaluate=lambda candidate: {})
        return run_in_memory(silent, arm(correction=sc.Correction(corrector)), sc.streams(0)).samples(2).values

    assert torch.equal(run(halve), run(sc.lift(halve)))
    with pytest.raises(SelfcorrectError, match=r"`values`,.*sc\.lift"):
        run(of_samples)
