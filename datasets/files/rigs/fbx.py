"""FBX animations in; what is written for them is glTF or BVH with the same names of joints.

Needs the extra `fbx`: ufbx, imported when a file is read. FBX is Autodesk's own format, which no open library writes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.extras import requires_extra
from selfcorrect.motion.geometry.views import Y_UP
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import read_bytes

from ..motion_file import MotionFile, check_size
from ..skeletons.reading import Reading
from ..skeletons.vertical import Upright, turn_upright
from . import gltf
from .bvh import write_motion
from .bvh_body import body_of, check_bones
from .rig import LARGEST, Rig, clip_of, motion_of, tree_of, unique

_STILL_M, _STILL = 1e-6, 1e-7


def open_fbx(path: Path, reading: Reading) -> MotionFile:
    """The motions of a file's animation stacks, y up, metres, at the file's frame rate.

    Written as .glb, with an animation for each, or where there is one as .bvh; meshes are not written.
    """
    scene = _scene(path)
    nodes = list(scene.nodes)
    place = {node.typed_id: index for index, node in enumerate(nodes)}
    above = [-1 if node.parent is None else place[node.parent.typed_id] for node in nodes]
    tree = tree_of([index for index, node in enumerate(nodes) if node.bone is not None], above)
    stacks = [stack for stack in scene.anim_stacks if stack.time_end > stack.time_begin]
    if not tree or not stacks:
        raise InputError(f"{path}: holds no animation of a skeleton")
    rig = _rig(
        [nodes[index] for index in tree], [tree.index(above[index]) if above[index] >= 0 else -1 for index in tree]
    )
    for name, rest in zip(rig.names, rig.rest, strict=True):
        if not all((np.abs(values) <= LARGEST).all() for values in rest.values()):
            raise InputError(f"{path}: the place of {name} is not made of finite numbers, none beyond ±{LARGEST:g}")
    fps = float(scene.settings.frames_per_second) or 30.0
    check_size(path, [(_frames(stack, fps), len(tree)) for stack in stacks])
    seen, notes = [], dict[str, None]()
    for stack in stacks:
        upright_one, more = _seen(path, rig, [nodes[index] for index in tree], stack, fps, reading)
        seen.append(upright_one)
        notes |= dict.fromkeys((*more, *upright_one.notes))

    def write(target: Path, *changed: Motion) -> None:
        if target.suffix.lower() == ".bvh" and len(changed) == 1:
            write_motion(target, changed[0])
        else:
            gltf.write(target, *changed)

    flaw = next(filter(None, (one.flaw for one in seen)), "")
    return MotionFile(tuple(one.motion for one in seen), tuple(notes), write, flaw=flaw)


def _scene(path: Path) -> Any:
    ufbx = _ufbx()
    try:
        return ufbx.load_memory(
            read_bytes(path),
            ignore_geometry=True,
            ignore_embedded=True,
            ignore_missing_external_files=True,
            target_axes=ufbx.axes_right_handed_y_up,
            target_unit_meters=1.0,
            space_conversion=ufbx.SpaceConversion.ADJUST_TRANSFORMS,
            inherit_mode_handling=ufbx.InheritModeHandling.COMPENSATE,
            file_format=ufbx.FileFormat.FBX,
        )
    except ufbx.UfbxError as error:
        raise InputError(f"{path}: not a readable FBX file ({error})") from error


def _ufbx() -> Any:
    with requires_extra("FBX"):
        import ufbx
    return ufbx


def _rig(nodes: Sequence[Any], parents: Sequence[int]) -> Rig:
    return Rig(
        tuple(range(len(nodes))),
        tuple(parents),
        unique([node.name or f"node {index}" for index, node in enumerate(nodes)]),
        ("",) * len(nodes),
        tuple(_place(node.local_transform) for node in nodes),
    )


def _place(transform: Any) -> dict[str, np.ndarray]:
    parts = {"translation": transform.translation, "rotation": transform.rotation, "scale": transform.scale}
    return {name: np.array(part, dtype=float) for name, part in parts.items()}


def _frames(stack: Any, fps: float) -> int:
    return int(np.floor((stack.time_end - stack.time_begin) * fps + 0.01)) + 1


def _seen(
    path: Path, rig: Rig, nodes: Sequence[Any], stack: Any, fps: float, reading: Reading
) -> tuple[Upright, tuple[str, ...]]:
    """The body in an animation stack, and notes."""
    frames = _frames(stack, fps)
    evaluate, times_s = _ufbx().evaluate_transform, stack.time_begin + np.arange(frames) / fps
    tracks: dict[tuple[int, str], np.ndarray] = {}
    for joint, node in enumerate(nodes):
        poses = [evaluate(stack.anim, node, float(time_s)) for time_s in times_s]
        for kind, still in (("translation", _STILL_M), ("rotation", _STILL)):
            track = np.array([getattr(pose, kind) for pose in poses], dtype=float)
            if not (within := np.abs(track) <= LARGEST).all():
                frame = np.argwhere(~within)[0][0]
                raise InputError(f"{path}: {node.name} is not finite, or beyond ±{LARGEST:g}, in frame {frame}")
            if np.abs(track - rig.rest[joint][kind]).max() > still:
                tracks[joint, kind] = track
    motion = replace(motion_of(rig, tracks, frames, fps), label=stack.name, source=str(path))
    clip = clip_of(rig, motion, tracks, reading.metres_per_unit)
    check_bones(clip)
    return turn_upright(body_of(clip), reading.up, Y_UP), clip.notes
