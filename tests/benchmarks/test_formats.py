"""The benchmark of formats measures what it says, on real motions."""

from pathlib import Path

import pytest
import tyro

from benchmarks.formats import FormatsBenchmark, golden_errors
from selfcorrect.datasets.files.formats import FORMATS


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
