"""`selfcorrect correct in.bvh -o out.bvh` writes one file and nothing else."""

import json
import os
from pathlib import Path

import pytest
from helpers import Says

import selfcorrect as sc
from selfcorrect.commands.cli import main

SOURCE = "clips/steps.bvh"


@pytest.mark.parametrize("options", [[], ["--kinematic"]], ids=["physics", "kinematic"])
def test_file_equals_that_of_folder_and_python(folder: Path, options: list[str], says: Says) -> None:
    kept = set(os.listdir(folder))
    printed = says("correct", SOURCE, "-o", "new/fixed.bvh", *options)
    assert "written to new/fixed.bvh" in printed.replace("\\", "/")
    assert "Report:" not in printed
    assert os.listdir("new") == ["fixed.bvh"]
    assert set(os.listdir(folder)) == {*kept, "new"}
    assert main(["correct", SOURCE, "-o", "out", *options]) == 0
    assert Path("new/fixed.bvh").read_bytes() == Path("out/steps.bvh").read_bytes()
    sc.correct_file(SOURCE, "python.bvh", kinematic=bool(options))
    assert Path("new/fixed.bvh").read_bytes() == Path("python.bvh").read_bytes()


def test_options_apply(folder: Path, says: Says) -> None:
    printed = says("correct", SOURCE, "-o", "fixed.bvh", "--kinematic", "--json", "--contacts-out", "c.json",
                   "--delta", "d.bvh", "--frames", "5:30", "--workers", 2, code=1)  # fmt: skip
    report, _ = json.JSONDecoder().raw_decode(printed)
    (motion,) = report["motions"]
    assert (motion["name"], motion["verdict"], motion["output"]) == ("fixed.bvh", "accepted", "corrected")
    assert report["settings"]["frames"] == "5:30"
    assert "[F9 low-hover]" in "".join(motion["faults_left"]), "the floor moves in these frames only"
    assert {"fixed.bvh", "c.json", "d.bvh"} < set(os.listdir(folder))
    held = says("correct", SOURCE, "-o", "again.bvh", "--kinematic", "--contacts", "c.json", "--quiet", code=1)
    assert "contacts are not held" in held


def test_existing_file_needs_overwrite(folder: Path, says: Says) -> None:
    target = folder / "fixed.bvh"
    target.write_bytes(b"somebody's only copy")
    assert "fixed.bvh: exists; " in says("correct", SOURCE, "-o", target, "--kinematic", code=2)
    assert target.read_bytes() == b"somebody's only copy"
    says("correct", SOURCE, "-o", target, "--kinematic", "--overwrite")
    assert target.read_bytes().startswith(b"HIERARCHY")


def test_folder_may_have_suffix(folder: Path) -> None:
    Path("takes.bvh").mkdir()
    assert main(["correct", SOURCE, "-o", "takes.bvh", "--kinematic"]) == 0
    assert Path("takes.bvh/steps.bvh").is_file()


def test_rejected_motion_leaves_no_file(folder: Path, says: Says) -> None:
    sc.save_motion("short.bvh", sc.open_motion(SOURCE).motion.frames(0, 1))
    printed = says("correct short.bvh -o fixed.bvh", code=1)
    assert "short.bvh  rejected" in printed
    assert "written to" not in printed
    assert not Path("fixed.bvh").exists()
    printed = says("correct short.bvh -o fixed.bvh --keep-failed", code=1)
    assert "written to fixed.bvh" in printed
    assert Path("fixed.bvh").read_bytes() == Path("short.bvh").read_bytes()


REFUSED = {
    "clips -o fixed.bvh": "fixed.bvh: expected a folder",
    "clips/steps.bvh clips/rows.npy -o fixed.bvh": "fixed.bvh: expected a folder",
    "clips/steps.bvh -o fixed.npz": "fixed.npz: expected the suffix .bvh",
    "clips/steps.bvh -o clips/steps.bvh --overwrite": "an input would be overwritten",
    "clips/steps.bvh -o fixed --overwrite": "--overwrite is for an output file",
    "clips/steps.bvh -o fixed.bvh --delta fixed.bvh": "fixed.bvh: delta names another output",
    "missing.bvh -o fixed.bvh": "missing.bvh: no such file",
    "clips/steps.bvh -o clips/steps.bvh/fixed.bvh": "cannot write to",
    "text.bvh -o fixed.bvh": "text.bvh",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refusal_changes_nothing(line: str, folder: Path, says: Says) -> None:
    Path("text.bvh").write_text("Dear diary\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    message = says("correct", *line.split(), code=2)
    assert REFUSED[line] in message
    assert message.count("selfcorrect: ") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
