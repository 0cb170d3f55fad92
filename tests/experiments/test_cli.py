"""The command line: mistakes end in one sentence and exit code 2, before anything is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from selfcorrect.experiments.cli import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--policy", "augment", "--synthetic-ratio", "-0.5"], "at least 0, got -0.5"),
        (["--policy", "replace", "--strength", "-1"], "γ must be at least 0, got -1"),
        (["--generations", "0"], "generations must be at least 1, got 0"),
        (["--seeds", "0"], "seeds must be at least 1, got 0"),
        (["--workers", "0"], "workers must be at least 1, got 0"),
        (["--policy", "nonsense"], "unknown policy 'nonsense'"),
        (["--corrector", "no_such_module:function"], "cannot import the module 'no_such_module'"),
        (["--corrector", "json:no_such_function"], "module 'json' has no 'no_such_function'"),
        (["--corrector", "nonsense"], "unknown corrector 'nonsense'"),
        (["--synthetic-ratio", "0.5", "--policy", "replace"], "a synthetic ratio needs the policy"),
        (["--data", "no/such/folder"], "no/such/folder"),
    ],
)
def test_a_bad_argument_is_told_in_one_sentence(arguments, sentence, tmp_path: Path, capsys):
    assert main(["motion", "--out", str(tmp_path / "run"), *arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert sentence in told
    assert told.startswith("selfcorrect: ")
    assert "Traceback" not in told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [["--preset", "nonsense"], ["--generations", "many"], ["--nonsense"]])
def test_what_is_no_option_or_value_exits_with_two(arguments, tmp_path: Path):
    with pytest.raises(SystemExit) as ended:
        main(["motion", "--out", str(tmp_path / "run"), *arguments])
    assert ended.value.code == 2


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert main(["motion", "--out", str(tmp_path / "file" / "run")]) == 2
    assert f"cannot write to the run folder {tmp_path / 'file' / 'run'}" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    assert main(["motion", "--out", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_help_says_what_every_option_means(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["motion", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for option in (
        "--preset",
        "--policy",
        "--synthetic-ratio",
        "--corrector",
        "--strength",
        "--generations",
        "--seeds",
    ):
        assert option in told
    assert "package.module:function" in told


def modules_after(program: str) -> set[str]:
    """What a fresh interpreter has imported after a program."""
    program = f"{program}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_correcting_motions_needs_no_pytorch():
    """Which costs every worker 200 MB and a second."""
    modules = modules_after("import selfcorrect.experiments.correction.batch")
    assert "selfcorrect.simulators.tracking.tracker" in modules
    assert "torch" not in modules


@pytest.mark.parametrize("command", ["correct", "view", "data", "motion", "toy", "text_to_motion"])
def test_options_import_nothing_heavy(command: str):
    """So that help and mistakes are told at once."""
    modules = modules_after(f"import selfcorrect.experiments.commands.{command}")
    assert not modules & {"torch", "numpy", "scipy", "matplotlib", "pyarrow", "wandb", "imageio", "pybullet"}
