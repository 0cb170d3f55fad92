"""Fixture: a motion that the tests of file formats share."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion


@pytest.fixture(scope="session")
def walker() -> Motion:
    """Return a body that walks along an arc.

    Its arms and spine move, too, and the soles of standing feet are on the floor.
    """
    times = np.linspace(0, 4 * np.pi, 48)
    random = np.random.default_rng(0)
    wave = np.sin(times[:, None, None] + random.uniform(0, 6, (22, 3))) * random.uniform(0, 0.15, (22, 3))
    wave[:, 0] = np.linspace([0.0, 0.2, 0.0], [0.0, 1.2, 0.0], 48)
    for side, phase in ((1, 0), (2, np.pi)):
        swing = np.maximum(np.sin(times + phase), 0)
        wave[:, [side, side + 3, side + 6, side + 9]] = 0
        wave[:, side, 0], wave[:, side + 3, 0] = -0.5 * swing, 0.9 * swing
    skeleton = SMPL_BODY.average()
    height_m = 0.025 - skeleton.offsets_m[[1, 4, 7, 10], 1].sum()
    root_m = np.stack([0.3 * np.sin(times / 4), np.full(48, height_m), times / 10], axis=1)
    return Motion(skeleton, root_m, Rotation.from_rotvec(wave).as_quat(), 30.0, label="walk")
