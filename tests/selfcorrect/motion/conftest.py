"""Skeletons and motions that the motion tests share."""

import numpy as np
import pytest
from smooth_motions import random_motion, skeleton

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

__all__ = ["random_motion", "skeleton"]


@pytest.fixture(scope="session")
def standing_height_m(skeleton: Skeleton) -> float:
    """Return the height of the root when the rest pose stands with its soles on the floor."""
    leg = [skeleton.joint(f"left_{part}") for part in ("hip", "knee", "ankle", "foot")]
    leg_m = np.linalg.norm(skeleton.offsets_m[leg[1:3]], axis=-1).sum()
    return 0.025 * leg_m / 0.82 - float(skeleton.offsets_m[leg, 1].sum())


@pytest.fixture
def stand(skeleton: Skeleton, standing_height_m: float) -> Motion:
    """Return 40 frames of the rest pose standing on the floor."""
    rotations = np.tile([0.0, 0, 0, 1], (40, len(skeleton), 1))
    return Motion(skeleton, np.tile([0.0, standing_height_m, 0], (40, 1)), rotations, 30.0)
