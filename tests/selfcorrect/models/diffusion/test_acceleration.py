"""Acceleration changes results by little, and divergence is noticed."""

from __future__ import annotations

import pytest
import torch

from selfcorrect.core.errors import TrainingDivergedError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.diffusion.acceleration import Acceleration
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.training import DivergenceCheck


@pytest.fixture
def data() -> Samples:
    values = torch.randn(40, 8, 6, generator=torch.Generator().manual_seed(0)).cumsum(1)
    return Samples.real(values, torch.arange(40) % 2)


def model(acceleration: Acceleration, **settings: float) -> MotionDiffusion:
    config = DiffusionConfig(denoiser="transformer", width=16, depth=1, batch_size=8, **settings)  # type: ignore[arg-type]
    return MotionDiffusion(config, 8, 6, 2, torch.device("cpu"), acceleration=acceleration)


def test_checks_draws_and_chunks_change_nothing_on_the_cpu(data: Samples) -> None:
    exact = model(Acceleration()).fit(data, 5, Stream(0))
    fast = model(Acceleration(draws_on_device=True, check_every=3, sampling_chunk=3)).fit(data, 5, Stream(0))
    for name, tensor in exact.state().items():
        assert torch.equal(tensor, fast.state()[name])
    labels = torch.arange(8) % 2
    torch.testing.assert_close(exact.sample(labels, Stream(1)), fast.sample(labels, Stream(1)))


def test_bfloat16_learns_nearly_the_same(data: Samples) -> None:
    exact = model(Acceleration()).fit(data, 10, Stream(0))
    rounded = model(Acceleration("bfloat16")).fit(data, 10, Stream(0))
    assert {tensor.dtype for tensor in rounded.state().values()} == {torch.float32, torch.int64}
    labels = torch.arange(8) % 2
    in_float32 = exact.sample(labels, Stream(1))
    in_bfloat16 = rounded.sample(labels, Stream(1))
    assert in_float32.dtype == in_bfloat16.dtype == torch.float32
    assert not torch.equal(in_float32, in_bfloat16)
    assert (in_float32 - in_bfloat16).square().mean() < 0.02 * in_float32.var()


@pytest.mark.parametrize(
    ("interval", "message"), [(1, "became inf at optimiser step 4 of 9"), (3, "from 4 to optimiser step 6 of 9")]
)
def test_divergence_is_told_of_with_the_steps_that_it_may_have_been(interval: int, message: str) -> None:
    with pytest.raises(TrainingDivergedError, match=message):
        see(interval, [1.0, 1.0, 1.0, float("inf"), *[1.0] * 5])


def see(interval: int, losses: list[float]) -> None:
    check = DivergenceCheck(interval, len(losses), f" of {len(losses)}")
    for step, loss in enumerate(losses):
        check.see(torch.tensor(loss), step)


def test_divergence_in_the_last_steps_is_noticed() -> None:
    with pytest.raises(TrainingDivergedError, match="from 5 to optimiser step 6"):
        see(4, [1.0, 1.0, 1.0, 1.0, float("nan"), 1.0])
