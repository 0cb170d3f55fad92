"""A finished experiment in one file: what was measured comes back, and tables are made from nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selfcorrect.experiments.reporting.results import ArmCurves
from selfcorrect.experiments.reporting.summary import Summary, machine, read_summary, write_summary

CURVES = ArmCurves(
    "replace+none", "fully synthetic", "uncorrected", {"recall": np.array([[1.0, np.nan], [0.5, 1 / 3]])}
)
SUMMARY = Summary(
    "selfcorrect motion", {"date": "2026-01-02", **machine()}, {"seeds": 2, "generations": 1},
    {"dct-mlp": (CURVES,)}, {"real": {"recall": np.array([0.9, 0.8])}},
)  # fmt: skip


def test_a_summary_comes_back_to_five_digits(tmp_path: Path) -> None:
    write_summary(tmp_path / "a.json", SUMMARY)
    back = read_summary(tmp_path / "a.json")
    np.testing.assert_allclose(back.arms["dct-mlp"][0].values["recall"], CURVES.values["recall"], rtol=1e-4)
    assert (back.command, back.seeds, back.generations) == ("selfcorrect motion", 2, 1)
    assert back.floors["real"]["recall"].tolist() == [0.9, 0.8]
    write_summary(tmp_path / "b.json", back)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 9}', '{"format": 1, "arms": 3}', "\xff"])
def test_what_is_no_summary_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"x\.json: .*(summary)"):
        read_summary(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"none\.json: is no summary"):
        read_summary(tmp_path / "none.json")
