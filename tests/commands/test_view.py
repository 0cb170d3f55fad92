"""Motions are drawn as pictures and films without a viewer, and bad requests are refused."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import tyro
from helpers import Says, lifting_off
from made_motions import made_motion

from selfcorrect.commands.cli import main
from selfcorrect.commands.correct.in_python import correct_files
from selfcorrect.commands.view import ViewCommand
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.digests import make_titles


@pytest.fixture
def motion() -> Motion:
    return lifting_off()


def test_unreadable_file_is_skipped(motion: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_motion(tmp_path / "a.bvh", motion)
    (tmp_path / "b.bvh").write_text("HIERARCHY")
    ViewCommand((tmp_path / "b.bvh", tmp_path / "a.bvh"), out=tmp_path / "out.png").run()
    assert "b.bvh, line 1: " in capsys.readouterr().err
    assert (tmp_path / "out.png").is_file()
    with pytest.raises(ValueError, match="no file"):
        ViewCommand((tmp_path / "b.bvh",), out=tmp_path / "other.png").run()


def test_assumptions_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The assumed rate and bone lengths of a file of joints are printed.

    Such a file does not state its rate, and bones of constant length move its joints.
    """
    joints_m = joint_positions(made_motion("idle"))
    np.save(tmp_path / "a.npy", joints_m * (1.0 + 0.05 * np.sin(np.arange(len(joints_m)))[:, None, None]))
    ViewCommand((tmp_path / "a.npy",), out=tmp_path / "out.html").run()
    error = capsys.readouterr().err
    assert "fps assumed" in error
    assert "joints moved by" in error
    (result,) = correct_files([tmp_path / "a.npy"], tmp_path / "out", kinematic=True)
    assert ", ".join(result.content.assumed) in error


@pytest.mark.slow
def test_slip_agrees_everywhere(walk: Motion, tmp_path: Path, says: Says) -> None:
    """The walk of the README, shaken and sunk."""
    shake_m = np.random.default_rng(0).normal(0, 0.01, walk.root_m.shape)
    given, corrected = str(tmp_path / "walk.bvh"), str(tmp_path / "corrected/walk.bvh")
    save_motion(given, replace(walk, root_m=walk.root_m + shake_m - (0, 0.05, 0)))
    assert main(["correct", given, "-o", str(tmp_path / "corrected")]) == 0
    main(["view", given, corrected, "--out", str(tmp_path / "both.html")])
    main(["check", given, "--references", "--csv", str(tmp_path / "figures.csv")])
    printed = says("check", corrected, "--against", given, code=1)
    errors = json.loads((tmp_path / "corrected/report.json").read_text())["motions"][0]
    before_mm, after_mm = (1000 * errors[when]["slip_m"] for when in ("before", "after"))
    assert before_mm > 1.5 * after_mm
    assert f"slip {before_mm:.0f} → {after_mm:.0f} mm per stance" in printed
    with (tmp_path / "figures.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert 1000 * float(row["slip_m"]) == pytest.approx(before_mm, abs=0.1)
    means = re.findall(r'"means": \[[^,]+, ([^]]+)\]', (tmp_path / "both.html").read_text())
    assert [1000 * float(mean) for mean in means] == pytest.approx([before_mm, after_mm], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".gif", ".mp4"])
def test_pictures_and_films_are_drawn(motion: Motion, tmp_path: Path, suffix: str) -> None:
    for name in ("before.bvh", "after.bvh"):
        save_motion(tmp_path / name, motion)
    words = [str(tmp_path / "before.bvh"), str(tmp_path / "after.bvh"), "--out", str(tmp_path / f"out{suffix}")]
    tyro.cli(ViewCommand, args=words).run()
    pictures = np.asarray(imageio.imread(tmp_path / f"out{suffix}", index=None if suffix != ".png" else 0))
    assert pictures.shape == ((780, 8 * 240, 3) if suffix == ".png" else (40, 360, 720, 3))
    assert pictures.std() > 1


@pytest.mark.parametrize(
    ("files", "titles"),
    [
        (["a/x.bvh", "a/y.bvh"], ["x", "y"]),
        (["clips/x.bvh", "out/x.bvh"], ["clips/x", "out/x"]),
        (["a/b/x.bvh", "c/b/x.bvh", "c/b/y.bvh"], ["a/b/x", "c/b/x", "c/b/y"]),
        (["x.bvh", "x.glb"], ["x.bvh", "x.glb"]),
        (["x.bvh", "x.bvh"], ["x (1)", "x (2)"]),
    ],
)
def test_titles_are_short_and_distinct(files: list[str], titles: list[str]) -> None:
    assert make_titles([Path(file) for file in files]) == titles


def test_page_opens_on_screens_only(
    motion: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = list[Path]()
    monkeypatch.setattr("selfcorrect.commands.view.open_page", opened.append)
    save_motion(tmp_path / "a.bvh", motion)
    ViewCommand((tmp_path / "a.bvh",)).run()
    page = Path(capsys.readouterr().out.strip())
    assert opened == [page]
    assert "<canvas>" in page.read_text()
