"""Correction of a Gaussian: predictions met without fitted constants, and statements that fail when broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import outcomes

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.toy.gaussian import gaussian_correct
from selfcorrect.experiments.toy.gaussian.gaussian_correct import (
    GaussianCorrect,
    TaperedAccumulate,
    histogram_corrector,
    quick,
    run,
)
from selfcorrect.experiments.toy.gaussian.tasks import draw_from, draw_truth, gaussian_task
from selfcorrect.loop.run import LoopHistory
from selfcorrect.storage.runs.memory import MemoryStore


@pytest.mark.slow
def test_every_statement_holds_in_the_small_version() -> None:
    result = run(quick())
    assert result.holds(), outcomes(result)
    profile = {finding.definition: finding.status for finding in result.profiles["ideal γ = 0"]}
    assert profile["any increase of population risk"] == "present"
    assert profile["collapsing variance"] == "absent"


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["identity", "wrong truth", "training data"])
def test_statements_fail_with_a_corrector_that_is_not_ideal(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(quick(), generations=30)
    real = gaussian_task(settings.real_count, settings.seeds, streams(0).child("gaussian-correct")).real
    correctors = {
        "identity": lambda samples: samples,
        "wrong truth": lambda samples, stream: samples.with_values(draw_truth(samples, stream).values + 0.5),
        "training data": draw_from(real),
    }
    monkeypatch.setattr(gaussian_correct, "draw_truth", correctors[broken])
    result = outcomes(run(settings))
    assert result["settled distance at γ = 2 is the predicted one"] == "fails"
    assert result["strong correction ends better than generation 0"] != "holds"


def test_histogram_corrector_keeps_untouched_replicates_and_draws_the_truth_at_infinite_strength() -> None:
    strengths = torch.tensor([torch.nan, 1e9, 0.0], dtype=torch.float64)
    values = torch.randn((4000, 3, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.3 + 1
    redrawn = histogram_corrector(strengths)(Samples.real(values), streams(1)).values
    assert torch.equal(redrawn[:, 0], values[:, 0])
    assert redrawn[:, 1].mean(0).numpy() == pytest.approx([0, 0], abs=0.06)
    assert redrawn[:, 1].std(0).numpy() == pytest.approx([1, 1], abs=0.04)
    assert redrawn[:, 2].mean(0).numpy() == pytest.approx([1, 1], abs=0.1)


def test_tapered_accumulation_keeps_the_first_part_of_old_generations() -> None:
    batches = {t: Samples.synthetic(torch.full((4, 1), float(t)), None, t) for t in (1, 2, 3)}

    class History(LoopHistory):
        def batch(self, generation: int) -> Samples:
            return batches[generation]

    mixed = TaperedAccumulate(1.0).mix(
        Samples.real(torch.zeros(4, 1)), History(MemoryStore(), 3, batches[3]), 3, streams(0)
    )
    assert mixed.values.flatten().tolist() == [0.0] * 4 + [1.0] + [2.0] * 2 + [3.0] * 4


@pytest.mark.slow
def test_the_authors_program_is_reproduced_and_its_zero_strength_does_something() -> None:
    result = outcomes(run(GaussianCorrect(strengths=(0.0, 5.0), seeds=2, authors_seeds=12)))
    authors = {statement: outcome for statement, outcome in result.items() if statement.startswith("authors")}
    assert len(authors) == 8
    assert set(authors.values()) == {"holds"}
    assert result["γ = 0 of the authors' program is no correction at all"] == "fails"
