"""Blend two versions of a motion, joint by joint."""

from dataclasses import replace

import numpy as np

from ..geometry.rotations import slerp
from ..motion import Motion


def blend_motions(before: Motion, after: Motion, shares: np.ndarray) -> Motion:
    """Blend two motions of the same skeleton.

    Args:
        before: Motion for shares of 0, which give it bit for bit.
        after: Motion for shares of 1, which give it bit for bit.
        shares: (T, J) shares of the joints' rotations. The root's share also applies to its position.
    """
    share = shares[..., None]
    root_share = share[:, 0]
    root_m = before.root_m + root_share * (after.root_m - before.root_m)
    root_m = np.where(root_share == 1, after.root_m, root_m)
    rotations = slerp(before.rotations, after.rotations, share)
    rotations = np.where(share == 0, before.rotations, rotations)
    rotations = np.where(share == 1, after.rotations, rotations)
    return replace(after, root_m=root_m, rotations=rotations)
