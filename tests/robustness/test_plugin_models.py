"""Misbehaving models of packages lose nothing.

A sentence says where; denoisers count, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import add_package

from selfcorrect.core.errors import InputError, LoopError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.presets import preset
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Candidate, Task, run_loop, train_first_generation
from selfcorrect.loop.store.memory import MemoryStore
from selfcorrect.runtime.bugs import internal_error_traceback

STREAM = streams(3)


@dataclass(frozen=True)
class Average:
    """A mean whose method `place` answers otherwise."""

    place: str = ""
    answer: Callable[[], Any] = lambda: None
    mean: torch.Tensor = torch.zeros(2)  # noqa: RUF009

    def _or_otherwise(self, place: str, good: Any) -> Any:
        return self.answer() if place == self.place else good

    def fit(self, samples: Samples, steps: int, stream: Any) -> Any:
        return self._or_otherwise("fit", Average(self.place, self.answer, samples.values.mean(0)))

    def sample(self, labels: torch.Tensor, stream: Any) -> Any:
        return self._or_otherwise("sample", self.mean.expand(len(labels), 2).clone())

    def state(self) -> Any:
        return self._or_otherwise("state", {"mean": self.mean})

    def load_state(self, state: dict[str, torch.Tensor]) -> Any:
        return self._or_otherwise("load_state", Average(self.place, self.answer, state["mean"]))


def measure(candidate: Candidate) -> dict[str, float]:
    return {"mean": float(candidate.model.sample(torch.zeros(3, dtype=torch.int64), STREAM).mean())}


def fail() -> None:
    raise RuntimeError("ill")


ANSWERS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "a text": lambda: "model",
    "a list": lambda: [1.0],
    "numbers": lambda: torch.zeros(3),
    "NaN": lambda: torch.full((3, 2), float("nan")),
    "complex": lambda: torch.zeros(3, 2, dtype=torch.complex64),
    "no tensors": lambda: {"mean": "text"},
    "names that are numbers": lambda: {0: torch.zeros(2)},
    "an error": fail,
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("place", ["fit", "sample", "state", "load_state"])
def test_models(place: str, name: str) -> None:
    model = Average(place, ANSWERS[name])
    task = Task(model, Samples.real(torch.ones(6, 2)), measure)
    first, store = MemoryStore(), MemoryStore()

    def run() -> None:
        train_first_generation(task, first, STREAM)
        run_loop(task, Arm(Replace(), 2), store, first, STREAM)

    with pytest.raises((LoopError, InputError)) as ended:
        run()
    assert internal_error_traceback(ended.value) == ""
    assert len(str(ended.value)) < 500
    if name == "an error":
        assert Path(__file__).name in str(ended.value)
    assert first.latest == (0 if place == "load_state" else -1)
    assert store.latest < 1


DENOISERS = """
from torch import nn


class Net(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.layer = nn.Linear(features, features)

    def forward(self, noisy, times, labels):
        return self.change(self.layer(noisy))


def make(change, config, frames, features, classes):
    network = Net(features)
    network.change = change
    return network
"""
CHANGES = {
    "whole": "lambda values: values.detach().round().long()",
    "complex": "lambda values: values + 1j",
    "no-gradient": "lambda values: values.detach()",
    "numpy": "lambda values: values.detach().numpy()",
    "short": "lambda values: values[:, :3]",
    "nothing": "lambda values: None",
}


@pytest.mark.parametrize("name", [*CHANGES, "empty"])
def test_denoisers(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"def {key.replace('-', '_')}(*a):\n    return make({text}, *a)\n" for key, text in CHANGES.items()]
    lines.append("def empty(*a):\n    return nn.Identity()\n")
    (tmp_path / "odd_denoisers.py").write_text("\n\n".join([DENOISERS, *lines]))
    points = "\n".join(f"{key} = odd_denoisers:{key.replace('-', '_')}" for key in [*CHANGES, "empty"])
    add_package(tmp_path, "odd", f"[selfcorrect.denoisers]\n{points}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "odd_denoisers", raising=False)
    model = MotionDiffusion(preset(name).config, frames=4, features=3, classes=2, device=torch.device("cpu"))
    with pytest.raises(InputError, match=f"^denoiser '{name}' of odd 1.2 "):
        model.fit(Samples.real(torch.zeros(5, 4, 3)), 2, STREAM)
