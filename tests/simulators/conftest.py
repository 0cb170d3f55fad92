"""Real and artificial motions for the simulators' tests."""

import numpy as np
import pytest

from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import SMPL_22, Skeleton, smpl_22
from selfcorrect.simulators.settings.engine_table import ENGINES

OFFSETS_M = {
    "left_hip": (0.09, -0.08, 0.0), "left_knee": (0.0, -0.40, 0.0), "left_ankle": (0.0, -0.41, -0.02),
    "left_foot": (0.02, -0.06, 0.13), "spine1": (0.0, 0.11, 0.0), "spine2": (0.0, 0.13, 0.0),
    "spine3": (0.0, 0.06, 0.0), "neck": (0.0, 0.21, -0.02), "left_collar": (0.08, 0.12, -0.01),
    "head": (0.0, 0.08, 0.04), "left_shoulder": (0.10, 0.03, 0.0),
    "left_elbow": (0.26, 0.0, 0.0), "left_wrist": (0.25, 0.0, 0.0),
}  # fmt: skip


@pytest.fixture(params=ENGINES.names)
def engine(request: pytest.FixtureRequest) -> str:
    """Return the name of each installed engine in turn."""
    pytest.importorskip(ENGINES.row(request.param).name)
    return request.param


@pytest.fixture(scope="session")
def adult() -> Skeleton:
    """Return a symmetric SMPL-22 skeleton of ordinary size in T-pose."""
    rows = [
        OFFSETS_M.get(part, np.array(OFFSETS_M.get(part.replace("right_", "left_"), (0, 0, 0))) * (-1, 1, 1))
        for part in SMPL_22
    ]
    return smpl_22(np.array(rows, dtype=float))


def standing_still(skeleton: Skeleton, frames: int = 31, fps: float = 30.0, height_m: float | None = None) -> Motion:
    """Stand still with the soles on the floor, or with the root at `height_m`."""
    from selfcorrect.motion.body.surface import sole_points
    from selfcorrect.motion.kinematics import forward_kinematics

    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(skeleton), 1))
    positions_m, _ = forward_kinematics(skeleton, np.zeros((1, 3)), rotations[:1])
    soles = sole_points(skeleton)
    lowest_m = (positions_m[0, soles.joints] + soles.offsets_m)[:, 1].min()
    root_m = np.tile([0.0, -lowest_m if height_m is None else height_m, 0.0], (frames, 1))
    return Motion(skeleton, root_m, rotations, fps)


@pytest.fixture(scope="session")
def stand(adult: Skeleton) -> Motion:
    """Return the adult standing for a second."""
    return standing_still(adult)


@pytest.fixture(scope="session")
def planted_walk(walk: Motion) -> Motion:
    """Return a walk of three cycles along +z with planted feet."""
    from ground_motions import repeat_walk

    from selfcorrect.simulators.clean import CleanupSettings, LiftLimbs, PlantFeet, clean_motions

    settings = CleanupSettings(support="floor").with_steps(PlantFeet(is_soft=False), LiftLimbs(0.0))
    return clean_motions(MotionBatch.stack([repeat_walk(walk, 3)]), settings).motions[0]
