"""Drift and bias under each way of training."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import outcomes

from selfcorrect.experiments.toy.networks import mechanisms

SHORT = replace(mechanisms.MechanismLoop(), generations=1, seeds=1, first_steps=3, steps=2, judged=12, real_count=24)


@pytest.mark.slow
def test_every_way_is_run_with_every_remedy() -> None:
    figures = mechanisms.run(SHORT).figures
    assert [figure.title.rpartition(": ")[2] for figure in figures] == list(mechanisms.WAYS)
    assert all([line.name for line in figure.lines] == list(mechanisms.REMEDIES) for figure in figures)


def test_training_anew_starts_from_an_untrained_model() -> None:
    tuned, anew = (mechanisms.plan_of(way, 1, 3, 2) for way in ("fully synthetic", "fully synthetic, trained anew"))
    assert (tuned.from_scratch, tuned.steps) == (False, 2)
    assert (anew.from_scratch, anew.steps) == (True, 3)


@pytest.mark.slow
def test_real_data_keep_the_modes_and_so_do_lines_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mechanisms, "REMEDIES", ("none", "lineages"))
    told = outcomes(mechanisms.run(mechanisms.quick()))
    assert told["fully synthetic: lineages keeps more modes than no remedy"] == "holds"
    assert told["λ = 1: nine tenths of the modes stay without a remedy"] == "holds"
