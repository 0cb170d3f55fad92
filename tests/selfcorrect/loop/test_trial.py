"""Code of users is tried before training, gets values that it cannot change, and is named if it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import run_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st

import selfcorrect as sc
from selfcorrect.core.errors import SelfcorrectError, SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples, concatenate
from selfcorrect.loop.policy import History
from selfcorrect.loop.trial import try_model, try_policy
from selfcorrect.runtime.read_only import make_read_only

STREAM = streams(3)
COUNT = 12


def make_task(**changes: Any) -> sc.Task:
    real = Samples.real(torch.randn((COUNT, 2), generator=STREAM.child("data").generator(), dtype=torch.float64))
    return replace(sc.Task(sc.Gaussian.standard(2), real, lambda candidate: {"spread": 1.0}), **changes)


@dataclass(frozen=True)
class OwnPolicy:
    """A policy of which each answer can be replaced."""

    counted: Any = COUNT
    mixes: Callable[[Samples, History, int, Stream], Any] = lambda real, history, generation, stream: history.batch(
        generation
    )

    def count(self, real_count: int, generation: int) -> Any:
        return self.counted

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Any:
        return self.mixes(real, history, generation, stream)


@dataclass
class Stateful:
    """A policy that counts its calls."""

    calls: list[int] = field(default_factory=list)

    def count(self, real_count: int, generation: int) -> int:
        return COUNT

    def mix(self, real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        self.calls.append(generation)
        return history.batch(generation).take(torch.arange(len(self.calls)))


def draw(samples: Samples, generator: torch.Generator | None = None) -> Samples:
    return samples.take(torch.randperm(len(samples), generator=generator)[:6])


@pytest.mark.parametrize("counted", [2.5, None, "3", 10**13, -1, True, float("nan")])
def test_wrong_counts_name_the_policy(counted: Any) -> None:
    with pytest.raises(SettingError, match=r"`count` of the policy OwnPolicy"):
        try_policy(OwnPolicy(counted), make_task().real, STREAM)


@pytest.mark.parametrize(
    "mixed",
    [
        lambda real, history, generation, stream: None,
        lambda real, history, generation, stream: real.values,
        lambda real, history, generation, stream: real.take(torch.arange(0)),
        lambda real, history, generation, stream: Samples.real(real.values[:, :1]),
        lambda real, history, generation, stream: real.with_values(real.values * float("nan")),
        lambda real, history, generation, stream: real.with_weights(-real.weights),
    ],
)
def test_wrong_mixtures_name_the_policy(mixed: Callable[..., Any]) -> None:
    for call in (try_policy, lambda policy, *_: run_in_memory(make_task(), sc.Arm(policy, 1), STREAM, None)):
        with pytest.raises(SelfcorrectError, match=r"`mix` of the policy OwnPolicy"):
            call(OwnPolicy(mixes=mixed), make_task().real, STREAM)


@pytest.mark.parametrize(
    ("policy", "cause"),
    [
        (OwnPolicy(mixes=lambda real, history, *_: draw(history.batch(1))), "global generator of torch"),
        (OwnPolicy(mixes=lambda real, *_: real.take(np.random.permutation(COUNT)[:6])), "global generator of numpy"),  # noqa: NPY002
        (Stateful(), "keeps state"),
    ],
)
def test_policies_that_draw_elsewhere_are_refused(policy: Any, cause: str) -> None:
    with pytest.raises(SettingError, match=cause):
        try_policy(policy, make_task().real, STREAM)


def test_sound_policies_pass() -> None:
    try_policy(
        OwnPolicy(mixes=lambda real, history, generation, stream: draw(history.batch(1), stream.generator())),
        make_task().real,
        STREAM,
    )
    for policy in (sc.Replace(), sc.Accumulate(), sc.RealOnly(), sc.Keep(0.5)):
        try_policy(policy, make_task().real, STREAM)


def test_stored_samples_cannot_be_changed() -> None:
    """What a policy writes into its arguments changes neither real data nor stored samples."""

    def overwrite(real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        mixed = concatenate([real, history.batch(generation)])
        for past in range(1, generation + 1):
            history.batch(past).values.add_(1.0)
        real.values.zero_()
        return mixed

    def read(real: Samples, history: History, generation: int, stream: Stream) -> Samples:
        return concatenate([real, history.batch(generation)])

    stores = [run_in_memory(make_task(), sc.Arm(OwnPolicy(mixes=mix), 3), STREAM, None) for mix in (overwrite, read)]
    for generation in (1, 2, 3):
        batches = [store.batch(generation).samples.values for store in stores]
        assert torch.equal(batches[0], batches[1])


@pytest.mark.parametrize(
    "scores", [None, {}, {"a": None}, {"a": "x"}, {"a": 1j}, {"a": np.zeros((2, 2))}, {3: 1.0}, 7.0]
)
def test_wrong_scores_are_named(scores: Any) -> None:
    with pytest.raises(SelfcorrectError, match=r"evaluat.* of .*task"):
        sc.compare(
            lambda stream: make_task(evaluate=lambda candidate: scores),
            {"a": sc.Arm(sc.Replace(), 1)},
            seeds=1,
            workers=1,
        )


def test_evaluation_that_changes_the_model_is_refused() -> None:
    def spoil(candidate: sc.Candidate) -> dict[str, float]:
        candidate.model.state()["mean"].add_(1.0)
        return {"a": 1.0}

    with pytest.raises(SelfcorrectError, match="changed the model"):
        run_in_memory(make_task(evaluate=spoil), sc.Arm(sc.Replace(), 1), STREAM, None)


@pytest.mark.parametrize("answer", [None, {}, np.zeros(2)])
@pytest.mark.parametrize("method", ["fit", "sample"])
def test_models_with_wrong_answers_are_named(method: str, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sc.Gaussian.standard(2)
    monkeypatch.setattr(type(model), method, lambda *arguments: answer)
    with pytest.raises(SettingError, match=f"model Gaussian.*`{method}` returned"):
        try_model(model, make_task().real, STREAM)


@dataclass(frozen=True)
class _Nested:
    array: np.ndarray
    more: dict[str, Any]


ARRAYS = st.integers(1, 3).map(np.ones)
VALUES = st.recursive(
    ARRAYS | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner)
        | st.builds(_Nested, ARRAYS, st.dictionaries(st.text(max_size=2), inner, max_size=2))
    ),
    max_leaves=8,
)


def list_arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    items = vars(value).values() if isinstance(value, _Nested) else items
    return [array for item in items for array in list_arrays(item)]


@settings(max_examples=50)
@given(VALUES)
def test_read_only_values_are_equal_and_locked(value: Any) -> None:
    locked = make_read_only(value)
    assert str(locked) == str(value)
    assert not any(array.flags.writeable for array in list_arrays(locked))
    assert all(array.flags.writeable for array in list_arrays(value))
