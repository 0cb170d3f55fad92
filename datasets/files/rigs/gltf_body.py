"""Read the bodies in glTF and VRM files, and write the same file with other motions of these bodies.

The joints of a file are the joints of its skins, VRM's bones and the nodes that animations move. Every animation of
every body is a motion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PPoly
from scipy.spatial.transform import Rotation, Slerp

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import check_unpacked

from ..motion_file import BYTES_PER_SAMPLED_JOINT, MotionFile, check_size
from ..sampling import KeyClock, make_key_clock
from ..skeletons.naming import spine_parts
from ..skeletons.reading import Reading
from .animations import Animation, collect_animations, read_animation
from .bvh_body import find_all_followers, with_body
from .gltf import GENERATOR, VRM_BONES
from .gltf_document import DAMAGES, Document, numbers, read_document, with_tracks, write_document
from .rig import ANIMATED, LARGEST, MIN_BODY, MIN_LENGTH, Rig, build_motion, find_top_joint, find_tree

_REST = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}
"""Default transform of a node."""
_VRM_PARTS = {bone: part for part, bone in VRM_BONES.items()}
_VRM_SPINE = ("spine", "chest", "upperChest")


@dataclass(frozen=True, eq=False)
class _Body:
    """A joint tree, and the animations that move it."""

    rig: Rig
    animations: tuple[int, ...]
    name: str = ""
    """Name of the first joint in a file of several bodies; "" in a file of one."""


@dataclass(frozen=True, eq=False)
class _Clip:
    """An animation of a body."""

    body: _Body
    rig: Rig
    """The body's rig, with the median scales of the animation."""
    index: int
    """Index of the animation in the file."""
    start_s: float
    animation: Animation


def open_gltf(path: Path, reading: Reading) -> MotionFile:
    """Open the motions in a glTF file.

    Writing changes only the animations of these motions.
    """
    document = read_document(path)
    try:
        bodies = _find_bodies(document)
        jobs = [(body, index) for body in bodies for index in body.animations]
        beside = sum(map(len, document.buffers))
        check_size(path, [(0, 0)] * len(jobs), beside)
        key_count = 0
        for body, index in jobs:
            tables = {sampler["input"] for _, sampler in _list_channels(document, body.rig, index)}
            key_count += sum(int(document.items("accessors")[table]["count"]) for table in tables)
        check_unpacked("its key frames", 8 * key_count, stored=beside)  # many animations may share key times
        clocks = [make_key_clock(_read_keys_s(document, body.rig, index)) for body, index in jobs]
        sizes = [(clock.frames, len(body.rig.nodes)) for (body, _), clock in zip(jobs, clocks, strict=True)]
        check_size(path, sizes, beside, BYTES_PER_SAMPLED_JOINT)
        clips = []
        for (body, index), clock in zip(jobs, clocks, strict=True):
            clips.append(_read_clip(document, body, index, clock, path, reading))
    except InputError as error:
        raise InputError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
    except DAMAGES as error:
        raise InputError(f"{path}: not a readable glTF file ({type(error).__name__}: {error})") from error

    def write(target: Path, *changed: Motion | None) -> None:
        content = document
        for body in bodies:
            tracks = {}
            for clip, motion in zip(clips, changed, strict=True):
                if clip.body is body and motion is not None:
                    tracks[clip.index] = _change_tracks(clip, motion)
            content = with_tracks(content, tracks)
        write_document(target, content)

    notes = dict.fromkeys(clock.note for clock in clocks if clock.note)
    return collect_animations([clip.animation for clip in clips], write, [*notes])


def _find_bodies(document: Document) -> list[_Body]:
    """Find the animated bodies, one per skeleton."""
    nodes = document.items("nodes")
    parents = _find_parents(nodes)
    moved = [_find_moved_nodes(animation) for animation in document.items("animations")]
    bones = _find_vrm_bones(document)
    skins = [set(skin["joints"]) for skin in document.items("skins")]
    moved_nodes = set().union(*moved)
    skeletons = _separate_skeletons([*skins, set(bones.values())], parents, moved_nodes)
    if not skeletons:
        skeletons = [set().union(*skins, bones.values(), moved_nodes)]
    bodies = []
    for skeleton in skeletons:
        tree = find_tree(skeleton, parents)
        joints = skeleton if len(skeletons) > 1 else set(tree)
        animations = tuple(index for index, some in enumerate(moved) if some & joints)
        names = [str(nodes[node].get("name") or f"node {node}") for node in tree]
        rest = [_read_rest(nodes[node]) for node in tree]
        rig = Rig.from_tree(tree, parents, names, rest, _find_vrm_parts(bones, tree))
        rig = replace(rig, bind=_find_bind_positions(document, rig))
        first = next((joint for joint, node in enumerate(tree) if node in skeleton), 0)
        name = rig.names[first] if len(skeletons) > 1 else ""
        if animations:
            bodies.append(_Body(rig, animations, name))
    if not bodies:
        raise InputError("expected an animation of a skeleton, got none")
    return bodies


def _find_bind_positions(document: Document, rig: Rig) -> dict[str, np.ndarray]:
    """Return the positions (3,) of joints in the bind pose, by joint name.

    The positions come from the skin that has most joints of the rig. A damaged skin gives no positions and no error,
    because only the comparison of rest poses needs them.
    """
    skins = [skin for skin in document.items("skins") if set(skin["joints"]) & set(rig.nodes)]
    skin = max(skins, key=lambda skin: len(set(skin["joints"]) & set(rig.nodes)), default={})
    if "inverseBindMatrices" not in skin:
        return {}
    try:
        matrices = numbers(document, skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        bind_positions = np.linalg.inv(matrices)[:, :3, 3]
    except (*DAMAGES, np.linalg.LinAlgError):
        return {}
    names = dict(zip(rig.nodes, rig.names, strict=True))
    return {
        names[node]: position for node, position in zip(skin["joints"], bind_positions, strict=False) if node in names
    }


def _separate_skeletons(skins: Sequence[set[int]], parents: Sequence[int], moved: set[int]) -> list[set[int]]:
    """Separate the joints of several animated skeletons.

    Skins that share a joint or an ancestor among the joints belong to the same skeleton, such as body and hair. Returns
    no skeletons unless at least two are as large as a body.
    """
    joints = set().union(*skins)
    skeletons: list[set[int]] = []
    for skin in filter(None, skins):
        merged = skin | {find_top_joint(joint, joints, parents) for joint in skin}
        apart = [skeleton for skeleton in skeletons if not skeleton & merged]
        skeletons = [*apart, merged.union(*(skeleton for skeleton in skeletons if skeleton & merged))]
    large = [skeleton for skeleton in skeletons if len(skeleton) >= MIN_BODY]
    if len(large) < 2:
        return []
    return [skeleton for skeleton in large if skeleton & moved]


def _find_parents(nodes: Sequence[dict[str, Any]]) -> list[int]:
    parents = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        for child in node.get("children") or ():
            if not 0 <= child < len(nodes) or parents[child] >= 0 or child == index:
                raise ValueError(f"node {child} does not exist or has two parents")
            parents[child] = index
    return parents


def _find_moved_nodes(animation: dict[str, Any]) -> set[int]:
    """Return the nodes that an animation rotates or translates."""
    moved = set()
    for channel in animation["channels"]:
        target = channel["target"]
        if target["path"] in ("rotation", "translation") and "node" in target:
            moved.add(target["node"])
    return moved


def _find_vrm_bones(document: Document) -> dict[str, int]:
    """Return the nodes of VRM's bones by bone name, in any version of VRM."""
    extensions = document.content.get("extensions") or {}
    for name in ("VRMC_vrm_animation", "VRMC_vrm"):
        if name in extensions:
            bones = extensions[name]["humanoid"]["humanBones"]
            return {bone: entry["node"] for bone, entry in bones.items()}
    if "VRM" in extensions:
        entries = extensions["VRM"]["humanoid"]["humanBones"]
        return {entry["bone"]: entry["node"] for entry in entries}
    return {}


def _find_vrm_parts(bones: Mapping[str, int], tree: Sequence[int]) -> tuple[str, ...]:
    spine = [tree.index(bones[bone]) for bone in _VRM_SPINE if bones.get(bone) in tree]
    parts = [""] * len(tree)
    for part, joint in spine_parts(spine).items():
        parts[joint] = part
    for bone, node in bones.items():
        if bone in _VRM_PARTS and bone not in _VRM_SPINE:
            parts[tree.index(node)] = _VRM_PARTS[bone]
    return tuple(parts)


def _read_rest(node: dict[str, Any]) -> dict[str, np.ndarray]:
    rest = {name: np.array(node.get(name, default), dtype=float) for name, default in _REST.items()}
    if "matrix" in node:
        matrix = np.array(node["matrix"], dtype=float).reshape(4, 4).T
        if not (np.abs(matrix) <= LARGEST).all() or not matrix[:3, :3].any(axis=0).all():
            raise ValueError("a node's matrix has an axis of length 0 or numbers that are too large")
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        rotation = Rotation.from_matrix(matrix[:3, :3] / scale).as_quat()
        rest = {"translation": matrix[:3, 3], "rotation": rotation, "scale": scale}
    for name, values in rest.items():
        if values.shape != (len(_REST[name]),) or not (np.abs(values) <= LARGEST).all():
            raise ValueError(f"a node's {name} must have {len(_REST[name])} finite numbers between ±{LARGEST:g}")
    return rest


def _list_channels(document: Document, rig: Rig, animation: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the channels that animate the rig, each with its sampler.

    If several channels animate the same property, the last one counts.
    """
    content = document.items("animations")[animation]
    nodes = set(rig.nodes)
    channels: dict[tuple[int, str], dict[str, Any]] = {}
    for channel in content["channels"]:
        target = channel["target"]
        if target.get("node") in nodes:
            channels[target["node"], target["path"]] = channel
    return [(channel, content["samplers"][channel["sampler"]]) for channel in channels.values()]


def _read_keys_s(document: Document, rig: Rig, animation: int) -> list[np.ndarray]:
    """Return the key times of an animation's tracks. Tracks that share an accessor share the array."""
    accessors = [sampler["input"] for _, sampler in _list_channels(document, rig, animation)]
    times_s = {accessor: numbers(document, accessor)[:, 0] for accessor in dict.fromkeys(accessors)}
    return [times_s[accessor] for accessor in accessors]


def _read_clip(document: Document, body: _Body, index: int, clock: KeyClock, path: Path, reading: Reading) -> _Clip:
    """Read a body's animation, sampled at the times of the clock."""
    rig = body.rig
    tracks: dict[tuple[int, str], np.ndarray] = {}
    channels = _list_channels(document, rig, index)
    for (channel, sampler), keys_s in zip(channels, _read_keys_s(document, rig, index), strict=True):
        kind = channel["target"]["path"]
        if kind not in _REST:
            continue
        joint = rig.nodes.index(channel["target"]["node"])
        values = numbers(document, sampler["output"])
        interpolation = sampler.get("interpolation", "LINEAR")
        tracks[joint, kind] = _sample_channel(keys_s, values, interpolation, clock.times_s, kind)
    rig = rig.apply_median_scales(tracks)
    name = str(document.items("animations")[index].get("name") or "")
    label = f"{name} ({body.name})" if body.name else name
    motion = replace(build_motion(rig, tracks, clock.frames, clock.fps), label=label, source=str(path))
    unit_m = reading.metres_per_unit
    if unit_m is None and document.content["asset"].get("generator") == GENERATOR:
        unit_m = 1.0  # glTF's unit is the metre, but files of other programs do not always keep to it
    animation = read_animation(rig, motion, tracks, reading, unit_m)
    return _Clip(body, rig, index, clock.start_s, animation)


def _sample_channel(
    times_s: np.ndarray, values: np.ndarray, interpolation: str, clock_s: np.ndarray, kind: str
) -> np.ndarray:
    """Sample a channel at the times of the clock.

    Before the first key and after the last one, their values hold.

    Args:
        times_s: (K,) times of the keys.
        values: (K, 3 or 4) values of the keys. For splines (3 K, 3 or 4): incoming slope, value and outgoing slope of
            each key.
        interpolation: LINEAR, STEP or CUBICSPLINE.
        clock_s: (T,) times of the samples.
        kind: Animated property of the node, such as "translation" or "rotation".

    Returns:
        (T, 3 or 4) samples.
    """
    rows_per_key = 3 if interpolation == "CUBICSPLINE" else 1
    if values.shape != (rows_per_key * len(times_s), len(_REST[kind])):
        raise ValueError(f"a track of {len(times_s)} keys has values of shape {values.shape}")
    if not (np.abs(values) <= LARGEST).all():
        raise InputError(f"expected key frames with finite numbers between ±{LARGEST:g}")
    keys = values[1::3] if rows_per_key == 3 else values
    if kind == "rotation" and (norms(keys) < MIN_LENGTH).any():
        raise InputError("a key frame has a rotation of length 0; expected unit quaternions")
    at_s = np.clip(clock_s, times_s[0], times_s[-1])
    if interpolation == "STEP" or len(times_s) == 1:
        last_keys = np.searchsorted(times_s, at_s + 1e-6, side="right") - 1
        return values[np.maximum(last_keys, 0)]
    if interpolation == "CUBICSPLINE":
        return _evaluate_spline(times_s, values[0::3], values[1::3], values[2::3], at_s)
    distinct = np.concatenate([[True], np.diff(times_s) > 0])
    times_s = times_s[distinct]
    values = values[distinct]
    if kind == "rotation" and len(times_s) > 1:
        between = Slerp(times_s, Rotation.from_quat(values))
        return between(at_s).as_quat()
    return np.stack([np.interp(at_s, times_s, column) for column in values.T], axis=1)


def _evaluate_spline(
    times_s: np.ndarray, incoming: np.ndarray, values: np.ndarray, outgoing: np.ndarray, at_s: np.ndarray
) -> np.ndarray:
    """Evaluate cubic Hermite splines whose slopes may differ before and after a key.

    Source: appendix C of the glTF specification.
    """
    steps_s = np.diff(times_s)[:, None]
    steps_s = np.where(steps_s > 0, steps_s, 1.0)
    slopes = np.diff(values, axis=0) / steps_s
    first_slopes = outgoing[:-1]
    last_slopes = incoming[1:]
    bends = (first_slopes + last_slopes - 2 * slopes) / steps_s
    quadratic = (slopes - first_slopes) / steps_s - bends
    coefficients = np.stack([bends / steps_s, quadratic, first_slopes, values[:-1]])
    return PPoly(coefficients, times_s)(at_s)


def _change_tracks(clip: _Clip, changed: Motion) -> tuple[np.ndarray, dict[tuple[int, str], np.ndarray]]:
    """Return the times (T,) and channel values of a changed motion, without channels that equal the rest pose."""
    rig = clip.rig
    body = clip.animation.body.view.restore(changed)
    rigged = with_body(clip.animation.clip, body, find_all_followers(clip.animation.clip))
    times_s = clip.start_s + np.arange(len(rigged.motion)) / rigged.motion.fps
    tracks: dict[tuple[int, str], np.ndarray] = {}
    for joint, node in enumerate(rig.nodes):
        rotations = make_continuous(rigged.motion.rotations[:, joint])
        rest = rig.rest[joint]["rotation"]
        is_turned = np.linalg.norm(rest) < MIN_LENGTH  # the node's rest rotation is not valid
        if is_turned or turn_angles(rest / norms(rest), rotations).max() > ANIMATED:
            tracks[node, "rotation"] = rotations
        track_m = rigged.motion.root_m if joint == 0 else rigged.stretches_m.get(joint)
        if track_m is not None and len(track_m) == len(rotations):
            values = track_m / (rigged.metres_per_unit * rig.offset_scales[joint])
            bend = rigged.bends.get(joint)
            if bend is not None and len(bend) != len(track_m):
                continue
            if bend is not None:
                values = np.linalg.solve(bend, track_m[..., None] / rigged.metres_per_unit)[..., 0]
            if np.abs(values - rig.rest[joint]["translation"]).max() > ANIMATED:
                tracks[node, "translation"] = values
    return times_s, tracks
