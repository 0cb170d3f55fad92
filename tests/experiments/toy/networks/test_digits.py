"""The digits loop in small: its corrector, its judge, and a run that writes pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import Anchors
from selfcorrect.correctors.correction import Correction, apply_corrector
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.experiments.toy.networks import digits

ANCHORS = Anchors(torch.tensor([[[0.0]], [[4.0]], [[1.0]]]), torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.5, 1.0]))


def test_images_move_to_the_nearest_centre_of_their_own_digit_by_the_strength() -> None:
    images = Samples.synthetic(torch.tensor([[[1.0]], [[3.0]], [[3.0]]]), torch.tensor([0, 0, 1]), 1)
    for strength, expected in ((0.0, [1.0, 3.0, 3.0]), (1.0, [0.5, 3.5, 2.0]), (float("inf"), [0.0, 4.0, 1.0])):
        correction = Correction(digits.nearest_centre(ANCHORS), strength, operator="interpolation")
        assert apply_corrector(images, correction, streams(0)).samples.values.flatten().tolist() == expected


@pytest.mark.slow
def test_judge_knows_digits_and_tells_noise_from_them() -> None:
    images, labels = bundled_digits()
    judge = digits.Judge.train(images[:600], labels[:600], 0)
    assert judge.accuracy(images[600:], labels[600:]) > 0.85
    assert judge.accuracy(torch.randn(600, 8, 8), labels[:600]) < 0.3
    hidden = torch.tensor(judge.features(images[:4]))
    assert hidden.shape == (4, 32)
    logits = hidden.numpy() @ judge.classifier.coefs_[1] + judge.classifier.intercepts_[1]
    assert logits.argmax(1).tolist() == judge.classifier.predict(images[:4].flatten(1).numpy()).tolist()


@pytest.mark.slow
def test_a_small_run_shows_every_generation_of_every_arm() -> None:
    settings = replace(digits.quick(), first_steps=100, steps=20, generations=2, judged=100, real_count=300, seeds=1)
    result = digits.run(settings)
    pictures = [figure for figure in result.figures if isinstance(figure, digits.Pictures)]
    assert [picture.title for picture in pictures] == ["real only", "λ = 1", "λ = 1, corrected"]
    assert all(picture.images.shape == (20, 8, 8) for picture in pictures)


@pytest.mark.slow
def test_correction_pulls_samples_together() -> None:
    settings = replace(
        digits.quick(),
        ratios=(1.5,),
        first_steps=250,
        steps=40,
        strength=20.0,
        generations=2,
        judged=200,
        real_count=400,
        seeds=2,
    )
    result = digits.run(settings)
    recall = next(check for check in result.checks if check.statement.endswith("correction costs no recall"))
    assert float(recall.measured.split()[0]) < -0.05
