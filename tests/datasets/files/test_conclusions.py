"""Conclusions about a file are stated with evidence and follow the file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import base_walk, rename_joints, resting

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.conclusions import Conclusion, draw_conclusions
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.skeletons.vertical import AxisEvidence, UpAxis
from selfcorrect.motion.views import Y_DOWN, Y_UP, Z_UP, ScaledBody, to_y_up


def conclude(path: Path, reading: sc.Reading | None = None) -> dict[str, Conclusion]:
    file = sc.open_motion(path, reading)
    return {conclusion.question: conclusion for conclusion in draw_conclusions(file, reading or sc.Reading())}


@pytest.mark.parametrize(("stature", "unit_m"), [(1.12, 0.01), (0.7, 1.0)])
def test_conclusions_follow_the_file(tmp_path: Path, stature: float, unit_m: float) -> None:
    walk = ScaledBody(stature).view(base_walk(2))
    walk = to_y_up(Z_UP).restore(resting(rename_joints(walk, "unity"), "bones along x"))
    write_bvh(tmp_path / "a.bvh", clip_of(walk, unit_m))
    conclusions = conclude(tmp_path / "a.bvh")
    assert [*conclusions] == ["size", "up", "unit", "names", "rate", "floor"]
    assert f"{1.663 * stature:.2f} m" in conclusions["size"].answer
    assert conclusions["up"].answer == "z up"
    assert any("how the body stands" in evidence for evidence in conclusions["up"].evidence)
    assert f"{unit_m:g} m" in conclusions["unit"].answer
    assert "left_shoulder = LeftUpperArm" in conclusions["names"].answer
    assert all(conclusion.evidence for conclusion in conclusions.values())
    floor_m = float(conclusions["floor"].answer.split()[1])
    assert np.isclose(floor_m, 0.0, atol=0.03)


def test_rate_is_the_recordings(tmp_path: Path) -> None:
    walk = base_walk(3)
    sources = np.arange(len(walk) * 5 // 4) * 4 // 5
    write_bvh(tmp_path / "a.bvh", clip_of(walk.select_frames(sources)))
    *_, evidence = conclude(tmp_path / "a.bvh")["rate"].evidence
    assert evidence.startswith("recorded at 24: ")
    write_bvh(tmp_path / "b.bvh", clip_of(walk))
    assert conclude(tmp_path / "b.bvh")["rate"].evidence == ("by the file",)


@pytest.mark.parametrize("suffix", [".glb", ".npz", ".vrma"])
def test_conclusions_have_evidence(tmp_path: Path, suffix: str) -> None:
    sc.save_motion(tmp_path / f"a{suffix}", base_walk(1))
    assert all(conclusion.evidence for conclusion in conclude(tmp_path / f"a{suffix}").values())


def test_contrary_witnesses_are_named(tmp_path: Path) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(base_walk(2)))
    up = UpAxis(Y_UP, (AxisEvidence("by how the body stands (+4.0)", Y_UP), AxisEvidence("by flights (+2.2)", Y_DOWN)))
    file = replace(sc.open_motion(tmp_path / "a.bvh"), up=up)
    (conclusion,) = [found for found in draw_conclusions(file, sc.Reading()) if found.question == "up"]
    assert conclusion.answer == "y up"
    assert conclusion.evidence == ("by how the body stands (+4.0)", "against it: y down by flights (+2.2)")


def test_check_says_them_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bvh(tmp_path / "a.bvh", clip_of(base_walk(2)))
    assert main(["check", str(tmp_path / "a.bvh")]) == 0
    assert "stature" not in capsys.readouterr().out
    assert main(["check", "--verbose", str(tmp_path / "a.bvh")]) == 0
    assert "a.bvh: size: a stature of 1.66 m" in capsys.readouterr().out
