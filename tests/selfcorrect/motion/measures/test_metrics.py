"""One row of metrics says the same to all."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.geometry.rotations import identity_rotations
from selfcorrect.motion.measures import metrics
from selfcorrect.motion.measures.metrics import (
    CORRECTED,
    MEASURED,
    METRIC_TABLE,
    METRICS,
    SHARE,
    Metric,
    MetricInputs,
    MotionDescription,
    compute_metrics,
    find_metric,
)
from selfcorrect.motion.measures.physical import ERRORS, FIGURES, PhysicalErrors
from selfcorrect.motion.motion import MotionBatch

ENDS = {
    "_mm": "mm",
    "_m_s": "m/s",
    "_mm_s": "mm/s",
    "_m_s3": "m/s³",
    "_m": "m",
    "_percent": "%",
    "_bodyweights": "body weights",
    "_nm": "N m",
}
"""How a key says its unit, and the unit's sign."""


def unit_said(key: str) -> str:
    """Return the unit that a key ends in.

    The result is "" where it has none.
    """
    return ENDS[max((end for end in ENDS if key.endswith(end)), key=len)] if key.endswith(tuple(ENDS)) else ""


def make_description(points: np.ndarray, labels: np.ndarray, error_m: float = 0.0) -> MotionDescription:
    errors = np.linspace(0, 2 * error_m, len(points))
    physical = PhysicalErrors(*(errors for _ in fields(PhysicalErrors)))
    return MotionDescription(make_still_motions(points), points, points, points, labels, physical)


def make_still_motions(points: np.ndarray) -> MotionBatch:
    """Return motions that stand still at points (N, 3)."""
    skeleton = SMPL_BODY.average()
    rotations = identity_rotations(len(points), 10, len(skeleton))
    return MotionBatch(skeleton, np.repeat(points[:, None], 10, axis=1), rotations, np.full(len(points), 10), 30.0)


def draw_description(
    rng: np.random.Generator, count: int = 60, spread: float = 1.0, shift: float = 0.0
) -> MotionDescription:
    return make_description(shift + spread * rng.normal(size=(count, 3)), np.arange(count) % 3, 0.004)


def test_each_name_stands_once() -> None:
    for names in (
        [metric.key for metric in METRICS],
        [figure.key for figure in FIGURES],
        [figure.heading for figure in FIGURES],
    ):
        assert len(set(names)) == len(names)


def test_keys_state_units() -> None:
    for metric in METRICS:
        assert unit_said(metric.key) == metric.unit.symbol
        assert metric.title == (f"{metric.name} ({metric.unit.symbol})" if metric.unit.symbol else metric.name)
    for figure in FIGURES:
        assert not figure.unit.si or unit_said(figure.key) == figure.unit.si


def test_physical_errors_have_rows() -> None:
    names = [field.name for field in fields(PhysicalErrors)]
    assert [error.key for error in ERRORS] == names
    sets = MetricInputs(draw_description(np.random.default_rng(0)), draw_description(np.random.default_rng(1)))
    values = compute_metrics(sets)
    errors = sets.candidate.physical.mean()
    metrics = [metric for metric in MEASURED if metric.better == "real" and metric.unit.si if metric.key != "slide_m_s"]
    assert values["slide_m_s"] == 0
    for metric, error in zip(metrics, ERRORS, strict=True):
        assert values[metric.key] == pytest.approx(metric.unit.convert(errors[error.key]))
        assert error.unit.si == metric.unit.si
    assert values["penetration_mm"] == pytest.approx(4.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), spread=st.floats(1e-3, 30), shift=st.floats(-30, 30))
def test_values_stay_within_their_bounds(seed: int, spread: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    values = compute_metrics(MetricInputs(draw_description(rng), draw_description(rng, spread=spread, shift=shift)))
    assert list(values) == [metric.key for metric in MEASURED]
    for metric in MEASURED:
        least, most = metric.bounds
        assert least <= values[metric.key] <= most, metric.key


def test_directions_are_right() -> None:
    rng = np.random.default_rng(2)
    real = draw_description(rng, 200)
    good = compute_metrics(MetricInputs(real, draw_description(rng, 200)))
    bad = compute_metrics(MetricInputs(real, draw_description(rng, 200, 0.05, 8.0)))
    judged = [metric for metric in MEASURED if metric.better in ("lower", "higher")]
    assert len(judged) == 8
    for metric in judged:
        assert (bad[metric.key] > good[metric.key]) == (metric.better == "lower"), metric.key


def test_corrected_metric_shares_row() -> None:
    plain = find_metric("recall")
    corrected = find_metric(f"{CORRECTED}recall")
    assert (corrected.key, corrected.better, corrected.unit) == ("corrected_recall", plain.better, plain.unit)
    assert corrected.title == "Recall, after correction"
    assert find_metric("corrected_penetration_mm").title == "Floor penetration (mm), after correction"


@pytest.mark.parametrize(
    "answer",
    [
        np.zeros(3), np.zeros((4, 2)), np.zeros(0), "0.5", ["0.5"], 1j, None, {"value": 1.0}, np.inf, -0.5, 1.5,
    ],
    ids=repr,
)  # fmt: skip
def test_invalid_plugin_answer_raises(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    odd = Metric("odd", "odd", "realism", "lower", bounds=SHARE, measure=lambda sets: answer)
    monkeypatch.setattr(metrics, "added_metrics", lambda: (odd,))
    monkeypatch.setattr(METRIC_TABLE, "title", lambda name: f"metric {name!r} of others 1.0")
    monkeypatch.setattr(metrics, "MEASURED", ())
    sets = MetricInputs(draw_description(rng), draw_description(rng))
    with pytest.raises(InputError, match="metric 'odd' of others"):
        compute_metrics(sets)


@pytest.mark.parametrize("answer", [0.5, np.float32(0.5), True, np.nan])
def test_number_or_per_candidate(answer: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sets = MetricInputs(draw_description(rng), draw_description(rng))
    for value in (answer, np.full(len(sets.candidate.motions), answer)):
        metric = Metric("odd", "odd", "realism", "lower", bounds=SHARE, measure=lambda sets, value=value: value)
        monkeypatch.setattr(metrics, "added_metrics", lambda metric=metric: (metric,))
        monkeypatch.setattr(metrics, "MEASURED", ())
        np.testing.assert_equal(compute_metrics(sets), {"odd": float(answer)})
