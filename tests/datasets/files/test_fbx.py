"""FBX files in, glTF out: the files here are written by hand, in the format's text form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import smpl_joints_m
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.experiments.cli import main

pytest.importorskip("ufbx", reason="needs the extra `fbx`")

TICKS_PER_SECOND = 46186158000
LINEAR = 4


def _curve(identity: int, times_s: np.ndarray, values: np.ndarray) -> str:
    keys, count = ",".join(str(round(time * TICKS_PER_SECOND)) for time in times_s), len(times_s)
    return f"""
    AnimationCurve: {identity}, "AnimCurve::", "" {{
        Default: 0
        KeyVer: 4008
        KeyTime: *{count} {{ a: {keys} }}
        KeyValueFloat: *{count} {{ a: {",".join(f"{value:.8g}" for value in values)} }}
        KeyAttrFlags: *1 {{ a: {LINEAR} }}
        KeyAttrDataFloat: *4 {{ a: 0,0,0,0 }}
        KeyAttrRefCount: *1 {{ a: {count} }}
    }}"""


def _vector(name: str, values: Sequence[float]) -> str:
    return f'P: "{name}", "{name}", "", "A",{",".join(f"{value:.8g}" for value in values)}'


def write_fbx(
    path: Path, motion: sc.Motion, unit_m: float = 0.01, *, z_up: bool = False, armature: bool = False
) -> None:
    """An FBX 7.4 text file: limb nodes with linear curves of translation and rotation, Euler angles XYZ.

    armature: below a node that turns and scales them, as Blender writes them.
    """
    turn = Rotation.from_euler("x", 90 * z_up, degrees=True)
    skeleton = motion.skeleton
    offsets = turn.apply(skeleton.offsets_m) / unit_m
    rotations = (turn * Rotation.from_quat(motion.rotations) * turn.inv()).as_quat()
    times_s = np.arange(len(motion)) / motion.fps
    objects, links = [], ['C: "OO",501,500']
    path_of_root = turn.apply(motion.root_m) / unit_m
    if armature:
        lying = Rotation.from_euler("x", 90, degrees=True)
        offsets, path_of_root = offsets / 100, lying.apply(path_of_root) / 100
        rotations[:, 0] = (lying * Rotation.from_quat(rotations[:, 0])).as_quat()
        turned, scaled = _vector("Lcl Rotation", [-90, 0, 0]), _vector("Lcl Scaling", [100, 100, 100])
        objects.append(
            f'Model: 1999, "Model::Armature", "Null" {{ Version: 232\nProperties70: {{ {turned}\n{scaled} }} }}'
        )
        links.append('C: "OO",1999,0')
    for joint, name in enumerate(skeleton.names):
        degrees = np.unwrap(Rotation.from_quat(rotations[:, joint]).as_euler("xyz", degrees=True), period=360, axis=0)
        objects.append(
            f'NodeAttribute: {1000 + joint}, "NodeAttribute::", "LimbNode" {{ TypeFlags: "Skeleton" }}\n'
            f'Model: {2000 + joint}, "Model::{name}", "LimbNode" {{ Version: 232\nProperties70: {{ '
            f"{_vector('Lcl Translation', offsets[joint])}\n{_vector('Lcl Rotation', degrees[0])} }} }}"
        )
        parent = 2000 + skeleton.parents[joint] if joint else 1999 * armature
        links += [f'C: "OO",{2000 + joint},{parent}', f'C: "OO",{1000 + joint},{2000 + joint}']
        tracks = {"Lcl Rotation": degrees} | ({} if joint else {"Lcl Translation": path_of_root})
        for number, (kind, track) in enumerate(tracks.items()):
            node = 3000 + 10 * joint + number
            objects.append(f'AnimationCurveNode: {node}, "AnimCurveNode::{kind[4]}", "" {{ }}')
            links += [f'C: "OO",{node},501', f'C: "OP",{node},{2000 + joint}, "{kind}"']
            for axis, values in zip("XYZ", track.T, strict=True):
                curve = 10 * node + "XYZ".index(axis)
                objects.append(_curve(curve, times_s, values))
                links.append(f'C: "OP",{curve},{node}, "d|{axis}"')
    stop = round(times_s[-1] * TICKS_PER_SECOND)
    up, front = (2, 1) if z_up else (1, 2)
    settings = {"UpAxis": up, "UpAxisSign": 1, "FrontAxis": front, "FrontAxisSign": -1 if z_up else 1, "CoordAxis": 0,
                "CoordAxisSign": 1, "TimeMode": 6}  # fmt: skip
    path.write_text(
        "; FBX 7.4.0 project file\nFBXHeaderExtension: { FBXHeaderVersion: 1003\nFBXVersion: 7400 }\n"
        "GlobalSettings: { Version: 1000\nProperties70: {\n"
        + "\n".join(f'P: "{name}", "int", "Integer", "",{value}' for name, value in settings.items())
        + f'\nP: "UnitScaleFactor", "double", "Number", "",{100 * unit_m}\n}} }}\nObjects: {{\n'
        + f'AnimationStack: 500, "AnimStack::{motion.label}", "" {{ Properties70: {{ '
        + f'P: "LocalStart", "KTime", "Time", "",0\nP: "LocalStop", "KTime", "Time", "",{stop} }} }}\n'
        + 'AnimationLayer: 501, "AnimLayer::Base", "" { }\n'
        + "\n".join(objects)
        + "\n}\nConnections: {\n"
        + "\n".join(links)
        + "\n}\n"
    )


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


def test_damaged_files_get_a_sentence(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker.frames(0, 6))
    text = (tmp_path / "a.fbx").read_text()
    for name, content in (("cut.fbx", text[: len(text) // 2]), ("other.fbx", "Dear diary"), ("empty.fbx", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises(sc.InputError, match=rf"{name}: (not a readable FBX file|holds no animation)"):
            open_motion(tmp_path / name)
    (tmp_path / "still.fbx").write_text(text.replace("AnimationStack:", "AnimationSomething:"))
    with pytest.raises(sc.InputError, match=r"still\.fbx: holds no animation of a skeleton"):
        open_motion(tmp_path / "still.fbx")


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ufbx", None)
    (tmp_path / "a.fbx").write_text("")
    with pytest.raises(sc.MissingExtraError, match=r"FBX needs the extra `fbx`.*selfcorrect\[fbx\]"):
        open_motion(tmp_path / "a.fbx")
