"""Each figure of the judge reacts as it should to changes of motion capture."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.collections.deepmimic import CYCLIC, load_deepmimic
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Windows, cut_windows
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.metrics import MEASURED


@pytest.fixture(scope="module")
def windows() -> Windows:
    """Return about 400 windows of real motion, in random order."""
    cut = cut_windows(load_deepmimic(), WindowSettings(cyclic=CYCLIC, stride=2, cap_per_label=30))
    return cut.take(np.random.default_rng(0).permutation(len(cut)))


@pytest.fixture(scope="module")
def reference(windows: Windows) -> Windows:
    return windows.take(np.arange(0, len(windows), 2))


@pytest.fixture(scope="module")
def other_windows(windows: Windows) -> Windows:
    return windows.take(np.arange(1, len(windows), 2))


@pytest.fixture(scope="module")
def evaluator(reference: Windows) -> MotionEvaluator:
    return MotionEvaluator.fit(reference.batch, reference.labels)


@pytest.fixture(scope="module")
def real_scores(evaluator: MotionEvaluator, other_windows: Windows) -> dict[str, float]:
    return evaluator.evaluate(other_windows.batch, other_windows.labels)


def test_figures_are_finite(real_scores: dict[str, float]):
    assert list(real_scores) == [metric.key for metric in MEASURED]
    assert np.isfinite(list(real_scores.values())).all()


def test_other_real_motions_score_well(real_scores: dict[str, float]):
    assert real_scores["fid_kinematic"] < 10
    assert real_scores["fid_geometric"] < 10
    assert min(real_scores[name] for name in ("precision", "recall")) > 0.9
    assert 0.8 < real_scores["within_label_ratio"] < 1.2


def test_jitter_harms_realism(evaluator: MotionEvaluator, other_windows: Windows, real_scores: dict[str, float]):
    noise = Rotation.from_rotvec(
        0.05 * np.random.default_rng(0).normal(size=(*other_windows.batch.rotations.shape[:3], 3))
    )
    shaken = replace(
        other_windows.batch, rotations=(Rotation.from_quat(other_windows.batch.rotations) * noise).as_quat()
    )
    scores = evaluator.evaluate(shaken, other_windows.labels)
    assert scores["fid_kinematic"] > 10 * real_scores["fid_kinematic"]
    assert scores["jerk_m_s3"] > 3 * real_scores["jerk_m_s3"]
    assert scores["recall"] == pytest.approx(real_scores["recall"], abs=0.05)
    assert scores["trace_ratio"] == pytest.approx(real_scores["trace_ratio"], rel=0.05)


def test_mode_loss_harms_diversity(evaluator: MotionEvaluator, other_windows: Windows, real_scores: dict[str, float]):
    first_of_label = {label: row for row, label in reversed(list(enumerate(other_windows.labels)))}
    collapsed = other_windows.take(np.array([first_of_label[label] for label in other_windows.labels]))
    scores = evaluator.evaluate(collapsed.batch, collapsed.labels)
    assert scores["precision"] > 0.9
    assert scores["recall"] < 0.1
    assert scores["coverage"] < 0.6 * real_scores["coverage"]
    assert scores["within_label_ratio"] == pytest.approx(0, abs=1e-9)
    assert scores["trace_ratio"] > 0.5  # which is why it does not suffice
