"""Forward kinematics agrees to the bit with plain code, for arrays of any shape.

The plain code goes joint by joint.
"""

import weakref

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.geometry.rotations import compose, normalize, rotate
from selfcorrect.motion.kinematics import cached_poses, forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.skeleton import Skeleton


def plain(skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joint by joint, from parents to children."""
    positions_m = np.empty((*rotations.shape[:-1], 3))
    orientations = normalize(rotations)
    positions_m[..., 0, :] = root_m
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        above = orientations[..., parent, :]
        positions_m[..., joint, :] = positions_m[..., parent, :] + rotate(above, skeleton.offsets_m[joint])
        orientations[..., joint, :] = compose(above, orientations[..., joint, :])
    return positions_m, orientations


@pytest.mark.parametrize("shape", [(), (0,), (1,), (50,), (3, 20), (2, 3, 4)])
def test_matches_plain_version(skeleton: Skeleton, shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(3)
    count = int(np.prod(shape))
    turns = Rotation.random(max(1, count * len(skeleton)), rng=draw).as_quat()[: count * len(skeleton)]
    rotations = turns.reshape(*shape, len(skeleton), 4) * 1.5
    root_m = draw.standard_normal((*shape, 3))
    for got, expected in zip(
        forward_kinematics(skeleton, root_m, rotations), plain(skeleton, root_m, rotations), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
        assert got.flags.c_contiguous
        assert got.flags.writeable


def test_one_root_serves_many_poses(skeleton: Skeleton) -> None:
    rotations = Rotation.random(5 * len(skeleton), rng=np.random.default_rng(1)).as_quat().reshape(5, -1, 4)
    positions_m, _ = forward_kinematics(skeleton, np.array([1.0, 2.0, 3.0]), rotations)
    np.testing.assert_array_equal(positions_m[:, 0], np.tile([1.0, 2.0, 3.0], (5, 1)))


def test_subset_equals_whole(skeleton: Skeleton) -> None:
    draw = np.random.default_rng(2)
    rotations = Rotation.random(20 * len(skeleton), rng=draw).as_quat().reshape(20, -1, 4)
    root_m = draw.standard_normal((20, 3))
    joints = [len(skeleton) - 1, 0, len(skeleton) // 2]
    some = forward_kinematics(skeleton, root_m, rotations, joints)
    for expected, among_all in zip(some, forward_kinematics(skeleton, root_m, rotations), strict=True):
        np.testing.assert_array_equal(expected, among_all[:, joints])


def test_batch_poses_are_cached(skeleton: Skeleton) -> None:
    rotations = Rotation.random(6 * len(skeleton), rng=np.random.default_rng(4)).as_quat().reshape(2, 3, -1, 4)
    batch = MotionBatch(skeleton, np.zeros((2, 3, 3)), rotations, np.array([3, 3]), 30.0)
    positions_m, _ = cached_poses(batch)
    assert cached_poses(batch)[0] is positions_m
    np.testing.assert_array_equal(positions_m, forward_kinematics(skeleton, batch.root_m, rotations)[0])
    assert not positions_m.flags.writeable
    cache = weakref.ref(positions_m)
    del batch, positions_m
    assert cache() is None
