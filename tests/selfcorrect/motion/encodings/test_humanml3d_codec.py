"""Windows keep HumanML3D's columns; columns of samples contradict each other."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfcorrect.core.errors import InputError
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.motion.correctors.lifting import encode_corrections
from selfcorrect.motion.body.smpl import to_smpl
from selfcorrect.motion.editing.transforms import canonicalise, raise_motion, turn
from selfcorrect.motion.encodings.humanml3d import columns
from selfcorrect.motion.encodings.humanml3d_codec import COLUMN_COUNT, HumanML3DCodec
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.results.results import CorrectedMotion

MAKE_THE_MOTION = ("yaw rate", "velocity", "height", "positions")
SAY_IT_AGAIN = ("rotations", "velocities", "contacts")


@pytest.fixture(name="batch", scope="module")
def _batch(clips) -> MotionBatch:
    windows = [clips[name].frames(0, 24) for name in ("walk", "run", "kick", "dance_a")]
    return canonicalise(MotionBatch.stack(windows))


@pytest.fixture(name="codec", scope="module")
def _codec(batch: MotionBatch) -> HumanML3DCodec:
    return HumanML3DCodec.fit(batch)


def _noisy(codec: HumanML3DCodec, batch: MotionBatch) -> torch.Tensor:
    values = codec.encode(batch)
    return values + 0.1 * torch.randn(values.shape, generator=torch.Generator().manual_seed(0))


def _contradiction(codec: HumanML3DCodec, values: torch.Tensor) -> dict[str, float]:
    """Return how far decoding and encoding changes each column group (root mean square)."""
    change = codec.encode(codec.decode(values)) - values
    return {name: float(change[..., group].square().mean().sqrt()) for name, group in columns().items()}


def test_67_columns_make_motion():
    assert sum(columns()[name].stop - columns()[name].start for name in MAKE_THE_MOTION) == 67
    assert sum(group.stop - group.start for group in columns().values()) == COLUMN_COUNT


@pytest.mark.parametrize("on_smpl", [False, True])
def test_round_trip_keeps_joints(batch: MotionBatch, on_smpl: bool):
    if on_smpl:
        walk = to_smpl(batch[0])
        batch = canonicalise(MotionBatch.stack([walk.frames(0, 16), walk.frames(8, 24)]))
    batch = replace(batch, root_m=batch.root_m + np.array([0.0, 0.3, 0.0]))
    codec = HumanML3DCodec.fit(batch)
    decoded = codec.decode(codec.encode(batch))
    before_m, _ = forward_kinematics(batch.skeleton, batch.root_m, batch.rotations)
    after_m, _ = forward_kinematics(decoded.skeleton, decoded.root_m, decoded.rotations)
    assert decoded.skeleton.same_as(batch.skeleton)
    np.testing.assert_allclose(after_m, before_m, atol=1e-4)
    for name, error in physical_errors(decoded).mean().items():
        assert error == pytest.approx(physical_errors(batch).mean()[name], rel=0.02, abs=1e-3)


def test_place_and_heading_do_not_matter(batch: MotionBatch, codec: HumanML3DCodec):
    moved = turn(replace(batch, root_m=batch.root_m + np.array([2.0, 0.0, -1.0])), 1.0)
    torch.testing.assert_close(codec.encode(moved), codec.encode(batch), atol=2e-3, rtol=0)


def test_samples_contradict_encoded_agree(batch: MotionBatch, codec: HumanML3DCodec):
    values = _noisy(codec, batch)
    sampled = _contradiction(codec, values)
    encoded = _contradiction(codec, codec.encode(codec.decode(values)))
    assert all(sampled[name] > 0.1 for name in SAY_IT_AGAIN)
    assert all(encoded[name] < 1e-4 for name in columns())


def test_motion_uses_root_and_positions(batch: MotionBatch, codec: HumanML3DCodec):
    values = codec.encode(batch)
    for name, group in columns().items():
        other = values.clone()
        other[..., group] += 1.0
        is_same = np.array_equal(codec.decode(other).rotations, codec.decode(values).rotations) and np.array_equal(
            codec.decode(other).root_m, codec.decode(values).root_m
        )
        assert is_same == (name in SAY_IT_AGAIN), name


def test_corrections_encode_unchanged_samples_anew(batch: MotionBatch, codec: HumanML3DCodec):
    values = _noisy(codec, batch)
    motions = codec.decode(values)
    corrections = [CorrectedMotion(motions[index]) for index in range(len(motions))]
    corrections[1] = CorrectedMotion(raise_motion(motions[1], 0.1))
    samples = Samples.synthetic(values, torch.zeros(len(values), dtype=torch.int64), 0)
    corrected = encode_corrections(samples, motions, corrections, codec).samples.values
    agreeing = codec.encode(motions)
    torch.testing.assert_close(corrected[[0, 2, 3]], agreeing[[0, 2, 3]])
    height = columns()["height"]
    raised = (corrected[1, :, height] - agreeing[1, :, height]) * codec.std[height]
    np.testing.assert_allclose(raised.numpy(), 0.1, atol=1e-5)


def test_statistics_of_another_width_raise(codec: HumanML3DCodec):
    with pytest.raises(InputError, match="263"):
        HumanML3DCodec(codec.skeleton, codec.fps, codec.mean[:-1], codec.std[:-1])
