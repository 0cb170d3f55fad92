"""The digits loop in small: its corrector, its judge, and what it draws to look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import load_loop, run_toy
from toy_models.digit_judge import DigitsJudge, move_to_centres

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import Anchors
from selfcorrect.correctors.loop_correction import Correction, apply_corrector
from selfcorrect.datasets.toy.digits import bundled_digits
from selfcorrect.experiments.studies.claims import final_difference
from selfcorrect.experiments.toy.study import load_drawings

ANCHORS = Anchors(torch.tensor([[[0.0]], [[4.0]], [[1.0]]]), torch.tensor([0, 0, 1]), torch.tensor([0.5, 0.5, 1.0]))


def test_images_move_to_the_nearest_centre_of_their_own_digit_by_the_strength() -> None:
    images = Samples.synthetic(torch.tensor([[[1.0]], [[3.0]], [[3.0]]]), torch.tensor([0, 0, 1]), 1)
    for strength, expected in ((0.0, [1.0, 3.0, 3.0]), (1.0, [0.5, 3.5, 2.0]), (float("inf"), [0.0, 4.0, 1.0])):
        correction = Correction(move_to_centres(ANCHORS), strength, operator="interpolation")
        assert apply_corrector(images, correction, streams(0)).samples.values.flatten().tolist() == expected


@pytest.mark.slow
def test_judge_knows_digits_and_tells_noise_from_them() -> None:
    pictures, labels = bundled_digits()
    judge = DigitsJudge.train(pictures[:600], labels[:600], 0)
    assert judge.measure_accuracy(pictures[600:], labels[600:]) > 0.85
    assert judge.measure_accuracy(torch.randn(600, 8, 8), labels[:600]) < 0.3
    hidden = torch.tensor(judge.extract_features(pictures[:4]))
    assert hidden.shape == (4, 32)
    logits = hidden.numpy() @ judge.classifier.coefs_[1] + judge.classifier.intercepts_[1]
    assert logits.argmax(1).tolist() == judge.classifier.predict(pictures[:4].flatten(1).numpy()).tolist()


@pytest.mark.slow
@pytest.mark.long
def test_correction_pulls_samples_together(tmp_path: Path) -> None:
    settings = replace(load_loop("digits").QUICK, ratios=(1.5,), initial_steps=250, steps=40, strength=20.0,
                       generations=2, judged=200, real_count=400, seeds=2)  # fmt: skip
    run = run_toy("digits", settings, tmp_path)
    curves = run.curves
    shown = load_drawings(run.study, run.toy, tmp_path)
    assert final_difference("λ = 1.5, corrected", "λ = 1.5", "recall")(curves).estimate < -0.05
    assert {arm: draws.shape for arm, draws in shown.items()} == dict.fromkeys(
        ("real only", "λ = 1.5", "λ = 1.5, corrected"), (2, 10, 8, 8)
    )
