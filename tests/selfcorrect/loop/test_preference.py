"""Preferences follow their law and resume.

On Gaussians the law is known, on a diffusion model the direction, and there is a placebo.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import run_in_memory, same_tensors

from selfcorrect.core.errors import SettingError, TrainingDivergedError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.fitting import PreferCorrections, extrapolate
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.models.pairs import Pairs, swap_half
from selfcorrect.loop.models.protocol import TensorModel
from selfcorrect.loop.policy import Accumulate, Augment, Policy, RealOnly, Replace
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.loop.store.memory import MemoryStore

STREAM = streams(11)
SEEDS = 800
COUNT = 30
TARGET = 4.0
PULL = 0.5


def pull(samples: Samples) -> Samples:
    return samples.with_values(samples.values + PULL * (TARGET - samples.values))


def gaussian_task() -> Task:
    model = Gaussian.standard(SEEDS, 1)
    real = Samples.real(model.sample(torch.zeros(COUNT, dtype=torch.int64), STREAM.child("data")))
    return Task(model, real, lambda candidate: {})


def last_means(policy: Policy, fitting, generations: int) -> np.ndarray:
    arm = Arm(policy, generations, correction=Correction(pull), fitting=fitting)
    return run_in_memory(gaussian_task(), arm, STREAM).state(generations)["mean"].flatten().numpy()


@pytest.mark.parametrize("weight", [0.5, 1.0])
@pytest.mark.parametrize(("policy", "raw_share"), [(RealOnly(1.0), 0.0), (Augment(1.0), 0.5), (Accumulate(1.0), None)])
def test_means_follow_recursion(policy: Policy, raw_share: float | None, weight: float) -> None:
    """Means follow a closed recursion.

    E[m′] = mean of the training set's drawn samples + κ/2 · PULL · (TARGET − m), m that of the last model.
    """
    generations = 2
    means = [0.0]
    for generation in range(1, generations + 1):
        past = means[-1]
        training_mean = sum(means) / (1 + generation) if raw_share is None else raw_share * past
        means.append(training_mean + weight / 2 * PULL * (TARGET - past))
    estimate = last_means(policy, PreferCorrections(weight), generations)
    error = 4 * estimate.std() / np.sqrt(SEEDS)
    assert estimate.mean() == pytest.approx(means[-1], abs=error)
    assert means[-1] > 3 * error


def test_weight_two_is_correction() -> None:
    """Weight two equals correction, seed by seed.

    e(l) + e(w) − e(l) = e(w).
    """
    preferred = last_means(Replace(), PreferCorrections(2.0), 2)
    arm = Arm(Replace(), 2, correction=Correction(pull))
    as_data = run_in_memory(gaussian_task(), arm, STREAM).state(2)["mean"].flatten().numpy()
    np.testing.assert_allclose(preferred, as_data, atol=1e-9)


def test_shuffled_pairs_move_nothing() -> None:
    """Shuffled pairs move nothing in the mean of runs.

    Swaps are the same in all replicates of one run, so runs are the unit.
    """
    moves = []
    for seed in range(60):
        stream = streams(seed)
        losers = torch.randn((COUNT, 1), generator=stream.generator()).double()
        winners = losers + PULL * (TARGET - losers)
        swapped_winners, swapped_losers = swap_half(winners, losers, stream.child("swapped"))
        moves.append(float((swapped_winners - swapped_losers).mean()))
        assert torch.equal((swapped_winners + swapped_losers), winners + losers)
    assert np.mean(moves) == pytest.approx(0, abs=4 * np.std(moves) / np.sqrt(len(moves)))
    assert abs(np.mean(moves)) + 4 * np.std(moves) < 0.5 * PULL * TARGET


def test_extrapolation_takes_pair_fitting() -> None:
    plain = last_means(RealOnly(1.0), PreferCorrections(1.0), 2)
    extrapolated = last_means(RealOnly(1.0), extrapolate(1.0, None, PreferCorrections(1.0)), 2)
    assert extrapolated.mean() == pytest.approx(plain.mean(), abs=0.05)
    assert not np.allclose(extrapolated, plain)


def test_rejected_samples_are_unpaired() -> None:
    """Rejected samples make no pairs, so fits are plain.

    The corrector rejects all with a negative value and moves none of the others.
    """

    def keep_positive(samples: Samples) -> Corrected:
        return Corrected(samples, samples.values.flatten(1).amin(1) >= 0)

    model = Gaussian.standard(1)
    task = Task(model, Samples.real(model.sample(torch.zeros(COUNT, dtype=torch.int64), STREAM)), lambda candidate: {})
    correction = Correction(keep_positive, on_rejection="drop")
    arm = Arm(RealOnly(1.0), 2, correction=correction, fitting=PreferCorrections())
    preferred = run_in_memory(task, arm, STREAM)
    assert same_tensors(preferred.state(2), run_in_memory(task, Arm(RealOnly(), 2), STREAM).state(2))


class Constant(TensorModel):
    """A model that learns nothing."""

    def fit(self, samples: Samples, steps: int, stream: Stream) -> "Constant":
        return self

    def sample(self, labels: torch.Tensor, stream: Stream) -> torch.Tensor:
        return torch.ones((len(labels), 2))


def test_misuse_gets_one_sentence() -> None:
    with pytest.raises(SettingError, match="arm has none"):
        Arm(Replace(), 1, fitting=PreferCorrections())
    with pytest.raises(SettingError, match=r"weight of a preference.*1e-06"):
        PreferCorrections(0)
    task = Task(Constant(), Samples.real(torch.randn(9, 2)), lambda candidate: {})
    arm = Arm(Replace(), 1, correction=Correction(pull), fitting=PreferCorrections())
    with pytest.raises(Exception, match=r"Constant.*pairs"):
        run_in_memory(task, arm, STREAM)
    wide = torch.randn((COUNT, 1), generator=STREAM.generator()).double()
    model = Gaussian.standard(1)
    pairs = Pairs(torch.zeros_like(wide), 9 * wide, torch.zeros(COUNT, dtype=torch.int64), model, 2.0, 20.0)
    with pytest.raises(TrainingDivergedError, match="weight of the preference"):
        model.fit_with_pairs(Samples.real(wide), pairs, 0, STREAM)


# --- a diffusion model ------------------------------------------------------------------------------------------------

CONFIG = DiffusionConfig(width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=32)
LABELS = torch.zeros(300, dtype=torch.int64)


def push(samples: Samples) -> Samples:
    return samples.with_values(samples.values + 0.5)


@pytest.fixture(scope="module")
def diffusion() -> tuple[Task, MemoryStore]:
    values = 0.5 * torch.randn((64, 1, 1), generator=STREAM.child("values").generator())
    model = MotionDiffusion(CONFIG, 1, 1, 1, device=torch.device("cpu"))
    task = Task(model, Samples.real(values), lambda candidate: {}, initial_steps=120)
    first = MemoryStore()
    train_first_generation(task, first, STREAM)
    return task, first


def sample_mean(diffusion: tuple[Task, MemoryStore], arm: Arm) -> float:
    task, first = diffusion
    model = run_loop(task, arm, MemoryStore(), first, STREAM)
    return float(model.sample(LABELS, STREAM.child("evaluate")).mean())


def test_diffusion_model_prefers_side(diffusion) -> None:
    arm = Arm(RealOnly(1.0), 1, steps=60, correction=Correction(push), fitting=PreferCorrections())
    real_only = sample_mean(diffusion, Arm(RealOnly(), 1, steps=60))
    preferred = sample_mean(diffusion, arm)
    shuffled = sample_mean(diffusion, replace(arm, fitting=PreferCorrections(shuffled=True)))
    assert preferred > real_only + 0.1
    assert abs(shuffled - real_only) < 0.3 * (preferred - real_only)
    against = replace(arm, correction=Correction(lambda samples: samples.with_values(samples.values - 0.5)))
    assert sample_mean(diffusion, against) < real_only - 0.1


@pytest.mark.parametrize("policy", [RealOnly(1.0), Accumulate(1.0)])
def test_resumed_loop_repeats_bytes(diffusion, policy: Policy) -> None:
    task, first = diffusion
    arm = Arm(policy, 3, steps=4, correction=Correction(push), fitting=PreferCorrections(shuffled=True))
    whole = run_loop(task, arm, MemoryStore(), first, STREAM)
    store = MemoryStore()
    for generations in (1, 2, 3):
        resumed = run_loop(task, replace(arm, generations=generations), store, first, STREAM)
    assert same_tensors(whole.state(), resumed.state())


def test_batches_equal_plain_fit(diffusion) -> None:
    """Nearly weightless preferences leave the plain model.

    Its steps are as many.
    """
    task, first = diffusion
    model = task.model.load_state(first.state(0))
    pairs = Pairs(task.real.values + 1, task.real.values, task.real.labels, model, 1e-6, 20.0)
    plain = model.fit(task.real, 5, STREAM)
    paired = model.fit_with_pairs(task.real, pairs, 5, STREAM)
    assert paired.steps == plain.steps
    assert paired.training_loss == pytest.approx(plain.training_loss, rel=1e-3)
    for name, tensor in plain.state().items():
        torch.testing.assert_close(paired.state()[name], tensor, atol=2e-3, rtol=1e-2)
