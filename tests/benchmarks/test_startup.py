"""The benchmark of the command line times every command."""

import sys

import pytest

from benchmarks import startup


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
