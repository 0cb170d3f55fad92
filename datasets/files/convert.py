"""Motion files from one format to another.

What a format cannot hold is left out: AMASS has SMPL's joints and no bone lengths, the .npy formats have the 22 body
joints at 20 fps, HumanML3D's rows its standard bone lengths. BVH and glTF keep any skeleton.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.datasets.files import amass, gltf, humanml3d, usd
from selfcorrect.datasets.files.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.errors import InputError, SettingError
from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.encodings.humanml3d import FPS, TARGET_OFFSETS_M, encode
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.transforms import resample
from selfcorrect.storage.files import replacing


@dataclass(frozen=True)
class Format:
    """A kind of motion file; `read` is None for one that is only written."""

    name: str
    suffixes: tuple[str, ...]
    holds: str
    write: Callable[[Path, Motion], None]
    read: Callable[[Path], Motion] | None


def _write_rows(path: Path, motion: Motion) -> None:
    _save(path, encode(body_joints(resample(motion, FPS)), TARGET_OFFSETS_M))


def _write_joints(path: Path, motion: Motion) -> None:
    _save(path, body_joints(resample(motion, FPS)))


def _save(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.save(temporary, array.astype(np.float32), allow_pickle=False)


def _read_npy(path: Path) -> Motion:
    return humanml3d.read_motion(path, last_frame=True)


FORMATS = (
    Format("bvh", (".bvh",), "any skeleton, its motion in degrees and centimetres",
           lambda path, motion: write_bvh(path, clip_of(motion)), lambda path: read_bvh(path).motion),
    Format("amass", (".npz",), "poses of SMPL+H or SMPL-X, z up", amass.write, amass.read),
    Format("humanml3d", (".npy",), "rows (T − 1, 263), 20 fps", _write_rows, _read_npy),
    Format("joints", (".npy",), "joint positions (T, 22, 3), 20 fps", _write_joints, _read_npy),
    Format("gltf", (".glb", ".gltf"), "an animation for browsers, Blender and game engines", gltf.write, None),
    Format("usd", usd.SUFFIXES, "an animation for Omniverse, Houdini, Maya and Blender", usd.write, None),
)  # fmt: skip


def format_of(path: Path, name: str | None = None) -> Format:
    """The format called `name`, or the first with this file's suffix; ValueError where they do not agree."""
    fitting = [kind for kind in FORMATS if path.suffix.lower() in kind.suffixes and name in (None, kind.name)]
    if not fitting:
        known = ", ".join(f"{kind.name} ({' or '.join(kind.suffixes)})" for kind in FORMATS)
        raise SettingError(f"{path}: no format{f' {name!r}' if name else ''} with this suffix; there are {known}")
    return fitting[0]


def read(path: Path) -> Motion:
    """The motion in a file, by its suffix: BVH, AMASS .npz, HumanML3D rows or joints .npy."""
    if (reader := format_of(path).read) is None:
        raise InputError(f"{path}: {format_of(path).name} files are written, not read")
    return reader(path)


def write(path: Path, motion: Motion, name: str | None = None) -> None:
    """Write a motion in the format called `name`, by default the first with the path's suffix."""
    format_of(path, name).write(path, motion)


def convert(source: Path, target: Path, name: str | None = None) -> Motion:
    """Read one file and write it as another; returns the motion."""
    kind, motion = format_of(target, name), read(source)
    kind.write(target, motion)
    return motion
