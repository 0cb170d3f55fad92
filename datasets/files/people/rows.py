"""Read and write rows (T, D) of SMPL body parameters.

Datasets and generators use such rows, and their number of columns shows the layout. Six numbers for a rotation are the
first two rows of its matrix (Zhou et al. 2019, in PyTorch3D's convention). Sources: Motion-X (Lin et al. 2023), PHUMA
(Lee et al. 2025), FineDance (Li et al. 2023), EDGE (Tseng et al. 2023).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL, SMPL_BODY, SMPL_H, SMPL_X, Layout
from selfcorrect.storage.files.arrays import write_npy
from selfcorrect.storage.pickles.results import Results

from ..motion_file import MotionFile
from ..skeletons.reading import Reading
from .keeping import matrices_of_rows
from .smpl_tools import UPRIGHT, Tool, open_parameters


@dataclass(frozen=True)
class RowLayout:
    """Columns of a program's rows."""

    program: str
    layout: Layout
    places: slice
    """Columns of the body model's translation, in metres."""
    rotations: tuple[tuple[slice, slice], ...]
    """Columns of rotations, each with the joints of the layout to which they belong."""
    has_matrices: bool = False
    """True if rotations are six numbers of a matrix, and false if they are rotation vectors."""
    shape: slice | None = None
    """Columns of the body's shape, or None if there are none."""
    has_contacts: bool = False
    """True if the first columns are foot contacts, which the program derives from the motion."""


_FINGERS = slice(len(SMPL_X.names) - 30, len(SMPL_X.names))
_JAW = SMPL_X.names.index("jaw")

ROWS = {
    322: RowLayout("Motion-X", SMPL_X, slice(309, 312), (
        (slice(0, 66), slice(0, 22)), (slice(66, 156), _FINGERS), (slice(156, 159), slice(_JAW, _JAW + 1)),
    ), shape=slice(312, 322)),
    69: RowLayout("PHUMA", SMPL_BODY, slice(0, 3), ((slice(3, 69), slice(0, 22)),)),
    315: RowLayout("FineDance", SMPL_H, slice(0, 3), ((slice(3, 315), slice(0, 52)),), has_matrices=True),
    151: RowLayout("EDGE", SMPL, slice(4, 7), ((slice(7, 151), slice(0, 24)),), has_matrices=True, has_contacts=True),
}  # fmt: skip
"""Layouts, by number of columns."""


class RowsOfNumbers(Results):
    """Rows (T, D), presented as arrays of body parameters."""

    def __init__(self, path: Path, rows: np.ndarray) -> None:
        self.path = path
        self.layout = ROWS[rows.shape[1]]
        self.numbers = {}
        self.others = frozenset({"contacts"} if self.layout.has_contacts else ())
        self._rows = rows
        self._arrays = {"trans": rows[:, self.layout.places], "poses": self._decode()}
        if self.layout.shape is not None:
            self._arrays["betas"] = rows[:, self.layout.shape]
        self.shapes = {name: array.shape for name, array in self._arrays.items()}

    def _decode(self) -> np.ndarray:
        """Return the rotations of all joints as rotation vectors (T, J, 3) or matrices (T, J, 3, 3)."""
        shape = (len(self._rows), len(self.layout.layout.names), 3)
        if not self.layout.has_matrices:
            vectors = np.zeros(shape, self._rows.dtype)
            for columns, joints in self.layout.rotations:
                vectors[:, joints] = self._rows[:, columns].reshape(len(vectors), -1, 3)
            return vectors
        ((columns, _),) = self.layout.rotations
        return matrices_of_rows(self._rows[:, columns].astype(float).reshape(*shape[:2], 6))

    def array(self, name: str) -> np.ndarray:
        return self._arrays[name].copy()

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        """Write the rows with changed poses.

        In frames beyond the old ones, all other columns repeat the last row.
        """
        poses = changed["poses"]
        written = self._rows[np.minimum(np.arange(len(poses)), frames - 1)].copy()
        written[:, self.layout.places] = changed["trans"]
        for columns, joints in self.layout.rotations:
            values = poses[:, joints]
            if self.layout.has_matrices:
                old = written[:, columns].reshape(*values.shape[:2], 2, 3)
                values = values[:, :, :2]
                if len(poses) == frames:
                    is_same = (poses == self._arrays["poses"]).all(axis=(2, 3))[:, joints, None, None]
                    values = np.where(is_same, old, values)
            written[:, columns] = values.reshape(len(values), -1)
        write_npy(target, written)


def open_rows(path: Path, rows: np.ndarray, reading: Reading) -> MotionFile:
    """Open the motion in rows (T, D), whose number of columns is in `ROWS`."""
    if not len(rows):
        raise InputError(f"{path}: expected at least one row, got none")
    results = RowsOfNumbers(path, rows)
    program = Tool(
        results.layout.program, ("poses",), "trans", fps=30.0, derived=("contacts",), axes=UPRIGHT, kind="rows"
    )
    return open_parameters(results, reading, program)
