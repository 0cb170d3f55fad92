"""Fixtures: an average adult's skeleton and smooth random motions of it."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import SMPL_22, Skeleton, smpl_22

SMPL_OFFSETS_CM = {
    "left_hip": (6, -9, -1), "left_knee": (4, -38, 0), "left_ankle": (-1, -40, -4), "left_foot": (4, -6, 12),
    "spine1": (0, 11, -3), "spine2": (0, 13, 0), "spine3": (0, 5, 2), "neck": (0, 21, -3), "head": (0, 9, 5),
    "left_collar": (8, 12, -2), "left_shoulder": (9, 3, -1), "left_elbow": (26, -1, -3), "left_wrist": (25, 1, 0),
}  # fmt: skip


@pytest.fixture(scope="session")
def skeleton() -> Skeleton:
    """Return the common skeleton of an average adult, whose ankles are 85 mm above the plane of the soles."""
    offsets_m = np.zeros((22, 3))
    for name, offset in SMPL_OFFSETS_CM.items():
        offsets_m[SMPL_22.index(name)] = offset
        if name.startswith("left"):
            offsets_m[SMPL_22.index(name.replace("left", "right"))] = np.array(offset) * (-1, 1, 1)
    return smpl_22(offsets_m / 100)


@pytest.fixture(scope="session")
def random_motion(skeleton: Skeleton) -> Callable[..., Motion]:
    """Return `random_motion(seed, frames=48, fps=30.0)`.

    Its motions change smoothly through arbitrary poses, headings and places.
    """

    def make(seed: int, frames: int = 48, fps: float = 30.0) -> Motion:
        generator = np.random.default_rng(seed)
        times = np.linspace(0, 2 * np.pi, frames)[:, None, None]
        phase = generator.uniform(0, 6, (1, 22, 3))
        size = generator.normal(0, 0.4, (1, 22, 3))
        turn = Rotation.from_rotvec([0.0, generator.uniform(-3, 3), 0.0])
        local = Rotation.from_rotvec(size * np.sin(times + phase)).as_quat()
        local[:, 0] = (turn * Rotation.from_quat(local[:, 0])).as_quat()
        root_m = generator.uniform(-2, 2, 3) + np.cumsum(generator.normal(0, 0.02, (frames, 3)), axis=0)
        return Motion(skeleton, root_m + np.array([0, 3.0, 0]), make_continuous(local), fps, label="random")

    return make
