"""SMPL poses in a camera's coordinates, as action-recognition datasets have them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL
from selfcorrect.motion.body.surface import SOLE_BELOW_TOE_JOINT_M
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

_LARGEST = 1e6
_QUARTER_TURNS = Rotation.from_euler("x", [[0], [90], [180], [270]], degrees=True)


def rows_of(path: Path, data: Mapping[str, Any], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The clips in a file of columns: one value of each of the columns `names` per clip."""
    columns = [data.get(name) for name in names]
    for name, column in zip(names, columns, strict=True):
        if not isinstance(column, list | np.ndarray) or (isinstance(column, np.ndarray) and not column.ndim):
            raise InputError(f"{path}: expected a list as {name}, got {type(column).__name__}")
    lengths = [len(column) for column in columns if column is not None]
    if len(set(lengths)) != 1:
        raise InputError(f"{path}: expected {', '.join(names)} to be of one length, got {lengths}")
    return list(zip(*columns, strict=True))  # type: ignore[arg-type]


def numbers(where: str, name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Values as finite numbers of that shape, None standing for any length but 0."""
    try:
        array = np.asarray(values, dtype=float)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{where}: expected numbers as {name}, got {type(values).__name__}") from error
    fits = array.ndim == len(shape) and all(
        have > 0 if want is None else have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits or not np.all(np.abs(array) <= _LARGEST):
        raise InputError(
            f"{where}: expected finite numbers of shape {shape} as {name}, got shape {array.shape}"
            + ("" if not fits else f" with others or beyond ±{_LARGEST:g}")
        )
    return array


def motion_of_poses(poses: np.ndarray, root: np.ndarray, fps: float, source: str) -> Motion:
    """SMPL pose parameters (T, 72) and root positions (T, 3), metres, on an average body, upright on the floor.

    Camera coordinates have y or z up or down, by release. Of the four quarter turns about x, the one that puts the head
    above the pelvis for most of the time is taken. The sole below the lowest joint of the clip is put on the floor.
    """
    if poses.shape[1:] != (72,) or root.shape != (len(poses), 3):
        raise InputError(
            f"{source}: expected poses (frames, 72) and root positions (frames, 3), got {poses.shape} and {root.shape}"
        )
    if not (np.isfinite(poses).all() and np.isfinite(root).all()):
        raise InputError(f"{source}: poses or root positions are not finite")
    rotations = Rotation.from_rotvec(poses.astype(float).reshape(-1, 24, 3)).as_quat()
    spine = Rotation.from_quat(rotations[:, 0]).apply([0.0, 1.0, 0.0])
    heights = [turn.apply(spine)[:, 1] for turn in _QUARTER_TURNS]
    turn = _QUARTER_TURNS[int(np.argmax(np.median(heights, axis=1)))]
    rotations[:, 0] = (turn * Rotation.from_quat(rotations[:, 0])).as_quat()
    motion = Motion(SMPL.average(), turn.apply(root.astype(float)), rotations, fps, source=source)
    motion.root_m[:, 1] += SOLE_BELOW_TOE_JOINT_M - joint_positions(motion)[..., 1].min()
    return motion
