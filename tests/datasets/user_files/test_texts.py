"""Pairs of texts from files of users."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.user_files.texts import text_pairs

ROWS = [{"document": f"document {n}", "summary": f"summary {n}", "id": n} for n in range(4)]


def test_lines_and_tables_hold_the_same_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [*ROWS[:2], {"document": " ", "summary": "x"}])))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS[2:]), tmp_path / "b.parquet")
    expected = [(row["document"], row["summary"]) for row in ROWS]
    assert text_pairs(tmp_path) == expected
    assert text_pairs(tmp_path / "a.jsonl") == expected[:2]
    assert text_pairs(tmp_path / "b.parquet") == expected[2:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"document": "a"}', r"a.jsonl, row 1: expected texts 'document' and 'summary'"),
        ('{"document": "a", "summary": 3}', "row 1: expected texts"),
        ("[1]", "row 1: expected texts"),
        ("{", r"a.jsonl, row 1, line 1: not JSON"),
        ("", "holds no pair"),
    ],
)
def test_lines_that_are_no_pairs_are_one_sentence(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        text_pairs(tmp_path / "a.jsonl")


def test_other_files_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no table")
    with pytest.raises(InputError, match="no Parquet file that can be read"):
        text_pairs(tmp_path / "a.parquet")
    for path in (tmp_path / "a.csv", tmp_path / "none.jsonl"):
        with pytest.raises(InputError, match=r"expected a .jsonl or .parquet file"):
            text_pairs(path)
