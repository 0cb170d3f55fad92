"""Read FBX animations with ufbx, in a child process (extra `fbx`).

FBX is Autodesk's proprietary format, and no open library writes it. Corrections are therefore written as glTF or BVH
with the same joint names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.extras import requires_extra
from selfcorrect.motion.editing.transforms import frame_count
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import MAX_JOINTS

from ..motion_file import BYTES_PER_SAMPLED_JOINT, MotionFile, check_size, check_within
from ..native.child_process import ask_reader, limit_time_s
from ..sampling import SAMPLED_FPS, sampling_rate
from ..skeletons.file_note import FileNote
from ..skeletons.naming import parts_from_names
from ..skeletons.reading import Reading
from . import gltf
from .animations import collect_animations, read_animation, write_new_file
from .rig import LARGEST, MIN_BODY, Rig, Tracks, build_motion, find_top_joint, find_tree

_PROPERTIES = {"translation": (slice(0, 3), 1e-6), "rotation": (slice(3, 7), 1e-7), "scale": (slice(7, 10), 1e-7)}
"""Columns of each property in a node's transform, and the largest change that does not count as motion."""

_READER = Path(__file__).parents[1] / "native" / "fbx_child.py"


@dataclass(frozen=True)
class _Stack:
    """An animation stack, and the number of sampled frames."""

    index: int
    name: str
    frames: int


def open_fbx(path: Path, reading: Reading) -> MotionFile:
    """Open the animation stacks of an FBX file.

    Motions are y up, in metres and at the file's frame rate. They are written as .glb with an animation for each, or as
    .bvh if there is only one. Meshes are not written.
    """
    with requires_extra("FBX"):
        if find_spec("ufbx") is None:
            raise ModuleNotFoundError("the module ufbx is not installed", name="ufbx")
    facts, values = ask_reader(_READER, "FBX", path, {}, limit_time_s(path))
    parents = facts["parents"]
    are_joints = facts["are_bones"] if any(facts["are_bones"]) else facts["are_empty"]
    bones = [index for index, is_joint in enumerate(are_joints) if is_joint]
    tree, left_out = _find_tree(path, bones, parents, facts["names"])
    fps, sampling_note = sampling_rate(float(facts["fps"]) or SAMPLED_FPS)
    stacks = []
    for index, (name, start_s, stop_s) in enumerate(facts["stacks"]):
        if stop_s > start_s:
            stacks.append(_Stack(index, name, frame_count(stop_s - start_s, fps)))
    if not tree or not stacks:
        raise InputError(f"{path}: expected an animation of a skeleton, got none")
    names = [facts["names"][node] or f"node {joint}" for joint, node in enumerate(tree)]
    rest = []
    for name, place in zip(names, values.reshape(-1, 10)[tree], strict=True):
        if not (np.abs(place) <= LARGEST).all():
            raise InputError(f"{path}: expected finite numbers between ±{LARGEST:g} in the transform of {name}")
        rest.append({kind: place[columns] for kind, (columns, _) in _PROPERTIES.items()})
    rig = Rig.from_tree(tree, parents, names, rest)
    sizes = [(stack.frames, len(tree)) for stack in stacks]
    check_size(path, sizes, bytes_per_joint=BYTES_PER_SAMPLED_JOINT)
    animations = []
    for stack, poses in zip(stacks, _sample(path, rig, stacks, fps), strict=True):
        tracks = _find_tracks(path, rig, poses)
        stack_rig = rig.apply_median_scales(tracks)
        motion = replace(build_motion(stack_rig, tracks, stack.frames, fps), label=stack.name, source=str(path))
        animations.append(read_animation(stack_rig, motion, tracks, reading, reading.metres_per_unit))
    meshes = int(facts["meshes"])
    notes = [*filter(None, [sampling_note]), *left_out]
    if meshes:
        notes.append("meshes of FBX files are not written")

    def write(target: Path, *changed: Motion | None) -> None:
        write_new_file(target, animations, changed, gltf.write_gltf)

    return collect_animations(animations, write, notes)


def _find_tree(
    path: Path, bones: Sequence[int], parents: Sequence[int], names: Sequence[str]
) -> tuple[list[int], tuple[str, ...]]:
    """Find the largest tree of bones.

    Also returns a note if the other bones may be further bodies.
    """
    people = _separate_people(bones, parents, names)
    skeleton = max(people, key=len) if len(people) > 1 else bones
    try:
        tree = find_tree(skeleton, parents)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    others = set(bones) - set(tree)
    if len(others) < MIN_BODY:
        return tree, ()
    words = f"only the largest skeleton is read ({len(tree)} nodes); others have {len(others)} bones"
    return tree, (FileNote(words, topic="skeletons"),)


def _separate_people(bones: Sequence[int], parents: Sequence[int], names: Sequence[str]) -> list[list[int]]:
    """Find the skeletons whose names show two legs, even if all of them are below the same node of the scene."""
    skeletons: dict[int, list[int]] = {}
    all_bones = set(bones)
    for bone in bones:
        skeletons.setdefault(find_top_joint(bone, all_bones, parents), []).append(bone)
    people = []
    for skeleton in skeletons.values():
        if len(skeleton) > MAX_JOINTS:
            continue
        parts = parts_from_names(tuple(names[bone] for bone in skeleton))
        if {"left_knee", "right_knee"} <= set(parts):
            people.append(skeleton)
    return people


def _sample(path: Path, rig: Rig, stacks: Sequence[_Stack], fps: float) -> list[np.ndarray]:
    """Sample a rig's translations, rotations and scales (J, T, 10) in each stack."""
    request = {"stacks": [(stack.index, stack.frames) for stack in stacks], "nodes": rig.nodes, "fps": fps}
    poses = np.array([len(rig.nodes) * stack.frames for stack in stacks])
    _, values = ask_reader(_READER, "FBX", path, request, limit_time_s(path, int(poses.sum())))
    parts = np.split(values, 10 * np.cumsum(poses)[:-1])
    return [part.reshape(len(rig.nodes), -1, 10) for part in parts]


def _find_tracks(path: Path, rig: Rig, poses: np.ndarray) -> Tracks:
    """Select the tracks that move from the translations, rotations and scales (J, T, 10) of a rig's nodes."""
    tracks: dict[tuple[int, str], np.ndarray] = {}
    for joint, name in enumerate(rig.names):
        check_within(f"{path}: {name} is", poses[joint], LARGEST)
        for kind, (columns, least) in _PROPERTIES.items():
            track = poses[joint, :, columns]
            if np.abs(track - rig.rest[joint][kind]).max() > least:
                tracks[joint, kind] = track
    return tracks
