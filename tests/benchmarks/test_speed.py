"""Benchmarks of speed time commands and formats."""

import sys
from pathlib import Path

import pytest
import tyro

from benchmarks import correction, startup
from benchmarks.formats import FormatsBenchmark, measure_golden_errors
from selfcorrect.datasets.files.formats import FORMATS


def test_what_takes_longer_is_seen_to_take_longer() -> None:
    short = startup.time_fastest([sys.executable, "-c", "pass"], 1)
    long = startup.time_fastest([sys.executable, "-c", "sum(range(10**7))"], 1)
    assert long[1] > short[1] > 0


@pytest.mark.slow
def test_a_line_per_command_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(startup, "COMMANDS", ("--version", "corect"))
    startup.main(startup.Arguments(repeats=1))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["a worker", "--version", "corect"]
    assert all(float(line.split()[-2]) > 0 for line in lines[1:])


def test_fixed_and_running_cost_are_told_apart() -> None:
    lengths_s = (1, 2, 4, 8)
    times_s = [0.03 + 0.007 * length_s for length_s in lengths_s]
    assert correction.fit_costs(lengths_s, times_s) == pytest.approx((0.03, 0.007))


@pytest.mark.long
def test_speeds_are_printed_beside_their_references(cmu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    correction.main(correction.Arguments(cmu, every=15, repeats=1, mode=("kinematic", "mujoco")))
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line.startswith(("kinematic  ", "mujoco  "))]
    assert [row[0] for row in rows] == ["kinematic", "mujoco"]
    assert all(float(row[4]) > 1 for row in rows)  # correcting takes longer than reading, posing and writing
    assert "goal 20, and" in printed


def test_golden_errors_are_small_in_every_group(shared: Path) -> None:
    errors = measure_golden_errors(shared / "humanml3d" / "cases" / "10_02.npz")
    assert set(errors) >= {"yaw rate", "positions", "rotations", "velocities", "contacts", "decoded"}
    assert max(errors.values()) < 1e-5


@pytest.mark.long
def test_it_prints_errors_and_speeds(cmu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tyro.cli(FormatsBenchmark, args=[str(cmu), "--every", "60"]).run()
    printed = capsys.readouterr().out
    worst = {line.split()[0]: float(line.split()[1]) for line in printed.splitlines() if line.count("e-") == 2}
    assert set(worst) == {kind.name for kind in FORMATS if kind.reader and kind.writer}
    assert max(worst.values()) < 1e-3  # a millimetre
    ratios = [float(line.split("is ")[1].split()[0]) for line in printed.splitlines() if "the loader is" in line]
    assert min(ratios) > 0
