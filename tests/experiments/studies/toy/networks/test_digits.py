"""Loops of digits: their corrector and their judge."""

import pytest
import torch
from toy_models.digit_judge import DigitsJudge, move_to_centres

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.loop.correctors.anchors import Anchors
from selfcorrect.loop.correctors.loop_correction import Correction, apply_corrector

ANCHORS = Anchors(torch.tensor([[[0.0]], [[4.0]], [[1.0]]]), torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.5, 1.0]))


def test_images_move_to_their_digit() -> None:
    images = Samples.synthetic(torch.tensor([[[1.0]], [[3.0]], [[3.0]]]), torch.tensor([0, 0, 1]), 1)
    for strength, expected in ((0.0, [1.0, 3.0, 3.0]), (1.0, [0.5, 3.5, 2.0]), (float("inf"), [0.0, 4.0, 1.0])):
        correction = Correction(move_to_centres(ANCHORS), strength, operator="interpolation")
        assert apply_corrector(images, correction, streams(0)).samples.values.flatten().tolist() == expected


@pytest.mark.slow
def test_judge_knows_digits() -> None:
    pictures, labels = bundled_digits()
    judge = DigitsJudge.train(pictures[:600], labels[:600], 0)
    assert judge.measure_accuracy(pictures[600:], labels[600:]) > 0.85
    assert judge.measure_accuracy(torch.randn(600, 8, 8), labels[:600]) < 0.3
    hidden = torch.tensor(judge.extract_features(pictures[:4]))
    assert hidden.shape == (4, 32)
    logits = hidden.numpy() @ judge.classifier.coefs_[1] + judge.classifier.intercepts_[1]
    assert logits.argmax(1).tolist() == judge.classifier.predict(pictures[:4].flatten(1).numpy()).tolist()
