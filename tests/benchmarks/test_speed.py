"""Benchmarks of speed time commands and formats; simulated schedules have known answers."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tyro

from benchmarks import startup
from benchmarks.formats import FormatsBenchmark, golden_errors
from benchmarks.schedule import Cluster, drawn_s, wall_s
from selfcorrect.datasets.files.formats import FORMATS


def test_what_takes_longer_is_seen_to_take_longer() -> None:
    short, long = (startup.fastest([sys.executable, "-c", program], 1) for program in ("pass", "sum(range(10**7))"))
    assert long[1] > short[1] > 0


@pytest.mark.slow
def test_a_line_per_command_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(startup, "COMMANDS", ("--version", "corect"))
    startup.main(startup.Arguments(repeats=1))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["a worker", "--version", "corect"]
    assert all(float(line.split()[-2]) > 0 for line in lines[1:])


def test_golden_errors_are_small_in_every_group(shared: Path) -> None:
    errors = golden_errors(shared / "humanml3d" / "cases" / "10_02.npz")
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


CALM = Cluster(cores_per_node=2, start_s=10.0, unit_s=0.0, given_out_per_s=1e9, failures_per_hour=0.0, straggling=0.0)


def test_equal_units_fill_the_cores_in_rounds() -> None:
    assert wall_s([5.0] * 7, 3, CALM, np.random.default_rng(0)) == pytest.approx(10 + 3 * 5)


def test_the_longest_unit_bounds_the_end() -> None:
    assert wall_s([20.0, 1.0, 1.0], 100, CALM, np.random.default_rng(0)) == pytest.approx(30, abs=1e-6)


def test_one_process_that_gives_out_bounds_the_pace() -> None:
    slow = Cluster(2, 0.0, 0.0, 2.0, 0.0, 0.0)
    assert wall_s([0.001] * 40, 1000, slow, np.random.default_rng(0)) == pytest.approx(40 / 2, rel=0.01)


def test_failures_cost_time_and_lose_nothing() -> None:
    units = [600.0] * 400
    failing = Cluster(2, 60.0, 0.0, 1e9, 1.0, 0.0)
    calm = wall_s(units, 8, CALM, np.random.default_rng(0))
    ends = [wall_s(units, 8, failing, np.random.default_rng(seed)) for seed in range(20)]
    # A failure an hour and node costs a core half a unit and the start: (300 + 60) / 3600 of the time.
    assert np.mean(ends) / calm == pytest.approx(1.1, abs=0.04)


def test_stragglers_are_as_many_and_as_slow_as_told() -> None:
    cluster = Cluster(unit_s=1.0, straggling=0.25, straggler=3.0)
    units = np.array(drawn_s([10.0], 2.0, 20_000, cluster, np.random.default_rng(0)))
    assert set(units) == {21.0, 61.0}
    assert np.mean(units > 21) == pytest.approx(0.25, abs=0.01)
