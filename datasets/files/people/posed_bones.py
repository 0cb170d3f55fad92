"""Build motions from positions and orientations of bones in the world."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.kinematics import local_rotations
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

from .keeping import check_rotations

_RIGID = 0.05
"""Largest change of a rigid bone's length, relative to this length."""
_RIGID_M = 0.015
"""Change of length, in m, that is allowed for any rigid bone, however short."""


def motion_of_poses(
    label: str, body: Skeleton, positions_m: np.ndarray, matrices: np.ndarray, fps: float, *, rigid: bool = True
) -> Motion:
    """Build a motion from joint positions and orientations in the world.

    Bones get their mean offsets over all frames.

    Args:
        label: Name of the motion in messages.
        body: Skeleton with the names and parents of the J joints, in the file's order.
        positions_m: (T, J, 3) positions in the world, in metres.
        matrices: (T, J, 3, 3) orientations in the world.
        rigid: Whether to refuse bones whose length changes.

    Raises:
        InputError: A matrix is not a rotation, or `rigid` is true and a bone changes its length.
    """
    matrices = matrices.astype(float)
    positions_m = positions_m.astype(float)
    check_rotations(f"{label}: a matrix is not a rotation", matrices)
    orientations = Rotation.from_matrix(matrices).as_quat()
    parents = list(body.parents[1:])
    bones_m = positions_m[:, 1:] - positions_m[:, parents]
    inverse = Rotation.from_quat(orientations[:, parents].reshape(-1, 4)).inv()
    local_m = inverse.apply(bones_m.reshape(-1, 3)).reshape(bones_m.shape)
    lengths_m = norms(bones_m)
    low, usual, high = np.percentile(lengths_m, (2, 50, 98), axis=0)
    off = (high - low) / np.maximum(_RIGID * usual, _RIGID_M)
    if rigid and off.max() > 1:
        worst = int(off.argmax())
        raise InputError(
            f"{label}: the bone to {body.names[worst + 1]} changes its length from {low[worst]:.3g} to "
            f"{high[worst]:.3g} m; expected rigid bones"
        )
    skeleton = replace(body, offsets_m=np.vstack([np.zeros(3), local_m.mean(axis=0)]))
    rotations = local_rotations(skeleton, orientations)
    return Motion(skeleton, positions_m[:, 0], rotations, fps, source=label)
