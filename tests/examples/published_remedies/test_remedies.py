"""Every published remedy runs and changes the loop as its paper says.

The loop is a mixture of two Gaussians.
"""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from published_remedies.candidates import select_candidates
from published_remedies.ecosystem import Ecosystem
from published_remedies.sampling import Guided, Rescaled, Truncated, denoising_errors
from published_remedies.selection import (
    farthest_points,
    in_latent_subspace,
    least_likely,
    match_moments,
    most_confident,
)
from published_remedies.training import average_weights, truncate_known
from torch import Tensor, nn
from two_modes import DEVIATION, STREAM, halve, start_small_loop, two_modes

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.task import make_motion_task, trained_model
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.fitting import fit_plainly
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion
from selfcorrect.loop.models.diffusion.steering import steer
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.remedies.remedies import RemedyInputs, with_remedy
from selfcorrect.loop.remedies.table import REMEDIES
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.loop.store.folder_store import FolderReader, FolderStore
from selfcorrect.loop.store.memory import MemoryStore

CONFIG = DiffusionConfig(width=32, depth=1, diffusion_steps=100, sampling_steps=100, batch_size=16)
LABELS = torch.zeros(2500, dtype=torch.int64)


class TwoModes(nn.Module):
    """The exact clean prediction for two modes.

    The modes are N(−1, s²) and N(1, s²). The upper mode has the given share.
    """

    def __init__(self, share: float = 0.5, deviation: float = DEVIATION) -> None:
        super().__init__()
        self.share = share
        self.deviation = deviation
        self.alpha_bars = MotionDiffusion(CONFIG, 1, 1, 1).schedule.alpha_bars

    def forward(self, noisy: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        alpha = self.alpha_bars[times].to(noisy).reshape(-1, 1, 1)
        variance = alpha * self.deviation**2 + 1 - alpha
        upper = torch.sigmoid(math.log(self.share / (1 - self.share)) + 2 * alpha.sqrt() * noisy / variance)
        gain = alpha.sqrt() * self.deviation**2 / variance
        lower_mean = (-1.0) + gain * (noisy - alpha.sqrt() * (-1.0))
        upper_mean = 1.0 + gain * (noisy - alpha.sqrt() * 1.0)
        return (1 - upper) * lower_mean + upper * upper_mean


def exact(**settings: float) -> MotionDiffusion:
    return replace(MotionDiffusion(CONFIG, 1, 1, 1, device=torch.device("cpu")), average=TwoModes(**settings))


def draw_values(model: MotionDiffusion) -> Tensor:
    return model.sample(LABELS, STREAM).flatten()


def measure_spread(values: Tensor) -> float:
    """Standard deviation within the modes."""
    return float((values - values.sign()).std())


def upper_share(values: Tensor) -> float:
    return float((values > 0).double().mean())


def test_the_exact_sampler_is_right() -> None:
    values = draw_values(exact(share=0.3))
    assert measure_spread(values) == pytest.approx(DEVIATION, rel=0.1)
    assert upper_share(values) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 2.0])
def test_rescaling_changes_mode_variance(sharpness: float) -> None:
    values = draw_values(steer(Rescaled, exact(), sharpness=sharpness, variance=DEVIATION**2))
    assert measure_spread(values) == pytest.approx(DEVIATION / math.sqrt(sharpness), rel=0.1)
    assert upper_share(values) == pytest.approx(0.5, abs=0.04)


def test_sims_restores_modes() -> None:
    """Guidance away from forgetting restores the mode.

    The other model has half forgotten it; it is drawn more often.
    """
    assert upper_share(draw_values(steer(Guided, exact(share=0.4), worse=exact(share=0.28)))) > 0.45
    assert upper_share(draw_values(steer(Guided, exact(share=0.4), worse=exact(share=0.4)))) == pytest.approx(
        0.4, abs=0.04
    )


def test_truncation_blurs() -> None:
    level = 10
    alpha = float(exact().schedule.alpha_bars[level])
    expected = math.sqrt(DEVIATION**2 + (1 - alpha) / alpha)
    assert measure_spread(draw_values(steer(Truncated, exact(), level=level))) == pytest.approx(expected, rel=0.1)
    assert measure_spread(draw_values(steer(Truncated, exact(), level=0))) == pytest.approx(DEVIATION, rel=0.1)


def draw_choices(rule, draws: int = 5) -> Tensor:
    return select_candidates(draws, rule)(exact(share=0.2), two_modes())(LABELS[:300], STREAM).flatten()


def test_farthest_points_spread_out() -> None:
    plain = draw_values(exact(share=0.2))[:300]
    far = draw_choices(farthest_points())
    assert measure_spread(far) > 1.3 * measure_spread(plain)
    assert upper_share(far) > 0.3


def test_self_verification_loses_spread() -> None:
    sure = draw_choices(most_confident(denoising_errors))
    unsure = draw_choices(least_likely(denoising_errors))
    assert measure_spread(sure) < 0.75 * DEVIATION < DEVIATION < measure_spread(unsure)


def test_latent_filter_keeps_main_components() -> None:
    generator = STREAM.child("plane").generator()
    flat = Samples.real(torch.randn((200, 3), generator=generator) * torch.tensor([5.0, 5.0, 0.01]))
    values = select_candidates(4, in_latent_subspace())(Gaussian.standard(3), flat)(LABELS[:400], STREAM)
    assert values[:, 2].std() < 0.4
    assert float(values[:, 0].std()) == pytest.approx(1, abs=0.15)


def test_moments_are_the_parents() -> None:
    parents = two_modes()
    values = match_moments(exact(share=0.7), parents)(LABELS[:500], STREAM)
    assert float(values.mean()) == pytest.approx(float(parents.values.mean()), abs=1e-5)
    assert float(values.std(correction=0)) == pytest.approx(float(parents.values.std(correction=0)), abs=1e-5)


def test_truncated_loss_forgets_best_known() -> None:
    def distance(model, values: Tensor, labels: Tensor, stream) -> Tensor:
        return values.flatten().abs()

    values = torch.tensor([[-3.0], [0.1], [0.2], [3.0]]).double()
    fitted = truncate_known(0.5, distance)(Gaussian.standard(1), Samples.real(values), 0, STREAM)
    assert float(fitted.state()["covariance"]) == pytest.approx(9.0)


def test_ecosystem_pools_members() -> None:
    real = Samples.real(torch.randn((40, 1), generator=STREAM.generator()).double())
    system = Ecosystem.replicate(Gaussian.standard(1), 4).fit(real, 8, STREAM)
    means = [float(member.state()["mean"]) for member in system.members]
    assert len(set(means)) == 4
    assert sum(means) / 4 == pytest.approx(float(real.values.mean()))
    restored = Ecosystem.replicate(Gaussian.standard(1), 4).load_state(system.state())
    assert torch.equal(restored.sample(LABELS, STREAM), system.sample(LABELS, STREAM))
    spread_out = Ecosystem.replicate(Gaussian.standard(1), 2).load_state(Gaussian.standard(1).state())
    assert [float(member.state()["mean"]) for member in spread_out.members] == [0, 0]


@pytest.fixture(scope="module")
def small() -> tuple[Task, MemoryStore]:
    return start_small_loop()


def final_state(small: tuple[Task, MemoryStore], name: str) -> dict[str, Tensor]:
    task, first = small
    store = MemoryStore()
    correction = Correction(halve) if name.startswith("inside-sampler") else None
    task, arm = with_remedy(task, Arm(Replace(), 2, steps=3, correction=correction), name, RemedyInputs())
    return run_loop(task, arm, store, first, STREAM).state()


def test_remedies_change_the_loop(small) -> None:
    names = [name for name in REMEDIES.names if REMEDIES.is_added(name)]
    assert len(names) == 15
    plain = final_state(small, "none")
    for name in names:
        state = final_state(small, name)
        same = state.keys() == plain.keys() and all(torch.equal(state[key], plain[key]) for key in state)
        assert not same, name


@pytest.mark.parametrize(("name", "calls"), [("inside-sampler", 5 * 24), ("inside-sampler-once", 24)])
def test_inside_correction_replaces_outside(small, name: str, calls: int) -> None:
    """Of five denoising steps a quarter is one step."""
    task, first = small
    arm = Arm(Replace(), 1, steps=3, correction=Correction(halve))
    task, inside = with_remedy(task, arm, name, RemedyInputs())
    assert inside.correction is None
    store = MemoryStore()
    run_loop(task, inside, store, first, STREAM)
    assert store.metrics(1)["corrector_calls"] == calls


def test_weights_are_averaged_over_generations() -> None:
    values = torch.randn((30, 2), generator=STREAM.generator()).double()
    last = Gaussian.standard(2).fit(Samples.real(values + 3), 0, STREAM)
    fitted = fit_plainly(last, Samples.real(values), 0, STREAM)
    mixed = average_weights(0.25)(last, Samples.real(values), 0, STREAM).state()
    for name, tensor in fitted.state().items():
        assert torch.allclose(mixed[name], 0.75 * tensor + 0.25 * last.state()[name])
    with pytest.raises(ValueError, match=r"must be in \[0, 1\), got 1.0"):
        average_weights(1.0)


def test_ecosystem_round_trips(tmp_path: Path) -> None:
    real = Samples.real(torch.randn((12, 3), generator=STREAM.generator()).double())
    untrained = Ecosystem.replicate(Gaussian.standard(3), 2)
    trained = untrained.fit(real, 0, STREAM)
    trained.save(tmp_path / "model.safetensors")
    loaded = untrained.load(tmp_path / "model.safetensors").state()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in trained.state().items())


@pytest.mark.slow
def test_arm_ecosystem_round_trips(tmp_path: Path) -> None:
    arm = ArmSettings("replace", remedy="ecosystem")
    arms = {"dct-mlp": (BASELINE, arm)}
    settings = MotionSettings(arms, 1, 1, real_count=64, evaluated_count=32, initial_steps={"dct-mlp": 2})
    task = make_motion_task(settings, "dct-mlp", streams(0))
    with FolderStore(tmp_path / "first", {}) as store:
        train_first_generation(task, store, streams(0))
    model = trained_model(task, arm, FolderReader(tmp_path / "first"), 0)
    assert isinstance(model, Ecosystem)
    grown = Ecosystem.replicate(task.model, 4).load_state(model.state())
    labels = torch.zeros(5, dtype=torch.long)
    assert torch.equal(grown.sample(labels, streams(1)), model.sample(labels, streams(1)))
