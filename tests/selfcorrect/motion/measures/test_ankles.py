"""Statistics of ankle paths have known values and ignore where a body goes.

How their distance grows with artefacts is tested in `test_ground_contact`.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.ankles import STATISTICS, ankle_distance, ankle_statistics
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton


def statistics(motion: Motion) -> np.ndarray:
    return ankle_statistics(MotionBatch.stack([motion]))[0]


def rest_pose(skeleton: Skeleton, root_m: np.ndarray) -> Motion:
    return Motion(skeleton, root_m, np.tile([0.0, 0, 0, 1], (len(root_m), len(skeleton), 1)), 30.0)


def test_known_values_of_glide(skeleton: Skeleton):
    """A body rises, stands and glides.

    The body is in its rest pose, rises at 0.3 m/s, stands for the first half and glides at 0.9 m/s in the second.
    """
    times_s = np.arange(61) / 30
    path_m = np.stack([0 * times_s, 1 + 0.3 * times_s, 0.9 * np.maximum(times_s - 1, 0)], axis=1)
    motion = rest_pose(skeleton, path_m)
    found = statistics(motion)
    ankles = joint_positions(MotionBatch.stack([motion]))[0][:, list(skeleton.pair("ankle"))]
    rest_m = ankles[0] - path_m[0]
    for side in range(2):
        low_m = 1 + rest_m[side, 1]
        expected = [
            *(low_m + 0.3 * share * 2 for share in (0.1, 0.5, 0.9)),
            0.0,
            None,  # the median is at the step between both speeds
            np.log1p(9),
            0.0,  # it stands while it is low
            np.log1p(3),
            0.0,
            rest_m[side, 1],
            0.0,
        ]
        for value, right in zip(found[11 * side : 11 * side + 11], expected, strict=True):
            assert right is None or value == pytest.approx(right, abs=1e-9)
    apart_m = np.hypot(*(rest_m[0] - rest_m[1])[[0, 2]])
    np.testing.assert_allclose(found[-2:], apart_m)


def test_acceleration_of_fall(skeleton: Skeleton):
    times_s = np.arange(30) / 30
    fall = rest_pose(skeleton, np.outer(-0.5 * 9.81 * times_s**2, [0.0, 1, 0]))
    assert statistics(fall)[[8, 19]] == pytest.approx(np.log1p(9.81))


@settings(max_examples=20)
@given(seed=st.integers(0, 30), yaw=st.floats(-np.pi, np.pi), x_m=st.floats(-50, 50), z_m=st.floats(-50, 50))
def test_heading_and_place_are_ignored(
    seed: int, yaw: float, x_m: float, z_m: float, random_motion: Callable[..., Motion]
):
    motion = random_motion(seed)
    turn = Rotation.from_euler("y", yaw)
    rotations = motion.rotations.copy()
    rotations[:, 0] = compose(np.broadcast_to(turn.as_quat(), (len(motion), 4)), rotations[:, 0])
    moved = replace(motion, root_m=turn.apply(motion.root_m) + np.array([x_m, 0, z_m]), rotations=rotations)
    np.testing.assert_allclose(statistics(moved), statistics(motion), atol=1e-7)


def test_height_is_not_ignored(random_motion: Callable[..., Motion]):
    motion = random_motion(0)
    change = statistics(replace(motion, root_m=motion.root_m - (0, 0.1, 0))) - statistics(motion)
    heights = [0, 1, 2, 11, 12, 13]
    np.testing.assert_allclose(change[heights], -0.1)
    np.testing.assert_allclose(np.delete(change, heights), 0, atol=1e-9)


def test_distance_is_standardised():
    """Statistics count in units of real motion's standard deviation, whatever their scale."""
    rng = np.random.default_rng(0)
    real, samples = rng.normal(size=(60, STATISTICS)), rng.normal(0.5, 1, size=(40, STATISTICS))
    scales, shifts = rng.uniform(0.01, 100, STATISTICS), rng.normal(size=STATISTICS)
    assert ankle_distance(real * scales + shifts, samples * scales + shifts) == pytest.approx(
        ankle_distance(real, samples)
    )
    still = np.zeros_like(real)
    assert ankle_distance(still, still[:5] + np.eye(STATISTICS)[0]) == pytest.approx(2)


def test_skeleton_without_ankles_raises(skeleton: Skeleton):
    parts = tuple("" if "ankle" in part else part for part in skeleton.parts)
    with pytest.raises(InputError, match="ankle"):
        ankle_statistics(MotionBatch.stack([rest_pose(replace(skeleton, parts=parts), np.zeros((10, 3)))]))
