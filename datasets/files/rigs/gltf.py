"""Write motions as glTF 2.0 animations, which browsers, Blender and game engines read.

Every joint is an animated node below a node named armature, and belongs to a skin. Bones are made visible by a skinned
mesh with an octahedron for each. glTF uses our conventions: y up, right-handed, metres, quaternions xyzw (Khronos,
"glTF 2.0 Specification", 3.4 and 3.7.3).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.body.smpl import to_smpl
from selfcorrect.motion.geometry.vectors import normalize_safely, norms
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

from .gltf_document import AccessorNumbers, Document, write_document

GENERATOR = "selfcorrect"
"""Generator name in our files, which are in metres whatever the size of the body."""
_VERTICES = 34962
_MATERIAL = {"name": "bone", "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.5, 0.2, 1]}}

_LIMBS = {"hip": "UpperLeg", "knee": "LowerLeg", "ankle": "Foot", "foot": "Toes", "collar": "Shoulder",
          "shoulder": "UpperArm", "elbow": "LowerArm", "wrist": "Hand"}  # fmt: skip
_TRUNK = {"pelvis": "hips", "spine1": "spine", "spine2": "chest", "spine3": "upperChest", "neck": "neck",
          "head": "head"}  # fmt: skip
_LEFT = {f"left_{part}": f"left{bone}" for part, bone in _LIMBS.items()}
_RIGHT = {f"right_{part}": f"right{bone}" for part, bone in _LIMBS.items()}
VRM_BONES = _TRUNK | _LEFT | _RIGHT
"""VRM's bone name for each body part."""

_WIDTH = 0.12
"""Width of a bone, relative to its length."""

_SHORTEST_M = 1e-6
"""Minimum length of a drawn bone, in m. Shorter ones are invisible, and the normals of their triangles would
underflow."""

_OCTAHEDRON = np.array([[0, 0, 0], [1, 0.2, 0], [0, 0.2, 1], [-1, 0.2, 0], [0, 0.2, -1], [0, 1, 0]], dtype=float)
"""(6, 3) corners of a bone of length 1 along +y, before it is narrowed to `_WIDTH`."""

_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]])
"""(8, 3) triangles of a bone, counter-clockwise when seen from outside."""


def write_gltf(path: Path, motion: Motion, *more: Motion) -> None:
    """Write motions as glTF animations.

    Args:
        path: File to write: .glb is binary, and .gltf is JSON text with the numbers in base64.
        motion: First animation, whose skeleton is written.
        *more: Further animations, with the same joints.

    Raises:
        SettingError: The path has another suffix.
    """
    if path.suffix.lower() not in (".glb", ".gltf"):
        raise SettingError(f"{path}: glTF files end in .glb or .gltf")
    write_document(path, _build_document(motion, *more))


def write_vrma(path: Path, motion: Motion) -> None:
    """Write a VRM animation, which can be played on any VRM avatar.

    The file has SMPL's joints, with a T-pose as rest pose. Source: Pixiv and VRM Consortium, "VRMC_vrm_animation 1.0".

    Raises:
        InputError: The motion lacks parts of SMPL's body.
    """
    body = to_smpl(motion)
    bones = {}
    for part, bone in VRM_BONES.items():
        joint = body.skeleton.joint(part)
        if joint is not None:
            bones[bone] = {"node": joint}
    document = _build_document(body, at_rest=True)
    content = dict(document.content)
    content["extensionsUsed"] = ["VRMC_vrm_animation"]
    content["extensions"] = {"VRMC_vrm_animation": {"specVersion": "1.0", "humanoid": {"humanBones": bones}}}
    write_document(path, replace(document, content=content))


def _build_document(motion: Motion, *more: Motion, at_rest: bool = False) -> Document:
    """Build a document with joints, skin and visible bones, posed as in the first frame.

    With `at_rest`, it has only the joints, in the rest pose on the floor.
    """
    numbers = AccessorNumbers()
    nodes = _build_nodes(motion.skeleton)
    skin = {} if at_rest else _attach_skin(motion, nodes, numbers)
    top = 0 if at_rest else len(nodes) - 1
    animations = [_build_animation(moving, numbers) for moving in (motion, *more)]
    document = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "scene": 0,
        "scenes": [{"nodes": [top]}],
        "nodes": nodes,
        **skin,
        "animations": animations,
        "accessors": numbers.content["accessors"],
        "bufferViews": numbers.content["bufferViews"],
        "buffers": [{"byteLength": len(numbers.buffer)}],
    }
    return Document(document, (bytes(numbers.buffer),))


def _build_nodes(skeleton: Skeleton) -> list[dict[str, Any]]:
    """Return nodes at rest in the skeleton's order, with the lowest joint on the floor."""
    nodes: list[dict[str, Any]] = []
    for name, offset_m, children in zip(skeleton.names, skeleton.offsets_m, skeleton.children, strict=True):
        node = {"name": name, "translation": offset_m.tolist()}
        if children:
            node["children"] = list(children)
        nodes.append(node)
    lowest_m = float(skeleton.rest_positions_m[:, 1].min())
    nodes[0]["translation"] = [0.0, -lowest_m, 0.0]
    return nodes


def _attach_skin(motion: Motion, nodes: list[dict[str, Any]], numbers: AccessorNumbers) -> dict[str, Any]:
    """Attach a skin and visible bones to the joints.

    The joints in `nodes` are posed as in the first frame and put, with the mesh, below a new last node, the armature.
    The skin is bound to the rest pose, which glTF stores as inverse matrices.

    Returns:
        The document's entries for skin, mesh and material.
    """
    joints = range(len(nodes))
    for joint in joints:
        nodes[joint]["rotation"] = motion.rotations[0, joint].tolist()
    nodes[0]["translation"] = motion.root_m[0].tolist()
    bound = np.tile(np.eye(4), (len(nodes), 1, 1))
    bound[:, 3, :3] = -motion.skeleton.rest_positions_m  # transposed, as glTF writes columns
    matrices = numbers.add(bound.reshape(-1, 16))
    skin = {"joints": list(joints), "skeleton": 0, "inverseBindMatrices": matrices}
    bones = _build_mesh(motion.skeleton, numbers)
    if bones is None:
        nodes.append({"name": "armature", "children": [0]})
        return {"skins": [skin]}
    nodes.append({"name": "bones", "mesh": 0, "skin": 0})
    nodes.append({"name": "armature", "children": [0, len(joints)]})
    mesh = {"name": "bones", "primitives": [bones]}
    return {"skins": [skin], "meshes": [mesh], "materials": [_MATERIAL]}


def _build_mesh(skeleton: Skeleton, numbers: AccessorNumbers) -> dict[str, Any] | None:
    """Build an octahedron for each bone at rest, from parent to joint.

    Triangles share no vertices, so that edges look sharp. Returns None if no bone is long enough to be drawn.
    """
    lengths_m = norms(skeleton.offsets_m)
    ends = 1 + np.flatnonzero(lengths_m[1:] >= _SHORTEST_M)
    if not len(ends):
        return None
    starts = np.array(skeleton.parents)[ends]
    quaternions = []
    for offset_m in skeleton.offsets_m[ends]:
        aligned = Rotation.align_vectors(offset_m[None], [[0.0, 1.0, 0.0]])
        quaternions.append(aligned[0].as_quat())
    bone_rotations = Rotation.from_quat(quaternions).as_matrix()
    scales_m = lengths_m[ends, None] * [_WIDTH, 1.0, _WIDTH]
    corners = np.einsum("bij,bj,tcj->btci", bone_rotations, scales_m, _OCTAHEDRON[_TRIANGLES])
    vertices_m = corners + skeleton.rest_positions_m[starts, None, None]
    first_edges, second_edges = np.moveaxis(corners[:, :, 1:] - corners[:, :, :1], 2, 0)
    normals = np.cross(first_edges, second_edges)
    corner_normals = np.repeat(normalize_safely(normals), 3, axis=1)
    vertices = 3 * len(_TRIANGLES)
    carriers = np.zeros((len(ends) * vertices, 4), dtype=np.uint16)
    carriers[:, 0] = np.repeat(starts, vertices)
    weights = np.tile([1.0, 0.0, 0.0, 0.0], (len(carriers), 1))
    attributes: dict[str, int] = {}
    attributes["POSITION"] = numbers.add(vertices_m.reshape(-1, 3), _VERTICES, bounds=True)
    attributes["NORMAL"] = numbers.add(corner_normals.reshape(-1, 3), _VERTICES)
    attributes["JOINTS_0"] = numbers.add(carriers, _VERTICES)
    attributes["WEIGHTS_0"] = numbers.add(weights, _VERTICES)
    return {"attributes": attributes, "material": 0}


def _build_animation(motion: Motion, numbers: AccessorNumbers) -> dict[str, Any]:
    """Build the animation of the root translation and all rotations, with linear interpolation."""
    time = numbers.add(np.arange(len(motion)) / motion.fps, bounds=True)
    rotations = make_continuous(motion.rotations)
    samplers = [{"input": time, "output": numbers.add(motion.root_m)}]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    for joint in range(len(motion.skeleton)):
        target = {"node": joint, "path": "rotation"}
        channels.append({"sampler": len(samplers), "target": target})
        output = numbers.add(rotations[:, joint])
        samplers.append({"input": time, "output": output})
    return {"name": motion.label or "motion", "samplers": samplers, "channels": channels}
