"""Read HumanML3D's rows with captions, on which text-to-motion models train."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.humanml3d import Caption, group_by_span, read_captions, read_split_names
from selfcorrect.motion.encodings.humanml3d import FPS
from selfcorrect.storage.files.arrays import read_npy
from selfcorrect.storage.files.limits import path_below

SHORTEST_ROWS = 40
TOO_LONG_ROWS = 200
"""Motions that text-to-motion models train on and are judged by have at least the one, and fewer than the other."""


@dataclass(frozen=True, eq=False)
class CaptionedRows:
    """A motion or captioned part as rows."""

    name: str
    rows: np.ndarray
    """(T, 263), float64."""
    captions: tuple[Caption, ...]


def captioned_rows(folder: Path, split: str) -> list[CaptionedRows]:
    """Return a split's motions and captioned parts.

    Motions have 40 to 199 rows, and parts of that length have captions of their own. Names without motion or text,
    which HumanML3D's lists contain, are skipped. Raises InputError if none is left, or if rows are not finite.
    """
    parts_of_split: list[CaptionedRows] = []
    for name in read_split_names(folder, split):
        motion = path_below(folder / "new_joint_vecs", f"{name}.npy")
        texts = path_below(folder / "texts", f"{name}.txt")
        if motion.is_file() and texts.is_file():
            parts_of_split += _captioned_parts(name, _rows(motion), read_captions(texts))
    if not parts_of_split:
        raise InputError(
            f"{folder}: no motion of split {split!r} has {SHORTEST_ROWS} to {TOO_LONG_ROWS - 1} rows in new_joint_vecs "
            "and a caption in texts"
        )
    return parts_of_split


def _captioned_parts(name: str, rows: np.ndarray, sentences: list[Caption]) -> list[CaptionedRows]:
    parts = []
    for span_s, span_captions in group_by_span(sentences).items():
        cut_rows = rows if span_s is None else rows[int(span_s[0] * FPS) : int(span_s[1] * FPS)]
        if SHORTEST_ROWS <= len(cut_rows) < TOO_LONG_ROWS:
            where = name if span_s is None else f"{name} {span_s[0]:g}-{span_s[1]:g} s"
            parts.append(CaptionedRows(where, cut_rows, tuple(span_captions)))
    return parts


def _rows(path: Path) -> np.ndarray:
    rows = read_npy(path)
    if rows.ndim != 2 or rows.shape[1] != 263 or rows.dtype.kind != "f":
        raise InputError(f"{path}: expected rows (frames, 263), got {rows.dtype} {rows.shape}")
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: not finite in frame {int(np.argwhere(~np.isfinite(rows))[0][0])}")
    return rows.astype(np.float64)


def read_statistics(mean_file: Path, std_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read columns' means and deviations (263,).

    Raises InputError for other numbers.
    """
    mean, std = (read_npy(path).astype(np.float64) for path in (mean_file, std_file))
    if mean.shape != (263,) or std.shape != (263,) or not np.isfinite([mean, std]).all() or not (std > 0).all():
        raise InputError(f"{mean_file}: expected finite means (263,), and positive deviations in {std_file.name}")
    return mean, std
