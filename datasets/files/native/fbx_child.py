"""Read FBX files with ufbx, in a child process.

`run_reader.py` runs this script and calls `_answer`. The script imports nothing of the package.
"""

import os
import stat
from array import array
from dataclasses import dataclass
from typing import Any

import ufbx

_MAX_NODES = 200_000
"""Maximum number of nodes in a scene."""

_EMPTY = ("UNKNOWN", "EMPTY")
"""Attribute types of nodes that have no attribute or show nothing."""


@dataclass(frozen=True)
class FbxScene:
    """An FBX scene with its nodes and animation stacks.

    The lists are copied because ufbx's can be read only once.
    """

    scene: Any
    nodes: list[Any]
    stacks: list[Any]


_LOADED: list[FbxScene] = []
"""Loaded scenes. They are kept forever, because ufbx frees nodes recursively and crashes if there are many."""


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], array]:
    """Answer a request with JSON and numbers.

    If the request names stacks, the answer holds the transforms of nodes in them. Otherwise it describes the scene.
    """
    scene = _load_scene(request["path"])
    _LOADED.append(scene)
    if "stacks" in request:
        return {}, _evaluate(scene, request)
    return _describe_scene(scene)


def _load_scene(path: str) -> FbxScene:
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read()
    scene = ufbx.load_memory(
        content,
        ignore_geometry=True,
        ignore_embedded=True,
        ignore_missing_external_files=True,
        target_axes=ufbx.axes_right_handed_y_up,
        target_unit_meters=1.0,
        space_conversion=ufbx.SpaceConversion.ADJUST_TRANSFORMS,
        inherit_mode_handling=ufbx.InheritModeHandling.COMPENSATE,
        file_format=ufbx.FileFormat.FBX,
    )
    if len(scene.nodes) > _MAX_NODES:
        raise ValueError(f"it has {len(scene.nodes)} nodes; expected at most {_MAX_NODES}")
    return FbxScene(scene, list(scene.nodes), list(scene.anim_stacks))


def _describe_scene(scene: FbxScene) -> tuple[dict[str, Any], array]:
    """Describe nodes and animation stacks as JSON, and the nodes' rest transforms as 10 numbers each.

    The 10 numbers are translation, rotation (quaternion) and scale.
    """
    nodes = scene.nodes
    index_of = {node.typed_id: index for index, node in enumerate(nodes)}
    values = array("d")
    for node in nodes:
        transform = node.local_transform
        values.extend((*transform.translation, *transform.rotation, *transform.scale))
    facts = {
        "fps": float(scene.scene.settings.frames_per_second),
        "names": [node.name for node in nodes],
        "parents": [-1 if node.parent is None else index_of[node.parent.typed_id] for node in nodes],
        "are_bones": [node.bone is not None for node in nodes],
        "are_empty": [node.parent is not None and node.attrib_type.name in _EMPTY for node in nodes],
        "meshes": len(scene.scene.meshes),
        "stacks": [[stack.name, stack.time_begin, stack.time_end] for stack in scene.stacks],
    }
    return facts, values


def _evaluate(scene: FbxScene, request: dict[str, Any]) -> array:
    """Sample the transforms of nodes in every frame of the stacks, node by node.

    A transform has 10 numbers: translation, rotation and scale.
    """
    values = array("d")
    for stack_index, frames in request["stacks"]:
        stack = scene.stacks[stack_index]
        animation = stack.anim
        for node_index in request["nodes"]:
            node = scene.nodes[node_index]
            for frame in range(frames):
                transform = ufbx.evaluate_transform(animation, node, stack.time_begin + frame / request["fps"])
                values.extend((*transform.translation, *transform.rotation, *transform.scale))
    return values
