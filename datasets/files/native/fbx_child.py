"""The child process that reads FBX files with ufbx: run as a script, by its path, with nothing else imported.

It answers lines of JSON on standard input; see `ChildReader`. It ends with its parent: at once, even in native code, on
systems that signal the end of a pipe, and otherwise after the request.
"""

import json
import os
import signal
import stat
import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import ufbx

_HEAD = struct.Struct("<QQQ")
"""Start of an answer: number of the request, bytes of JSON, and 64-bit floats that follow."""

_MOST_NODES = 200_000
"""Nodes of a scene that are described, at most."""

_EMPTY = ("UNKNOWN", "EMPTY")
"""Nodes without attribute, and nodes that show nothing."""


@dataclass(frozen=True)
class Scene:
    """A scene, its nodes and its animation stacks; ufbx's lists may be read once and have to be kept."""

    scene: Any
    nodes: list[Any]
    stacks: list[Any]


def answer_requests(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every line of JSON until the input ends."""
    scene: Scene | None = None
    for line in requests:
        request = json.loads(line)  # noqa: TID251 - of the parent
        values = array("d")
        answer: dict[str, Any] = {}
        try:
            with _ending_with_parent(requests):
                if "open" in request:
                    _limit_memory(request["memory_bytes"])
                    scene = _load_scene(request["open"])
                    answer, values = _describe_scene(scene)
                elif "stack" in request and scene is not None:
                    values = _evaluate(scene, request)
                else:
                    scene = None
        except MemoryError:
            answer = {"error": "it takes too much memory"}
            values = array("d")
        except Exception as error:  # a bad file stops no other
            answer = {"error": f"{error}" or type(error).__name__}
            values = array("d")
        text = json.dumps(answer).encode()
        answers.write(_HEAD.pack(request["number"], len(text), len(values)) + text + values.tobytes())
        answers.flush()


@contextmanager
def _ending_with_parent(requests: BinaryIO) -> Iterator[None]:
    """Let the system end this process when its parent ends, which during a request is all that the pipe can signal."""
    if sys.platform == "win32":
        yield
        return
    import fcntl
    import select

    flags = fcntl.fcntl(requests, fcntl.F_GETFL)
    fcntl.fcntl(requests, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(requests, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        if select.select([requests], [], [], 0)[0]:  # the parent ended before
            raise SystemExit
        yield
    finally:
        fcntl.fcntl(requests, fcntl.F_SETFL, flags)


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or memory_bytes < hard:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))


def _load_scene(path: str) -> Scene:
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
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
    if len(scene.nodes) > _MOST_NODES:
        raise ValueError(f"it has {len(scene.nodes)} nodes, and at most {_MOST_NODES} are read")
    return Scene(scene, list(scene.nodes), list(scene.anim_stacks))


def _describe_scene(scene: Scene) -> tuple[dict[str, Any], array]:
    """Return nodes and animation stacks, and translation, rotation and scale (10 numbers) of every node at rest."""
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


def _evaluate(scene: Scene, request: dict[str, Any]) -> array:
    """Return translation, rotation and scale (10 numbers) of some nodes in every frame of a stack, node by node."""
    stack = scene.stacks[request["stack"]]
    animation = stack.anim
    values = array("d")
    for index in request["nodes"]:
        for frame in range(request["frames"]):
            time_s = stack.time_begin + frame / request["fps"]
            transform = ufbx.evaluate_transform(animation, scene.nodes[index], time_s)
            values.extend((*transform.translation, *transform.rotation, *transform.scale))
    return values


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent decides when it ends
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what native code prints is no answer
    answer_requests(sys.stdin.buffer, answers)
