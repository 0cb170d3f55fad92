"""Motion files as correctors see them, and back: the same format, skeleton, names and units, other motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files import amass, humanml3d
from selfcorrect.datasets.files.bvh import BvhClip, read_bvh, write_bvh
from selfcorrect.errors import InputError, SettingError
from selfcorrect.motion.body.flesh import SOLE_BELOW_TOE_JOINT_M
from selfcorrect.motion.body.rest_pose import is_z_up, turn_frames, upright_turns
from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.encodings.humanml3d import FPS, encode
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.humanoid import REQUIRED_PARTS
from selfcorrect.storage.arrays import read_npy

if TYPE_CHECKING:
    from selfcorrect.motion.body.body_model import BodyModel

SUFFIXES = (".bvh", ".npz", ".npy")
_NO_MOTIONS = ("Mean.npy", "Std.npy", "shape.npz")
FPS_RANGE = (1, 1000)
_SHORTEST_BONE_M = 1e-3
_HELD_M = 0.01
_FURTHEST_M = 1e5
_Z_UP_TO_Y_UP = Rotation.from_euler("x", -90, degrees=True)


@dataclass(frozen=True)
class Reading:
    """What files do not tell.

    metres_per_unit: of BVH, None to guess from the body's size; fps: of .npy files, None for HumanML3D's 20;
    up: the vertical axis of BVH, None to tell from rest pose and motion; body_model: a file that gives AMASS' shapes
    their bones, None for an average body; allow_pickle: read it where it is a .pkl file, whose source is trusted.
    """

    metres_per_unit: float | None = None
    fps: float | None = None
    up: Literal["y", "z"] | None = None
    body_model: Path | None = None
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        for name in ("metres_per_unit", "fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise SettingError(f"{name.replace('_', '-')} must be a positive number, got {value}")


@dataclass(frozen=True, eq=False)
class MotionFile:
    """A motion on a skeleton that stands upright, y up; `write` puts another in a file like the one it came from.

    notes: what was assumed to read it; mass_kg: of the body, None where the file does not tell.
    """

    motion: Motion
    notes: tuple[str, ...]
    write: Callable[[Path, Motion], None]
    mass_kg: float | None = None


def is_motion_file(path: Path) -> bool:
    """Whether a file found in a folder holds a motion, by its name."""
    return path.suffix.lower() in SUFFIXES and path.name not in _NO_MOTIONS and not path.stem.endswith("stagei")


def open_motion(path: Path, reading: Reading) -> MotionFile:
    """Read a motion file; ValueError in one sentence where it is damaged or holds no human body."""
    readers = {".bvh": _open_bvh, ".npz": _open_amass, ".npy": _open_npy}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: motions are read from {', '.join(readers)} files")
    file = readers[path.suffix.lower()](path, reading)
    check_body(file.motion)
    return file


def _open_amass(path: Path, reading: Reading) -> MotionFile:
    model, notes, body = body_model_of(reading), (), None
    if model is None:
        notes = ("AMASS files hold no bone lengths: an average body stands in",)
    else:
        body = amass.body_in(path, model)
    motion, mass_kg = amass.read(path, body), body and body.mass_kg
    return MotionFile(motion, notes, lambda target, changed: amass.write(target, changed, body, like=path), mass_kg)


@lru_cache(maxsize=1)
def body_model_of(reading: Reading) -> BodyModel | None:
    """The body model that a reading names, loaded once."""
    if reading.body_model is None:
        return None
    from selfcorrect.motion.body.body_model import load_body_model

    return load_body_model(reading.body_model, allow_pickle=reading.allow_pickle)


def _open_npy(path: Path, reading: Reading) -> MotionFile:
    """HumanML3D puts the lowest joint on the floor; here the sole below it stands there."""
    array, raised_m = read_npy(path), np.array([0.0, SOLE_BELOW_TOE_JOINT_M, 0.0])
    read = humanml3d.read_motion(path, last_frame=True)
    motion = replace(read, root_m=read.root_m + raised_m, fps=reading.fps or FPS)

    def write(target: Path, changed: Motion) -> None:
        joints_m = body_joints(changed) - raised_m
        values = encode(joints_m) if array.ndim == 2 else joints_m
        np.save(target, values.astype(array.dtype), allow_pickle=False)

    return MotionFile(motion, (), write)


def _open_bvh(path: Path, reading: Reading) -> MotionFile:
    clip = read_bvh(path, reading.metres_per_unit)
    notes = () if reading.metres_per_unit else (f"unit of length taken as {clip.metres_per_unit:.4g} m",)
    body, turns = _with_even_feet(body_of(clip)), None
    check_body(body)
    z_up = is_z_up(body) if reading.up is None else reading.up == "z"
    if z_up:
        body, notes = _turned(body, _Z_UP_TO_Y_UP), (*notes, "z taken as up")
    if (turns := upright_turns(body)) is not None:
        body, notes = turn_frames(body, turns), (*notes, "the rest pose is not upright; measured from one that is")

    if body is not clip.motion and not clip.motion.skeleton.joint("pelvis"):
        clip = _without_frames(clip)  # all of them are in the body

    def write(target: Path, changed: Motion) -> None:
        changed = changed if turns is None else turn_frames(changed, turns.inv())
        changed = _turned(changed, _Z_UP_TO_Y_UP.inv()) if z_up else changed
        write_bvh(target, with_body(clip, changed))
        if not all(_turns_freely(clip, joint) for joint in range(len(clip.channels))):
            _check_held(path, changed, body_of(read_bvh(target, clip.metres_per_unit)))

    return MotionFile(body, notes, write)


def _without_frames(clip: BvhClip) -> BvhClip:
    """The clip with its first frame alone, so that a long motion is not kept twice."""
    motion = replace(clip.motion, root_m=clip.motion.root_m[:1].copy(), rotations=clip.motion.rotations[:1].copy())
    return replace(clip, motion=motion)


def _turns_freely(clip: BvhClip, joint: int) -> bool:
    """Whether a joint's channels hold any rotation; an end site has none."""
    return joint in clip.end_sites or sum(name.endswith("rotation") for name in clip.channels[joint]) == 3


def _check_held(path: Path, wanted: Motion, written: Motion) -> None:
    """Refuse where joints have too few channels for the correction, e.g. knees that are hinges."""
    off_m = np.linalg.norm(joint_positions(written) - joint_positions(wanted), axis=-1).max(axis=0)
    if off_m.max() > _HELD_M:
        raise InputError(
            f"{path}: its channels cannot hold the correction, by which {wanted.skeleton.names[int(off_m.argmax())]} "
            f"would be {off_m.max():.2f} m elsewhere"
        )


def _turned(motion: Motion, rotation: Rotation) -> Motion:
    """The motion in a world turned by `rotation`."""
    rotations = motion.rotations.copy()
    rotations[:, 0] = (rotation * Rotation.from_quat(rotations[:, 0])).as_quat()
    return replace(motion, root_m=rotation.apply(motion.root_m), rotations=rotations)


def _with_even_feet(motion: Motion) -> Motion:
    """The motion, its feet taken for blocks where only one of them has toes."""
    toes = {"left_foot", "right_foot"}
    if len(toes & set(motion.skeleton.parts)) != 1:
        return motion
    parts = tuple("" if part in toes else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))


def check_body(motion: Motion) -> None:
    """Refuse what is no human body on this earth, in a sentence that names what is missing."""
    skeleton = motion.skeleton
    if not len(motion):
        raise InputError(f"{motion.source}: has no frames")
    if not FPS_RANGE[0] <= motion.fps <= FPS_RANGE[1]:
        raise InputError(f"{motion.source}: frames per second must be in {FPS_RANGE}, got {motion.fps:.3g}")
    away_m = np.abs(motion.root_m).max(axis=1, initial=0)
    if away_m.max(initial=0) > _FURTHEST_M:
        raise InputError(f"{motion.source}: the body is {away_m.max():.3g} m away in frame {int(away_m.argmax())}")
    if missing := [part for part in REQUIRED_PARTS if skeleton.joint(part) is None]:
        shown = ", ".join(skeleton.names[:12]) + (", …" if len(skeleton) > 12 else "")
        raise InputError(
            f"{motion.source}: no joint is recognised as {', '.join(missing)}, which a human body needs; "
            f"its joints are {shown}"
        )
    rest_m = skeleton.rest_positions_m
    for side in ("left", "right"):
        for upper, lower in (("hip", "knee"), ("knee", "ankle")):
            start, end = (skeleton.parts.index(f"{side}_{part}") for part in (upper, lower))
            if np.linalg.norm(rest_m[end] - rest_m[start]) < _SHORTEST_BONE_M:
                raise InputError(
                    f"{motion.source}: the bone from {skeleton.names[start]} to {skeleton.names[end]} has no length"
                )


# --- a body below other joints ---------------------------------------------------------------------------------------


def body_of(clip: BvhClip) -> Motion:
    """The motion of the pelvis and all below it, where the file's root is another joint (a scene's, a prop's)."""
    pelvis = clip.motion.skeleton.joint("pelvis")
    if not pelvis:
        return clip.motion
    skeleton, kept = clip.motion.skeleton, _below(clip.motion.skeleton, pelvis)
    position_m, orientation = _world_of(clip, pelvis)
    offsets_m = skeleton.offsets_m[kept]
    offsets_m[0] = 0
    body = Skeleton(
        tuple(skeleton.names[joint] for joint in kept),
        (-1, *(kept.index(skeleton.parents[joint]) for joint in kept[1:])),
        offsets_m,
        tuple(skeleton.parts[joint] for joint in kept),
    )
    rotations = clip.motion.rotations[:, kept]
    rotations[:, 0] = orientation.as_quat()
    return replace(clip.motion, skeleton=body, root_m=position_m, rotations=rotations)


def with_body(clip: BvhClip, body: Motion) -> BvhClip:
    """The clip with another motion of its `body_of`; the pelvis moves by its own channels, else by the root's."""
    pelvis = clip.motion.skeleton.joint("pelvis")
    if not pelvis:
        return replace(clip, motion=body)
    kept = _below(clip.motion.skeleton, pelvis)
    rotations = clip.motion.rotations.copy()
    rotations[:, kept] = body.rotations
    parent_m, parent = _world_of(clip, clip.motion.skeleton.parents[pelvis])
    rotations[:, pelvis] = (parent.inv() * Rotation.from_quat(body.rotations[:, 0])).as_quat()
    if sum(name.endswith("position") for name in clip.channels[pelvis]) == 3:
        stretches_m = {**clip.stretches_m, pelvis: parent.inv().apply(body.root_m - parent_m)}
        return replace(clip, motion=replace(clip.motion, rotations=rotations), stretches_m=stretches_m)
    root_m = clip.motion.root_m + body.root_m - _world_of(clip, pelvis)[0]
    return replace(clip, motion=replace(clip.motion, root_m=root_m, rotations=rotations))


def _below(skeleton: Skeleton, top: int) -> list[int]:
    """A joint and all below it, in the skeleton's order."""
    below = {top}
    for joint, parent in enumerate(skeleton.parents):
        if parent in below:
            below.add(joint)
    return sorted(below)


def _world_of(clip: BvhClip, joint: int) -> tuple[np.ndarray, Rotation]:
    """World positions (T, 3) and orientations of a joint, with the positions that its file gives it."""
    _, orientations = forward_kinematics(clip.motion.skeleton, clip.motion.root_m, clip.motion.rotations)
    position_m, walk = np.zeros(3), joint
    while walk > 0:
        parent = clip.motion.skeleton.parents[walk]
        offset_m = clip.stretches_m.get(walk, clip.motion.skeleton.offsets_m[walk])
        position_m = position_m + Rotation.from_quat(orientations[:, parent]).apply(offset_m)
        walk = parent
    return clip.motion.root_m + position_m, Rotation.from_quat(orientations[:, joint])
