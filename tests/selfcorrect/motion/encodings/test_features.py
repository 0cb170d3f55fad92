"""Features: exact round trips, pinned layout, frozen statistics."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from selfcorrect.motion.editing.transforms import canonicalise, turn
from selfcorrect.motion.encodings.features import FeatureCodec, encode_features
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch

Make = Callable[..., Motion]


@pytest.fixture
def batch(random_motion: Make) -> MotionBatch:
    return canonicalise(MotionBatch.stack([random_motion(seed) for seed in range(6)]))


@pytest.mark.parametrize("heading_rad", [0.0, 0.1])
def test_decoding_inverts_encoding(batch: MotionBatch, heading_rad: float):
    """Decoding inverts encoding, even of turned motions.

    A corrector may have turned it a little.
    """
    turned = turn(batch, heading_rad)
    codec = FeatureCodec.fit(batch)
    decoded = codec.decode(codec.encode(turned))
    # float32 features: errors of the order of 1e-6 accumulate along the root's path.
    np.testing.assert_allclose(decoded.root_m, turned.root_m, atol=2e-5)
    np.testing.assert_allclose(joint_positions(decoded), joint_positions(turned), atol=2e-5)
    np.testing.assert_array_equal(decoded.lengths, batch.lengths)


def test_encoding_inverts_decoding(batch: MotionBatch):
    codec = FeatureCodec.fit(batch)
    values = codec.encode(batch)
    torch.testing.assert_close(codec.encode(codec.decode(values)), values, atol=1e-4, rtol=0)


def test_frame_layout_is_fixed(batch: MotionBatch):
    """Frames begin with velocities and height.

    Velocity x, velocity z, height, then r00 r01 r10 r11 r20 r21 of each joint in the skeleton's order.
    """
    features = encode_features(batch)[2]
    velocity = (batch.root_m[2, 5] - batch.root_m[2, 4]) * batch.fps
    np.testing.assert_allclose(features[5, :3], [velocity[0], velocity[2], batch.root_m[2, 5, 1]])
    matrix = Rotation.from_quat(batch.rotations[2, 5, 7]).as_matrix()
    expected = [matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1], matrix[2, 0], matrix[2, 1]]
    np.testing.assert_allclose(features[5, 3 + 6 * 7 : 3 + 6 * 8], expected)
    np.testing.assert_array_equal(features[0, :2], features[1, :2])


def test_features_are_standardised(batch: MotionBatch):
    codec = FeatureCodec.fit(batch)
    values = codec.encode(batch).flatten(0, 1)
    moving = codec.std > 0.05
    torch.testing.assert_close(values.mean(dim=0), torch.zeros(len(codec.mean)), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(dim=0, correction=0)[moving], torch.ones(int(moving.sum())))
    assert codec.std.min() == 0.05
    assert not moving.all()


def test_any_features_decode_to_rotations(batch: MotionBatch):
    codec = FeatureCodec.fit(batch)
    values = 3 * torch.randn(2, 48, len(codec.mean), generator=torch.Generator().manual_seed(0))
    rotations = codec.decode(values).rotations
    np.testing.assert_allclose(np.linalg.norm(rotations, axis=-1), 1)
    assert np.all(np.sum(rotations[:, 1:] * rotations[:, :-1], axis=-1) >= 0)


def test_mismatch_raises(batch: MotionBatch, random_motion: Make):
    codec = FeatureCodec.fit(batch)
    with pytest.raises(ValueError, match=r"30\.0 frames per second"):
        codec.encode(MotionBatch.stack([random_motion(0, fps=60.0)]))
    with pytest.raises(ValueError, match="one length, got 20 to 48"):
        codec.encode(MotionBatch.stack([random_motion(0), random_motion(1, frames=20)]))
    with pytest.raises(ValueError, match=r"\(N, T, 135\), got \(2, 5, 7\)"):
        codec.decode(torch.zeros(2, 5, 7))
    with pytest.raises(ValueError, match="sample 1 is not"):
        codec.decode(torch.stack([torch.zeros(4, 135), torch.full((4, 135), torch.nan)]))
