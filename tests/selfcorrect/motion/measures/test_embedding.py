"""Motion features and their frozen embedding."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.measures.embedding import (
    TIME_BLOCKS,
    MotionEmbedding,
    block_means,
    geometric_features,
    kinematic_features,
    limb_ends,
)
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.statistics.frechet import frechet_distance

FEATURES = [kinematic_features, geometric_features]


@pytest.fixture(scope="module")
def batch(random_motion: Callable[..., Motion]) -> MotionBatch:
    return MotionBatch.stack([random_motion(seed) for seed in range(60)])


def add_jitter(batch: MotionBatch, size_rad: float, seed: int = 0) -> MotionBatch:
    generator = np.random.default_rng(seed)
    noise = Rotation.from_rotvec(size_rad * generator.normal(size=(*batch.rotations.shape[:3], 3)))
    return replace(batch, rotations=(Rotation.from_quat(batch.rotations) * noise).as_quat())


def test_block_means_average_over_time():
    values = np.arange(2 * 16, dtype=float).reshape(2, 16)
    np.testing.assert_allclose(block_means(values)[0], np.arange(TIME_BLOCKS) * 2 + 0.5)
    assert block_means(np.zeros((3, 47, 5, 2))).shape == (3, TIME_BLOCKS * 10)
    with pytest.raises(ValueError, match="at least 10 frames"):
        block_means(np.zeros((3, 7)))


def test_limb_ends_are_extremities(skeleton: Skeleton):
    ends = {skeleton.names[joint] for joint in limb_ends(skeleton)}
    assert ends == {"left_foot", "right_foot", "head", "left_wrist", "right_wrist"}


def test_kinematic_features_know_the_speed(skeleton: Skeleton):
    path_m = np.outer(np.arange(48) / 30, [0.0, 0.0, 1.5])
    walk = Motion(skeleton, path_m, np.tile([0.0, 0, 0, 1], (48, 22, 1)), 30.0)
    speeds, accelerations, root = kinematic_features(MotionBatch.stack([walk]))
    np.testing.assert_allclose(speeds, np.log1p(15))
    np.testing.assert_allclose(accelerations, 0, atol=1e-9)
    np.testing.assert_allclose(root.reshape(TIME_BLOCKS, 3), [[0, 0, 1.5]] * TIME_BLOCKS, atol=1e-9)
    rest = MotionBatch.stack([replace(walk, root_m=0 * path_m)])
    assert all(np.all(group == 0) for group in kinematic_features(rest))


def test_geometric_features_know_poses(skeleton: Skeleton):
    """A body in its rest pose glides: positions are relative to the root's place, and the path to its start."""
    path_m = np.outer(np.arange(48) / 30, [0.0, 0.0, 1.5]) + np.array([4.0, 0.9, 0.0])
    walk = Motion(skeleton, path_m, np.tile([0.0, 0, 0, 1], (48, 22, 1)), 30.0)
    joints_m, between_ends_m, path = geometric_features(MotionBatch.stack([walk]))
    rest_m = skeleton.rest_positions_m - skeleton.rest_positions_m[0]
    raised_m = rest_m + np.array([0, 0.9, 0])
    np.testing.assert_allclose(joints_m.reshape(TIME_BLOCKS, 22, 3), np.tile(raised_m, (TIME_BLOCKS, 1, 1)), atol=1e-9)
    ends_m = rest_m[limb_ends(skeleton)]
    expected = [np.linalg.norm(ends_m[i] - ends_m[j]) for i in range(5) for j in range(i + 1, 5)]
    np.testing.assert_allclose(between_ends_m.reshape(TIME_BLOCKS, -1), np.tile(expected, (TIME_BLOCKS, 1)))
    middles_s = (np.arange(TIME_BLOCKS) * 6 + 2.5) / 30
    np.testing.assert_allclose(path.reshape(TIME_BLOCKS, 3), np.outer(1.5 * middles_s, [0, 0, 1]), atol=1e-9)


def test_geometry_ignores_start(batch: MotionBatch):
    moved = replace(batch, root_m=batch.root_m + np.array([3.0, 0.0, -2.0]))
    for feature, there in zip(geometric_features(batch), geometric_features(moved), strict=True):
        np.testing.assert_allclose(feature, there, atol=1e-9)


@pytest.mark.parametrize("features", FEATURES)
def test_reference_is_standardised(features, batch: MotionBatch):
    embedded = MotionEmbedding.fit(features, batch, dimensions=10)(batch)
    assert embedded.shape == (60, 10)
    np.testing.assert_allclose(embedded.mean(0), 0, atol=1e-9)
    assert embedded.var(axis=0).sum() == pytest.approx(100)
    covariance = np.cov(embedded, rowvar=False)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-6)


@pytest.mark.parametrize("features", FEATURES)
def test_embedding_is_frozen(features, batch: MotionBatch):
    embedding = MotionEmbedding.fit(features, batch)
    before = embedding(batch)
    embedding(add_jitter(batch, 0.3))
    half = replace(batch, root_m=batch.root_m[:30], rotations=batch.rotations[:30], lengths=batch.lengths[:30])
    np.testing.assert_allclose(embedding(half), before[:30])


def test_jitter_shows_in_kinematics(batch: MotionBatch):
    shaken = add_jitter(batch, 0.05)
    distances = [
        frechet_distance(embedding(batch), embedding(shaken))
        for embedding in (MotionEmbedding.fit(features, batch) for features in FEATURES)
    ]
    assert distances[0] > 20
    assert distances[1] < 1
