"""Every remedy in the table runs, changes the loop, and does what its paper says on a mixture of two Gaussians."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.experiments.remedies.remedies import RemedyInputs, with_place, with_remedy
from selfcorrect.experiments.remedies.table import PLACES, REMEDIES
from selfcorrect.loop.fitting import truncate_known
from selfcorrect.loop.policy import RealOnly, Replace
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.models.diffusion.confidence import denoising_errors
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.models.diffusion.steering import Guided, Rescaled, Truncated, steer
from selfcorrect.models.ecosystem import Ecosystem
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.remedies.selection import (
    farthest_points,
    in_latent_subspace,
    least_likely,
    match_moments,
    most_confident,
    select_candidates,
)
from selfcorrect.storage.runs.memory import MemoryStore

STREAM = streams(6)
CONFIG = DiffusionConfig(width=32, depth=1, diffusion_steps=100, sampling_steps=100, batch_size=16)
LABELS = torch.zeros(2500, dtype=torch.int64)
DEVIATION = 0.25


class TwoModes(nn.Module):
    """The exact clean prediction for a mixture of N(−1, s²) and N(1, s²), with the share of the upper mode."""

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
def test_score_rescaling_dials_the_variance_within_modes_and_keeps_the_modes(sharpness: float) -> None:
    values = draw_values(steer(Rescaled, exact(), sharpness=sharpness, variance=DEVIATION**2))
    assert measure_spread(values) == pytest.approx(DEVIATION / math.sqrt(sharpness), rel=0.1)
    assert upper_share(values) == pytest.approx(0.5, abs=0.04)


def test_sims_undoes_what_self_training_did_to_the_modes() -> None:
    """Guided away from a model that has half forgotten a mode, a model draws that mode more often."""
    assert upper_share(draw_values(steer(Guided, exact(share=0.4), worse=exact(share=0.28)))) > 0.45
    assert upper_share(draw_values(steer(Guided, exact(share=0.4), worse=exact(share=0.4)))) == pytest.approx(
        0.4, abs=0.04
    )


def test_truncation_blurs_by_what_it_leaves_out() -> None:
    level = 10
    alpha = float(exact().schedule.alpha_bars[level])
    expected = math.sqrt(DEVIATION**2 + (1 - alpha) / alpha)
    assert measure_spread(draw_values(steer(Truncated, exact(), level=level))) == pytest.approx(expected, rel=0.1)
    assert measure_spread(draw_values(steer(Truncated, exact(), level=0))) == pytest.approx(DEVIATION, rel=0.1)


def test_steering_needs_a_diffusion_model() -> None:
    with pytest.raises(ValueError, match="rescaled sampling needs a diffusion model, got Gaussian"):
        steer(Rescaled, Gaussian.standard(1))


def two_modes(count: int = 400) -> Samples:
    generator = STREAM.child("data").generator()
    side = torch.where(torch.rand(count, generator=generator) < 0.2, 1.0, -1.0)
    values = side + DEVIATION * torch.randn(count, generator=generator)
    return Samples.real(values.reshape(-1, 1, 1))


def draw_choices(rule, draws: int = 5) -> Tensor:
    return select_candidates(draws, rule)(exact(share=0.2), two_modes())(LABELS[:300], STREAM).flatten()


def test_farthest_points_spread_out() -> None:
    plain = draw_values(exact(share=0.2))[:300]
    far = draw_choices(farthest_points())
    assert measure_spread(far) > 1.3 * measure_spread(plain)
    assert upper_share(far) > 0.3


def test_self_verification_destroys_spread_and_the_likelihood_rank_does_the_opposite() -> None:
    sure = draw_choices(most_confident(denoising_errors))
    unsure = draw_choices(least_likely(denoising_errors))
    assert measure_spread(sure) < 0.75 * DEVIATION < DEVIATION < measure_spread(unsure)


def test_the_latent_filter_keeps_candidates_in_the_main_components_of_the_parents() -> None:
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


def test_a_truncated_loss_forgets_what_is_known_best() -> None:
    def distance(model, values: Tensor, labels: Tensor, stream) -> Tensor:
        return values.flatten().abs()

    values = torch.tensor([[-3.0], [0.1], [0.2], [3.0]]).double()
    fitted = truncate_known(0.5, distance)(Gaussian.standard(1), Samples.real(values), 0, STREAM)
    assert float(fitted.state()["covariance"]) == pytest.approx(9.0)


def test_an_ecosystem_trains_each_member_on_a_part_and_pools_their_samples() -> None:
    real = Samples.real(torch.randn((40, 1), generator=STREAM.generator()).double())
    system = Ecosystem.replicate(Gaussian.standard(1), 4).fit(real, 8, STREAM)
    means = [float(member.state()["mean"]) for member in system.members]
    assert len(set(means)) == 4
    assert sum(means) / 4 == pytest.approx(float(real.values.mean()))
    restored = Ecosystem.replicate(Gaussian.standard(1), 4).load_state(system.state())
    assert torch.equal(restored.sample(LABELS, STREAM), system.sample(LABELS, STREAM))
    spread_out = Ecosystem.replicate(Gaussian.standard(1), 2).load_state(Gaussian.standard(1).state())
    assert [float(member.state()["mean"]) for member in spread_out.members] == [0, 0]


SMALL = DiffusionConfig(width=32, depth=1, diffusion_steps=20, sampling_steps=5, batch_size=16)


@pytest.fixture(scope="module")
def small() -> tuple[Task, MemoryStore]:
    model = MotionDiffusion(SMALL, 1, 1, 1, device=torch.device("cpu"))
    task = Task(model, two_modes(24), lambda candidate: {}, initial_steps=30)
    first = MemoryStore()
    train_first_generation(task, first, STREAM)
    return task, first


def halve(samples: Samples) -> Samples:
    return samples.with_values(samples.values / 2)


@pytest.mark.parametrize(("name", "calls"), [("inside-sampler", 5 * 24), ("inside-sampler-once", 24)])
def test_correction_inside_the_sampler_replaces_that_of_samples(small, name: str, calls: int) -> None:
    """Of five denoising steps a quarter is one step."""
    task, first = small
    arm = Arm(Replace(), 1, steps=3, correction=Correction(halve))
    task, inside = with_remedy(task, arm, name, RemedyInputs())
    assert inside.correction is None
    store = MemoryStore()
    run_loop(task, inside, store, first, STREAM)
    assert store.metrics(1)["corrector_calls"] == calls


def run_in_place(small: tuple[Task, MemoryStore], arm: Arm, place: str, remedy: str = "none") -> MemoryStore:
    task, first = small
    task, placed = with_remedy(*with_place(task, arm, place), remedy)
    store = MemoryStore()
    run_loop(task, placed, store, first, STREAM)
    return store


def reject_lower_half(samples: Samples) -> Corrected:
    levels = samples.values.flatten(1).mean(1)
    return Corrected(halve(samples), levels > levels.median())


@pytest.mark.parametrize("place", PLACES.names)
def test_a_corrector_works_where_it_is_placed(small, place: str) -> None:
    arm = Arm(Replace(), 1, steps=3, correction=Correction(reject_lower_half, on_rejection="drop"))
    store = run_in_place(small, arm, place)
    batch = store.batch(1)
    is_corrected = (batch.samples.values - batch.raw.values).abs().sum() > 0
    assert bool(is_corrected) == (place not in ("sampler", "filter"))
    assert (len(batch.samples) < 24) == (place != "sampler")
    drawn = run_in_place(small, Arm(Replace(), 1), "data").batch(1).samples.values
    assert torch.equal(batch.drawn.values, drawn) == (place != "sampler")


def test_pairs_beside_real_data_train_on_real_data_only(small) -> None:
    arm = Arm(RealOnly(), 2, steps=3, correction=Correction(halve))
    store = run_in_place(small, arm, "preference")
    assert (store.metrics(2)["real_count"], store.metrics(2)["synthetic_count"]) == (24, 0)
    assert len(store.batch(2).samples) == 24


@pytest.mark.parametrize("remedy", ["matched", "lineages"])
def test_a_preference_goes_with_lineages_and_not_with_another_training(small, remedy: str) -> None:
    arm = Arm(Replace(), 2, steps=3, correction=Correction(halve))
    both = run_in_place(small, arm, "preference", remedy).state(2)
    for single in (("preference", "none"), ("data", remedy)):
        state = run_in_place(small, arm, *single).state(2)
        assert any(not torch.equal(both[name], tensor) for name, tensor in state.items())
    with pytest.raises(SettingError, match="truncated-loss and this place of the corrector do not go together"):
        run_in_place(small, arm, "preference", "truncated-loss")
    with pytest.raises(SettingError, match="both change sampling"):
        run_in_place(small, arm, "sampler", remedy)
    with pytest.raises(SettingError, match="needs a corrector"):
        with_place(small[0], Arm(Replace(), 1), "filter")


def test_a_package_adds_a_remedy_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "patience.py").write_text(
        "from dataclasses import replace\n"
        "def twice_as_long(task, arm, inputs):\n    return task, replace(arm, generations=2 * arm.generations)\n"
    )
    package = tmp_path / "patience-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: patience\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[selfcorrect.remedies]\npatient = patience:twice_as_long\n")
    task = Task(Gaussian.standard(1), Samples.real(torch.zeros(2, 1)), lambda candidate: {})
    with pytest.raises(SettingError, match="unknown remedy 'patient'"):
        with_remedy(task, Arm(Replace(), 3), "patient")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert with_remedy(task, Arm(Replace(), 3), "patient")[1].generations == 6
    assert REMEDIES.row("patient").summary == "Added by patience 1.0."


def final_state(small: tuple[Task, MemoryStore], name: str) -> dict[str, Tensor]:
    task, first = small
    store = MemoryStore()
    inputs = RemedyInputs(raters=(lambda values: values.flatten(1).sum(1),))
    correction = Correction(halve) if REMEDIES.row(name).needs_corrector else None
    task, arm = with_remedy(task, Arm(Replace(), 2, steps=3, correction=correction), name, inputs)
    return run_loop(task, arm, store, first, STREAM).state()


@pytest.mark.slow
@pytest.mark.parametrize("row", list(REMEDIES), ids=lambda row: row.name)
def test_every_row_is_complete_runs_and_changes_the_loop(row, small) -> None:
    assert all((row.summary, row.knows, row.cost, row.source))
    state = final_state(small, row.name)
    plain = final_state(small, "none")
    same = state.keys() == plain.keys() and all(torch.equal(state[key], plain[key]) for key in state)
    assert same == (row.name == "none")
