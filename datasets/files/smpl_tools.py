"""SMPL parameters as tools that see people in videos save them (.npz), in and out.

Rotations of the pelvis and of the body's joints are rotation vectors or matrices, in one array or two; `TOOLS` says
under which names. The worlds differ: y or z up or down. Other arrays of a file stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.amass import array_names
from selfcorrect.datasets.files.motion_file import MotionFile, Reading, body_model_of
from selfcorrect.errors import InputError
from selfcorrect.motion.body.smpl import LAYOUTS, Body, average_body
from selfcorrect.motion.kinematics import continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.arrays import read_npz
from selfcorrect.storage.files import replacing

_RATES = ("fps", "mocap_framerate", "mocap_frame_rate", "frame_rate", "framerate")
_USUAL_FPS = 30.0
_QUARTER_TURNS = tuple(Rotation.from_euler("x", degrees, degrees=True) for degrees in (0, -90, 180, 90))
_LARGEST = 1e6
_WORDS = ("y up", "z up", "y down", "z down")


@dataclass(frozen=True)
class Tool:
    """What a tool calls its arrays."""

    name: str
    rotations: tuple[str, ...]
    """Of the pelvis and the joints below it, (T, 3 J), (T, J, 3) or (T, J, 3, 3), to be joined."""
    translation: str
    """Of the body model, (T, 3) or (T, 1, 3), metres."""
    shape: str = "betas"
    """Its shape, (B,) or (T, B)."""


TOOLS = (
    Tool("WHAM", ("pose_world",), "trans_world"),
    Tool("GVHMR", ("smpl_params_global.global_orient", "smpl_params_global.body_pose"), "smpl_params_global.transl",
         "smpl_params_global.betas"),
    Tool("SMPL-X's own names, as of GVHMR and 4D-Humans", ("global_orient", "body_pose"), "transl"),
    Tool("TRAM", ("pred_rotmat",), "pred_trans", "pred_shape"),
    Tool("HuMoR", ("root_orient", "pose_body"), "trans"),
)  # fmt: skip
"""Those with the most telling names first: a file may hold several sets, in the world and as the camera sees it."""


def recognises(path: Path) -> bool:
    """Whether a .npz file has the arrays of one of the tools and not AMASS'."""
    names = array_names(path)
    return not {"poses", "trans"} <= names and any({*tool.rotations, tool.translation} <= names for tool in TOOLS)


def open_parameters(path: Path, reading: Reading) -> MotionFile:
    """The motion of a file, y up; of the four ways that y and z may point, the one by which the body stands.

    It moves an average body, or that of the file's shape and the reading's body model.
    """
    tool = next(tool for tool in TOOLS if {*tool.rotations, tool.translation} <= array_names(path))
    arrays = read_npz(path, (*tool.rotations, tool.translation, tool.shape, *_RATES))
    rotations, trans = _rotations(path, tool, arrays), _translation(path, tool, arrays)
    body, notes = _body(tool, arrays, reading)
    layout = LAYOUTS[rotations.shape[1]]
    way = _way_up(rotations[:, 0], reading.up)
    turn = _QUARTER_TURNS[way]
    rotations[:, 0] = (turn * Rotation.from_quat(rotations[:, 0])).as_quat()
    skeleton = layout.skeleton(body.skeleton.offsets_m[: len(layout.names)]) if body else layout.average()
    pelvis_m = (body or average_body()).pelvis_m
    fps = next((float(arrays[name].item()) for name in _RATES if _is_number(arrays.get(name))), reading.fps)
    motion = Motion(skeleton, turn.apply(trans + pelvis_m), continuous(rotations), fps or _USUAL_FPS, source=str(path))
    notes += (
        f"names as of {tool.name}, {_WORDS[way]}",
        *(() if fps else (f"{_USUAL_FPS:g} frames per second assumed",)),
    )

    def write(target: Path, changed: Motion) -> None:
        own = changed.rotations.copy()
        own[:, 0] = (turn.inv() * Rotation.from_quat(own[:, 0])).as_quat()
        written = _in_shape(tool, arrays, own, turn.inv().apply(changed.root_m) - pelvis_m)
        with replacing(target) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{**read_npz(path, skip_pickled=True), **written})

    return MotionFile((motion,), notes, write, body and body.mass_kg)


def _is_number(array: np.ndarray | None) -> bool:
    return array is not None and array.size == 1 and array.dtype.kind in "fiu"


def _rotations(path: Path, tool: Tool, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """(T, J, 4) of all joints."""
    parts = [_quaternions(path, name, arrays[name]) for name in tool.rotations]
    if len({len(part) for part in parts}) != 1 or not len(parts[0]):
        raise InputError(f"{path}: expected as many frames in {' and '.join(tool.rotations)}, at least one")
    rotations = np.concatenate(parts, axis=1)
    if rotations.shape[1] not in LAYOUTS:
        raise InputError(f"{path}: expected rotations of one of {list(LAYOUTS)} joints, got {rotations.shape[1]}")
    return rotations


def _quaternions(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """(T, J, 4) of rotation vectors or matrices."""
    _check_numbers(path, name, array)
    frames = len(array)
    if array.shape[-2:] == (3, 3) and array.ndim == 4:
        lengths = np.linalg.det(array.astype(float))
        if not (lengths > 0.5).all():
            raise InputError(f"{path}: {name} is no rotation in frame {np.argwhere(~(lengths > 0.5))[0][0]}")
        return Rotation.from_matrix(array.astype(float).reshape(-1, 3, 3)).as_quat().reshape(frames, -1, 4)
    if array.ndim not in (2, 3) or not frames or array.size % (3 * frames):
        raise InputError(f"{path}: expected {name} as rotation vectors or matrices, got shape {array.shape}")
    return Rotation.from_rotvec(array.astype(float).reshape(-1, 3)).as_quat().reshape(frames, -1, 4)


def _translation(path: Path, tool: Tool, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    array, frames = arrays[tool.translation], len(arrays[tool.rotations[0]])
    _check_numbers(path, tool.translation, array)
    if array.size != 3 * frames:
        raise InputError(f"{path}: expected {tool.translation} of shape ({frames}, 3), got {array.shape}")
    return array.astype(float).reshape(frames, 3)


def _check_numbers(path: Path, name: str, array: np.ndarray) -> None:
    if array.dtype.kind not in "fiu" or not array.ndim:
        raise InputError(f"{path}: expected {name} to be real numbers per frame, got {array.dtype} {array.shape}")
    if not (sound := np.abs(array.astype(float)) <= _LARGEST).all():
        raise InputError(f"{path}: {name} is not finite in frame {np.argwhere(~sound)[0][0]}, or beyond ±{_LARGEST:g}")


def _body(tool: Tool, arrays: Mapping[str, np.ndarray], reading: Reading) -> tuple[Body | None, tuple[str, ...]]:
    """The person that the shape and the reading's body model describe, None for an average one, and notes."""
    if (model := body_model_of(reading)) is None:
        return None, ("the file holds no bone lengths: an average body stands in",)
    from selfcorrect.motion.body.body_model import body_of

    shape = arrays.get(tool.shape)
    return body_of(model, None if shape is None else shape.reshape(-1, shape.shape[-1]).mean(axis=0)), ()


def _way_up(pelvis: np.ndarray, up: Literal["y", "z"] | None) -> int:
    """Which of the quarter turns brings the world upright: the one given, or by which spines (T, 4) mostly stand."""
    if up is not None:
        return "yz".index(up)
    spine = Rotation.from_quat(pelvis).apply([0.0, 1.0, 0.0])
    return int(np.argmax([np.median(turn.apply(spine)[:, 1]) for turn in _QUARTER_TURNS]))


def _in_shape(
    tool: Tool, arrays: Mapping[str, np.ndarray], rotations: np.ndarray, trans: np.ndarray
) -> dict[str, np.ndarray]:
    """Rotations (T, J, 4) and translations (T, 3) as arrays like those of the file."""
    written = {tool.translation: trans.reshape(arrays[tool.translation].shape)}
    start = 0
    for name in tool.rotations:
        old = arrays[name]
        matrices = old.shape[-2:] == (3, 3) and old.ndim == 4
        stop = start + old.size // (len(old) * (9 if matrices else 3))
        part = Rotation.from_quat(rotations[:, start:stop].reshape(-1, 4))
        written[name] = (part.as_matrix() if matrices else part.as_rotvec()).reshape(old.shape)
        start = stop
    return {name: array.astype(arrays[name].dtype) for name, array in written.items()}
