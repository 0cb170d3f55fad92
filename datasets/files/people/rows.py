"""Rows of numbers (T, D) of datasets and generators on bodies of the SMPL family, in and out: a layout per width.

Motion-X: Lin et al. 2023. PHUMA: Lee et al. 2025. FineDance: Li et al. 2023. EDGE: Tseng et al. 2023. Six numbers of a
rotation are the first two rows of its matrix (Zhou et al. 2019, as PyTorch3D has them).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL, SMPL_BODY, SMPL_H, SMPL_X, Layout, average_body
from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.geometry.rotations import identity_rotations
from selfcorrect.motion.geometry.views import to_y_up
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import write_npy

from ..motion_file import AVERAGE_BODY, MotionFile, check_real, check_size, doubt_height, rate_of
from ..skeletons.reading import Reading
from ..skeletons.vertical import up_of_motion
from .keeping import is_unturned, keep_places, keep_rotations

_LARGEST = 1e6


@dataclass(frozen=True)
class RowLayout:
    """Columns of the rows of a program."""

    program: str
    layout: Layout
    places: slice
    """Translation of the body model, metres."""
    rotations: tuple[tuple[slice, slice], ...]
    """Columns of rotations, and the joints of the layout that they turn."""
    size: int = 3
    """Numbers of a rotation: 3 of a vector, or 6 of a matrix."""
    fps: float = 30.0
    shape: slice | None = None
    """Coefficients of the shape of the body, None without any."""
    has_contacts: bool = False
    """True if the first columns mark the feet that stand. The program derives these columns from the motion."""


_FINGERS = slice(len(SMPL_X.names) - 30, len(SMPL_X.names))
_JAW = SMPL_X.names.index("jaw")

ROWS = {
    322: RowLayout("Motion-X", SMPL_X, slice(309, 312), (
        (slice(0, 66), slice(0, 22)), (slice(66, 156), _FINGERS), (slice(156, 159), slice(_JAW, _JAW + 1)),
    ), shape=slice(312, 322)),
    69: RowLayout("PHUMA", SMPL_BODY, slice(0, 3), ((slice(3, 69), slice(0, 22)),)),
    315: RowLayout("FineDance", SMPL_H, slice(0, 3), ((slice(3, 315), slice(0, 52)),), size=6),
    151: RowLayout("EDGE", SMPL, slice(4, 7), ((slice(7, 151), slice(0, 24)),), size=6, has_contacts=True),
}  # fmt: skip
"""Layouts by the number of columns."""


def open_rows(path: Path, rows: np.ndarray, reading: Reading) -> MotionFile:
    """Open the motion in rows (T, D) of one of `ROWS`, y up, on an average body."""
    layout = ROWS[rows.shape[1]]
    if not len(rows):
        raise InputError(f"{path}: expected at least one row")
    check_real(str(path), "rows", rows, _LARGEST)
    check_size(path, [(len(rows), len(layout.layout.names))])
    fps, notes = rate_of(path, {}, reading, layout.fps, layout.program)
    rotations = identity_rotations(len(rows), len(layout.layout.names))
    for columns, joints in layout.rotations:
        rotations[:, joints] = _decode(rows[:, columns].astype(float), layout.size)
    root_m = rows[:, layout.places].astype(float) + average_body().pelvis_m
    file_motion = Motion(layout.layout.average(), root_m, rotations, fps, source=str(path))
    axis = up_of_motion(file_motion, reading.up)
    view = to_y_up(axis.axis)
    motion = view.view(file_motion)
    motion = doubt_height(motion, None if layout.shape is None else rows[:, layout.shape])
    notes = (f"{AVERAGE_BODY}, as the file holds no bone lengths", f"rows as of {layout.program}", *notes, *axis.notes)
    if layout.has_contacts:
        notes = (*notes, f"contacts of the file stay as they are; {layout.program} derives them from the motion")

    def write(target: Path, changed: Motion) -> None:
        restored = view.restore(changed)
        written = _resize(rows, len(restored))
        before = file_motion if len(file_motion) == len(restored) else None
        written[:, layout.places] = restored.root_m - average_body().pelvis_m
        if before is not None:
            written[:, layout.places] = keep_places(rows[:, layout.places], before.root_m, restored.root_m)
        for columns, joints in layout.rotations:
            old = None if before is None else before.rotations[:, joints]
            written[:, columns] = _encode(rows[:, columns], old, restored.rotations[:, joints], layout.size)
        write_npy(target, written)

    motion = replace(motion, rotations=make_continuous(motion.rotations))
    return MotionFile((motion,), notes, write)


def _resize(rows: np.ndarray, count: int) -> np.ndarray:
    """Return a copy of rows with another number of them; the last row is repeated."""
    indices = np.minimum(np.arange(count), len(rows) - 1)
    return rows[indices].copy()


def _decode(values: np.ndarray, size: int) -> np.ndarray:
    """Return quaternions (T, J, 4) of the rotations in columns (T, size · J)."""
    if size == 3:
        return Rotation.from_rotvec(values.reshape(-1, 3)).as_quat().reshape(len(values), -1, 4)
    first, second = np.moveaxis(values.reshape(-1, 2, 3), 1, 0)
    first = first / np.maximum(np.linalg.norm(first, axis=-1, keepdims=True), 1e-12)
    second = second - (first * second).sum(-1, keepdims=True) * first
    second = second / np.maximum(np.linalg.norm(second, axis=-1, keepdims=True), 1e-12)
    matrices = np.stack([first, second, np.cross(first, second)], axis=-2)
    if not (np.linalg.det(matrices) > 0.5).all():
        raise InputError("six numbers of a rotation are zero or parallel")
    return Rotation.from_matrix(matrices).as_quat().reshape(len(values), -1, 4)


def _encode(old: np.ndarray, before: np.ndarray | None, after: np.ndarray, size: int) -> np.ndarray:
    """Return columns (T, size · J) of rotations; rotations that did not turn keep their numbers."""
    if size == 3:
        return keep_rotations(old[: len(after)], before, after)
    rows = Rotation.from_quat(after.reshape(-1, 4)).as_matrix()[:, :2].reshape(*after.shape[:2], 6)
    if before is not None:
        is_same = is_unturned(before, after)[..., None]
        rows = np.where(is_same, old.reshape(rows.shape), rows)
    return rows.reshape(len(after), -1)


def describe_widths() -> Sequence[str]:
    """Return the shapes that are read, for messages."""
    return [f"(frames, {width})" for width in sorted(ROWS)]
