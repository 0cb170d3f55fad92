"""A small part of the campaign, the same each time; `make campaign` runs the rest."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import campaign
import harness

SHARES = {"files": 0.01, "datasets": 0.02, "caches": 0.03, "pickles": 0.1, "damage": 0.02}


@pytest.mark.parametrize("area", SHARES)
def test_nothing_breaks_it(area: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PATIENCE", 10)  # other tests may run at the same time
    assert campaign.main([area, "--scale", str(SHARES[area]), "--workers", "1"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("look", "wrong"),
    [
        (lambda: "", ""),
        (lambda: "lost a file", "lost a file"),
        (lambda: [][1], "raised IndexError"),
        (lambda: sys.exit(0), "raised SystemExit"),
        (lambda: "x" * 3 * 2**30 and "", "raised MemoryError"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "the process died"),
        (lambda: time.sleep(60), "took longer than"),
    ],
)
def test_the_harness_notices(look, wrong: str) -> None:
    cases = [harness.Case("odd", look), harness.Case("next", lambda: "")]
    found = {outcome.name: outcome.wrong for outcome in harness.run_cases(cases, 2.0, 1)}
    assert found["odd"].startswith(wrong)
    assert found["next"] == ""
    assert wrong or not found["odd"]


def test_what_is_not_clean_is_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def make(seed: int, count: int, folder: Path) -> list[harness.Case]:
        return [harness.Case(f"odd:{case}", lambda case=case: "lost" if case == 1 else "") for case in range(count)]

    monkeypatch.setitem(campaign.AREAS, "odd", campaign.Area(make, 3, 3))
    assert campaign.main(["odd"]) == 1
    told = capsys.readouterr().out
    assert "odd:1: lost" in told
    assert told.splitlines()[-1].split()[:4] == ["odd", "3", "2", "1"]
