"""The anchored corrector, on toy data."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from threadpoolctl import threadpool_limits

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.anchors import (
    AnchoredCorrector,
    Anchors,
    assign,
    fit_anchors,
    group_means,
    k_means,
    quotas,
    temporal_frequencies,
)

STREAM = streams(0)


@pytest.fixture(scope="module")
def real() -> Samples:
    """Return two labels with known modes.

    Label 0 has modes at −5 (a quarter of its mass) and +5, label 1 one mode at 20.
    """
    centres = torch.cat([torch.full((25,), -5.0), torch.full((75,), 5.0), torch.full((60,), 20.0)])
    noise = 0.3 * torch.randn(160, 2, generator=STREAM.child("real").generator())
    return Samples.real(
        centres[:, None] + noise, torch.repeat_interleave(torch.tensor([0, 1]), torch.tensor([100, 60]))
    )


@pytest.fixture(scope="module")
def anchors(real: Samples) -> Anchors:
    return fit_anchors(real, samples_per_centroid=50, stream=STREAM)


def test_threads_change_no_cluster(monkeypatch: pytest.MonkeyPatch):
    vectors = torch.randn((2000, 60), generator=STREAM.child("vectors").generator())
    alone = k_means(vectors, 40, STREAM)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")  # scikit-learn takes no more than cores otherwise
    with threadpool_limits(4):
        together = k_means(vectors, 40, STREAM)
    assert all(torch.equal(*pair) for pair in zip(alone, together, strict=True))


def test_centroids_are_modes(anchors: Anchors):
    order = anchors.centroids[:, 0].argsort()
    torch.testing.assert_close(
        anchors.centroids[order], torch.tensor([[-5.0] * 2, [5.0] * 2, [20.0] * 2]), atol=0.2, rtol=0
    )
    assert anchors.labels[order].tolist() == [0, 0, 1]
    assert anchors.masses[order].tolist() == pytest.approx([0.25, 0.75, 1.0])


def test_collapsed_label_recovers_modes(anchors: Anchors):
    collapsed = Samples.synthetic(5 + 0.1 * torch.randn(40, 2, generator=STREAM.generator()), None, generation=1)
    corrected = AnchoredCorrector(anchors)(collapsed).values[:, 0]
    assert ((corrected + 5).abs() < 1).sum() == 10
    assert ((corrected - 5).abs() < 1).sum() == 30


def test_groups_move_to_centroids(anchors: Anchors):
    values = 3 * torch.randn(80, 2, generator=STREAM.generator())
    samples = Samples.synthetic(values, None, generation=1)
    corrected = AnchoredCorrector(anchors)(samples)
    shifts = (corrected.values - values).round(decimals=4).unique(dim=0)
    assert len(shifts) == 2  # one translation per centroid of label 0
    of_first = anchors.labels == 0
    torch.testing.assert_close(
        corrected.values.mean(0).double(),
        anchors.masses[of_first] @ anchors.centroids[of_first].double(),
        atol=1e-4,
        rtol=0,
    )
    repeated = AnchoredCorrector(anchors)(corrected)
    torch.testing.assert_close(repeated.values, corrected.values, atol=1e-4, rtol=0)


def test_strength_is_fraction(anchors: Anchors):
    samples = Samples.synthetic(torch.randn(40, 2, generator=STREAM.generator()), None, generation=1)
    full = AnchoredCorrector(anchors)(samples).values
    half = AnchoredCorrector(anchors, strength=0.5)(samples).values
    torch.testing.assert_close(half, (samples.values + full) / 2)
    assert torch.equal(AnchoredCorrector(anchors, strength=0)(samples).values, samples.values)


def test_frozen_control_returns_centroids(anchors: Anchors):
    samples = Samples.synthetic(torch.randn(40, 2, generator=STREAM.generator()), None, generation=1)
    control = AnchoredCorrector(anchors, frozen=True)(samples).values
    centroids = anchors.centroids[anchors.labels == 0]
    assert torch.equal(control.unique(dim=0), centroids[centroids[:, 0].argsort()])


def test_order_and_labels_stay(anchors: Anchors):
    labels = torch.arange(60) % 2
    values = 20.0 * labels[:, None] + torch.arange(60)[:, None] * torch.tensor([0.0, 1.0])
    corrected = AnchoredCorrector(anchors)(Samples.synthetic(values, labels, generation=1))
    assert torch.equal(corrected.labels, labels)
    assert (corrected.values[labels == 1].diff(dim=0)[:, 1] > 0).all()


def test_projection_makes_rotations_orthonormal_again():
    def rotations(count: int, seed: int) -> torch.Tensor:
        return torch.as_tensor(Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix())

    def orthonormal(values: torch.Tensor) -> torch.Tensor:
        left, _, right = torch.linalg.svd(values)
        return left @ right

    anchors = fit_anchors(Samples.real(rotations(40, 0)), 4, STREAM)
    samples = Samples.synthetic(rotations(30, 1), None, generation=1)
    corrected = AnchoredCorrector(anchors, project=orthonormal)(samples).values
    assert not torch.allclose(corrected, samples.values, atol=1e-2)
    torch.testing.assert_close(corrected @ corrected.mT, torch.eye(3, dtype=torch.float64).expand(30, 3, 3))


def test_names_tell_anchored_from_frozen(anchors: Anchors):
    assert (AnchoredCorrector(anchors).name, AnchoredCorrector(anchors, frozen=True).name) == (
        "anchored",
        "frozen-anchors",
    )


def test_redraws_follow_masses(anchors: Anchors):
    corrector = AnchoredCorrector(anchors)
    single = Samples.synthetic(torch.zeros(1, 2), torch.tensor([0]), 1)
    values = torch.cat([corrector(single, STREAM.child("redraw", attempt)).values for attempt in range(400)])
    assert (values[:, 0] < 0).double().mean() == pytest.approx(0.25, abs=0.07)


def test_unknown_label_is_an_error(anchors: Anchors):
    with pytest.raises(ValueError, match="no centroid for label 7"):
        AnchoredCorrector(anchors)(Samples.synthetic(torch.zeros(3, 2), torch.tensor([0, 7, 1]), generation=1))


def test_bad_settings_are_errors(anchors: Anchors, real: Samples):
    with pytest.raises(ValueError, match=r"strength.*0.*1,.*1\.5"):
        AnchoredCorrector(anchors, strength=1.5)
    with pytest.raises(ValueError, match=r"samples_per_centroid.*1,.*0"):
        fit_anchors(real, 0, STREAM)


def test_assignment_is_optimal():
    vectors = torch.tensor([[0.0], [0.1], [0.2], [0.3]])
    centroids = torch.tensor([[0.0], [10.0]])
    assert assign(vectors, centroids, torch.tensor([0.5, 0.5])).tolist() == [0, 0, 1, 1]
    assert assign(vectors, centroids, torch.tensor([1.0, 0.0])).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("masses", "count", "expected"),
    [([0.5, 0.3, 0.2], 10, [5, 3, 2]), ([1, 1, 1], 4, [2, 1, 1]), ([0.9, 0.1], 1, [1, 0])],
)
def test_quotas_round_by_largest_remainder(masses: list[float], count: int, expected: list[int]):
    assert quotas(torch.tensor(masses, dtype=torch.float64), count).tolist() == expected


def test_empty_group_falls_back():
    means = group_means(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]), torch.tensor([[9.0], [8.0]]))
    assert means.tolist() == [[2.0], [8.0]]


def test_temporal_frequencies_drop_jitter():
    time = torch.linspace(0, 1, 48)[None, :, None]
    slow = torch.sin(3 * time)
    jitter = 0.5 * (-1.0) ** torch.arange(48)[None, :, None]
    assert temporal_frequencies(slow).shape == (1, 8)
    torch.testing.assert_close(temporal_frequencies(slow).norm(), slow.norm(), rtol=0.01, atol=0)
    assert temporal_frequencies(jitter).norm() < 0.1 * jitter.norm()
