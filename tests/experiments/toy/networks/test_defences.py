"""Defences side by side on points around a circle: what is measured, and that a defence which does nothing shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import outcomes

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.toy.networks import defences


def test_scores_count_modes_and_what_lies_in_them() -> None:
    real = defences.circle(96, streams(1))
    assert defences.scores(real.values) == {"coverage": 1.0, "precision": 1.0}
    assert real.values.var(dim=0).mean() == pytest.approx(1, abs=0.05)
    half = torch.cat([real.values[::12], torch.zeros(8, 1, 2)])  # one mode, and the middle, where nothing is
    assert defences.scores(half) == {"coverage": pytest.approx(1 / 12), "precision": 0.5}


@pytest.mark.slow
def test_keeping_lines_keeps_modes_and_more_steps_alone_do_not() -> None:
    small = replace(defences.quick(), real_count=48, generations=3, first_steps=400, steps=40, judged=120)
    result = defences.run(small)
    told = outcomes(result)
    assert told["lineages keeps more modes than no defence"] == "holds"
    assert told["more-steps keeps more modes than no defence"] != "holds"
    assert result.ends
    assert "frozen" in result.ends.rows


@pytest.mark.slow
def test_every_defence_of_the_table_is_run() -> None:
    short = replace(defences.DefenceLoop(), generations=1, seeds=1, first_steps=3, steps=2, judged=12, real_count=24)
    names = [line.name for line in defences.run(short).figures[0].lines]
    assert names == [*short.defences, defences.FROZEN]
