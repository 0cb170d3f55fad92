"""Make body model files in the layout of SMPL's, with simple rings of vertices instead of a body's surface."""

import numpy as np

from selfcorrect.motion.body.smpl import SMPL_H, Layout
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

VERTEX_COUNTS = {"SMPL": 6890, "SMPL-H": 6890, "SMPL-X": 10475}  # smplx reads landmarks at fixed vertices
OFFSET = np.array([0.001, -0.22, 0.03])


def model_numbers(layout: Layout) -> dict[str, np.ndarray]:
    """Return the arrays of a body model in which a ring of vertices surrounds every joint.

    The joint regressor takes the mean of each ring, which is the joint.
    """
    random = np.random.default_rng(7)
    joints = len(layout.names)
    rest = Motion(layout.average(), OFFSET[None], np.tile([0.0, 0, 0, 1], (1, joints, 1)), 1.0)
    joints_m = joint_positions(rest)[0]
    owner = np.arange(VERTEX_COUNTS[layout.name]) % joints
    angles = 2 * np.pi * (np.arange(len(owner)) // joints) / np.bincount(owner)[owner]
    ring_m = 0.05 * np.stack([np.cos(angles), np.zeros_like(angles), np.sin(angles)], axis=-1)
    weights = np.eye(joints)[owner]
    parents = np.array([2**32 - 1, *layout.parents[1:]], dtype=np.uint32)
    # The first shape parameter scales the whole body about the origin of the model's coordinates.
    shapes = np.zeros((len(owner), 3, 20))
    shapes[:, :, 0] = 0.1 * joints_m[owner]
    return {
        "v_template": joints_m[owner] + ring_m,
        "shapedirs": shapes,
        "posedirs": np.zeros((len(owner), 3, 9 * (joints - 1)), dtype=np.float32),
        "J_regressor": weights.T / weights.sum(0)[:, None],
        "kintree_table": np.stack([parents, np.arange(joints, dtype=np.uint32)]),
        "weights": weights,
        "f": random.integers(0, len(owner), (100, 3)).astype(np.uint32),
        "lmk_faces_idx": np.zeros(51, dtype=np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
        **({} if layout is SMPL_H else {"hands_meanl": np.full(45, 0.3), "hands_meanr": np.full(45, 0.3)}),
    }
