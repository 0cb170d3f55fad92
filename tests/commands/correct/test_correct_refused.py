"""`selfcorrect correct` refuses mistakes with a sentence each, and leaves nothing lost or half done."""

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import Says, report_of

from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion

KINEMATIC = ["--kinematic"]


BAD = {
    "nan.bvh": (lambda text: re.sub(r"\n(\S+) (\S+ [^\n]*)\n$", r"\nnan \2\n", text), "in frame 44, got 'nan'"),
    "text.bvh": (lambda text: "Dear diary,\ntoday I walked.\n", "line 1"),
    "chair.bvh": (lambda text: re.sub("(left|right)_(hip|knee|ankle)", r"\1 part of a chair \2",
                                      re.sub(r"(\t+OFFSET).*", r"\1 0 10 0", text)),
                  "no joint is recognised as left_hip, left_knee"),
}  # fmt: skip


def test_bad_files_do_not_stop_others(folder: Path, stepping: Motion, says: Says) -> None:
    mixed = folder / "mixed"
    save_motion(mixed / "good.bvh", stepping)
    text = (mixed / "good.bvh").read_text()
    for name, (spoil, _) in BAD.items():
        assert spoil(text) != text
        (mixed / name).write_text(spoil(text))
    (mixed / "truncated.bvh").write_text(text[: 3 * len(text) // 4])
    save_motion(mixed / "short.bvh", stepping.frames(0, 1))
    (mixed / "torn.npz").write_bytes((folder / "clips" / "deep" / "steps.npz").read_bytes()[:500])
    np.save(mixed / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(mixed / "shape.npy", np.zeros((5, 7, 3)))
    output = says("correct mixed --kinematic", code=1)
    report = report_of(folder / "corrected")
    for name, (_, sentence) in BAD.items():
        assert re.search(sentence, report[name]["reason"])
        assert report[name]["verdict"] == "failed"
        assert str(Path("mixed") / name) in report[name]["reason"]
    assert report["truncated.bvh"]["verdict"] == "accepted"
    assert "\nWarning: 1 input is damaged: truncated.bvh (" in output
    assert re.search(r"45 frames, .* \d\d$", report["truncated.bvh"]["damage"][-1])
    assert report["short.bvh"]["verdict"] == "rejected"
    assert "too short: at least 4 frames are needed, got 1;" in report["short.bvh"]["reason"]
    assert "cannot be read" in report["torn.npz"]["reason"]
    assert "pickled.npy" not in report  # of no program that is known: found in a folder, it is no motion file
    assert "unknown joint order" in report["shape.npy"]["reason"]
    assert set(os.listdir(folder / "corrected")) == {
        "good.bvh", "truncated.bvh", "report.json", ".records", ".selfcorrect.lock"}  # fmt: skip
    assert "Corrected 2 of 8 motions" in output
    assert "6 motions were not corrected: chair.bvh, nan.bvh" in output
    assert "Traceback" not in output


def test_rejected_motions_pass_on_request(folder: Path, stepping: Motion) -> None:
    save_motion(folder / "mixed" / "short.bvh", stepping.frames(0, 2))
    save_motion(folder / "mixed" / "good.bvh", stepping)
    assert main(["correct", "mixed", *KINEMATIC, "--keep-failed"]) == 1
    written = folder / "corrected" / "short.bvh"
    assert written.read_bytes() == (folder / "mixed" / "short.bvh").read_bytes()
    assert report_of(folder / "corrected")["short.bvh"]["output"] == "original"
    assert main(["correct", "mixed", *KINEMATIC]) == 1  # now without: the copy goes
    assert not written.exists()


def test_full_disk_leaves_no_part(folder: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", full)
        refusal = says("correct clips/steps.bvh --kinematic", code=2)
    assert "corrected: No space left on device; earlier commits are intact" in refusal
    assert not list((folder / "corrected").glob("*.bvh"))
    assert main(["correct", "clips/steps.bvh", *KINEMATIC]) == 0


def test_nothing_readable_exits_2(folder: Path, says: Says) -> None:
    for name in ("notes.txt", "more.txt"):
        (folder / name).write_text("no motion")
    printed = says("correct notes.txt more.txt", code=2)
    assert "expected a motion file (.bvh, " in printed
    assert "selfcorrect: no file could be read. " in printed


def test_output_is_no_input(folder: Path) -> None:
    assert main(["correct", ".", *KINEMATIC]) == 0
    assert main(["correct", ".", *KINEMATIC]) == 0
    assert set(report_of(folder / "corrected")) == {
        "clips/steps.bvh", "clips/rows.npy", "clips/deep/steps.npz", "clips/deep/joints.npy"}  # fmt: skip


def test_input_inside_output_works(folder: Path) -> None:
    assert main(["correct", "clips/deep", "-o", ".", *KINEMATIC]) == 0
    assert (folder / "steps.npz").is_file()
    assert set(report_of(folder)) == {"steps.npz", "joints.npy"}


@pytest.mark.parametrize(
    "name", [b"caf\xe9.bvh", b"x" * 251 + b".bvh", "λ".encode() * 125 + b".bvh", b"a\nb\x1b[2J.bvh"]
)
def test_odd_names_work(folder: Path, name: bytes) -> None:
    (folder / "odd").mkdir()
    shutil.copyfile(folder / "clips" / "steps.bvh", os.path.join(os.fsencode(folder), b"odd", name))
    shutil.copyfile(folder / "clips" / "steps.bvh", folder / "odd" / "plain.bvh")
    for _ in range(2):
        assert main(["correct", "odd", *KINEMATIC]) == 0
    assert name in os.listdir(os.fsencode(folder / "corrected"))
    assert set(report_of(folder / "corrected")) == {"plain.bvh", os.fsdecode(name)}
