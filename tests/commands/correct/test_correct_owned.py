"""`selfcorrect correct` replaces and removes only what it wrote itself."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers import Says, report_of

from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import correct_file
from selfcorrect.commands.correct.correct_file import FileTask
from selfcorrect.commands.correct.file_result import FileResult
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.results import CorrectedMotion

THEIRS = b"somebody's only copy"
COMMAND = ["correct", "clips/steps.bvh", "--kinematic"]


@pytest.fixture
def calls_to_trash(folder: Path, stepping: Motion) -> list[str]:
    """The command that corrects a motion which is rejected."""
    rises_m = np.linspace(0, 9, len(stepping))[:, None] ** 2 * [0.0, 1.0, 0.0]
    thrown = Motion(stepping.skeleton, stepping.root_m + rises_m, stepping.rotations, stepping.fps)
    save_motion(folder / "thrown.bvh", thrown)
    return ["correct", "thrown.bvh"]


def test_users_output_is_kept(calls_to_trash: list[str], says: Says) -> None:
    target = Path("corrected/thrown.bvh")
    assert main(calls_to_trash) == 1
    entry = report_of(Path("corrected"))["thrown.bvh"]
    assert (entry["verdict"], target.exists()) == ("rejected", False)
    assert f"frame {entry['frame']}" in entry["reason"]
    target.write_bytes(THEIRS)
    assert "corrected/thrown.bvh: " in says(*calls_to_trash, code=2)
    assert target.read_bytes() == THEIRS
    target.unlink()
    assert main(calls_to_trash) == 1


@pytest.mark.parametrize("name", ["steps.bvh", "report.json", ".records/steps.bvh.json"])
def test_what_somebody_changed_stays(folder: Path, name: str, says: Says) -> None:
    path = folder / "corrected" / name
    assert main(COMMAND) == main(COMMAND) == 0
    path.write_bytes(path.read_bytes()[:-9] + THEIRS)
    changed = path.read_bytes()
    assert f"corrected/{name}: " in says(*COMMAND, code=2)
    assert path.read_bytes() == changed
    if name.startswith(".records"):
        (folder / "corrected" / "steps.bvh").unlink()
    path.unlink()
    assert main(COMMAND) == 0


@pytest.mark.parametrize("name", ["steps.bvh", "report.json", ".records/steps.bvh.json"])
@pytest.mark.parametrize("kind", ["pipe", "link", "dangling link"])
def test_links_and_pipes_are_skipped(folder: Path, name: str, kind: str, says: Says) -> None:
    path = folder / "corrected" / name
    path.parent.mkdir(parents=True)
    (folder / "theirs").write_bytes(THEIRS)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(folder / ("theirs" if kind == "link" else "nowhere"))
    assert f"corrected/{name}: " in says(*COMMAND, code=2)
    assert (folder / "theirs").read_bytes() == THEIRS
    assert not (folder / "nowhere").exists()


MISTAKES = {
    "a broken ground": ["--ground", "broken.json"],
    "a broken profile": ["--profile", "broken.json"],
    "broken contacts": ["--contacts", "broken.json"],
    "a joint that is not there": ["--keep", "nosuchjoint"],
    "frames that are not there": ["--frames", "0:9999"],
    "a rate that no motion has": ["--fps", "1e5"],
    "an impossible unit": ["--metres-per-unit", "1e-9"],
    "an unreadable input": [],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_failed_attempt_keeps_earlier(folder: Path, mistake: str, says: Says) -> None:
    source = folder / "clips" / "steps.bvh"
    content = source.read_bytes()
    (folder / "broken.json").write_text('{"floor_m": 0')
    assert main(COMMAND) == 0
    written = {path: path.read_bytes() for path in (folder / "corrected").glob("steps.bvh")}
    assert written
    for _ in range(2):
        if not MISTAKES[mistake]:
            source.write_bytes(content[:300])
        assert main([*COMMAND, *MISTAKES[mistake]]) == 2
        assert {path: path.read_bytes() for path in written} == written
    entry = report_of(folder / "corrected")["steps.bvh"]
    if entry["verdict"] == "failed":  # and not a mistake that is noticed before the work begins
        assert entry["output"] == "earlier"
        assert any("other settings" in note for note in entry["notes"])
    source.write_bytes(content)
    assert "1 of 1 motions are finished already" in says(*COMMAND)
    assert report_of(folder / "corrected")["steps.bvh"]["output"] == "corrected"
    assert main([*COMMAND, "--support", "floor"]) == 0
    assert report_of(folder / "corrected")["steps.bvh"]["output"] == "corrected"


def test_rejected_motion_keeps_earlier(calls_to_trash: list[str], folder: Path) -> None:
    thrown = (folder / "thrown.bvh").read_bytes()
    shutil.copyfile("clips/steps.bvh", "thrown.bvh")
    assert main(calls_to_trash) == 0
    written = Path("corrected/thrown.bvh").read_bytes()
    Path("thrown.bvh").write_bytes(thrown)
    assert main(calls_to_trash) == main([*calls_to_trash, "--support", "floor"]) == 1
    assert Path("corrected/thrown.bvh").read_bytes() == written
    assert report_of(folder / "corrected")["thrown.bvh"]["output"] == "earlier"
    assert main([*calls_to_trash, "--keep-failed"]) == 1
    assert Path("corrected/thrown.bvh").read_bytes() == thrown


@pytest.mark.parametrize("link", [".records", ".records/deep"])
def test_linked_record_is_not_written(folder: Path, link: str, stepping: Motion, says: Says) -> None:
    save_motion(folder / "clips" / "deep" / "a.bvh", stepping)
    (folder / "theirs").mkdir()
    (folder / "corrected" / link).parent.mkdir(parents=True)
    (folder / "corrected" / link).symlink_to(folder / "theirs")
    assert f"corrected/{link}: " in says("correct clips --kinematic", code=2)
    assert not list((folder / "theirs").iterdir())


def test_new_files_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def corrector(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        Path("corrected/steps.bvh").write_bytes(THEIRS)
        return KinematicCorrector()(motions)

    with monkeypatch.context() as patch:
        patch.setattr(correct_file, "correct_through_views", lambda motions, pipeline: corrector(motions))
        assert main(["correct", "clips"]) == 1
    assert Path("corrected/steps.bvh").read_bytes() == THEIRS
    entries = report_of(folder / "corrected")
    assert entries["steps.bvh"]["verdict"] == "failed"
    assert "steps.bvh: exists and was not written by this command" in entries["steps.bvh"]["reason"]
    assert entries["rows.npy"]["verdict"] == "accepted"
    assert main(["correct", "clips"]) == 2
    Path("corrected/steps.bvh").unlink()
    assert main(["correct", "clips"]) == 0


def test_unchanged_report_is_replaced(folder: Path, says: Says) -> None:
    assert main(COMMAND) == main(COMMAND) == 0
    report = folder / "corrected" / "report.json"
    mine = json.dumps({"settings": {}, "counts": {}, "motions": []}, indent=1)
    changed = json.dumps(json.loads(report.read_text()) | {"settings": "mine"}, indent=1)
    for text in (mine, changed):
        report.write_text(text)
        assert f"{report.name}: exists and is not a report of this command" in says(*COMMAND, code=2)
        assert report.read_text() == text


def test_record_like_names_work(folder: Path, stepping: Motion) -> None:
    names = {"x.bvh", "x.bvh.json/y.bvh", "x.bvh.json_/y.bvh", "x.bvh.json/y.bvh.json/z.bvh"}
    assert len({FileTask(Path(name), name, folder).record for name in names}) == len(names)
    for name in names:
        save_motion(folder / "odd" / name, stepping)
    assert main(["correct", "odd", "--kinematic"]) == main(["correct", "odd", "--kinematic"]) == 0
    assert set(report_of(folder / "corrected")) == names
    assert all(FileResult.load(FileTask(Path(name), name, folder / "corrected").record) for name in names)


def test_file_in_folders_place_raises(folder: Path, stepping: Motion, says: Says) -> None:
    save_motion(folder / "clips" / "report.json" / "y.bvh", stepping)
    error = says("correct clips --kinematic", code=2)
    assert "needs as a folder" in error or "the report would overwrite a motion" in error
    assert not (folder / "corrected").exists()
