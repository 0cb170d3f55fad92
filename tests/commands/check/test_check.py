"""`selfcorrect check`: exit codes, reports, settings, pictures."""

import csv
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import Says
from made_rigs import chicken, fox
from PIL import Image

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.motion import Motion

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(walk: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working folder with a sound file and a walker half a metre up in the air."""
    write_bvh(tmp_path / "good.bvh", clip_of(walk))
    write_bvh(tmp_path / "high.bvh", clip_of(replace(walk, root_m=walk.root_m + np.array([0.0, 0.5, 0.0]))))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str]:
        code = main(["check", *map(str, words)])
        return code, capsys.readouterr().out

    return call


def test_exit_codes(folder: Path, run: Run) -> None:
    assert run("good.bvh") == (0, "No findings in 1 file\n")
    code, printed = run(folder)
    assert code == 1
    assert "good.bvh" not in printed
    head, finding, _ = printed.splitlines()
    assert head == f"{folder / 'high.bvh'}: 1 finding (unit 0.01 m inferred, y up inferred)"
    assert re.fullmatch(r"  .* 0\.\d\d m .*: frames 0–\d+ \[F4 floor-elsewhere\]", finding)
    assert printed.endswith("Findings in 1 of 2 files (F4 in 1)\n")


def test_repeated_frames_are_checked_once(walk: Motion, folder: Path, run: Run) -> None:
    """Findings are those of the motion without repeats, in frames of the file."""
    shaken = replace(walk, root_m=walk.root_m + np.where(np.arange(len(walk)) == 20, 0.3, 0.0)[:, None])
    write_bvh(folder / "once.bvh", clip_of(shaken))
    write_bvh(folder / "twice.bvh", clip_of(replace(shaken.select_frames(np.arange(2 * len(walk)) // 2), fps=60.0)))
    write_bvh(folder / "good-twice.bvh", clip_of(replace(walk.select_frames(np.arange(2 * len(walk)) // 2), fps=60.0)))
    assert run("good-twice.bvh")[0] == 0
    findings = {}
    for name in ("once", "twice"):
        run(f"{name}.bvh", "--format", "json", "-o", f"{name}.json")
        findings[name] = json.loads((folder / f"{name}.json").read_text())[0]["motions"][0]
    assert findings["once"]
    for once, twice in zip(findings["once"], findings["twice"], strict=True):
        assert twice["code"] == once["code"]
        assert abs(twice["start"] - 2 * once["start"]) <= 1
        assert abs(twice["value"] - once["value"]) < 1e-4


def test_unreadable_file_exits_2(folder: Path, run: Run, says: Says) -> None:
    (folder / "broken.bvh").write_text("HIERARCHY\n")
    code, printed = run(folder)
    assert code == 2
    assert printed.count("broken.bvh") == 1
    assert "broken.bvh: unreadable: line 2: " in printed
    assert printed.endswith("1 unreadable\n")
    assert run("missing.bvh")[0] == 2
    assert run()[0] == 2
    said = says("check good.bvh broken.bvh -o found.txt", code=2)
    assert said.endswith("selfcorrect: 1 of 2 files could not be read\n")


def test_truncated_file_is_damaged(folder: Path, run: Run) -> None:
    lines = (folder / "good.bvh").read_text().splitlines(keepends=True)
    (folder / "cut.bvh").write_text("".join(lines[:-10]))
    code, printed = run("cut.bvh")
    assert code == 1
    assert printed.startswith("cut.bvh: warning: damaged file: ")
    assert printed.endswith("No findings in 1 file, 1 damaged\n")


@pytest.mark.parametrize(("animal", "suffix"), [(fox, ".bvh"), (chicken, ".glb")])
def test_other_bodies_are_not_checked(folder: Path, run: Run, animal: Callable[[], Motion], suffix: str) -> None:
    save_motion(folder / f"animal{suffix}", animal())
    code, printed = run("good.bvh", f"animal{suffix}")
    assert code == 1
    assert printed.startswith(f"animal{suffix}: no human body: not checked (")
    assert "SMPL" not in printed
    assert printed.endswith("No findings in 2 files, 1 refused by `correct`\n")
    (entry,) = json.loads(run(f"animal{suffix}", "--format", "json")[1])
    assert entry["flaw"].startswith("no human body: not checked")
    (case,) = ElementTree.fromstring(run(f"animal{suffix}", "--format", "junit")[1]).iter("testcase")
    assert case.find("error") is not None
    with pytest.raises(InputError, match=r"no human body \("):
        open_motion(f"animal{suffix}")


@pytest.mark.parametrize("name", [b"a\x1b[2J\x07.bvh", b"caf\xe9.bvh", b"<&\"'>\n.bvh", "\ufffe😀.bvh".encode()])
def test_junit_escapes_names(folder: Path, run: Run, name: bytes) -> None:
    os.rename(folder / "high.bvh", os.path.join(os.fsencode(folder), name))
    (folder / "good.bvh").unlink()
    xml = run(folder, "--format", "junit")[1]
    assert xml.startswith("<?xml version='1.0' encoding='utf-8'?>")
    (case,) = ElementTree.fromstring(xml).iter("testcase")
    assert case.find("failure") is not None


def test_findings_as_json_and_junit(folder: Path, run: Run) -> None:
    assert run(folder, "--format", "json", "-o", "found.json") == (1, "")
    good, high = json.loads((folder / "found.json").read_text())
    assert (good["motions"], good["error"]) == ([[]], "")
    assert high["motions"][0][0]["code"] == "F4"
    root = ElementTree.fromstring(run(folder, "--format", "junit")[1])
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("2", "1", "0")
    failure = root.find("./testsuite/testcase[2]/failure")
    assert failure is not None
    assert failure.attrib["message"].endswith("[F4 floor-elsewhere]")


def test_rules_from_options_and_pyproject(folder: Path, run: Run) -> None:
    assert run("high.bvh", "--ignore", "F4")[0] == 0
    assert run("high.bvh", "--select", "S", "pace")[0] == 0
    (folder / "pyproject.toml").write_text('[tool.selfcorrect.check]\nignore = ["floor-elsewhere"]\n')
    assert run("high.bvh")[0] == 0
    (folder / "pyproject.toml").write_text("[tool.selfcorrect.check]\nthresholds = {F4 = 0.6}\n")
    assert run("high.bvh")[0] == 0


TABLE = "[tool.selfcorrect.check]"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f'{TABLE}\nignore = ["nonsense"]', "unknown rule 'nonsense'"),
        (f'{TABLE}\nignore = "F4"', "ignore: expected list of strings"),
        (f"{TABLE}\ntolerance = 3", "unknown entry 'tolerance'; expected select, ignore, thresholds"),
        (f'{TABLE}\nthresholds = {{F4 = "high"}}', "thresholds: F4: expected number"),
        (f"{TABLE}\nthresholds = {{F4 = nan}}", "the threshold of F4 must be a finite number"),
        (f"{TABLE}\nthresholds = {{F4 = true}}", "thresholds: F4: expected number"),
        (f"{TABLE}\nthresholds = {{F4 = 2026-01-01}}", 'thresholds: F4: expected number, got "2026-01-01"'),
        (f"{TABLE}\nignore = [", "expected TOML"),
        (f"{TABLE}\nignore = {'[' * 5000}", "expected TOML"),
        (f"{TABLE}\ntolerance = {'9' * 5000}", "expected TOML"),
        ("tool = 3", f"expected a table {TABLE}, got tool = 3"),
    ],
)
def test_wrong_settings_name_file(folder: Path, says: Says, text: str, complaint: str) -> None:
    (folder / "pyproject.toml").write_text(f"{text}\n")
    error = says("check good.bvh", code=2)
    assert "pyproject.toml: " in error
    assert complaint in error


def test_the_worst_moments_are_drawn(folder: Path, run: Run) -> None:
    run(folder, "--picture", "worst.png")
    with Image.open(folder / "worst.png") as picture:
        assert picture.size == (7 * 220, 220), "five moments, and tracks of the feet"


def test_rules_are_listed(run: Run) -> None:
    code, printed = run("--rules")
    assert code == 0
    assert printed.splitlines()[0].startswith("F1  under-floor")
    assert "X2  residual-needed" in printed
    assert run("--rules", "--select", "F1") == (0, printed.splitlines()[0] + "\n")
    assert run("--rules", "--ignore", "F", "X")[1].splitlines()[0].startswith("S1  ")


def test_physics_finds_shaken_body(walk: Motion, folder: Path, run: Run) -> None:
    times_s = np.arange(len(walk)) / walk.fps
    shaken_m = walk.root_m + 0.16 * np.sin(15 * times_s)[:, None] * np.array([1.0, 0.0, 0.0])
    write_bvh(folder / "shaken.bvh", clip_of(replace(walk, root_m=shaken_m)))
    assert run("good.bvh", "--physics", "--select", "X")[0] == 0
    code, printed = run("shaken.bvh", "--physics", "--select", "X")
    assert code == 1
    assert printed.count("[X") == printed.count("[X2 residual-needed]") == 1


def test_physics_reports_root_residual(folder: Path, run: Run) -> None:
    code, printed = run(folder, "--physics", "--select", "X", "--format", "json")
    good, high = json.loads(printed)
    assert code == 0
    assert 0 < good["needed"][0]["force_bodyweights"] < 0.5
    assert good["needed"][0]["engine"] == "mujoco"
    # heights count from the floor that the feet show, as in the rules
    forces = [report["needed"][0]["force_bodyweights"] for report in (good, high)]
    assert forces[0] == pytest.approx(forces[1], rel=0.3)
    assert "needed" not in json.loads(run("good.bvh", "--format", "json")[1])[0]
    _, printed = run("good.bvh", "--physics", "--select", "X")
    assert "good.bvh: needs 0." in printed
    assert "N m at the root in mujoco, 0% of frames without support" in printed


def test_physics_reports_hanging_walk(walk: Motion, folder: Path, run: Run) -> None:
    """Half of a walk hangs above the floor on which the feet stand in the other half."""
    up_m = np.where(np.arange(len(walk)) < len(walk) // 2, 0.0, 0.4)[:, None] * [0.0, 1.0, 0.0]
    write_bvh(folder / "climbs.bvh", clip_of(replace(walk, root_m=walk.root_m + up_m)))
    (climbs,) = json.loads(run("climbs.bvh", "--physics", "--select", "X", "--format", "json")[1])
    assert climbs["needed"][0]["without_support"] > 0.3


def test_references_are_ranked(folder: Path, run: Run) -> None:
    code, printed = run(folder, "--references", "--csv", "table.csv", "--leave-out", "unfit.txt")
    assert code == 1
    lines = printed.splitlines()
    assert [Path(line.split()[0]).name for line in lines[1:3]] == ["high.bvh", "good.bvh"]
    assert "stance feet" in lines[1].split("  ")[-1]
    assert (folder / "unfit.txt").read_text().splitlines() == [str(folder / "high.bvh")]
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    high, good = rows
    assert float(high["stance_height_m"]) - float(good["stance_height_m"]) == pytest.approx(0.5, abs=1e-3)
    assert good["hurts"] == ""
    assert run("good.bvh", "--references")[0] == 0
    entries = json.loads(run("good.bvh", "--references", "--format", "json")[1])
    assert entries[0]["references"][0]["stance_height_m"] == pytest.approx(float(good["stance_height_m"]), abs=1e-6)


@pytest.mark.parametrize(
    "words", ["--csv t.csv", "--leave-out t.txt", "--references --format junit", "--references --physics"]
)
def test_contradictory_options_raise(folder: Path, run: Run, words: str) -> None:
    assert run("good.bvh", *words.split())[0] == 2
    assert not list(folder.glob("t.*"))
