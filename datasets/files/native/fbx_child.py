"""Read FBX files with ufbx, in a child process.

This script is run by its path and imports nothing of the package. It answers a JSON request on standard input; see
`ask_reader`.
"""

import json
import os
import signal
import stat
import struct
import sys
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


def answer(request: dict[str, Any]) -> tuple[dict[str, Any], array]:
    """Answer a request with JSON and numbers.

    If the request names stacks, the answer holds the transforms of nodes in them. Otherwise it describes the scene.
    """
    try:
        _limit_work(request["memory_bytes"], request["processor_s"])
        scene = _load_scene(request["path"])
        _LOADED.append(scene)
        if "stacks" in request:
            return {}, _evaluate(scene, request)
        return _describe_scene(scene)
    except MemoryError:
        return {"error": "it takes too much memory"}, array("d")
    except Exception as error:  # the parent reports it
        return {"error": f"{error}" or type(error).__name__}, array("d")


def _limit_work(memory_bytes: int, processor_s: float) -> None:
    """Limit the memory and processor time of this process.

    The time limit matters if the parent has ended and can no longer stop this process.
    """
    if sys.platform == "win32":
        return
    import resource

    limits = ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, int(processor_s) + 1))
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(kind, (limit, hard))


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
    place = {node.typed_id: index for index, node in enumerate(nodes)}
    values = array("d")
    for node in nodes:
        transform = node.local_transform
        values.extend((*transform.translation, *transform.rotation, *transform.scale))
    facts = {
        "fps": float(scene.scene.settings.frames_per_second),
        "names": [node.name for node in nodes],
        "parents": [-1 if node.parent is None else place[node.parent.typed_id] for node in nodes],
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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # native code may print
    facts, values = answer(json.load(sys.stdin.buffer))  # noqa: TID251 - of the parent
    text = json.dumps(facts).encode()
    answers.write(struct.pack("<Q", len(text)) + text + values.tobytes())
    answers.flush()
    os._exit(0)
