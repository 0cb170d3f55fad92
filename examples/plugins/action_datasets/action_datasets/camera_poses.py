"""SMPL poses in a camera's coordinates, as datasets of action recognition have them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.motion.body.smpl import SMPL
from selfcorrect.motion.skeleton import SOLE_BELOW_TOE_JOINT_M

LARGEST = 1e6
QUARTER_TURNS = Rotation.from_euler("x", [[0], [90], [180], [270]], degrees=True)


def split_rows(path: Path, table: Mapping[str, Any], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Split a table of columns into clips.

    Args:
        path: File of the table, for messages.
        table: Columns by name.
        names: Names of the columns to take.

    Returns:
        A value of each column for each clip.

    Raises:
        sc.InputError: A column is missing or no list, or columns differ in length.
    """
    columns = []
    for name in names:
        column = table.get(name)
        is_list = isinstance(column, list) or (isinstance(column, np.ndarray) and column.ndim > 0)
        if not is_list:
            raise sc.InputError(f"{path}: expected a list as {name}, got {type(column).__name__}")
        columns.append(column)
    lengths = [len(column) for column in columns]
    if len(set(lengths)) != 1:
        raise sc.InputError(f"{path}: expected {', '.join(names)} to be of one length, got {lengths}")
    return list(zip(*columns, strict=True))


def read_numbers(where: str, name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return values as an array of finite numbers.

    Args:
        where: The clip, for messages.
        name: The column, for messages.
        values: Anything that a file may hold.
        shape: Expected shape; None stands for any length but 0.

    Raises:
        sc.InputError: The values are no numbers, have another shape, or are not finite.
    """
    try:
        array = np.asarray(values, dtype=float)
    except (ValueError, TypeError, OverflowError) as error:
        raise sc.InputError(f"{where}: expected numbers as {name}, got {type(values).__name__}") from error
    has_shape = array.ndim == len(shape) and all(
        length > 0 if expected is None else length == expected
        for length, expected in zip(array.shape, shape, strict=True)
    )
    if not has_shape:
        raise sc.InputError(f"{where}: expected numbers of shape {shape} as {name}, got shape {array.shape}")
    if not np.all(np.abs(array) <= LARGEST):
        raise sc.InputError(f"{where}: expected finite numbers within ±{LARGEST:g} as {name}")
    return array


def make_motion(poses: np.ndarray, root_m: np.ndarray, fps: float, source: str) -> sc.Motion:
    """Return SMPL poses as a motion of an average body that stands upright on the floor.

    Camera coordinates have y or z up or down, by release. Of the four quarter turns about x, the one that puts the head
    above the pelvis for most of the time is taken. The sole below the lowest joint of the clip is put on the floor.

    Args:
        poses: (T, 72) pose parameters, rad.
        root_m: (T, 3) positions of the pelvis in the camera's coordinates.
        fps: Frame rate.
        source: The clip, for messages.
    """
    if len(root_m) != len(poses):
        raise sc.InputError(f"{source}: expected a root position per frame, got {len(root_m)} of {len(poses)}")
    rotations = Rotation.from_rotvec(poses.reshape(-1, 24, 3)).as_quat()
    spine = Rotation.from_quat(rotations[:, 0]).apply([0.0, 1.0, 0.0])
    heights = [turn.apply(spine)[:, 1] for turn in QUARTER_TURNS]
    upright = QUARTER_TURNS[int(np.argmax(np.median(heights, axis=1)))]
    rotations[:, 0] = (upright * Rotation.from_quat(rotations[:, 0])).as_quat()
    motion = sc.Motion(SMPL.average(), upright.apply(root_m), rotations, fps, source=source)
    motion.root_m[:, 1] += SOLE_BELOW_TOE_JOINT_M - sc.joint_positions(motion)[..., 1].min()
    return motion
