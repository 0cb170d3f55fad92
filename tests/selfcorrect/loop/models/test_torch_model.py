"""Users' modules learn in a loop and are checked."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from helpers import assert_is_a_model_for_loops, same_tensors
from torch import Tensor, nn

import selfcorrect as sc
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.experiments.studies.comparison.inputs import ComparisonInputs
from selfcorrect.loop.models.torch_model import TorchModel, draw_in_batches


class Normal(nn.Module):
    """A mean and deviation per dimension, with dropout in training."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.log_deviation = nn.Parameter(torch.randn(2)), nn.Parameter(torch.zeros(2))
        self.dropout = nn.Dropout(0.01)


def likelihood(network: Normal, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    jitter = 1e-3 * torch.randn(values.shape, generator=generator)
    distance = (network.dropout(values + jitter - network.mean) / network.log_deviation.exp()).square()
    return (distance / 2 + network.log_deviation).sum(1).mean()


def draw(network: Normal, labels: Tensor, generator: torch.Generator) -> Tensor:
    return network.mean + network.log_deviation.exp() * torch.randn((len(labels), 2), generator=generator)


MODEL = TorchModel(module=Normal, objective=likelihood, sampler=draw, learning_rate=2e-2)
REAL = sc.Samples.real(3 + 0.5 * torch.randn((200, 2), generator=torch.Generator().manual_seed(0)))


def judge(candidate: sc.Candidate) -> dict[str, float]:
    return {"mean": float(candidate.samples(10).values.mean())}


def test_learns_given_data() -> None:
    drawn = MODEL.fit(REAL, 600, streams(0)).sample(torch.zeros(4000), streams(1))
    assert drawn.mean(0).tolist() == pytest.approx(REAL.values.mean(0).tolist(), abs=0.06)
    assert drawn.std(0).tolist() == pytest.approx(REAL.values.std(0).tolist(), abs=0.06)


def test_keeps_model_contract() -> None:
    trained = assert_is_a_model_for_loops(MODEL, REAL)
    assert not same_tensors(MODEL.fit(REAL, 3, streams(9)).state(), trained.state())


def test_given_module_is_unchanged() -> None:
    network = Normal()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = TorchModel(module=network, objective=likelihood, sampler=draw)
    assert same_tensors(model.fit(REAL, 0, streams(0)).state(), before)
    assert not same_tensors(model.fit(REAL, 3, streams(0)).state(), before)
    assert same_tensors(network.state_dict(), before)


def identities(model: TorchModel) -> set[str]:
    task = sc.Task(model, REAL, lambda candidate: {})
    return {
        str(identity)
        for identity in ComparisonInputs.from_sources({"task": task}, {"arm": sc.Arm(sc.Replace(), 1)})
        .identities({"task": task})
        .values()
    }


@pytest.mark.slow
def test_another_loss_is_another_model() -> None:
    make_model = partial(TorchModel, module=Normal, sampler=draw)
    assert identities(make_model(objective=likelihood)) == identities(make_model(objective=likelihood))
    other = make_model(objective=lambda *values: -likelihood(*values))
    assert identities(other) != identities(make_model(objective=likelihood))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TorchModel(), "needs a callable module and objective and sampler"),
        (lambda: TorchModel(module=Normal, objective=likelihood), "needs a callable sampler"),
        (
            lambda: TorchModel(module=dict, objective=likelihood, sampler=draw).build(),
            "needs a torch module, .* got dict",
        ),
        (lambda: draw_in_batches(torch.zeros(3), 0, lambda part: part), "sampling_batch must be at least 1"),
        (lambda: draw_in_batches(torch.zeros(3), 2, lambda part: torch.zeros(1)), "one value per label, got 1 for 2"),
        (lambda: MODEL.sample(torch.zeros(3), streams(0)), "not trained yet"),
    ],
)
def test_impossible_parts_raise(make: Callable[[], object], message: str) -> None:
    with pytest.raises((sc.SettingError, sc.InputError), match=message):
        make()


def test_parts_equal_whole_draw() -> None:
    asked: list[int] = []

    def sampler(part: Tensor) -> Tensor:
        asked.append(len(part))
        return part[:, None].double()

    values = draw_in_batches(torch.arange(5), 2, sampler)
    assert asked == [2, 2, 1]
    assert values.flatten().tolist() == [0, 1, 2, 3, 4]
    assert values.dtype == torch.float32


def draws_samples(network: Normal, labels: Tensor, generator: torch.Generator) -> Tensor:
    return network.mean + torch.randn(len(labels), 2)


def draws_losses(network: Normal, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    return likelihood(network, values + np.random.default_rng().normal(), labels, generator)


@pytest.mark.parametrize(
    ("objective", "sampler", "cause"),
    [
        (likelihood, draws_samples, "draws from the global generator of torch in `sample`"),
        (draws_losses, draw, "gave different results in `fit`"),
    ],
)
def test_other_generators_raise(tmp_path, objective, sampler, cause) -> None:
    def task(stream: Stream) -> sc.Task:
        return sc.Task(TorchModel(module=Normal, objective=objective, sampler=sampler), REAL, judge)

    with pytest.raises(sc.SettingError, match=cause):
        sc.compare(task, {"replace": sc.Arm(sc.Replace(), 1)}, seeds=1, workers=1, out=tmp_path)
