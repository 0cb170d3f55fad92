"""Runs made apart join into the results of one command."""

import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from selfcorrect.commands.cli import main

SMALL = [
    "motion", "--preset", "quick", "--generations", "1", "--real-count", "24", "--evaluated-count", "24",
    "--steps", "1", "--initial-steps", "1", "--corrector", "none", "--workers", "1", "--wandb", "off",
]  # fmt: skip


def read_timeless(folder: str) -> dict[str, Any]:
    """Return a summary without times, command and how it was made."""
    summary = json.loads(Path(folder, "summary.json").read_text())
    for arm in chain.from_iterable(summary["arms"].values()):
        arm["values"] = {name: values for name, values in arm["values"].items() if not name.startswith("seconds_")}
    return {name: part for name, part in summary.items() if name not in ("command", "made", "sha256")}


@pytest.mark.long
def test_joined_runs_equal_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "--first-seed", "0", "--out", "a"]) == 0
    assert main([*SMALL, "--first-seed", "1", "--out", "b"]) == 0
    assert main([*SMALL, "--seeds", "2", "--out", "whole"]) == 0
    assert main(["join", "b", "a", "--out", "joined"]) == 0
    assert read_timeless("joined") == read_timeless("whole")
    reports = [path for part in ("tables", "figures") for path in Path("whole", part).iterdir()]
    assert len(reports) >= 5
    for path in reports:
        assert Path("joined", path.relative_to("whole")).read_bytes() == path.read_bytes()
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


@pytest.mark.long
def test_changed_and_misplaced_parts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in ("0", "1"):
        assert main([*SMALL, "--first-seed", seed, "--keep", "samples", "--out", seed]) == 0
    join = ["join", "0", "1", "--out", "joined"]
    assert main(join) == 0
    assert main(join) == 0, "nothing changed"
    seed = Path("1", "patch-mixer", "seed-1")
    arm = next(folder for folder in sorted(seed.iterdir()) if folder.name.startswith("replace"))
    shutil.rmtree(arm / "generation-0001")
    capsys.readouterr()
    assert main(join) == 2
    assert "generation-0001 is missing" in capsys.readouterr().err
    assert main([*SMALL, "--first-seed", "1", "--keep", "samples", "--repair", "--out", "1"]) == 0
    assert main(join) == 0, "the repair gave the same bytes"
    shutil.rmtree(seed)
    shutil.copytree(Path("0", "patch-mixer", "seed-0"), seed)
    assert main([*join[:-1], "other"]) == 2
    assert "belongs to" in capsys.readouterr().err
