"""The bodies that glTF animations move, VRM's among them, and the same file with other motions of them.

A file's joints are those of its skins, VRM's bones, and the nodes that its animations move.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PPoly
from scipy.spatial.transform import Rotation, Slerp

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.geometry.views import Y_UP
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.limits import check_unpacked

from ..motion_file import MotionFile, check_size
from ..skeletons.naming import spine_parts
from ..skeletons.reading import Reading
from ..skeletons.vertical import Upright, turn_upright
from .bvh_body import body_of, check_bones, with_body
from .gltf import GENERATOR, VRM_BONES
from .gltf_document import (
    DAMAGES,
    Document,
    numbers,
    read_document,
    with_tracks,
    write_document,
)
from .rig import LARGEST, Rig, RiggedMotion, clip_of, motion_of, tree_of, unique
from .sampling import SAMPLED_FPS, round_rate, sampling_rate

_UNIFORM = 1e-3
_MOVES_M, _TURNS_RAD = 1e-6, 1e-6
_WIDTHS = {"translation": 3, "rotation": 4, "scale": 3}
_VRM_PARTS = {bone: part for part, bone in VRM_BONES.items()}
_VRM_SPINE = ("spine", "chest", "upperChest")


def open_gltf(path: Path, reading: Reading) -> MotionFile:
    """The motions of a file's animations; written back, only these animations change."""
    document = read_document(path)
    try:
        rig, animations = _rig_of(document)
        beside = sum(map(len, document.buffers))
        check_size(path, [(0, 0)] * len(animations), beside)
        _check_keys(document, rig, animations)
        clocks = [_clock(_keys_s(document, rig, index)) for index in animations]
        check_size(path, [(clock.frames, len(rig.nodes)) for clock in clocks], beside)
        pairs = zip(animations, clocks, strict=True)
        clips = [_clip(document, rig, index, clock, path, reading) for index, clock in pairs]
    except InputError as error:
        raise InputError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
    except DAMAGES as error:
        raise InputError(f"{path}: not a readable glTF file ({type(error).__name__}: {error})") from error

    def write(target: Path, *changed: Motion) -> None:
        tracks = (_tracks(rig, clip, motion) for clip, motion in zip(clips, changed, strict=True))
        write_document(target, with_tracks(document, dict(zip(animations, tracks, strict=True))))

    notes = tuple(dict.fromkeys(note for clip in clips for note in clip.notes))
    flaw = next(filter(None, (clip.seen.flaw for clip in clips)), "")
    return MotionFile(tuple(clip.seen.motion for clip in clips), notes, write, flaw=flaw)


def _rig_of(document: Document) -> tuple[Rig, tuple[int, ...]]:
    """The tree of joints in a file, and the animations that move it."""
    nodes = document.items("nodes")
    above = _parents(nodes)
    moved = [_moved_nodes(animation) for animation in document.items("animations")]
    bones = _vrm_bones(document)
    joints = {node for skin in document.items("skins") for node in skin["joints"]} | set(bones.values())
    tree = tree_of(joints.union(*moved), above)
    animations = tuple(index for index, some in enumerate(moved) if some & set(tree))
    if not animations:
        raise InputError("holds no animation of a skeleton")
    rig = Rig(
        tuple(tree),
        tuple(tree.index(above[node]) if above[node] >= 0 else -1 for node in tree),
        unique([str(nodes[node].get("name") or f"node {node}") for node in tree]),
        _vrm_parts(bones, tree),
        tuple(_rest(nodes[node]) for node in tree),
    )
    return rig, animations


@dataclass(frozen=True)
class _Clip:
    """An animation as a motion of the rig, `clip`, and the body in it, `seen`."""

    clip: RiggedMotion
    seen: Upright
    start_s: float
    notes: tuple[str, ...]


def _parents(nodes: Sequence[dict[str, Any]]) -> list[int]:
    parents = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        for child in node.get("children") or ():
            if not 0 <= child < len(nodes) or parents[child] >= 0 or child == index:
                raise ValueError(f"node {child} is not there or has two parents")
            parents[child] = index
    return parents


def _moved_nodes(animation: dict[str, Any]) -> set[int]:
    """The nodes that an animation turns or moves."""
    targets = (channel["target"] for channel in animation["channels"])
    return {target["node"] for target in targets if target["path"] in ("rotation", "translation") and "node" in target}


def _vrm_bones(document: Document) -> dict[str, int]:
    """The nodes of VRM's bones by the bones' names, in any version of the format."""
    extensions = document.content.get("extensions") or {}
    for name in ("VRMC_vrm_animation", "VRMC_vrm"):
        if name in extensions:
            return {bone: entry["node"] for bone, entry in extensions[name]["humanoid"]["humanBones"].items()}
    entries = extensions["VRM"]["humanoid"]["humanBones"] if "VRM" in extensions else []
    return {entry["bone"]: entry["node"] for entry in entries}


def _vrm_parts(bones: Mapping[str, int], tree: Sequence[int]) -> tuple[str, ...]:
    spine = [tree.index(bones[bone]) for bone in _VRM_SPINE if bones.get(bone) in tree]
    parts = {joint: part for part, joint in spine_parts(spine).items()}
    parts |= {
        tree.index(node): _VRM_PARTS[bone]
        for bone, node in bones.items()
        if bone in _VRM_PARTS and bone not in _VRM_SPINE
    }
    return tuple(parts.get(joint, "") for joint in range(len(tree)))


def _rest(node: dict[str, Any]) -> dict[str, np.ndarray]:
    usual = {"translation": [0.0, 0, 0], "rotation": [0.0, 0, 0, 1], "scale": [1.0, 1, 1]}
    rest = {name: np.array(node.get(name, value), dtype=float) for name, value in usual.items()}
    if "matrix" in node:
        matrix = np.array(node["matrix"], dtype=float).reshape(4, 4).T
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        rotation = Rotation.from_matrix(matrix[:3, :3] / scale).as_quat()
        rest = {"translation": matrix[:3, 3], "rotation": rotation, "scale": scale}
    if any(
        rest[name].shape != (width,) or not (np.abs(rest[name]) <= LARGEST).all() for name, width in _WIDTHS.items()
    ):
        raise ValueError(f"a node's place is not made of finite numbers, none beyond ±{LARGEST:g}")
    return rest


# --- in --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clock:
    """Steady times at which an animation is read."""

    fps: float
    start_s: float
    frames: int
    note: str
    """Why these are not the times of the file's keys, "" where they are."""

    @property
    def times_s(self) -> np.ndarray:
        return self.start_s + np.arange(self.frames) / self.fps


def _channels(document: Document, rig: Rig, animation: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The channels of an animation that move the rig, the last for each property, and their samplers."""
    content = document.items("animations")[animation]
    nodes = set(rig.nodes)
    targets = ((channel["target"], channel) for channel in content["channels"])
    last = {(target["node"], target["path"]): channel for target, channel in targets if target.get("node") in nodes}
    return [(channel, content["samplers"][channel["sampler"]]) for channel in last.values()]


def _check_keys(document: Document, rig: Rig, animations: Sequence[int]) -> None:
    """InputError where the times of all animations would take too much, as those that share one table may."""
    tables = [{sampler["input"] for _, sampler in _channels(document, rig, index)} for index in animations]
    count = sum(int(document.items("accessors")[index]["count"]) for table in tables for index in table)
    check_unpacked("its key frames", 8 * count, stored=sum(map(len, document.buffers)))


def _keys_s(document: Document, rig: Rig, animation: int) -> list[np.ndarray]:
    """The times of an animation's tracks; those of one accessor are read once."""
    accessors = [sampler["input"] for _, sampler in _channels(document, rig, animation)]
    times_s = {accessor: numbers(document, accessor)[:, 0] for accessor in dict.fromkeys(accessors)}
    return [times_s[accessor] for accessor in accessors]


def _clip(document: Document, rig: Rig, animation: int, clock: _Clock, path: Path, reading: Reading) -> _Clip:
    """An animation, read at the times of a clock."""
    content = document.items("animations")[animation]
    channels, keys_s = _channels(document, rig, animation), _keys_s(document, rig, animation)
    fps, start_s, frames, clock_s = clock.fps, clock.start_s, clock.frames, clock.times_s
    tracks: dict[tuple[int, str], np.ndarray] = {}
    for (channel, sampler), times_s in zip(channels, keys_s, strict=True):
        kind = channel["target"]["path"]
        if kind in ("translation", "rotation"):
            values = numbers(document, sampler["output"])
            joint = rig.nodes.index(channel["target"]["node"])
            tracks[joint, kind] = _sample_channels(
                times_s, values, sampler.get("interpolation", "LINEAR"), clock_s, kind
            )
    motion = motion_of(rig, tracks, frames, fps)
    motion = replace(motion, label=str(content.get("name") or ""), source=str(path))
    clip = clip_of(rig, motion, tracks, _known_unit_m(document, reading))
    check_bones(clip)
    seen = turn_upright(body_of(clip), reading.up, Y_UP)
    return _Clip(clip, seen, start_s, (*clip.notes, *filter(None, [clock.note]), *seen.notes))


def _known_unit_m(document: Document, reading: Reading) -> float | None:
    """Return metres per unit as the reading or the file states them; None where the body's size has to show them.

    glTF's unit is the metre, and files that we wrote keep to it. Those of other programs do not always.
    """
    is_ours = document.content["asset"].get("generator") == GENERATOR
    return 1.0 if reading.metres_per_unit is None and is_ours else reading.metres_per_unit


def _clock(keys_s: Sequence[np.ndarray]) -> _Clock:
    """Return the clock of tracks with keys at these times: that of the longest track, if its keys are dense and even.

    Between sparser keys curves are continuous, so that they are sampled.
    """
    longest = max(keys_s, key=len)
    if not all(np.isfinite(times).all() and (np.diff(times) >= 0).all() for times in keys_s):
        raise ValueError("the times of its key frames do not grow")
    start_s = float(min(times[0] for times in keys_s))
    stop_s = float(max(times[-1] for times in keys_s))
    steps_s = np.diff(longest)
    if not len(steps_s) or stop_s <= start_s:
        return _Clock(SAMPLED_FPS, start_s, 1, note="")
    fps, note = SAMPLED_FPS, f"key frames are uneven; read at {SAMPLED_FPS:g} frames per second"
    step_s = float(np.median(steps_s))
    if step_s > 0 and np.abs(steps_s - step_s).max() < 0.1 * step_s:
        keys_fps = round_rate(len(steps_s) / float(longest[-1] - longest[0]), _UNIFORM)
        fps, note = sampling_rate(keys_fps)
    return _Clock(fps, start_s, int(np.floor((stop_s - start_s) * fps + 0.01)) + 1, note)


def _sample_channels(times_s: np.ndarray, values: np.ndarray, way: str, clock_s: np.ndarray, kind: str) -> np.ndarray:
    """Values of a track (T, 3 or 4) at the times of a clock; before the first key and after the last these hold."""
    if values.shape != ((3 if way == "CUBICSPLINE" else 1) * len(times_s), _WIDTHS[kind]):
        raise ValueError(f"a track of {len(times_s)} keys has values of shape {values.shape}")
    if not (np.abs(values) <= LARGEST).all():
        raise InputError(f"its key frames are not finite, or beyond ±{LARGEST:g}")
    at_s = np.clip(clock_s, times_s[0], times_s[-1])
    if way == "STEP" or len(times_s) == 1:
        return values[np.maximum(np.searchsorted(times_s, at_s + 1e-6, side="right") - 1, 0)]
    if way == "CUBICSPLINE":
        before, middle, after = values[0::3], values[1::3], values[2::3]
        return _spline(times_s, before, middle, after, at_s)
    distinct = np.concatenate([[True], np.diff(times_s) > 0])
    times_s, values = times_s[distinct], values[distinct]
    if kind == "rotation" and len(times_s) > 1:
        return Slerp(times_s, Rotation.from_quat(values))(at_s).as_quat()
    return np.stack([np.interp(at_s, times_s, column) for column in values.T], axis=1)


def _spline(
    times_s: np.ndarray, incoming: np.ndarray, values: np.ndarray, outgoing: np.ndarray, at_s: np.ndarray
) -> np.ndarray:
    """Cubic Hermite splines whose slopes before and after a key differ, as in the specification's appendix C."""
    steps_s = np.where(np.diff(times_s) > 0, np.diff(times_s), 1.0)[:, None]
    slopes, before, after = np.diff(values, axis=0) / steps_s, outgoing[:-1], incoming[1:]
    bends = (before + after - 2 * slopes) / steps_s
    return PPoly(np.stack([bends / steps_s, (slopes - before) / steps_s - bends, before, values[:-1]]), times_s)(at_s)


# --- out -------------------------------------------------------------------------------------------------------------


def _tracks(rig: Rig, own: _Clip, changed: Motion) -> tuple[np.ndarray, dict[tuple[int, str], np.ndarray]]:
    """Times (T,) and the values of all channels in which a changed body differs from the rig at rest."""
    clip = with_body(own.clip, own.seen.view.restore(changed))
    times_s = own.start_s + np.arange(len(clip.motion)) / clip.motion.fps
    tracks: dict[tuple[int, str], np.ndarray] = {}
    for joint, node in enumerate(rig.nodes):
        turned = make_continuous(clip.motion.rotations[:, joint])
        off_rad = (Rotation.from_quat(rig.rest[joint]["rotation"]).inv() * Rotation.from_quat(turned)).magnitude()
        if off_rad.max() > _TURNS_RAD:
            tracks[node, "rotation"] = turned
        track_m = clip.motion.root_m if joint == 0 else clip.stretches_m.get(joint)
        if track_m is not None and len(track_m) == len(turned):
            values = track_m / (clip.metres_per_unit * rig.offset_scales[joint])
            if np.abs(values - rig.rest[joint]["translation"]).max() > _MOVES_M:
                tracks[node, "translation"] = values
    return times_s, tracks
