"""A small part of the campaign, the same each time; `make campaign` runs the rest."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import campaign
import deaths
import harness

from selfcorrect.experiments import cli

SHARES = {
    "files": 0.01, "fbx": 0.1, "results": 0.02, "threads": 0.06, "datasets": 0.02, "shards": 0.03, "pickles": 0.1,
    "plugins": 0.1, "correctors": 0.05, "damage": 0.01, "seals": 0.06, "forged": 0.05, "kills": 0.006, "disks": 0.01,
    "places": 0.03, "options": 0.005,
}  # fmt: skip


pytestmark = pytest.mark.long


@pytest.mark.parametrize("area", SHARES)
def test_nothing_breaks_it(area: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign.main([area, "--scale", str(SHARES[area]), "--workers", "1"]) == 0, capsys.readouterr().out


def test_a_correction_that_dies_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deaths, "WORKS", {"correct": deaths.WORKS["correct"]})
    assert campaign.main(["deaths", "--scale", "0.015", "--workers", "1"]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.endswith("| 6 | 6 | 0 |\n")


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

    monkeypatch.setitem(campaign.AREAS, "odd", campaign.Area("odd ones", make, 3))
    assert campaign.main(["odd"]) == 1
    told = capsys.readouterr().out
    assert "odd:1: lost" in told
    assert told.splitlines()[-1] == "| odd | odd ones | 3 | 2 | 1 |"


def test_a_campaign_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tried = tmp_path / "tried"

    def look(case: int) -> str:
        with tried.open("a") as file:
            file.write(f"{case}\n")
        return "lost" if case == 1 else ""

    def make(seed: int, count: int, folder: Path) -> list[harness.Case]:
        return [harness.Case(f"odd:{case}", partial(look, case)) for case in range(count)]

    monkeypatch.setitem(campaign.AREAS, "odd", campaign.Area("odd ones", make, 4))
    log = ["--log", str(tmp_path / "log")]
    assert campaign.main(["odd", "--scale", "0.5", *log]) == 1
    with (tmp_path / "log").open("a") as file:
        file.write('\n{"area": "od')  # as where it was killed
    assert campaign.main(["odd", *log]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "| odd | odd ones | 4 | 3 | 1 |"
    assert sorted(tried.read_text().split()) == ["0", "1", "2", "3"]
    assert campaign.main(["odd", "--seed", "1", "--scale", "0.25", *log]) == 0


@pytest.mark.parametrize("run", [harness.run_command, harness.run_fresh_command])
def test_commands_run_as_they_would_by_themselves(run, tmp_path: Path) -> None:
    ended = run(["--version"], tmp_path)
    assert (ended.code, ended.err, ended.wrong()) == (0, "", "")
    assert ended.out.startswith("selfcorrect ")
    ended = run(["corect"], tmp_path)
    assert (ended.code, ended.out, ended.wrong()) == (2, "", "")
    assert "did you mean 'correct'" in ended.err
    assert run(["toy", "--help"], tmp_path).code == 0


def test_a_command_that_hangs_breaks_or_takes_too_much_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(run) -> harness.Ended:
        monkeypatch.setattr(cli, "main", run)
        return harness.run_command([], tmp_path, 1.0)

    assert ended(lambda words: time.sleep(1000)).wrong().startswith("took longer than")
    assert ended(lambda words: os.kill(os.getpid(), signal.SIGKILL)).wrong().startswith("ended with exit code -9")
    assert "told of a bug: ZeroDivisionError" in ended(lambda words: 1 // 0).wrong()
    assert "told of a bug: MemoryError" in ended(lambda words: len("x" * 3 * 2**30)).wrong()
    assert ended(lambda words: 2).wrong() == "said nothing"
