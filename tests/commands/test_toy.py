"""The toy command runs, writes, and refuses bad arguments."""

import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from helpers import LOOPS, Says

from selfcorrect.commands.cli import main
from selfcorrect.commands.toy import ToyCommand
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.experiments.studies.claims import (
    Check,
    Claim,
    ClaimOutcome,
    expect_above,
    expect_agreement,
    expect_below,
)
from selfcorrect.experiments.studies.toy.files import load_toy_module, select_toys
from selfcorrect.experiments.studies.toy.options import ToyOptions, change_settings
from selfcorrect.experiments.studies.toy.result import write_reading
from selfcorrect.experiments.studies.toy.study import load_settings
from selfcorrect.statistics import UNMEASURED, Interval


def interval(_: object) -> Interval:
    return Interval(2.0, 1.5, 2.5, 10, "t")


@pytest.mark.slow
def test_report_is_self_contained(tmp_path: Path) -> None:
    command = ToyCommand(files=(LOOPS["linear"], LOOPS["provenance"]), out=tmp_path, quick=True, workers=1)
    command.run()
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert not re.search(r'(src|href)="https?:', page)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["name"] for row in rows] == ["linear", "provenance"]
    assert all(
        check["predicted"] and check["measured"] in page.replace("&lt;", "<") for row in rows for check in row["checks"]
    )
    changed = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("measured.json")}
    command.run()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("measured.json")} == changed
    assert json.loads((tmp_path / "results.json").read_text()) == rows


@pytest.mark.slow
def test_damaged_run_repeats_bytes(tmp_path: Path) -> None:
    command = ToyCommand(files=(LOOPS["linear"],), out=tmp_path, quick=True, workers=1)
    command.run()
    results = json.loads((tmp_path / "results.json").read_text())
    gone, damaged = sorted(tmp_path.rglob("measured.json"))
    measured = json.loads(gone.read_text())["generations"]
    gone.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-20])
    command.run()
    assert json.loads(gone.read_text())["generations"] == measured
    (repeated,) = json.loads((tmp_path / "results.json").read_text())
    assert repeated == results[0]


@pytest.mark.slow
def test_failing_loop_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_toy_module(LOOPS["provenance"]).Detector, "mix", without_samples)
    assert ToyCommand(files=(LOOPS["linear"], LOOPS["provenance"]), out=tmp_path, quick=True, workers=1).run() == 1
    assert [row["name"] for row in json.loads((tmp_path / "results.json").read_text())] == ["linear"]
    assert "no samples are left" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_failed_figures_are_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(figure: object) -> str:
        raise ValueError("no ink")

    monkeypatch.setattr("selfcorrect.experiments.studies.figures.draw", broken)
    assert ToyCommand(files=(LOOPS["linear"],), out=tmp_path, quick=True, workers=1).run() == 1
    assert [row["name"] for row in json.loads((tmp_path / "results.json").read_text())] == ["linear"]
    assert "linear figures stopped: no ink" in (tmp_path / "report.html").read_text()


def without_samples(*_: object) -> None:
    raise InputError("no samples are left")


def test_files_run_once() -> None:
    first, second = LOOPS["linear"], LOOPS["curation"]
    assert select_toys([first, second, first]) == [first, second]
    for names, message in ([], "no toy loop is named"), (["gaussian-correct"], "gaussian-correct: no such file"):
        with pytest.raises(SettingError, match=f"{message}.*examples/loops/gaussian_correct.py"):
            select_toys(names)


def test_options_reach_settings() -> None:
    options = ToyOptions(n=(30, 90), gamma=(0.0, 1.0), synthetic_ratio=(2.0,), generations=7, text=Path("words.txt"))
    settings, missing = change_settings("language", load_settings(LOOPS["language"], quick=True), options)
    assert (settings.text, settings.generations) == (Path("words.txt"), 7)
    assert missing == ["n", "synthetic_ratio", "gamma"]
    settings, missing = change_settings("stability", load_settings(LOOPS["stability"]), replace(options, n=(30,)))
    assert (settings.real_count, settings.strengths, settings.ratios) == (30, (0.0, 1.0), (2.0,))
    assert missing == ["text"]
    settings, _ = change_settings("gaussian-collapse", load_settings(LOOPS["gaussian-collapse"]), options)
    assert (settings.real_count, settings.sizes) == (30, (30, 90))


def test_unused_options_raise(says: Says) -> None:
    linear, curation, corrected = (LOOPS[name] for name in ("linear", "curation", "gaussian-correct"))
    refusal = says("toy", linear, curation, "--gamma=1", "--quick", code=2)
    assert f"--gamma is not a setting of {linear}, {curation}" in refusal
    assert "gaussian_correct.py takes one --n, got 10, 20" in says("toy", corrected, "--n", 10, 20, "--quick", code=2)
    refusal = says("toy", corrected, "--gamma=1", "--quick", code=2)
    assert "gaussian-correct needs two or more strengths γ in ascending order" in refusal


@pytest.mark.slow
def test_sweep_is_one_command(tmp_path: Path) -> None:
    words = ["--n", "100", "--gamma", "0", "0.3", "2", "--generations", "5", "--seeds", "4"]
    assert main(["toy", LOOPS["gaussian-correct"], *words, "--out", str(tmp_path), "--workers", "1"]) == 0
    rows = list(csv.DictReader((tmp_path / "seeds.csv").open()))
    places = [(row["arm"], row["seed"]) for row in rows]
    assert len(places) == len(set(places))
    strengths = {row["arm"]: row["gamma"] for row in rows if row["arm"].startswith("ideal")}
    assert strengths == {"ideal γ = 0": "0.0", "ideal γ = 0.3": "0.3", "ideal γ = 2": "2.0"}
    assert [row["seed"] for row in rows if row["arm"] == "ideal γ = 2"] == ["0", "1", "2", "3"]
    assert {row["real_count"] for row in rows} == {"100"}
    metrics = csv.DictReader((tmp_path / "metrics.csv").open())
    means = {row["arm"]: float(row["distance"]) for row in metrics if row["generation"] == "5"}
    ends = [float(row["distance"]) for row in rows if row["arm"] == "ideal γ = 2"]
    assert means["ideal γ = 2"] == pytest.approx(sum(ends) / len(ends), rel=1e-3)


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        (expect_agreement("", interval, 2.4), "undecided"),
        (expect_agreement("", interval, 2.4, 0.5), "holds"),
        (expect_agreement("", interval, 2.0, 0.0, 0.5), "holds"),
        (expect_agreement("", interval, 2.6), "undecided"),
        (expect_agreement("", interval, 2.7), "fails"),
        (expect_agreement("", lambda _: Interval(2.0, 1.99, 2.01, 900, "t"), 2.05), "holds"),
        (expect_agreement("", lambda _: Interval(2.0, 1.99, 2.01, 4, "t"), 2.05), "undecided"),
        (expect_above("", interval, 1.4), "holds"),
        (expect_above("", interval, 2.0), "undecided"),
        (expect_above("", interval, 2.6), "fails"),
        (expect_below("", interval, 2.6), "holds"),
        (expect_below("", interval, 1.4), "fails"),
        (expect_above("", lambda _: UNMEASURED, 1.5), "undecided"),
        (expect_above("", lambda _: Interval(9.0, 6.0, math.inf, 8, "order statistics"), 5.0), "holds"),
        (expect_below("", lambda _: Interval(2.0, -math.inf, 4.0, 8, "order statistics"), 5.0), "holds"),
        (expect_agreement("", interval, math.inf), "undecided"),
    ],
)
def test_outcome_needs_whole_interval(claim: Claim, outcome: str) -> None:
    assert claim.check({}).outcome == outcome


def test_line_names_failing_statements() -> None:
    checks = [Check(outcome, outcome, "") for outcome in get_args(ClaimOutcome)]
    assert write_reading(checks) == "1 of 3 statements hold. Not borne out: fails. Undecided: undecided."
