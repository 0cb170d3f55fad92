"""FBX is read; glTF is written.

The files here are written by hand, in the format's text form.
"""

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fbx_text import _curve, write_fbx
from helpers import smpl_joints_m

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.native.child_process import ask_reader
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs import fbx
from selfcorrect.motion.skeleton import MAX_JOINTS

pytest.importorskip("ufbx", reason="needs the extra `fbx`")


@pytest.mark.parametrize("unit_m", [0.01, 1.0, 0.0254])
@pytest.mark.parametrize("z_up", [False, True])
def test_units_and_axes_become_metres(walker: sc.Motion, tmp_path: Path, unit_m: float, z_up: bool) -> None:
    write_fbx(tmp_path / "a.fbx", walker, unit_m, z_up=z_up)
    motion = open_motion(tmp_path / "a.fbx").motion
    assert (len(motion), motion.fps, motion.label) == (48, 30.0, "walk")
    np.testing.assert_allclose(smpl_joints_m(motion), smpl_joints_m(walker), atol=2e-5)


def test_scaled_parent_gives_metres(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker, armature=True)
    file = open_motion(tmp_path / "a.fbx")
    assert file.notes == ()
    np.testing.assert_allclose(smpl_joints_m(file.motion), smpl_joints_m(walker), atol=2e-5)


def test_growing_body_raises(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker)
    objects, links = (tmp_path / "a.fbx").read_text().split("\n}\nConnections: {\n")
    objects += '\nAnimationCurveNode: 9000, "AnimCurveNode::S", "" { }'
    links = 'C: "OO",9000,501\nC: "OP",9000,2000, "Lcl Scaling"\n' + links
    for axis in range(3):
        objects += f"\n{_curve(9001 + axis, np.arange(2.0), np.array([0.8, 1.4]))}"
        links = f'C: "OP",{9001 + axis},9000, "d|{"XYZ"[axis]}"\n' + links
    (tmp_path / "a.fbx").write_text(f"{objects}\n}}\nConnections: {{\n{links}")
    with pytest.raises(sc.InputError, match=r"pelvis changes by a factor of 1\.\d+"):
        open_motion(tmp_path / "a.fbx")


def test_output_keeps_names(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker)
    file = open_motion(tmp_path / "a.fbx")
    lifted = replace(file.motion, root_m=file.motion.root_m + np.array([0.0, 0.1, 0.0]))
    for name in ("b.glb", "b.bvh"):
        file.write(tmp_path / name, lifted)
        reread = open_motion(tmp_path / name).motion
        assert set(reread.skeleton.names) >= set(walker.skeleton.names)  # BVH has end sites
        np.testing.assert_allclose(smpl_joints_m(reread), smpl_joints_m(walker) + np.array([0, 0.1, 0]), atol=5e-5)


def test_it_is_corrected_into_gltf(walker: sc.Motion, tmp_path: Path) -> None:
    sunk = replace(walker, root_m=walker.root_m - np.array([0.0, 0.05, 0.0]))
    write_fbx(tmp_path / "a.fbx", sunk)
    faults_remain = 1
    code = main(["correct", str(tmp_path / "a.fbx"), "--kinematic", "-o", str(tmp_path / "out")])
    assert code == faults_remain, "the walk of this test slides through every stance"
    corrected = sc.load_motion(tmp_path / "out" / "a.glb")
    assert smpl_joints_m(sunk)[..., 1].min() < 0 < smpl_joints_m(corrected)[..., 1].min()
    with pytest.raises(sc.SettingError, match=r"b\.fbx:.*\.glb.*\.fbx"):
        sc.correct_file(tmp_path / "a.fbx", tmp_path / "b.fbx")


def test_uncorrectable_passes_as_gltf(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker.frames(0, 3))
    out = tmp_path / "out"
    assert main(["correct", str(tmp_path / "a.fbx"), "--kinematic", "--keep-failed", "-o", str(out)]) == 1
    np.testing.assert_allclose(smpl_joints_m(sc.load_motion(out / "a.glb")), smpl_joints_m(walker)[:3], atol=2e-5)


@pytest.mark.parametrize("place", [r'(?<="Lcl Translation", "", "A",)', r"(?<=KeyValueFloat: \*6 { a: )"])
def test_huge_numbers_raise(walker: sc.Motion, tmp_path: Path, place: str) -> None:
    write_fbx(tmp_path / "a.fbx", walker.frames(0, 6))
    text = (tmp_path / "a.fbx").read_text()
    (tmp_path / "a.fbx").write_text(re.sub(rf"{place}[^,]+", "1e304", text))
    with pytest.raises(sc.InputError, match=r"a\.fbx: .*(between|beyond) ±1e\+12"):
        open_motion(tmp_path / "a.fbx")


def test_missing_extra_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ufbx", None)
    (tmp_path / "a.fbx").write_text("")
    with pytest.raises(sc.MissingExtraError, match=r"FBX.*`fbx`.*selfcorrect\[fbx\]"):
        open_motion(tmp_path / "a.fbx")


def test_empty_nodes_form_skeleton(walker: sc.Motion, tmp_path: Path) -> None:
    """Motion capture programs write joints as empty nodes.

    Such nodes have no attribute, or are nulls.
    """
    write_fbx(tmp_path / "a.fbx", walker)
    text = (tmp_path / "a.fbx").read_text()
    (tmp_path / "b.fbx").write_text(re.sub(r"NodeAttribute: .*\n", "", text).replace("LimbNode", "Null"))
    assert "LimbNode" not in (tmp_path / "b.fbx").read_text()
    motion = open_motion(tmp_path / "b.fbx").motion
    np.testing.assert_allclose(smpl_joints_m(motion), smpl_joints_m(walker), atol=2e-5)


# --- the child process ------------------------------------------------------------------------------------------------


def write_tree(path: Path, nodes: int, fan: int = 1) -> None:
    """Write bones with so many children each.

    If it is one, ufbx frees one inside the other.
    """
    first = 200_000
    objects = []
    links = []
    for index in range(nodes):
        attribute = 10 * first + index
        objects.append(f'NodeAttribute: {attribute}, "NodeAttribute::", "LimbNode" {{ TypeFlags: "Skeleton" }}')
        objects.append(f'Model: {first + index}, "Model::n{index}", "LimbNode" {{ Version: 232 }}')
        links.append(f'C: "OO",{attribute},{first + index}')
        links.append(f'C: "OO",{first + index},{first + (index - 1) // fan if index else 0}')
    head = "; FBX 7.4.0 project file\nFBXHeaderExtension:  {\nFBXHeaderVersion: 1003\nFBXVersion: 7400\n}\n"
    path.write_text(head + "\n".join(["Objects: {", *objects, "}", "Connections: {", *links, "}", ""]))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs limits of memory as Linux has them")
def test_reader_memory_is_limited(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker)
    child = fbx._READER.read_text().replace("content = file.read()", "content = bytes(2**33)")
    (tmp_path / "child.py").write_text(child)
    with pytest.raises(sc.InputError, match="memory"):
        ask_reader(tmp_path / "child.py", "FBX", tmp_path / "a.fbx", {}, 20.0)


def test_stacks_become_motions(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker)
    text = (tmp_path / "a.fbx").read_text()
    stack = re.search(r"AnimationStack: 500, .*?\} \}\n", text, re.DOTALL)
    assert stack is not None
    more = "".join(stack[0].replace("500", str(500 + 10 * count)).replace("walk", f"rest {count}") for count in (1, 2))
    (tmp_path / "b.fbx").write_text(text.replace(stack[0], stack[0] + more))
    file = open_motion(tmp_path / "b.fbx")
    assert file.names == ("walk", "rest 1", "rest 2")
    np.testing.assert_allclose(smpl_joints_m(file.motions[0]), smpl_joints_m(walker), atol=2e-5)
    file.write(tmp_path / "c.glb", file.motions[0], None, file.motions[2])
    assert open_motion(tmp_path / "c.glb").names == file.names


def test_second_person_is_noted(walker: sc.Motion, tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", walker, people=2)
    file = open_motion(tmp_path / "a.fbx")
    assert any(note.topic == "skeletons" for note in file.assumed)
    np.testing.assert_allclose(smpl_joints_m(file.motion), smpl_joints_m(walker), atol=2e-5)


@pytest.mark.parametrize("fan", [1, 10])
def test_bone_limit_is_checked_first(tmp_path: Path, fan: int) -> None:
    """Processor time per bone stays that of few.

    The shape of the hierarchy does not matter. One of three trials suffices.
    """

    def measure_cost_s(bones: int) -> float:
        write_tree(tmp_path / "a.fbx", bones, fan)
        start_s = time.process_time()
        with pytest.raises(sc.InputError, match=f"at most {MAX_JOINTS} joints, got {bones}"):
            open_motion(tmp_path / "a.fbx")
        return time.process_time() - start_s

    assert any(measure_cost_s(20_000) < 10 * measure_cost_s(5_000) + 0.2 for _ in range(3))
