"""Numbers of body model files: a body of a few soft balls, in the layout of the real files."""

import numpy as np

from selfcorrect.motion.body.smpl import Layout
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

VERTEX_COUNT = 1000
OFFSET = np.array([0.001, -0.22, 0.03])


def model_numbers(layout: Layout) -> dict[str, np.ndarray]:
    """Every joint carries a ring of vertices around itself, so that the regressor's mean of a ring is the joint."""
    random = np.random.default_rng(7)
    joints = len(layout.names)
    rest = Motion(layout.average(), OFFSET[None], np.tile([0.0, 0, 0, 1], (1, joints, 1)), 1.0)
    joints_m = joint_positions(rest)[0]
    owner = np.arange(VERTEX_COUNT) % joints
    angles = 2 * np.pi * (np.arange(len(owner)) // joints) / np.bincount(owner)[owner]
    ring_m = 0.05 * np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], axis=-1)
    weights = np.eye(joints)[owner]
    parents = np.array([2**32 - 1, *layout.parents[1:]], dtype=np.uint32)
    # Shape 0 makes the body larger all over, about the origin of the model's coordinates.
    shapes = np.zeros((len(owner), 3, 20))
    shapes[:, :, 0] = 0.1 * joints_m[owner]
    return {
        "v_template": joints_m[owner] + ring_m,
        "shapedirs": shapes,
        "J_regressor": weights.T / weights.sum(0)[:, None],
        "kintree_table": np.stack([parents, np.arange(joints, dtype=np.uint32)]),
        "f": random.integers(0, len(owner), (100, 3)).astype(np.uint32),
    }
