"""glTF animations, read back with another library."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from made_motions import made_motion
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs import gltf
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion


@pytest.fixture
def motion() -> Motion:
    random = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.2, (30, 22, 3)), axis=0)).as_quat()
    return Motion(SMPL_BODY.average(), random.normal(0, 1, (30, 3)), rotations, 20.0, label="walk")


def positions_by_name(motion: Motion, like: Motion) -> np.ndarray:
    """Return joints (T, J, 3) in another motion's order."""
    return joint_positions(motion)[:, [motion.skeleton.names.index(name) for name in like.skeleton.names]]


@pytest.mark.parametrize("scale", [0.03, 0.3, 4.0, 100.0])
@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_body_sizes_round_trip_in_metres(tmp_path: Path, scale: float, suffix: str) -> None:
    walk = made_motion("walk", frames=12)
    skeleton = replace(walk.skeleton, offsets_m=scale * walk.skeleton.offsets_m)
    scaled = replace(walk, skeleton=skeleton, root_m=scale * walk.root_m)
    path = tmp_path / f"x{suffix}"
    save_motion(path, scaled)
    reread = open_motion(path, any_body=True).motion
    np.testing.assert_allclose(positions_by_name(reread, scaled), joint_positions(scaled), atol=1e-5 * scale)


def test_foreign_giant_is_in_centimetres(tmp_path: Path) -> None:
    """Without our name, a giant is somebody in centimetres.

    This is the negative control.
    """
    walk = made_motion("walk", frames=12)
    skeleton = replace(walk.skeleton, offsets_m=100 * walk.skeleton.offsets_m)
    path = tmp_path / "x.gltf"
    save_motion(path, replace(walk, skeleton=skeleton, root_m=100 * walk.root_m))
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"asset": {"version": "2.0", "generator": "another"}}))
    reread = open_motion(path).motion
    np.testing.assert_allclose(positions_by_name(reread, walk), joint_positions(walk), atol=1e-4)


def load_gltf(path: Path) -> pygltflib.GLTF2:
    document = pygltflib.GLTF2().load(str(path))
    assert document is not None
    return document


def write_gltf(path: Path, motion: Motion) -> pygltflib.GLTF2:
    gltf.write_gltf(path, motion)
    return load_gltf(path)


def array(document: pygltflib.GLTF2, index: int) -> np.ndarray:
    """Return the numbers of an accessor, by pygltflib's access to the buffer."""
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    uri = document.buffers[0].uri
    data = document.get_data_from_buffer_uri(uri) if uri else document.binary_blob()
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
    kind = {pygltflib.FLOAT: "<f4", pygltflib.UNSIGNED_SHORT: "<u2"}[accessor.componentType]
    return np.frombuffer(data, kind, accessor.count * width, view.byteOffset).reshape(accessor.count, width)


def world_matrices(document: pygltflib.GLTF2, frame: int) -> np.ndarray:
    """Return the global transforms of all nodes, computed as glTF specifies.

    Animated values are composed down the tree.
    """
    local = [
        [node.translation or [0] * 3, node.rotation or [0, 0, 0, 1], node.scale or [1] * 3] for node in document.nodes
    ]
    animation = document.animations[0]
    for channel in animation.channels:
        value = array(document, animation.samplers[channel.sampler].output)[frame]
        local[channel.target.node][("translation", "rotation").index(channel.target.path)] = value
    world = np.tile(np.eye(4), (len(local), 1, 1))

    def descend(index: int, above: np.ndarray) -> None:
        translation, rotation, scale = local[index]
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_quat(rotation).as_matrix() * scale
        matrix[:3, 3] = translation
        world[index] = above @ matrix
        for child in document.nodes[index].children or ():
            descend(child, world[index])

    descend(document.scenes[document.scene].nodes[0], np.eye(4))
    return world


@pytest.mark.parametrize("name", ["motion.glb", "motion.gltf"])
def test_joints_match_other_reader(tmp_path: Path, motion: Motion, name: str) -> None:
    document = write_gltf(tmp_path / name, motion)
    for frame in (0, 17, 29):
        joints_m = world_matrices(document, frame)[:22, :3, 3]
        np.testing.assert_allclose(joints_m, joint_positions(motion)[frame], atol=1e-5)
    times_s = array(document, document.animations[0].samplers[0].input)[:, 0]
    np.testing.assert_allclose(times_s, np.arange(30) / 20, rtol=1e-6)
    assert [node.name for node in document.nodes[:22]] == list(motion.skeleton.names)


def skinned_m(document: pygltflib.GLTF2, frame: int) -> np.ndarray:
    """Return skinned vertices (V, 3), computed as glTF specifies."""
    skin = document.skins[0]
    mesh = document.meshes[0].primitives[0].attributes
    bound = array(document, skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    matrices = world_matrices(document, frame)[skin.joints] @ bound
    carriers = array(document, mesh.JOINTS_0)
    weights = array(document, mesh.WEIGHTS_0)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    places = np.pad(array(document, mesh.POSITION), ((0, 0), (0, 1)), constant_values=1.0)
    return np.einsum("vk,vkij,vj->vi", weights, matrices[carriers], places)[:, :3]


def test_bones_span_joints(tmp_path: Path, motion: Motion) -> None:
    document = write_gltf(tmp_path / "motion.glb", motion)
    joints_m = joint_positions(motion)[5]
    bones_m = skinned_m(document, 5).reshape(21, -1, 3)
    for child, bone_m in zip(range(1, 22), bones_m, strict=True):
        for end in (child, motion.skeleton.parents[child]):
            assert np.linalg.norm(bone_m - joints_m[end], axis=1).min() < 1e-5


def test_joints_have_skin_and_armature(tmp_path: Path, motion: Motion) -> None:
    document = write_gltf(tmp_path / "motion.glb", motion)
    (armature,) = document.scenes[0].nodes
    assert document.nodes[armature].name == "armature"
    children = [document.nodes[child] for child in document.nodes[armature].children]
    assert [(node.name, node.skin, node.mesh) for node in children] == [("pelvis", None, None), ("bones", 0, 0)]
    assert document.skins[0].joints == list(range(22))
    assert document.skins[0].skeleton == 0


def test_faces_look_outwards(tmp_path: Path, motion: Motion) -> None:
    document = write_gltf(tmp_path / "motion.glb", motion)
    primitive = document.meshes[0].primitives[0]
    corners = array(document, primitive.attributes.POSITION).reshape(-1, 3, 3)
    normals = array(document, primitive.attributes.NORMAL).reshape(-1, 3, 3)[:, 0]
    middles = corners.reshape(21, -1, 3).mean(axis=1).repeat(8, axis=0)
    assert np.all(np.sum(normals * (corners.mean(1) - middles), axis=-1) > 0)


@pytest.mark.parametrize("length_m", [0.0, 1e-90, 1e-12])
def test_invisible_bone_has_no_faces(tmp_path: Path, motion: Motion, length_m: float) -> None:
    offsets_m = motion.skeleton.offsets_m.copy()
    offsets_m[15] = [0.0, length_m, 0.0]
    document = write_gltf(
        tmp_path / "motion.glb", replace(motion, skeleton=replace(motion.skeleton, offsets_m=offsets_m))
    )
    normals = array(document, document.meshes[0].primitives[0].attributes.NORMAL)
    assert normals.shape == (20 * 8 * 3, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1.0, atol=1e-6)


def test_rotations_take_short_way(tmp_path: Path, motion: Motion) -> None:
    flipped = motion.rotations * np.where(np.arange(30) % 2, -1, 1)[:, None, None]
    document = write_gltf(tmp_path / "motion.glb", Motion(motion.skeleton, motion.root_m, flipped, 20.0))
    for sampler in document.animations[0].samplers[1:]:
        turns = array(document, sampler.output)
        assert np.all(np.sum(turns[1:] * turns[:-1], axis=-1) > 0)


def test_another_suffix_is_refused(tmp_path: Path, motion: Motion) -> None:
    with pytest.raises(ValueError, match=r"motion\.fbx:.*\.glb.*\.gltf"):
        gltf.write_gltf(tmp_path / "motion.fbx", motion)
