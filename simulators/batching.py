"""Batches of motions that are corrected together.

Motions that no corrector can work on are left out.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from math import ceil

import numpy as np

from selfcorrect.core.grouping import group_by_size
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.object_cache import remember_by_object

from .results.results import SHORTEST_FRAMES, Failure, FailureKind

BATCH_SIZE = 16
"""Maximum number of motions of equal skeleton, frame rate and length that are planned together. As many fit into a
processor's cache."""

MAX_FRAMES_TOGETHER = 8_000
"""Maximum number of frames simulated together. A single longer motion is simulated alone."""


def make_batches(
    motions: Sequence[Motion], batch_size: int, bodies_together: int, workers: int
) -> list[list[list[int]]]:
    """Group motions into tasks of batches.

    The motions of a task are simulated together. Their bodies have equal link trees and frame rates and similar
    lengths. Tasks are small enough for memory, and numerous enough for all workers. The motions of a batch have the
    same skeleton and length.

    Args:
        bodies_together: Maximum number of motions in a task.
        workers: Number of processes among which the tasks are divided.

    Returns:
        Tasks, each a list of batches, each a list of indices. Motions that cannot be corrected are left out.
    """
    tasks = list[list[int]]()
    sound = [index for index, motion in enumerate(motions) if find_input_failure(motion) is None]
    for group in _group_by(sound, lambda index: _simulation_key(motions[index])):
        largest = min(bodies_together, ceil(len(group) / workers))
        longest_first = sorted(group, key=lambda index: -len(motions[index]))
        tasks += group_by_size(longest_first, lambda index: len(motions[index]), MAX_FRAMES_TOGETHER, largest)
    return [_split_task(motions, task, batch_size) for task in tasks]


def _split_task(motions: Sequence[Motion], task: Sequence[int], batch_size: int) -> list[list[int]]:
    batches = list[list[int]]()
    for group in _group_by(task, lambda index: _batch_key(motions[index])):
        for start in range(0, len(group), batch_size):
            batches.append(group[start : start + batch_size])
    return batches


def _simulation_key(motion: Motion) -> Hashable:
    """Return what motions share if they can be simulated together."""
    ground = motion.ground
    tilted_up = tuple(ground.up.tolist()) if ground and ground.slope_deg else None
    return motion.skeleton.tree, motion.fps, tilted_up


def _batch_key(motion: Motion) -> Hashable:
    """Return what the motions of a batch share, beside the frame rate."""
    return motion.skeleton.identity, len(motion), motion.ground


def _group_by(indices: Sequence[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Group indices by equal key, in the order of each group's first index."""
    groups = defaultdict[Hashable, list[int]](list)
    for index in indices:
        groups[key(index)].append(index)
    return list(groups.values())


@remember_by_object
def find_input_failure(motion: Motion) -> Failure | None:
    """Return why a motion cannot be corrected, or None if it can."""
    if len(motion) < SHORTEST_FRAMES:
        return Failure(FailureKind.TOO_SHORT, value=len(motion), limit=SHORTEST_FRAMES)
    if np.isfinite(motion.rotations).all() and np.isfinite(motion.root_m).all():
        return None
    broken = np.array(~np.isfinite(motion.rotations).all(axis=2))
    broken[:, 0] |= ~np.isfinite(motion.root_m).all(axis=1)
    frame, joint = np.unravel_index(broken.argmax(), broken.shape)
    return Failure(FailureKind.NOT_FINITE, int(frame), joint=motion.skeleton.names[joint])
