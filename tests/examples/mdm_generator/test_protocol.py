"""The protocol gives known answers to a perfect judge.

What is drawn and the intervals are tested, too.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from mdm_generator.protocol import FieldProtocol, MotionRequest, Multimodality
from mdm_generator.rows import CaptionedRows

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.datasets.collections.humanml3d import Caption
from selfcorrect.motion.measures.metrics import FIELD, find_metric

COUNT = 352


class Perfect:
    """A judge that reads motions perfectly.

    The first row of a motion and the words of a caption hold the position that they share.
    """

    def motions(self, motions: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([rows[0, :6] for rows in motions])

    def captions(self, tokens: Sequence[str]) -> np.ndarray:
        return np.array([[float(number) for number in token.split()] for token in tokens])


JUDGE: Any = Perfect()


def make_protocol(count: int = COUNT, seed: int = 0) -> FieldProtocol:
    """Make motions that stand where their captions say, with two captions each."""
    places = np.random.default_rng(seed).normal(size=(count, 6)).round(3)
    lengths = np.random.default_rng(1).integers(40, 200, count)
    motions = []
    for place, length in zip(places, lengths, strict=True):
        tokens = " ".join(map(str, place))
        captions = tuple(Caption(text, tokens, None) for text in ("here", "there"))
        motions.append(CaptionedRows("", np.tile(place, (length, 1)), captions))
    return FieldProtocol(JUDGE, motions)


def test_crops_lie_within_motion() -> None:
    protocol = make_protocol()
    asked = protocol.draw_requests(streams(0))
    assert sorted(request.motion for request in asked) == list(range(COUNT))
    for request in asked:
        length = len(protocol.motions[request.motion].rows)
        assert request.frames % 4 == 0
        assert min(length, 196) // 4 * 4 - request.frames in (0, 4)
        assert 0 <= request.start <= length - request.frames
    shorter = np.mean(
        [min(len(protocol.motions[request.motion].rows), 196) // 4 * 4 > request.frames for request in asked]
    )
    assert shorter == pytest.approx(1 / 3, abs=0.08)
    assert np.mean([request.caption for request in asked]) == pytest.approx(0.5, abs=0.08)
    assert protocol.draw_requests(streams(0)) == asked
    assert protocol.draw_requests(streams(1)) != asked


def test_perfect_judge_finds_real() -> None:
    protocol = make_protocol()
    values = protocol.run_repetition(protocol.crop_real, streams(0))
    assert values["field_fid"] == pytest.approx(0, abs=1e-9)
    assert [values[f"field_precision_{k}"] for k in (1, 2, 3)] == [1, 1, 1]
    assert values["field_matching"] == pytest.approx(0, abs=1e-9)
    assert values["field_diversity"] == pytest.approx(np.sqrt(12), rel=0.1)
    assert set(values) <= {metric.key for metric in FIELD}
    for key, value in values.items():
        low, high = find_metric(key).bounds
        assert low - 1e-9 <= value <= high


def test_other_captions_score_chance() -> None:
    protocol = make_protocol()

    def draw_other_motions(asked: Sequence[MotionRequest], stream: Stream) -> list[np.ndarray]:
        order = stream.numpy().permutation(len(asked))
        return protocol.crop_real([asked[row] for row in order], stream)  # type: ignore[return-value]

    values = protocol.run(draw_other_motions, streams(0), 20)
    assert {len(column) for column in values.values()} == {20}
    for k in (1, 2, 3):
        reach = 3 * np.sqrt(k / 32 * (1 - k / 32) / (20 * 352))
        assert abs(values[f"field_precision_{k}"].mean() - k / 32) < reach
    assert values["field_fid"].mean() == pytest.approx(0, abs=1e-9), "the same set of motions"


def test_multimodality_is_optional() -> None:
    protocol = make_protocol(40)

    def scatter_motions(asked: Sequence[MotionRequest], stream: Stream) -> list[np.ndarray]:
        noise = stream.numpy().normal(size=(len(asked), 6))
        return [rows + noise_rows for rows, noise_rows in zip(protocol.crop_real(asked, stream), noise, strict=True)]

    sizes = Multimodality(captions=30, motions=20, pairs=10)
    spread = protocol.run(scatter_motions, streams(2), 30, sizes)["field_multimodality"].mean()
    none = protocol.run(protocol.crop_real, streams(2), 30, sizes)["field_multimodality"].mean()
    assert none == 0
    assert spread == pytest.approx(np.sqrt(12) * 19 / 20, rel=0.06)
