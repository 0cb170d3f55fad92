"""Runs of frames in which a condition holds."""

import numpy as np


def find_runs(holds: np.ndarray, shortest: float = 1) -> list[tuple[int, int]]:
    """Find runs of True in (T,) with at least `shortest` frames.

    Returns:
        Start and stop (exclusive) of each run.
    """
    padded = np.zeros(len(holds) + 2, dtype=bool)
    padded[1:-1] = holds
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, stop) for start, stop in runs if stop - start >= shortest]


def spans(holds: np.ndarray, longest_gap: int = 0) -> list[tuple[int, int]]:
    """Find runs of True in (T,), joining those at most `longest_gap` frames apart.

    Returns:
        First and last index of each run.
    """
    runs: list[tuple[int, int]] = []
    for start, stop in find_runs(holds):
        is_joined = runs and start - runs[-1][1] <= longest_gap + 1
        first = runs.pop()[0] if is_joined else start
        runs.append((first, stop - 1))
    return runs


def holds_throughout(holds: np.ndarray, frames: int) -> np.ndarray:
    """Return where a condition holds for `frames` frames from there on.

    Args:
        holds: (T, ...) whether the condition holds in each frame.
        frames: Number of frames.

    Returns:
        (T − frames + 1, ...) bool, one per window.
    """
    counts = np.zeros((len(holds) + 1, *holds.shape[1:]), dtype=int)
    np.cumsum(holds, axis=0, out=counts[1:])
    return counts[frames:] - counts[:-frames] == frames
