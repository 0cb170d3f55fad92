"""glTF and VRM files are read, and only their motion is replaced when written."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import pytest
from helpers import smpl_joints_m
from made_motions import made_motion
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.gltf_body import _sample_channel
from selfcorrect.datasets.files.rigs.gltf_document import Document, numbers, read_document, write_document
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.editing.transforms import raise_motion


def below_an_armature(document: Document) -> Document:
    """Put joints below an armature, as exporters do.

    Joints are in centimetres, z up, below a node that scales and turns them.
    """
    content = json.loads(json.dumps(document.content))
    turn = Rotation.from_euler("x", -90, degrees=True)
    buffer = bytearray(document.buffers[0])
    for node in content["nodes"][:22]:
        node["translation"] = [100 * value for value in node["translation"]]
    root = content["nodes"][0]
    animation = content["animations"][0]
    for channel in animation["channels"]:
        if channel["target"]["node"] == 0:
            accessor = content["accessors"][animation["samplers"][channel["sampler"]]["output"]]
            start = content["bufferViews"][accessor["bufferView"]]["byteOffset"]
            width = {"VEC3": 3, "VEC4": 4}[accessor["type"]]
            values = np.ndarray((accessor["count"], width), "<f4", buffer, start)
            if width == 3:
                values[...] = 100 * turn.inv().apply(values)
            else:
                values[...] = (turn.inv() * Rotation.from_quat(values)).as_quat()
    (armature,) = content["scenes"][0]["nodes"]
    content["nodes"][armature] |= {"rotation": turn.as_quat().tolist(), "scale": [0.01] * 3}
    root["name"] = "pelvis"
    return Document(content, (bytes(buffer),))


def test_scaled_parent_gives_metres(walker: sc.Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "plain.glb", walker)
    write_document(tmp_path / "a.glb", below_an_armature(read_document(tmp_path / "plain.glb")))
    file = open_motion(tmp_path / "a.glb")
    assert file.notes == ()
    np.testing.assert_allclose(smpl_joints_m(file.motion), smpl_joints_m(walker), atol=2e-5)
    lifted = replace(file.motion, root_m=file.motion.root_m + np.array([0.0, 0.1, 0.0]))
    file.write(tmp_path / "b.glb", lifted)
    reread = open_motion(tmp_path / "b.glb").motion
    np.testing.assert_allclose(smpl_joints_m(reread), smpl_joints_m(walker) + np.array([0, 0.1, 0]), atol=2e-5)
    old = read_document(tmp_path / "a.glb")
    new = read_document(tmp_path / "b.glb")
    assert old.content == new.content  # values are replaced in place, the file does not grow
    assert len(old.buffers[0]) == len(new.buffers[0])


@pytest.mark.parametrize("names", [["left_hip"], ["left_hip", "right_hip"], ["left_hip", "left_knee"], ["pelvis"]])
def test_reflected_joints_show_the_same_body(walker: sc.Motion, tmp_path: Path, names: list[str]) -> None:
    """A scale of −1 turns the signs of all translations below, which is what viewers show."""

    def reflect(content: dict[str, Any]) -> None:
        nodes = content["nodes"]

        def turn_signs(node: dict[str, Any], sign: float) -> None:
            below = -sign if node["name"] in names else sign
            if node["name"] in names:
                node["scale"] = [-1.0] * 3
            for child in node.get("children", []):
                nodes[child]["translation"] = [below * value for value in nodes[child]["translation"]]
                turn_signs(nodes[child], below)

        turn_signs(nodes[0], 1.0)

    path = tmp_path / "a.glb"
    save_motion(path, walker)
    edit_file(path, reflect)
    file = open_motion(path)
    np.testing.assert_allclose(smpl_joints_m(file.motion), smpl_joints_m(walker), atol=2e-5)
    file.write(tmp_path / "b.glb", raise_motion(file.motion, 0.1))
    reread = open_motion(tmp_path / "b.glb").motion
    np.testing.assert_allclose(smpl_joints_m(reread), smpl_joints_m(walker) + np.array([0, 0.1, 0]), atol=2e-5)


def test_mirrors_are_named(walker: sc.Motion, tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    save_motion(path, walker)
    edit_file(path, lambda content: content["nodes"][0].update(scale=[-1.0, 1.0, 1.0]))
    with pytest.warns(UserWarning, match="mirrors x"):
        open_motion(path)


def edit_file(path: Path, change: Any) -> None:
    """Change the JSON of a file."""
    document = read_document(path)
    content = json.loads(json.dumps(document.content))
    change(content)
    write_document(path, Document(content, document.buffers))


def test_animations_round_trip(walker: sc.Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.glb", walker)

    def duplicate_animation(content: dict[str, Any]) -> None:
        second = json.loads(json.dumps(content["animations"][0]))
        content["animations"].append({**second, "name": "again"})
        content["animations"].insert(1, {"name": "face", "samplers": [], "channels": []})
        content["extras"] = {"kept": [1, 2, 3]}

    edit_file(tmp_path / "a.glb", duplicate_animation)
    file = open_motion(tmp_path / "a.glb")
    assert [motion.label for motion in file.motions] == ["walk", "again"]
    lifted = replace(file.motions[1], root_m=file.motions[1].root_m + np.array([0.0, 0.2, 0.0]))
    file.write(tmp_path / "b.glb", file.motions[0], lifted)
    first, second = open_motion(tmp_path / "b.glb").motions
    np.testing.assert_allclose(smpl_joints_m(first), smpl_joints_m(walker), atol=1e-5)
    np.testing.assert_allclose(smpl_joints_m(second), smpl_joints_m(walker) + np.array([0, 0.2, 0]), atol=1e-5)
    assert read_document(tmp_path / "b.glb").content["extras"] == {"kept": [1, 2, 3]}


def test_vrm_bones_give_parts(walker: sc.Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.vrma", walker)

    def anonymous(content: dict[str, Any]) -> None:
        for index, node in enumerate(content["nodes"]):
            node["name"] = f"n{index}"

    edit_file(tmp_path / "a.vrma", anonymous)
    motion = open_motion(tmp_path / "a.vrma").motion
    assert set(motion.skeleton.parts) >= set(SMPL_BODY.names)
    places = [motion.skeleton.parts.index(part) for part in SMPL_BODY.names]
    np.testing.assert_allclose(sc.joint_positions(motion)[:, places], smpl_joints_m(walker), atol=1e-5)


def test_vrma_rests_in_t_pose(walker: sc.Motion, tmp_path: Path) -> None:
    """Players measure an avatar's motion from its rest pose.

    Players scale the avatar's path by the height of its hips there.
    """
    save_motion(tmp_path / "a.vrma", walker)
    document = pygltflib.GLTF2().load_binary(str(tmp_path / "a.vrma"))
    assert document is not None
    assert all(node.rotation in (None, [0, 0, 0, 1]) for node in document.nodes)
    assert not document.meshes
    humanoid = document.extensions["VRMC_vrm_animation"]["humanoid"]["humanBones"]
    hips = document.nodes[humanoid["hips"]["node"]]
    toes = walker.skeleton.rest_positions_m[:, 1].min()
    np.testing.assert_allclose(hips.translation, [0, -toes, 0], atol=1e-6)
    required = ("hips", "spine", "head", "leftUpperLeg", "rightLowerLeg", "leftFoot", "rightUpperArm", "leftHand")
    assert set(required) <= set(humanoid)


@pytest.mark.parametrize("way", ["STEP", "CUBICSPLINE", "16 bits"])
def test_step_and_spline_keys(walker: sc.Motion, tmp_path: Path, way: str) -> None:
    """Step keys hold; splines run straight between keys.

    The splines' slopes are those of lines, with the same values at the keys. Exporters that save space store rotations
    as normalised 16-bit numbers.
    """
    save_motion(tmp_path / "a.glb", walker)
    document = read_document(tmp_path / "a.glb")
    content = json.loads(json.dumps(document.content))
    buffer = bytearray(document.buffers[0])
    animation = content["animations"][0]
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        array = None
        kind = {"componentType": 5126}
        values = numbers(document, sampler["output"])
        if way != "16 bits":
            sampler["interpolation"] = way
        elif channel["target"]["path"] == "rotation":
            array = np.round(values * 32767).astype("<i2")
            kind = {"componentType": 5122, "normalized": True}
        if way == "CUBICSPLINE":
            slopes = np.gradient(values, axis=0) * walker.fps
            array = np.stack([slopes, values, slopes], axis=1).reshape(-1, values.shape[1]).astype("<f4")
        if array is not None:
            content["bufferViews"].append({"buffer": 0, "byteOffset": len(buffer), "byteLength": array.nbytes})
            kind |= {"bufferView": len(content["bufferViews"]) - 1, "count": len(array), "type": f"VEC{array.shape[1]}"}
            content["accessors"].append(kind)
            sampler["output"] = len(content["accessors"]) - 1
            buffer.extend(array.tobytes())
    content["buffers"][0]["byteLength"] = len(buffer)
    write_document(tmp_path / "b.glb", Document(content, (bytes(buffer),)))
    file = open_motion(tmp_path / "b.glb")
    atol = 5e-4 if way == "16 bits" else 1e-5
    np.testing.assert_allclose(smpl_joints_m(file.motion), smpl_joints_m(walker), atol=atol)
    file.write(tmp_path / "c.glb", file.motion)
    np.testing.assert_allclose(smpl_joints_m(open_motion(tmp_path / "c.glb").motion), smpl_joints_m(walker), atol=atol)


def test_spline_slopes_bend_tracks() -> None:
    """Halfway between keys, a spline is at the mean of their values plus an eighth of the change of slope.

    Slopes are per second, so the keys' distance counts. The key in the middle has another slope before and after.
    """
    keys_s = np.array([0.0, 2.0, 3.0])
    values = np.array([[0.0, 1, 2], [4.0, 1, 0], [5.0, 3, 1]])
    incoming = np.array([[9.0, 9, 9], [-1.0, 2, 0], [3.0, 0, 1]])
    outgoing = np.array([[2.0, 0, -4], [0.5, 1, 6], [9.0, 9, 9]])
    tracks = np.stack([incoming, values, outgoing], axis=1).reshape(9, 3)
    found = _sample_channel(keys_s, tracks, "CUBICSPLINE", np.array([0.0, 1.0, 2.0, 2.5, 3.0]), "translation")
    np.testing.assert_allclose(found[[0, 2, 4]], values)
    np.testing.assert_allclose(found[1], (values[0] + values[1]) / 2 + 2.0 * (outgoing[0] - incoming[1]) / 8)
    np.testing.assert_allclose(found[3], (values[1] + values[2]) / 2 + 1.0 * (outgoing[1] - incoming[2]) / 8)


def test_uneven_keys_are_resampled(walker: sc.Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.glb", walker)
    document = read_document(tmp_path / "a.glb")
    buffer = bytearray(document.buffers[0])
    accessor = document.content["accessors"][document.content["animations"][0]["samplers"][0]["input"]]
    start = document.content["bufferViews"][accessor["bufferView"]]["byteOffset"]
    times = np.ndarray(accessor["count"], "<f4", buffer, start)
    times[1::2] += 0.012
    write_document(tmp_path / "b.glb", replace(document, buffers=(bytes(buffer),)))
    file = open_motion(tmp_path / "b.glb")
    assert "key frames are uneven; read at 30 frames per second" in file.notes
    np.testing.assert_allclose(smpl_joints_m(file.motion)[0::2], smpl_joints_m(walker)[0::2], atol=1e-5)


def gesture(step_s: float, keys: int = 9) -> sc.Motion:
    """Raise the right arm by 60° and lower it.

    The person stands. One key is at the top of the gesture, and one below.
    """
    skeleton = SMPL_BODY.average()
    height_m = 0.025 - skeleton.offsets_m[[1, 4, 7, 10], 1].sum()
    turns = np.zeros((keys, 22, 3))
    turns[:, 16, 2] = -1.2
    turns[:, 17, 2] = 1.2 - np.where(np.arange(keys) % 4 == 2, np.radians(60), 0)
    rotations = Rotation.from_rotvec(turns).as_quat()
    return sc.Motion(skeleton, np.tile([0.0, height_m, 0.0], (keys, 1)), rotations, 1 / step_s)


def hand_range_m(motion: sc.Motion) -> float:
    wrist = motion.skeleton.parts.index("right_wrist")
    return float(np.ptp(sc.joint_positions(motion)[:, wrist], axis=0).max())


@pytest.mark.parametrize("step_s", [0.25, 0.5, 1.0, 2.0])
def test_sparse_keys_are_interpolated(tmp_path: Path, step_s: float) -> None:
    posed = gesture(step_s)
    save_motion(tmp_path / "a.glb", posed)
    file = open_motion(tmp_path / "a.glb")
    assert (file.motion.fps, len(file.motion)) == (30, 8 * step_s * 30 + 1)
    assert file.notes == (f"key frames {step_s:g} s apart; sampled at 30 frames per second",)
    assert hand_range_m(file.motion) == pytest.approx(hand_range_m(posed), abs=0.02)
    assert main(["correct", str(tmp_path / "a.glb"), "--kinematic", "-o", str(tmp_path / "out")]) == 1
    (entry,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    assert {finding["code"] for finding in entry["findings_left"]} == {"S5"}, "equal keys hold the pose, and stay"
    corrected = open_motion(tmp_path / "out" / "a.glb").motion
    assert hand_range_m(corrected) == pytest.approx(hand_range_m(posed), abs=0.02)
    assert len(corrected) == len(file.motion)


def test_sparse_steps_hold_their_keys(tmp_path: Path) -> None:
    save_motion(tmp_path / "a.glb", gesture(0.5))

    def stepwise(content: dict[str, Any]) -> None:
        for sampler in content["animations"][0]["samplers"]:
            sampler["interpolation"] = "STEP"

    edit_file(tmp_path / "a.glb", stepwise)
    motion = open_motion(tmp_path / "a.glb").motion
    wrist = motion.skeleton.parts.index("right_wrist")
    assert len(np.unique(sc.joint_positions(motion)[:, wrist].round(4), axis=0)) == 2
    turns = motion.rotations[:, motion.skeleton.parts.index("right_shoulder")]
    np.testing.assert_allclose(turns[30:45], np.tile(turns[30], (15, 1)), atol=1e-6)


@pytest.mark.parametrize("fps", [20.0, 24.0, 60.0])
def test_dense_keys_are_frames(walker: sc.Motion, tmp_path: Path, fps: float) -> None:
    save_motion(tmp_path / "a.glb", replace(walker, fps=fps))
    file = open_motion(tmp_path / "a.glb")
    assert (file.motion.fps, len(file.motion), file.notes) == (fps, 48, ())


def test_a_stretched_prop_refuses_nothing(walker: sc.Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "a.gltf", walker)

    def with_prop(content: dict[str, Any]) -> None:
        wrist = next(node for node in content["nodes"] if node.get("name") == "left_wrist")
        wrist["children"] = [*wrist.get("children", []), len(content["nodes"])]
        content["nodes"].append({"name": "sword", "scale": [0.1, 0.1, 2.0]})
        content["skins"][0]["joints"].append(len(content["nodes"]) - 1)

    edit_file(tmp_path / "a.gltf", with_prop)
    motion = open_motion(tmp_path / "a.gltf").motion
    np.testing.assert_allclose(smpl_joints_m(motion), smpl_joints_m(walker), atol=1e-5)


@pytest.mark.parametrize("name", ["a.glb", "a.gltf", "a.vrma"])
def test_other_files_raise(tmp_path: Path, walker: sc.Motion, name: str) -> None:
    path = tmp_path / name
    for content in (b"", b"\xff\xd8\xff\xe0 a picture", b"Kaydara FBX Binary"):
        path.write_bytes(content)
        with pytest.raises(sc.InputError, match=rf"{re.escape(name)}: not a glTF file"):
            open_motion(path)
    save_motion(tmp_path / "b.gltf", walker)
    path.write_bytes(b"\xef\xbb\xbf\r\n " + (tmp_path / "b.gltf").read_bytes())
    assert len(open_motion(path).motion) == len(walker)


def change_numbers(content: dict[str, Any], accessor: dict[str, Any], width: int, frame: int, value: float) -> None:
    """Set the numbers of a frame in an embedded buffer."""
    start = content["bufferViews"][accessor["bufferView"]]["byteOffset"]
    head, _, text = content["buffers"][0]["uri"].partition(",")
    numbers = bytearray(base64.b64decode(text))
    np.ndarray((accessor["count"], width), "<f4", numbers, start)[frame] = value
    content["buffers"][0]["uri"] = f"{head},{base64.b64encode(numbers).decode()}"


def find_track(content: dict[str, Any], key: str, path: str = "rotation") -> dict[str, Any]:
    """Return the accessor of the times ("input") or values ("output") of a kind of channel."""
    (animation,) = content["animations"]
    channel = next(channel for channel in animation["channels"] if channel["target"]["path"] == path)
    return content["accessors"][animation["samplers"][channel["sampler"]][key]]


def add_joints(content: dict[str, Any], nodes: list[dict[str, Any]], top: Sequence[int]) -> None:
    """Add nodes that are joints of the skin, some right below the root."""
    first = len(content["nodes"])
    content["nodes"] += nodes
    content["nodes"][0]["children"] += [first + index for index in top]
    content["skins"] = [{"joints": list(range(first, first + len(nodes)))}]


def add_chain(content: dict[str, Any]) -> None:
    first = len(content["nodes"])
    add_joints(content, [*({"children": [first + index + 1]} for index in range(200)), {}], [0])


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no animation": (lambda content: content.pop("animations"), "expected an animation of a skeleton, got none"),
    "circle": (lambda content: content["nodes"][0]["children"].append(0), "not a readable glTF file"),
    "accessor": (
        lambda content: find_track(content, "output").update(count=10**9),
        "an accessor reaches beyond its buffer",
    ),
    "outside": (
        lambda content: content["buffers"][0].update(uri="../secret.bin"),
        "expected buffers in the file's folder, got .* outside",
    ),
    "missing": (
        lambda content: content["buffers"][0].update(uri="scene.bin"),
        "'scene.bin', which is not a file in the same folder",
    ),
    "folder": (lambda content: content["buffers"][0].update(uri="."), "not a file in the same folder"),
    "long name": (lambda content: content["buffers"][0].update(uri="a" * 5000), "not a file in the same folder"),
    "flat": (lambda content: content["nodes"][1].update(matrix=[0.0] * 16), "axis of length 0"),
    "nowhere": (lambda content: content["nodes"][1].update(matrix=[1e300] * 16), "axis of length 0"),
    "version": (lambda content: content["asset"].update(version="1.0"), "expected glTF 2.0, got version 1.0"),
    "stretched": (
        lambda content: content["nodes"][3].update(scale=[1.0, 2.0, 1.0]),
        r"the node spine1 .* \[1.0, 2.0, 1.0\]",
    ),
    "compressed": (lambda content: content.update(extensionsRequired=["EXT_meshopt_compression"]), "compressed"),
    "no turn": (
        lambda content: change_numbers(content, find_track(content, "output"), 4, 2, 0.0),
        "a key frame has a rotation of length 0",
    ),
    "bomb": (
        lambda content: change_numbers(content, find_track(content, "input"), 1, -1, 1e12),
        "would take .* of memory",
    ),
    "deep": (add_chain, "at most 128 levels"),
    "many": (lambda content: add_joints(content, [{}] * 9001, range(9001)), "a skeleton of at most 4096 joints"),
    "keys": (
        lambda content: find_track(content, "output").update(find_track(content, "output", "translation")),
        "a track of 48 keys has values of shape",
    ),
}


@pytest.mark.parametrize("where", DAMAGES)
def test_damaged_files_get_a_sentence(walker: sc.Motion, tmp_path: Path, where: str) -> None:
    change, message = DAMAGES[where]
    save_motion(tmp_path / "a.gltf", walker)
    content = json.loads((tmp_path / "a.gltf").read_text())
    change(content)
    (tmp_path / "a.gltf").write_text(json.dumps(content))
    with pytest.raises(sc.InputError, match=rf"a\.gltf: .*{message}"):
        open_motion(tmp_path / "a.gltf")


def test_simulation_equals_bvh(tmp_path: Path) -> None:
    """Joints come in BVH's order.

    The order of bodies in a simulation matters.
    """
    save_motion(tmp_path / "first.bvh", made_motion("walk", frames=48))
    listed = sc.load_motion(tmp_path / "first.bvh")
    corrected = []
    for suffix in (".bvh", ".glb"):
        save_motion(tmp_path / f"a{suffix}", listed)
        correction = sc.correct_file(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
        assert correction.accepted, correction.reason
        corrected.append(smpl_joints_m(sc.load_motion(tmp_path / f"b{suffix}")))
    np.testing.assert_allclose(corrected[0], corrected[1], atol=1e-3)


@pytest.mark.parametrize("moves", [True, False])
def test_zero_rotations_raise_or_are_ignored(walker: sc.Motion, tmp_path: Path, moves: bool) -> None:
    """Zero rotations at rest are ignored in nodes that are animated.

    In other nodes, and in keys, the error names the file.
    """
    save_motion(tmp_path / "a.gltf", walker)
    content = json.loads((tmp_path / "a.gltf").read_text())
    node = walker.skeleton.names.index("left_elbow")
    content["nodes"][node]["rotation"] = [0, 0, 0, 0]
    animation = content["animations"][0]
    if not moves:
        animation["channels"] = [
            channel for channel in animation["channels"] if channel["target"] != {"node": node, "path": "rotation"}
        ]
    (tmp_path / "a.gltf").write_text(json.dumps(content))
    if not moves:
        with pytest.raises(sc.InputError, match=r"a\.gltf:.*left_elbow has length 0"):
            open_motion(tmp_path / "a.gltf")
        return
    file = open_motion(tmp_path / "a.gltf")
    file.write(tmp_path / "b.gltf", file.motion)
    again = open_motion(tmp_path / "b.gltf").motion
    np.testing.assert_allclose(smpl_joints_m(again), smpl_joints_m(walker), atol=1e-5)
