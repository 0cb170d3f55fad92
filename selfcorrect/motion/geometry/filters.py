"""Filters over frames, and solutions of banded systems.

Filters agree with `scipy.ndimage` to the bit. They exist because importing SciPy takes as long as correcting several
clips. For the same reason, a compiled kernel solves banded systems; without it, `scipy.linalg` does, and solutions
differ by rounding.
"""

from functools import lru_cache

import numpy as np

from .compiled import find_kernel

FRAME_S = 1 / 30
"""Unit of some durations, in s: a frame at 30 fps, whatever the motion's frame rate."""
_ROUNDING = np.finfo(float).eps
"""Largest difference between weights that count as equal."""


def correlate1d(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Correlate values, which are 0 beyond the ends, with an odd number of weights (K,)."""
    weights = np.asarray(weights)
    middle = len(weights) // 2
    mirrored = weights[::-1]
    for combine, difference in ((np.add, weights - mirrored), (np.subtract, weights + mirrored)):
        if np.abs(difference)[:middle].max(initial=0.0) <= _ROUNDING:
            return _sum_pairs(values, weights, combine, axis, "constant")
    neighbours = _list_neighbours(np.asarray(values, dtype=float), len(weights), middle, axis, "constant")
    total = neighbours[-1] * weights[-1]  # the order of SciPy's sums, as below
    for neighbour, weight in zip(neighbours[:-1], weights[:-1], strict=True):
        total += neighbour * weight
    return total


def _sum_pairs(values: np.ndarray, weights: np.ndarray, combine: np.ufunc, axis: int, mode: str) -> np.ndarray:
    """Correlate with symmetric or antisymmetric weights (K,).

    Opposite weights are equal (`combine` adds) or differ in sign (`combine` subtracts).
    """
    middle = len(weights) // 2
    neighbours = _list_neighbours(np.asarray(values, dtype=float), len(weights), middle, axis, mode)
    total = neighbours[middle] * weights[middle]
    pair = np.empty_like(total)
    for place, weight in enumerate(weights[:middle].tolist()):
        combine(neighbours[place], neighbours[-1 - place], out=pair)
        pair *= weight
        total += pair
    return total


def gaussian_filter1d(values: np.ndarray, sigma: float, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Smooth values with a Gaussian.

    Beyond the ends, `mode` "reflect" mirrors the values, "nearest" repeats the last one, and "constant" uses 0.

    Args:
        sigma: Standard deviation, in frames. The Gaussian is cut off at four standard deviations.
    """
    return _sum_pairs(values, gaussian_weights(float(sigma)), np.add, axis, mode)


@lru_cache(maxsize=64)
def gaussian_weights(sigma: float) -> np.ndarray:
    """Return the read-only weights (K,) of a Gaussian."""
    radius = int(4.0 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    weights = (weights / weights.sum())[::-1]
    weights.flags.writeable = False
    return weights


def maximum_filter1d(values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Return the maximum of the `size` values around each value."""
    first, *others = _list_neighbours(values, size, size // 2, axis, mode)
    largest = first.copy()
    for other in others:
        np.maximum(largest, other, out=largest)
    return largest


def minimum_filter1d(
    values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect", cval: float = 0.0, origin: int = 0
) -> np.ndarray:
    """Return the minimum of `size` values, centred `origin` frames before each value."""
    first, *others = _list_neighbours(values, size, size // 2 + origin, axis, mode, cval)
    smallest = first.copy()
    for other in others:
        np.minimum(smallest, other, out=smallest)
    return smallest


def uniform_filter1d(values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Return the mean of the `size` values around each value.

    Beyond the ends, `mode` "nearest" repeats the last value; any other mode mirrors the values.
    """
    frames = values.shape[axis]
    before = size // 2
    frames_first = np.moveaxis(values, axis, 0)
    line = _pad(frames_first, before, size - 1 - before, mode)
    sums = np.empty(frames_first.shape)
    sums[:1] = np.add.accumulate(line[:size], axis=0)[-1:]
    np.subtract(line[size:], line[: frames - 1], out=sums[1:])
    del line  # the sums of long motions take as much memory
    np.add.accumulate(sums, axis=0, out=sums)
    sums /= size
    return np.moveaxis(sums, 0, axis)


def _pad(values: np.ndarray, before: int, after: int, mode: str) -> np.ndarray:
    """Extend values (T, ...) at both ends as `uniform_filter1d` does. NumPy's own function takes five times as long."""
    if max(before, after) > len(values):
        margins = [(before, after)] + [(0, 0)] * (values.ndim - 1)
        return np.pad(values, margins, "edge" if mode == "nearest" else "symmetric")
    if mode == "nearest":
        ends = np.repeat(values[:1], before, axis=0), np.repeat(values[-1:], after, axis=0)
    else:
        ends = values[:before][::-1], values[len(values) - after :][::-1]
    return np.concatenate([ends[0], values, ends[1]])


def median_filter1d(values: np.ndarray, size: int, axis: int = -1, mode: str = "reflect") -> np.ndarray:
    """Return the median of the `size` values around each value.

    If two values are in the middle, the larger one is returned.
    """
    neighbours = np.stack(_list_neighbours(values, size, size // 2, axis, mode))
    return np.partition(neighbours, size // 2, axis=0)[size // 2]


def remove_short_runs(is_set: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Clear runs of fewer than `size` frames."""
    is_start = minimum_filter1d(is_set, size, axis, "constant")
    mirrored = (size - 1) // 2 - size // 2
    return ~minimum_filter1d(~is_start, size, axis, "constant", 1.0, mirrored)


def solve_banded(bands: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite banded system.

    Args:
        bands: (K, T) upper bands, the diagonal last.
        right: (T, …) right-hand sides.

    Raises:
        LinAlgError: The matrix is not positive definite.
    """
    if kernel := find_kernel("solve_banded"):
        solution = np.array(right, dtype=float, order="C")
        failed = kernel(np.ascontiguousarray(bands, dtype=float), solution.reshape(len(solution), -1))
        if failed:
            raise np.linalg.LinAlgError(f"leading minor {failed} is not positive")
        return solution
    from scipy.linalg import solveh_banded

    return solveh_banded(bands, right.reshape(len(right), -1)).reshape(right.shape)


def solve_banded_rows(rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite banded system whose matrix is stored by rows.

    Args:
        rows: (T, K) each row of the matrix from its diagonal on, C-contiguous. It is overwritten.
        right: (T,) right-hand side.

    Raises:
        LinAlgError: The matrix is not positive definite.
    """
    if kernel := find_kernel("solve_banded_rows", rows):
        solution = np.array(right, dtype=float, order="C")
        if failed := kernel(rows, solution.reshape(-1, 1)):
            raise np.linalg.LinAlgError(f"leading minor {failed} is not positive")
        return solution
    from scipy.linalg import solveh_banded

    bands = rows.T[: len(rows)]  # diagonals beyond the last row are empty
    return solveh_banded(bands, right, overwrite_ab=True, lower=True, check_finite=False)


def _list_neighbours(
    values: np.ndarray, count: int, before: int, axis: int, mode: str, cval: float = 0.0
) -> list[np.ndarray]:
    """List `count` neighbours of each value, from `before` frames earlier on."""
    frames = values.shape[axis]
    if not frames:
        return [values] * count
    along = (slice(None),) * (axis % values.ndim)
    ends = values.take(_list_beyond(frames, count, before, mode), axis)
    if mode == "constant":
        ends[...] = cval
    extended = np.concatenate([ends[(*along, slice(before))], values, ends[(*along, slice(before, None))]], axis)
    return [extended[(*along, slice(start, start + frames))] for start in range(count)]


@lru_cache(maxsize=64)
def _list_beyond(frames: int, count: int, before: int, mode: str) -> np.ndarray:
    """List the frames used in place of those beyond both ends."""
    beyond = np.append(np.arange(-before, 0), np.arange(frames, frames + count - 1 - before))
    if mode == "reflect":
        beyond %= 2 * frames
        beyond = np.minimum(beyond, 2 * frames - 1 - beyond)
    return beyond.clip(0, frames - 1)
