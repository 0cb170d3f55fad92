"""Toys' policies, correctors, judges and models give known answers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import LOOPS, outcomes, run_toy
from toy_data.draws import CELL_MEANS, people
from toy_models.distances import measure_wasserstein

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.toy.files import load_toy_module
from selfcorrect.loop.policy import Augment, RealOnly
from selfcorrect.loop.run import LoopHistory
from selfcorrect.loop.store.memory import MemoryStore

cross_curation = load_toy_module(LOOPS["cross-curation"])
gillman_program = load_toy_module(LOOPS["gillman-program"])
fairness = load_toy_module(LOOPS["fairness"])
language = load_toy_module(LOOPS["language"])
mixture = load_toy_module(LOOPS["mixture"])
provenance = load_toy_module(LOOPS["provenance"])


def test_histogram_corrector_limits() -> None:
    strengths = torch.tensor([torch.nan, 1e9, 0.0], dtype=torch.float64)
    values = torch.randn((4000, 3, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.3 + 1
    redrawn = gillman_program.histogram_corrector(strengths)(Samples.real(values), streams(1)).values
    assert torch.equal(redrawn[:, 0], values[:, 0])
    assert redrawn[:, 1].mean(0).numpy() == pytest.approx([0, 0], abs=0.06)
    assert redrawn[:, 1].std(0).numpy() == pytest.approx([1, 1], abs=0.04)
    assert redrawn[:, 2].mean(0).numpy() == pytest.approx([1, 1], abs=0.1)


def test_tapered_accumulation_keeps_first_part() -> None:
    batches = {t: Samples.synthetic(torch.full((4, 1), float(t)), None, t) for t in (1, 2, 3)}

    class History(LoopHistory):
        def batch(self, generation: int) -> Samples:
            return batches[generation]

    mixed = gillman_program.TaperedAccumulate(1.0).mix(
        Samples.real(torch.zeros(4, 1)), History(MemoryStore(), 3, batches[3]), 3, streams(0)
    )
    assert mixed.values.flatten().tolist() == [0.0] * 4 + [1.0] + [2.0] * 2 + [3.0] * 4


@pytest.mark.nightly
def test_authors_program_is_reproduced(tmp_path: Path) -> None:
    settings = gillman_program.GillmanProgram(seeds=12)
    result = outcomes(run_toy("gillman-program", settings, tmp_path).result)
    assert len(result) == 9
    assert "fails" not in result.values()
    assert 2 * list(result.values()).count("holds") > len(result)


def test_detector_removes_the_stated_shares() -> None:
    real = Samples.real(torch.zeros(4000, 1))
    synthetic = Samples.synthetic(torch.ones(4000, 1), None, 1)
    history = LoopHistory(MemoryStore(), 1, synthetic)
    is_synthetic = provenance.Detector(Augment(1.0), 0.8, 0.1).mix(real, history, 1, streams(0)).provenance.synthetic
    assert is_synthetic.sum() / 4000 == pytest.approx(0.2, abs=0.03)
    assert (~is_synthetic).sum() / 4000 == pytest.approx(0.9, abs=0.03)


def test_share_changes_synthetic_only() -> None:
    real = Samples.real(torch.tensor([10.0, 20.0]).expand(10, 3, 2))
    history = LoopHistory(MemoryStore(), 1, Samples.synthetic(torch.tensor([1.0, 2.0]).expand(10, 3, 2), None, 1))
    mixed = cross_curation.ShareOut(Augment(1.0), 0.8).mix(real, history, 1, streams(0)).values
    assert (mixed[:10] == torch.tensor([10.0, 20.0])).all()
    assert [int((mixed[10:, 0, model] == model + 1).sum()) for model in (0, 1)] == [8, 8]
    assert [int((mixed[10:, 0, model] == 2 - model).sum()) for model in (0, 1)] == [2, 2]


def test_reparation_equalises_groups() -> None:
    real = Samples.real(people(500, 0.1, streams(0)))
    mixed = fairness.Reparation(RealOnly()).mix(real, None, 1, streams(0))
    minority = mixed.values[:, 2] == fairness.MINORITY
    assert mixed.weights[minority].sum() == pytest.approx(mixed.weights[~minority].sum().item())
    assert mixed.weights.sum() == pytest.approx(500, rel=1e-5)
    assert fairness.Reparation(Augment(0.5)).count(500, 1) == 250


def test_grouped_gaussians_recover_truth() -> None:
    model = fairness.GroupedGaussians.make_untrained().fit(Samples.real(people(40_000, 0.3, streams(1))), 0, streams(0))
    assert model.shares.sum(1).numpy() == pytest.approx([0.7, 0.3], abs=0.01)
    assert (model.means - CELL_MEANS).abs().max() < 0.05
    assert model.deviations.flatten().numpy() == pytest.approx([1.0] * 8, abs=0.03)


def test_wasserstein_of_shift() -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    assert measure_wasserstein(points, points[::-1] + np.array([3.0, 4.0])) == pytest.approx(5.0)
