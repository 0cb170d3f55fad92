"""FBX files in, glTF out: the files here are written by hand, in the format's text form."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fbx_text import write_fbx
from helpers import smpl_joints_m

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.experiments.cli import main

pytest.importorskip("ufbx", reason="needs the extra `fbx`")


@pytest.mark.parametrize("unit_m", [0.01, 1.0, 0.0254])
@pytest.mark.parametrize("z_up", [False, True])
def test_a_file_in_any_unit_and_with_either_axis_up_stands_in_metres(
    walker: sc.Motion, tmp_path: Path, unit_m: float, z_up: bool
) -> None:
    write_fbx(tmp_path / "a.fbx", walker, unit_m, z_up=z_up)
    motion = open_motion(tmp_path / "a.fbx").motion
    assert (len(motion), motion.fps, motion.label) == (48, 30.0, "walk")
    np.testing.assert_allclose(smpl_joints_m(motion), smpl_joints_m(walker), atol=2e-5)


def test_a_skeleton_below_a_node_that_turns_and_scales_it_stands_in_metres(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker, armature=True)
    file = open_motion(tmp_path / "a.fbx")
    assert file.notes == ()
    np.testing.assert_allclose(smpl_joints_m(file.motion), smpl_joints_m(walker), atol=2e-5)


def test_what_is_written_for_it_has_its_names(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker)
    file = open_motion(tmp_path / "a.fbx")
    lifted = replace(file.motion, root_m=file.motion.root_m + np.array([0.0, 0.1, 0.0]))
    for name in ("b.glb", "b.bvh"):
        file.write(tmp_path / name, lifted)
        again = open_motion(tmp_path / name).motion
        assert set(again.skeleton.names) == set(walker.skeleton.names)
        np.testing.assert_allclose(smpl_joints_m(again), smpl_joints_m(walker) + np.array([0, 0.1, 0]), atol=5e-5)


def test_it_is_corrected_into_gltf(walker: sc.Motion, tmp_path: Path) -> None:
    sunk = replace(walker, root_m=walker.root_m - np.array([0.0, 0.05, 0.0]))
    write_fbx(tmp_path / "a.fbx", sunk)
    assert main(["correct", str(tmp_path / "a.fbx"), "--kinematic", "-o", str(tmp_path / "out")]) == 0
    corrected = sc.load_motion(tmp_path / "out" / "a.glb")
    assert smpl_joints_m(sunk)[..., 1].min() < 0 < smpl_joints_m(corrected)[..., 1].min()
    with pytest.raises(sc.SettingError, match=r"b\.fbx: the correction of a \.fbx file is written as \.glb file"):
        sc.correct_file(tmp_path / "a.fbx", tmp_path / "b.fbx")


def test_what_cannot_be_corrected_is_passed_through_as_gltf(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker.frames(0, 3))
    out = tmp_path / "out"
    assert main(["correct", str(tmp_path / "a.fbx"), "--kinematic", "--keep-failed", "-o", str(out)]) == 1
    np.testing.assert_allclose(smpl_joints_m(sc.load_motion(out / "a.glb")), smpl_joints_m(walker)[:3], atol=2e-5)


@pytest.mark.parametrize("place", [r'(?<="Lcl Translation", "", "A",)', r"(?<=KeyValueFloat: \*6 { a: )"])
def test_numbers_beyond_all_measure_get_a_sentence(walker: sc.Motion, tmp_path: Path, place: str) -> None:
    write_fbx(tmp_path / "a.fbx", walker.frames(0, 6))
    text = (tmp_path / "a.fbx").read_text()
    (tmp_path / "a.fbx").write_text(re.sub(rf"{place}[^,]+", "1e304", text))
    with pytest.raises(sc.InputError, match=r"a\.fbx: .*(none|or) beyond ±1e\+12"):
        open_motion(tmp_path / "a.fbx")


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ufbx", None)
    (tmp_path / "a.fbx").write_text("")
    with pytest.raises(sc.MissingExtraError, match=r"FBX needs the extra `fbx`.*selfcorrect\[fbx\]"):
        open_motion(tmp_path / "a.fbx")
