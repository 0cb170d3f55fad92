"""Networks store state and optimiser and report losses."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from helpers import same_tensors
from safetensors.torch import save_file
from torch import Tensor, nn

import selfcorrect as sc
from selfcorrect.core.errors import InputError, TrainingDivergedError
from selfcorrect.core.randomness import streams
from selfcorrect.loop.models.adam import Adam
from selfcorrect.loop.models.training import STEPS_CHECKED_TOGETHER, to_device

REAL = sc.Samples.real(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)))
STREAM = streams(5)


@dataclass(frozen=True, eq=False)
class Shift(sc.NetworkModel[nn.Module]):
    """Noise and a learned shift with known loss."""

    width: int = 8

    def build(self) -> nn.Module:
        return sc.perceptron(3, self.width, 1, 3)

    def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(values.shape, generator=generator)
        return (network(noise) - values).square().mean()

    @torch.no_grad()
    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        return self.trained(torch.randn(len(labels), 3, generator=stream.generator()))


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "steps"),
    [(Shift(), 3), (Shift(), None), (sc.Gaussian.standard(3), 0)],
    ids=["network", "untrained", "Gaussian"],
)
def test_file_round_trip_is_exact(model: sc.GenerativeModel, steps: int | None, tmp_path: Path) -> None:
    model = model if steps is None else model.fit(REAL, steps, STREAM)
    path = tmp_path / "deep" / "model.safetensors"
    model.save(path)  # type: ignore[attr-defined]
    loaded = type(model).load(sc.Gaussian.standard(3) if isinstance(model, sc.Gaussian) else Shift(), path)
    assert same_tensors(loaded.state(), model.state())
    if not isinstance(model, Shift) or model.network is not None:
        labels = torch.zeros(5, dtype=torch.int64)
        assert torch.equal(loaded.sample(labels, STREAM), model.sample(labels, STREAM))


def test_wrong_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    Shift().fit(REAL, 1, STREAM).save(path)
    with pytest.raises(InputError, match=r"model.safetensors: .*Shift"):
        Shift(width=9).load(path)
    with pytest.raises(InputError, match="Gaussian: 'mean'"):
        sc.Gaussian.standard(3).load(path)
    with pytest.raises(InputError, match="no such file"):
        Shift().load(tmp_path / "none")
    path.write_text("text")
    with pytest.raises(InputError, match="safetensors"):
        Shift().load(path)


def spoil(state: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    """Spoil one tensor of a state, so that it does not fit the model."""
    name = max(state, key=lambda name: (state[name].ndim, name))
    changes = {
        "NaN": state[name] * torch.nan,
        "infinity": state[name] / 0,
        "a row more": torch.cat([state[name], state[name][:1]]),
        "an axis more": state[name][None],
        "whole numbers": state[name].long(),
    }
    if how == "missing":
        return {other: tensor for other, tensor in state.items() if other != name}
    if how == "one more":
        return state | {"surplus": torch.ones(3)}
    return state | {name: changes[how]}


MODELS = {"network": Shift(), "Gaussian": sc.Gaussian.standard(3)}


@pytest.mark.parametrize(
    "how", ["NaN", "infinity", "a row more", "an axis more", "whole numbers", "missing", "one more"]
)
@pytest.mark.parametrize("kind", MODELS)
def test_other_state_raises(kind: str, how: str, tmp_path: Path) -> None:
    untrained = MODELS[kind]
    trained = untrained.fit(REAL, 2, STREAM)
    path = tmp_path / "a.safetensors"
    save_file(spoil(trained.state(), how), path)
    with pytest.raises(InputError, match=r"a\.safetensors: "):
        untrained.load(path)


@pytest.mark.parametrize("covariance", [[[1.0, 0.0], [0.0, -0.1]], [[1.0, 0.5], [0.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]])
def test_invalid_covariance_raises(covariance: list[list[float]], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    broken = replace(sc.Gaussian.standard(2), covariance=torch.tensor(covariance, dtype=torch.float64))
    broken.save(path)
    with pytest.raises(InputError, match=r"a\.safetensors: covariance"):
        sc.Gaussian.standard(2).load(path)


def test_pipes_and_devices_raise(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="regular file"):
        Shift().load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="regular file"):
        Shift().load(path)


# --- the optimiser ---------------------------------------------------------------------------------------------------


def fit_by_hand(steps_per_fit: list[int]) -> nn.Module:
    """Train the network of `Shift` with one Adam.

    The batches are those of a fit with as many steps.
    """
    model = Shift()
    network = model.fit(REAL, 0, STREAM.child(0)).trained.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=model.learning_rate)
    for index, steps in enumerate(steps_per_fit):
        generator = STREAM.child(index, "batches").generator()
        for _ in range(steps):
            rows = torch.multinomial(REAL.weights.double(), model.batch_size, replacement=True, generator=generator)
            loss = model.loss(network, REAL.values[rows], REAL.labels[rows], generator)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network


ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


class Continued(Shift):
    """Its network holds the state of Adam."""

    def build(self) -> nn.Module:
        network = super().build()
        for index, parameter in enumerate([*network.parameters()]):
            for name in ADAM_STATE:
                network.register_buffer(f"{name}_{index}", torch.zeros(() if name == "step" else parameter.shape))
        return network

    def make_optimiser(self, network: nn.Module) -> Adam:
        optimiser = Adam(network.parameters(), self.learning_rate)
        for index, parameter in enumerate(network.parameters()):
            optimiser.state[parameter] = {name: network.get_buffer(f"{name}_{index}") for name in ADAM_STATE}
        return optimiser


def test_buffered_optimiser_resumes(tmp_path: Path) -> None:
    model = Continued().fit(REAL, 7, STREAM.child(0))
    model.save(tmp_path / "model.safetensors")
    model = Continued().load(tmp_path / "model.safetensors").fit(REAL, 5, STREAM.child(1))
    weights = dict(fit_by_hand([7, 5]).named_parameters())
    assert same_tensors(dict(model.trained.named_parameters()), weights)
    fresh = Shift().fit(REAL, 7, STREAM.child(0)).fit(REAL, 5, STREAM.child(1))
    assert not same_tensors(dict(fresh.trained.named_parameters()), weights)


# --- the loss --------------------------------------------------------------------------------------------------------


def test_late_loss_is_logged() -> None:
    class Counting(Shift):
        """Its losses are 0, 1, 2, …"""

        def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
            seen.append(len(seen))
            zero = sum(parameter.sum() * 0 for parameter in network.parameters())
            return zero + float(seen[-1])

    seen: list[int] = []
    assert Counting().fit(REAL, 10, STREAM).training_loss == pytest.approx((7 + 8 + 9) / 3)
    store = sc.MemoryStore()
    sc.train_first_generation(sc.Task(Shift(), REAL, lambda candidate: {}, initial_steps=2), store, STREAM)
    assert store.metrics(0)["training_loss"] > 0


# --- devices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broken", "steps"), [(1, 5), (7, 120), (53, 60)])
def test_first_infinite_loss_is_named(broken: int, steps: int) -> None:
    """The first infinite loss is named.

    Losses of many steps are checked at once, because each check waits for the device.
    """
    taken = []

    class Breaking(Shift):
        def loss(self, network: nn.Module, values: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
            taken.append(len(taken))
            loss = super().loss(network, values, labels, generator)
            return loss * float("inf") if len(taken) == broken else loss

    with pytest.raises(TrainingDivergedError, match=rf"inf at optimiser step {broken}$"):
        Breaking().fit(REAL, steps, STREAM)
    assert len(taken) < broken + STEPS_CHECKED_TOGETHER


def test_gpu_uses_pinned_memory() -> None:
    batch = Mock(spec=Tensor, is_cuda=False)
    gpu = torch.device("cuda:1")
    assert to_device(batch, gpu) is batch.pin_memory().to.return_value
    batch.pin_memory().to.assert_called_once_with(gpu, non_blocking=True)
    on_cpu = torch.zeros(3)
    assert to_device(on_cpu, torch.device("cpu")) is on_cpu
