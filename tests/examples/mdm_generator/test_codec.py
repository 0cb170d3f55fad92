"""HumanML3D's rows round-trip in a loop.

Motions have several lengths; bad ones are refused.
"""

import numpy as np
import pytest
import torch
from made_motions import KINDS, made_motion
from mdm_generator.codec import HumanML3DCodec
from mdm_generator.padding import measure_lengths, zero_padding

from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.encodings.humanml3d import TARGET_OFFSETS_M, decode_joints, encode


@pytest.fixture(scope="module")
def motions() -> list[np.ndarray]:
    """Rows of made-up motions with HumanML3D's bone lengths."""
    clips = [made_motion(kind, 0.9, 20.0, frames) for kind, frames in zip(KINDS, (61, 50, 42, 55, 61), strict=True)]
    return [encode(body_joints(motion), TARGET_OFFSETS_M) for motion in clips]


@pytest.fixture(scope="module")
def codec(motions: list[np.ndarray]) -> HumanML3DCodec:
    rows = np.concatenate(motions)
    return HumanML3DCodec.of_rows(motions[0], rows.mean(0), rows.std(0) + 0.05, frames=64)


def test_rows_come_back(codec: HumanML3DCodec, motions: list[np.ndarray]) -> None:
    values = codec.tensor(motions)
    assert values.shape == (len(motions), 64, 263)
    lengths = [len(rows) for rows in motions]
    assert measure_lengths(values).tolist() == lengths
    assert len(set(lengths)) > 1
    for got, rows in zip(codec.rows(values), motions, strict=True):
        np.testing.assert_allclose(got, rows, atol=1e-5)


def test_joints_match_rows(codec: HumanML3DCodec, motions: list[np.ndarray]) -> None:
    batch = codec.decode(codec.tensor(motions))
    assert batch.lengths.tolist() == [len(rows) + 1 for rows in motions]
    for index, rows in enumerate(motions):
        expected_m = decode_joints(rows)
        got_m = body_joints(batch[index])
        rise_m = (got_m - expected_m)[:, 0, 1]
        np.testing.assert_allclose(got_m - [0, rise_m[0], 0], expected_m, atol=0.005)


def test_rows_round_trip(codec: HumanML3DCodec, motions: list[np.ndarray]) -> None:
    """Rows round-trip but for the clip's end.

    There HumanML3D smooths the facing over frames that the rows do not hold.
    """
    repeated = codec.encode(codec.decode(codec.tensor(motions)))
    assert measure_lengths(repeated).tolist() == [len(rows) for rows in motions]
    for got, rows in zip(codec.rows(repeated), motions, strict=True):
        np.testing.assert_allclose(
            decode_joints(got)[:, 1:] - decode_joints(got)[:1, :1],
            decode_joints(rows)[:, 1:] - decode_joints(rows)[:1, :1],
            atol=0.08,
        )


def test_padding_is_trailing_zeros() -> None:
    values = torch.ones(3, 5, 2)
    values[0, 1] = 0  # a frame at the mean, in the middle, is no end
    assert measure_lengths(zero_padding(values, torch.tensor([4, 5, 0]))).tolist() == [4, 5, 0]
