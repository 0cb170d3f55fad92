"""Benchmarks of speed time commands."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import speed


def test_what_takes_longer_is_seen_to_take_longer() -> None:
    programs = {
        "short": lambda: speed.run_python("-c", "pass"),
        "long": lambda: speed.run_python("-c", "sum(range(10**7))"),
    }
    spent_s = speed.time_fastest(programs, 1)
    assert spent_s["long"] > spent_s["short"] > 0
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        speed.run_python("-c", "1 / 0")


def test_a_row_names_the_package_that_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with speed.explain_missing_peer("poses"):
        import_module("nosuchpeer")
    assert "nosuchpeer" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError), speed.explain_missing_peer("poses"):
        raise ZeroDivisionError


@pytest.mark.long
@pytest.mark.nightly
def test_speeds_are_printed_beside_their_references(cmu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"seconds": (2.0, 70.0), "files": (1, 2)}
    speed.main(speed.Arguments(cmu, every=15, repeats=1, mode=("kinematic", "mujoco"), **sizes))
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line.startswith(("kinematic  ", "mujoco  "))]
    assert [row[0] for row in rows] == ["kinematic", "mujoco"]
    assert all(float(row[4]) > 1 for row in rows)  # correcting takes longer than reading, posing and writing
    assert float(rows[1][1]) > float(rows[0][1])  # physics takes longer than kinematics
    words = next(line.split() for line in printed.splitlines() if line.startswith("sampling takes"))
    assert 1 < float(words[2]) < 0.6 * float(words[9])
    assert printed.count("x the size in memory with") == 2
    assert "residual-free tracking takes" in printed
    assert "x an empty interpreter" in printed
