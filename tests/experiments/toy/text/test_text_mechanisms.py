"""Drift and bias on text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import outcomes

from selfcorrect.experiments.toy.networks import mechanisms
from selfcorrect.experiments.toy.text import text_mechanisms

SHORT = text_mechanisms.TextLoop(windows=12, held_out=10, generations=1, first_steps=2, steps=2, seeds=1)


def test_windows_are_alike_where_each_character_occurs_as_often() -> None:
    ab, ba, bb = text_mechanisms.bag(torch.tensor([[0.0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]), 3)
    assert torch.equal(ab, ba)
    assert torch.equal(bb, torch.tensor([0.0, 2, 0]))


@pytest.mark.slow
def test_every_way_is_run_with_every_remedy() -> None:
    figures = text_mechanisms.run(SHORT).figures
    ways = list(mechanisms.WAYS)
    assert [figure.title.rpartition(": ")[2] for figure in figures] == ways + ways
    assert all([line.name for line in figure.lines] == list(mechanisms.REMEDIES) for figure in figures)


@pytest.mark.slow
def test_text_keeps_its_lines_by_matching_and_its_grammar_by_extrapolation(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mechanisms, text_mechanisms):
        monkeypatch.setattr(module, "REMEDIES", ("none", "matched", "lineages"))
    small = replace(text_mechanisms.quick(), windows=100, held_out=100, first_steps=300, steps=50, seeds=4)
    told = outcomes(text_mechanisms.run(small))
    assert told["fully synthetic: matching keeps more lines"] == "holds"
    assert told["fully synthetic: lineages lowers the perplexity against no remedy"] == "holds"
