"""Words and transitions die out as predicted; text loops run from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import outcomes

from selfcorrect.experiments.toy.text import language
from selfcorrect.loop.policy import RealOnly

TINY = replace(
    language.quick(), windows=40, held_out_windows=20, window=16, first_steps=20, steps=5, generations=2, seeds=2
)
REPLACED = ("words", "chain, none kept")


@pytest.mark.slow
def test_words_and_transitions_die_out_as_predicted() -> None:
    result = outcomes(language.run(TINY))
    assert {outcome for statement, outcome in result.items() if not statement.startswith("text")} == {"holds"}


@pytest.mark.slow
def test_words_and_transitions_survive_where_real_data_train_every_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "Replace", RealOnly)
    result = outcomes(language.run(TINY))
    broken = [outcome for statement, outcome in result.items() if statement.startswith(REPLACED)]
    assert len(broken) == 12
    assert set(broken) <= {"fails", "undecided"}


@pytest.mark.slow
def test_a_file_takes_the_place_of_the_documentation(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("All work and no play makes Jack a dull boy. " * 60)
    result = language.run(replace(TINY, chain_seeds=2, text=path))
    assert str(path) in result.notes[0]


@pytest.mark.slow
def test_a_transformer_forgets_text_that_it_writes_itself() -> None:
    enough_to_not_overfit = {"windows": 250, "held_out_windows": 60, "window": 16}
    short = {"chain_seeds": 2, "first_steps": 80, "steps": 20, "generations": 2}
    result = outcomes(language.run(replace(language.quick(), **enough_to_not_overfit, **short)))
    assert result["text: perplexity rises when none is kept"] == "holds"
    assert result["text: more than with real text alone at equal steps"] == "holds"
    assert result["text: accumulating is better than replacing"] == "holds"
