"""Two processes that train together do what one does, and acceleration changes results by little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from selfcorrect.core.errors import TrainingDivergedError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.models.diffusion.acceleration import Acceleration
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.training import DivergenceCheck

PROGRAM = """
import os
import sys
import torch
from safetensors.torch import save_file
from selfcorrect.models.diffusion import sharing, training
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.core.errors import TrainingDivergedError

torch.set_num_threads(1)
losses = []
see = training.DivergenceCheck.see
training.DivergenceCheck.see = lambda check, loss, step: (losses.append(float(loss)), see(check, loss, step))
cpu = torch.device("cpu")
with sharing.process_group(cpu) as leads:
    if leads:
        values = torch.randn(40, 8, 6, generator=torch.Generator().manual_seed(0)).cumsum(1)
        samples = Samples.real(values, torch.arange(40) % 2)
        config = DiffusionConfig(denoiser="transformer", width=16, depth=2, batch_size=8, learning_rate=1e-3)
        model = MotionDiffusion(config, 8, 6, 2, cpu)
        if sys.argv[2:]:
            model = model.load_state(torch.load(sys.argv[2], weights_only=True))
        fitted = model.fit(samples, 30, Stream(0)).fit(samples, 10, Stream(1))
        sampled = fitted.sample(torch.arange(4) % 2, Stream(2))
        try:
            model.fit(samples.with_values(values * float("nan")), 2, Stream(3))
        except TrainingDivergedError as error:
            print("diverged:", error)
        save_file({"losses": torch.tensor(losses[:40]), "sampled": sampled, **fitted.state()}, sys.argv[1])
sys.stdout.flush()
os._exit(0)  # PyTorch's own threads have been seen to abort an interpreter that ends by itself
"""


def train_in_processes(
    processes: int, folder: Path, *arguments: str, batch_size: int = 8
) -> tuple[dict[str, torch.Tensor], str]:
    """The losses of 40 steps and the model after them, from a program that so many processes run; what it printed."""
    (folder / "program.py").write_text(PROGRAM.replace("batch_size=8", f"batch_size={batch_size}"))
    out = str(folder / f"{processes}.safetensors")
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launch, str(folder / "program.py"), out, *arguments]
    process = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False, timeout=1500
    )
    assert process.returncode == 0, process.stderr
    return safetensors.torch.load_file(out), process.stdout


def parts(name: str, tensor: torch.Tensor) -> list[torch.Tensor]:
    """All of a tensor but the bias of attention's keys: no output depends on it, so its gradient is rounding alone."""
    return [tensor.chunk(3)[0], tensor.chunk(3)[2]] if name.endswith("in_proj_bias") else [tensor]


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    alone, told_by_one = train_in_processes(1, tmp_path)
    two, told_by_two = train_in_processes(2, tmp_path)
    assert alone.keys() == two.keys()  # checkpoints are alike
    assert alone["losses"][0] > 1.5 * alone["losses"][-1]
    for name, tensor in alone.items():
        for part, part_of_two in zip(parts(name, tensor), parts(name, two[name]), strict=True):
            torch.testing.assert_close(
                part_of_two, part, rtol=0, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
            )
    assert told_by_one == told_by_two
    assert "diverged: the training loss became nan at optimiser step 1 of 2" in told_by_one


@pytest.mark.slow
def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    with pytest.raises(AssertionError, match="batch_size must be a multiple of the 2 processes that train, got 9"):
        train_in_processes(2, tmp_path, batch_size=9)


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
