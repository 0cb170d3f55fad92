"""Runs that were made apart become one run, with the results of one command."""

import json
from pathlib import Path

import pytest

from selfcorrect.experiments.cli import main

SMALL = [
    "motion", "--preset", "quick", "--generations", "1", "--real-count", "24", "--evaluated-count", "24",
    "--steps", "1", "--initial-steps", "1", "--corrector", "none", "--workers", "1", "--wandb", "off",
]  # fmt: skip


@pytest.mark.long
def test_joined_runs_are_the_run_of_all_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "--first-seed", "0", "--out", "a"]) == 0
    assert main([*SMALL, "--first-seed", "1", "--out", "b"]) == 0
    assert main([*SMALL, "--seeds", "2", "--out", "whole"]) == 0
    assert main(["join", "b", "a", "--out", "joined"]) == 0
    joined, whole = (json.loads(Path(folder, "summary.json").read_text()) for folder in ("joined", "whole"))
    assert joined["settings"] == whole["settings"]
    assert joined["floors"] == whole["floors"]
    for group in whole["arms"]:
        for arm, other in zip(joined["arms"][group], whole["arms"][group], strict=True):
            timeless = {key for key in other["values"] if not key.startswith("seconds_")}
            assert {key: arm["values"][key] for key in timeless} == {key: other["values"][key] for key in timeless}
    assert main([*SMALL, "--seeds", "2", "--out", "joined"]) == 0, "it goes on as any run"
    for words, fault in (
        (["join", "a", "a", "--out", "x"], "two run folders or more"),
        (["join", "a", "whole", "--out", "x"], "expected a run that begins at seed 1"),
        (["join", "a", "b", "--out", "a"], "is one of the runs"),
    ):
        capsys.readouterr()
        assert main(words) == 2
        assert fault in capsys.readouterr().err
    assert not Path("x").exists()
