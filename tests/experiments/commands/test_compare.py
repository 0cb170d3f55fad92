"""Experiments as YAML files: what they give, what the command line changes, and what is refused."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from selfcorrect.experiments import cli
from selfcorrect.experiments.commands.from_file import from_file
from selfcorrect.experiments.commands.motion import MotionCommand
from selfcorrect.experiments.motion.axes import Axes

MODULE = """
import torch
import selfcorrect as sc

def task(stream):
    real = sc.Samples.real(torch.randn((30, 2), generator=stream.child("data").generator(), dtype=torch.float64))
    return sc.Task(sc.Gaussian.standard(2), real, judge)

def judge(candidate):
    return {"spread": candidate.samples(50).values.std(0).mean()}

def claims():
    from selfcorrect.experiments.studies.claims import expect_above, final_value
    return [expect_above("the spread stays positive", final_value("corrected", "spread"))]

def whiten(values):
    return (values - values.mean(0)) / values.std(0)
"""

EXPERIMENT = """
tasks: {gaussian: own_experiment:task}
arms:
  real only: {policy: real}
  synthetic: {policy: replace}
  corrected: {policy: replace, corrector: "own_experiment:whiten"}
generations: 2
first-seed: 3
seeds: 2
better: {spread: higher}
claims: own_experiment:claims
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_experiment", raising=False)
    (tmp_path / "own_experiment.py").write_text(MODULE)
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    return tmp_path


@pytest.mark.slow
def test_a_file_describes_a_comparison_which_options_change(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "mine.yaml", "--seeds", "5", "--arms.corrected.strength", "3", "--workers", "1"]) == 0
    output = capsys.readouterr().out
    assert re.search(r"^the spread stays positive .* holds$", output, re.MULTILINE)
    assert re.search(r"^corrected  +\w", output, re.MULTILINE)
    assert "runs/mine/report.html" in output
    arm = (folder / "runs" / "mine" / "gaussian" / "seed-5" / "corrected" / "config.json").read_text()
    assert '"strength": 3.0' in arm


def test_a_file_gives_the_options_of_motion(folder: Path) -> None:
    (folder / "motion.yml").write_text("preset: quick\nreal-count: 12\ncorrector: [kinematic]\ngamma: 2\nout: here\n")
    options, rest = from_file(MotionCommand, ["motion.yml", "--seeds", "2"])
    quick = MotionCommand.from_words(["--preset", "quick"])
    axes = Axes(corrector=("kinematic",), gamma=(2.0,))
    settings = replace(quick.settings, real_count=12)
    assert options == replace(quick, settings=settings, axes=axes, out=Path("here"))
    assert rest == ["--seeds", "2"]
    assert from_file(MotionCommand, ["--preset", "quick"]) == (quick, ["--preset", "quick"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 3", "m.yaml: 'seed' is not expected, there are preset,"),
        ("seeds: many", 'm.yaml: seeds: expected whole number, got "many"'),
        ("frames: 12", "m.yaml: 'frames' is not expected"),
        ("preset: quik", "m.yaml: preset: expected one of"),
    ],
)
def test_options_of_motion_that_mean_nothing_are_named_with_their_file(
    text: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m.yaml").write_text(text)
    assert cli.main(["motion", "m.yaml"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 3", "mine.yaml: 'seed' is not expected"),
        ("seeds: many", 'mine.yaml: seeds: expected whole number, got "many"'),
        ("arms: {a: {polcy: real}}", "mine.yaml: arms: a: 'polcy' is not expected"),
        ("better: {spread: up}", "mine.yaml: better: spread: expected one of"),
        ("seeds: [", "mine.yaml: not YAML (while parsing"),
        ("!!python/object/apply:os.system [true]", "mine.yaml: not YAML (could not determine a constructor"),
        ("seeds: 2", "a comparison needs tasks and arms"),
        ("tasks: {a: own_experiment:tusk}\narms: {b: {}}", "has no 'tusk', asked for as task 'a'"),
        ("tasks: {a: own_experiment:task}\narms: {b: {policy: reel}}", "unknown policy 'reel'"),
        ("tasks: {a: own_experiment:task}\narms: {b: {remedy: sims}}", "remedy and sampling are for"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(
    text: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.yaml").write_text(text)
    assert cli.main(["compare", "mine.yaml"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
