"""glTF animations, read back with another library."""

from pathlib import Path

import numpy as np
import pygltflib
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files import gltf
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion


@pytest.fixture
def motion() -> Motion:
    random = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.2, (30, 22, 3)), axis=0)).as_quat()
    return Motion(SMPL_BODY.average(), random.normal(0, 1, (30, 3)), rotations, 20.0, label="walk")


def array(document: pygltflib.GLTF2, index: int) -> np.ndarray:
    """The numbers of an accessor, by pygltflib's own access to the buffer."""
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    uri = document.buffers[0].uri
    data = document.get_data_from_buffer_uri(uri) if uri else document.binary_blob()
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
    kind = {pygltflib.FLOAT: "<f4", pygltflib.UNSIGNED_SHORT: "<u2"}[accessor.componentType]
    return np.frombuffer(data, kind, accessor.count * width, view.byteOffset).reshape(accessor.count, width)


def world_matrices(document: pygltflib.GLTF2, frame: int) -> np.ndarray:
    """Global transforms of all nodes, computed as glTF says: animated values, then down the tree."""
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
def test_joints_are_where_another_reader_finds_them(tmp_path: Path, motion: Motion, name: str) -> None:
    gltf.write(tmp_path / name, motion)
    document = pygltflib.GLTF2().load(str(tmp_path / name))
    assert document is not None
    for frame in (0, 17, 29):
        joints_m = world_matrices(document, frame)[:22, :3, 3]
        np.testing.assert_allclose(joints_m, joint_positions(motion)[frame], atol=1e-5)
    times_s = array(document, document.animations[0].samplers[0].input)[:, 0]
    np.testing.assert_allclose(times_s, np.arange(30) / 20, rtol=1e-6)
    assert [node.name for node in document.nodes[:22]] == list(motion.skeleton.names)


def test_bones_reach_from_joint_to_joint(tmp_path: Path, motion: Motion) -> None:
    gltf.write(tmp_path / "motion.glb", motion)
    document = pygltflib.GLTF2().load(str(tmp_path / "motion.glb"))
    assert document is not None
    world = world_matrices(document, 5)
    joints_m = joint_positions(motion)[5]
    for child in range(1, 22):
        bone = world[21 + child]
        np.testing.assert_allclose(bone[:3, 3], joints_m[motion.skeleton.parents[child]], atol=1e-5)
        np.testing.assert_allclose((bone @ [0, 1, 0, 1])[:3], joints_m[child], atol=1e-5)


def test_faces_look_outwards(tmp_path: Path, motion: Motion) -> None:
    gltf.write(tmp_path / "motion.glb", motion)
    document = pygltflib.GLTF2().load(str(tmp_path / "motion.glb"))
    assert document is not None
    primitive = document.meshes[0].primitives[0]
    corners = array(document, primitive.attributes.POSITION).reshape(-1, 3, 3)
    normals = array(document, primitive.attributes.NORMAL).reshape(-1, 3, 3)[:, 0]
    assert np.all(np.sum(normals * (corners.mean(1) - [0, 0.3, 0]), axis=-1) > 0)


def test_rotations_do_not_take_the_long_way_between_frames(tmp_path: Path, motion: Motion) -> None:
    flipped = motion.rotations * np.where(np.arange(30) % 2, -1, 1)[:, None, None]
    gltf.write(tmp_path / "motion.glb", Motion(motion.skeleton, motion.root_m, flipped, 20.0))
    document = pygltflib.GLTF2().load(str(tmp_path / "motion.glb"))
    assert document is not None
    for sampler in document.animations[0].samplers[1:]:
        turns = array(document, sampler.output)
        assert np.all(np.sum(turns[1:] * turns[:-1], axis=-1) > 0)


def test_another_suffix_is_refused(tmp_path: Path, motion: Motion) -> None:
    with pytest.raises(ValueError, match=r"motion\.fbx: glTF files end in \.glb or \.gltf"):
        gltf.write(tmp_path / "motion.fbx", motion)
