"""A part of a change: for some frames, or for some joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..geometry.rotations import slerp
from ..motion import Motion


def blended(before: Motion, after: Motion, shares: np.ndarray) -> Motion:
    """The motion that has gone a share (T, J) of the way from one motion to another of the same skeleton.

    A joint's share is that of its rotation, the root's that of its position, too. 0 gives `before` and 1 `after`, bit
    for bit.
    """
    share = shares[..., None]
    root_m = before.root_m + share[:, 0] * (after.root_m - before.root_m)
    rotations = slerp(before.rotations, after.rotations, share)
    rotations = np.where(share == 1, after.rotations, np.where(share == 0, before.rotations, rotations))
    return replace(after, root_m=np.where(share[:, 0] == 1, after.root_m, root_m), rotations=rotations)


def over_time(keyframes: Sequence[tuple[int, float]], frames: int) -> np.ndarray:
    """Shares (T,) that go smoothly from keyframe to keyframe, (frame, share), and stay before the first and after the
    last.
    """
    at, shares = np.array(sorted(keyframes), dtype=float).T
    place = np.interp(np.arange(frames), at, np.arange(len(at)))
    first = np.minimum(place.astype(int), max(len(at) - 2, 0))
    part = place - first
    last = np.minimum(first + 1, len(at) - 1)
    return shares[first] + (3 - 2 * part) * part**2 * (shares[last] - shares[first])
