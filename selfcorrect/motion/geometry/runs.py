"""Runs of frames in which something holds."""

import numpy as np


def find_runs(holds: np.ndarray, shortest: float = 1) -> list[tuple[int, int]]:
    """Return start and stop (exclusive) of each run of True in (T,) that lasts `shortest` frames or longer."""
    padded = np.concatenate([[False], holds, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, stop) for start, stop in runs if stop - start >= shortest]
