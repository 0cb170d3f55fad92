"""Reports' tables become files, and curves become rows."""

import csv
import io
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest

from selfcorrect.experiments.studies.arm_curves import ArmCurves
from selfcorrect.experiments.studies.summary import Summary, read_summary, write_summary
from selfcorrect.experiments.studies.tables import (
    LOOP_COLUMNS,
    Cell,
    PageRow,
    Table,
    csv_of,
    fit_screen,
    format_text,
    latex_of,
    loop_cells,
)

TABLE = Table(
    "arms",
    "Arm",
    ["Recall (%)", "Distance"],
    [
        PageRow("λ = 1", []),
        PageRow("a_b & c", [Cell("0.40", "0.30 … 0.50"), Cell("∞")]),
        PageRow('"d", e', [Cell("1"), Cell("2")]),
    ],
)


def test_csv_has_groups_and_intervals() -> None:
    rows = list(csv.reader(io.StringIO(csv_of(TABLE))))
    assert rows == [
        ["group", "Arm", "Recall (%)", "Recall (%), 95 %", "Distance"],
        ["λ = 1", "a_b & c", "0.40", "0.30 … 0.50", "∞"],
        ["λ = 1", '"d", e', "1", "", "2"],
    ]


def test_latex_is_escaped() -> None:
    rows = [line for line in latex_of(TABLE).splitlines() if not line.startswith("%")]
    assert rows == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Arm & Recall (\%) & Distance \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{$\lambda$ = 1}} \\",
        r"a\_b \& c & 0.40 (0.30 \ldots{} 0.50) & $\infty$ \\",
        r'"d", e & 1 & 2 \\',
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.fixture
def summary() -> Summary:
    arms = (
        ArmCurves("a", "", "arm a", {"recall": np.array([[1.0, 0.5], [0.9, np.nan]])}),
        ArmCurves("b", "", "arm b", {"recall": np.ones((2, 2)), "skate": np.zeros((2, 2))}),
    )
    return Summary("", {}, {"seeds": 2, "first_seed": 3, "generations": 1}, {"task": arms}, {})


def test_summary_as_frame(summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = summary.to_frame()
    assert list(frame.columns) == ["group", "arm", "seed", "generation", "recall", "skate"]
    assert list(frame.seed) == [3, 3, 4, 4] * 2
    assert frame.recall.isna().sum() == 1
    assert frame.skate.isna().sum() == 4
    rows = list(csv.DictReader(io.StringIO(summary.to_csv())))
    assert [row["recall"] for row in rows[:4]] == ["1.0", "0.5", "0.9", ""]
    assert rows[0]["skate"] == ""
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = summary.to_frame()
    assert isinstance(table, pyarrow.Table)
    assert table.column_names == list(frame.columns)
    assert table["arm"].to_pylist() == list(frame.arm)


def test_realised_quantities_are_renamed(summary: Summary, tmp_path: Path) -> None:
    axes = {"policy": "replace", "synthetic_ratio": math.inf, "synthetic_share": 1.0, "corrector": "none", "gamma": 0.0}
    share = {"synthetic_share": np.array([[np.nan, 1.0]])}
    arms = (
        ArmCurves("a", "λ = 1", "physics", share, axes | {"synthetic_ratio": 1.0}),
        ArmCurves("b", "λ = 2", "physics", share, axes | {"synthetic_ratio": math.nan}),
        ArmCurves("c", "fully synthetic", "physics", share, axes),
    )
    write_summary(tmp_path / "a.json", replace(summary, settings=summary.settings | {"seeds": 1}, arms={"task": arms}))
    frame = read_summary(tmp_path / "a.json").to_frame()
    assert list(frame.columns) == ["group", "arm", *axes, "seed", "generation", "realised_synthetic_share"]
    assert frame.arm.nunique() == 3  # the same title in three groups
    assert frame.synthetic_ratio.isna().sum() == 2
    assert list(frame.synthetic_ratio[4:]) == [math.inf, math.inf]


@pytest.mark.parametrize(
    ("calls", "shown"),
    [([0.0, 110.0, 110.0], "1.10"), ([0.0, 400.0, 400.0], "4.00"), ([0.0, 0.0, 0.0], "0.00"), (None, "–")],
)
def test_corrector_calls_per_accepted_sample(calls: list[float] | None, shown: str) -> None:
    """Calls per accepted sample are counted or left out.

    Two generations of 100 accepted samples: 10 redraws each, four calls inside the sampler, none, not counted.
    """
    redrawn = 10.0 if shown == "1.10" else 0.0
    values = {
        "drawn_count": np.array([[np.nan, 100 + redrawn, 100 + redrawn]]),
        "rejected_count": np.array([[np.nan, redrawn, redrawn]]),
        "synthetic_ratio": np.array([[0.0, 1.0, 1.0]]),
        "synthetic_share": np.array([[0.0, 0.5, 0.5]]),
        "corrected_distance": np.zeros((1, 3)),
        **({} if calls is None else {"corrector_calls": np.array([calls])}),
    }
    cells = dict(zip(LOOP_COLUMNS, loop_cells(ArmCurves("a", "λ = 1", "physics", values)), strict=True))
    assert cells["corrector calls per sample"].value == shown


@pytest.mark.parametrize("screen", [60, 100, 400])
def test_wide_table_fits_screen(monkeypatch: pytest.MonkeyPatch, screen: int):
    monkeypatch.setenv("COLUMNS", str(screen))
    names = [f"score {number}" for number in range(12)]
    rows = [PageRow(f"an arm {row}", [Cell(f"{row}.{number:02} better") for number in range(12)]) for row in range(2)]
    lines = format_text(Table("wide", "Arm", names, rows))
    assert max(map(len, lines)) <= screen
    assert sum(line.split().count("score") for line in lines) == 12
    for row in range(2):
        own = [line for line in lines if line.startswith(f"an arm {row}")]
        assert " ".join(own).count("better") == 12
    assert max(map(len, fit_screen("word " * 100).splitlines())) <= screen + 1
