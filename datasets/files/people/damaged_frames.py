"""Fill damaged frames of arrays: few frames whose numbers are not finite, as where an estimator lost a person."""

from collections.abc import Collection, Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.rotations import slerp

from ..skeletons.file_note import FileNote

_MAX_DAMAGED = 0.1
"""Maximum share of damaged frames that are filled."""
_LISTED = 5
"""Maximum number of damaged frames that are named."""


def fill_damaged_frames(
    arrays: Mapping[str, np.ndarray], rotations: Collection[str] = ()
) -> tuple[dict[str, np.ndarray], tuple[FileNote, ...]]:
    """Interpolate damaged frames between sound ones.

    If many frames are damaged, or the first or last one is, nothing changes, and the reader reports them.

    Args:
        arrays: Arrays by name. Those of as many frames as the first one are filled, (T, …).
        rotations: Names of arrays of rotation vectors, (T, 3 J) or (T, J, 3), or matrices, (T, J, 3, 3).

    Returns:
        The arrays, and a note that names the frames.
    """
    frames = next((len(array) for array in arrays.values() if array.ndim), 0)
    numbers = {
        name: array for name, array in arrays.items() if array.shape[:1] == (frames,) and array.dtype.kind == "f"
    }
    is_sound = np.ones(frames, dtype=bool)
    for array in numbers.values():
        is_sound &= np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
    damaged = np.flatnonzero(~is_sound)
    if not len(damaged) or len(damaged) > _MAX_DAMAGED * frames or not (is_sound[0] and is_sound[-1]):
        return dict(arrays), ()
    sound = np.flatnonzero(is_sound)
    after = np.searchsorted(sound, damaged)
    first, last = sound[after - 1], sound[after]
    share = (damaged - first) / (last - first)
    filled = dict(arrays)
    for name, array in numbers.items():
        filled[name] = array.copy()
        interpolate = _interpolate_rotations if name in rotations else _interpolate
        filled[name][damaged] = interpolate(array[first], array[last], share)
    named = ", ".join(map(str, damaged[:_LISTED]))
    more = f" and {len(damaged) - _LISTED} more" if len(damaged) > _LISTED else ""
    frames_in = "frame" if len(damaged) == 1 else "frames"
    words = (
        f"damaged file: {frames_in} {named}{more} had numbers that are not finite, and were filled from those around"
    )
    return filled, (FileNote(words, topic="damage"),)


def _interpolate(first: np.ndarray, last: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first + share.reshape(-1, *[1] * (first.ndim - 1)) * (last - first)


def _interpolate_rotations(first: np.ndarray, last: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate rotation vectors or matrices (K, …) along the shortest arcs."""
    are_matrices = first.ndim == 4 and first.shape[-2:] == (3, 3)
    make = Rotation.from_matrix if are_matrices else Rotation.from_rotvec
    size = (-1, 3, 3) if are_matrices else (-1, 3)
    start, stop = (
        make(values.reshape(size).astype(float)).as_quat().reshape(len(share), -1, 4) for values in (first, last)
    )
    between = Rotation.from_quat(slerp(start, stop, share[:, None, None]).reshape(-1, 4))
    return (between.as_matrix() if are_matrices else between.as_rotvec()).reshape(first.shape)
