"""Words die out as predicted; text loops run from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect.experiments.toy import language
from selfcorrect.policy import RealOnly

TINY = replace(
    language.quick(), windows=40, held_out_windows=20, window=16, first_steps=20, steps=5, generations=2, seeds=2
)


def outcomes(result) -> dict[str, str]:
    return {check.statement: check.outcome for check in result.checks}


def of_words(result) -> dict[str, str]:
    return {statement: outcome for statement, outcome in outcomes(result).items() if statement.startswith("words")}


def test_words_die_out_as_predicted() -> None:
    assert set(of_words(language.run(TINY)).values()) == {"holds"}


def test_words_survive_where_real_data_train_every_generation() -> None:
    assert set(of_words(language.run(TINY, replaced_by=RealOnly())).values()) <= {"fails", "undecided"}


def test_a_file_takes_the_place_of_the_documentation(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("All work and no play makes Jack a dull boy. " * 60)
    result = language.run(replace(TINY, text=path))
    assert str(path) in result.notes[0]


@pytest.mark.slow
def test_a_transformer_forgets_text_that_it_writes_itself() -> None:
    settings = replace(language.quick(), windows=150, held_out_windows=60)
    result = outcomes(language.run(settings))
    assert result["text: perplexity rises when none is kept"] == "holds"
    assert result["text: accumulating is better than replacing"] == "holds"
