"""Precision, recall, density and coverage agree with prdc.

Cases one can see are tested, too.
"""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from selfcorrect.statistics.neighbours import neighbour_metrics


def normal(seed: int, count: int, dimensions: int = 5, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(count, dimensions))


@pytest.mark.parametrize("neighbours", [1, 3, 5])
@pytest.mark.parametrize(("count", "scale"), [(80, 1.0), (120, 0.5), (60, 2.0)])
def test_agrees_with_prdc(neighbours: int, count: int, scale: float, capsys: pytest.CaptureFixture):
    import prdc  # takes seconds

    reference = normal(0, 100)
    candidate = normal(1, count, scale=scale)
    expected = prdc.compute_prdc(reference, candidate, nearest_k=neighbours)
    assert neighbour_metrics(reference, candidate, neighbours) == pytest.approx(expected)


def test_too_few_samples_are_named():
    with pytest.raises(ValueError, match=r"5 nearest neighbours.*got 5"):
        neighbour_metrics(normal(0, 50), normal(1, 5))


def count_by_differences(reference: np.ndarray, candidate: np.ndarray, neighbours: int) -> dict[str, float]:
    """Count by definition, with distances from differences.

    A ball of radius 0 holds its equals.
    """

    def find_inside(radii: np.ndarray) -> np.ndarray:
        return (between < radii) | ((between == 0) & (radii == 0))

    between = cdist(reference, candidate)
    radii = [np.sort(cdist(samples, samples), axis=1)[:, neighbours] for samples in (reference, candidate)]
    in_reference_ball = find_inside(radii[0][:, None])
    return {
        "precision": in_reference_ball.any(0).mean(),
        "recall": find_inside(radii[1]).any(1).mean(),
        "density": in_reference_ball.sum(0).mean() / neighbours,
        "coverage": in_reference_ball.any(1).mean(),
    }


def copy_half(reference: np.ndarray, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return reference, np.concatenate([reference[:300], candidate[300:]])


def move_far(reference: np.ndarray, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return reference + 1e5, candidate + 1e5


def break_some(reference: np.ndarray, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reference[3, 0] = np.nan
    candidate[7] = np.inf
    return reference, candidate


def put_on_lattice(reference: np.ndarray, candidate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round points, so that distances often tie.

    Most are then equal to a radius, and many samples have copies.
    """
    return reference.round(), candidate.round()


@pytest.mark.parametrize("prepare", [copy_half, move_far, break_some, put_on_lattice])
@pytest.mark.parametrize("dimensions", [1, 3, 12])
def test_ball_edges_are_exact(prepare, dimensions: int):
    """600 samples take two blocks of rows."""
    reference, candidate = prepare(normal(0, 600, dimensions), normal(1, 600, dimensions, 0.9))
    expected = count_by_differences(reference, candidate, 5)
    assert neighbour_metrics(reference, candidate) == pytest.approx(expected, abs=1e-12)


def test_a_set_beside_itself():
    samples = normal(0, 200)
    metrics = neighbour_metrics(samples, samples.copy())
    assert metrics["density"] == 1.0, "each ball holds its centre and the k - 1 neighbours nearer than its radius"
    assert metrics["precision"] == metrics["recall"] == metrics["coverage"] == 1.0


@pytest.mark.parametrize("dimensions", [1, 4])
def test_equal_points_are_near(dimensions: int):
    """Samples at repeated points are real; others are not.

    Two points come 20 times each, and samples there cover them.
    """
    reference = np.repeat([[0.0], [1.0]], 20, axis=0) * np.ones(dimensions)
    same = neighbour_metrics(reference, reference[::-1].copy())
    assert same == {"precision": 1.0, "recall": 1.0, "density": 20 / 5, "coverage": 1.0}
    one = neighbour_metrics(reference, np.zeros((20, dimensions)))
    assert (one["precision"], one["recall"], one["coverage"]) == (1.0, 0.5, 0.5)
    elsewhere = neighbour_metrics(reference, reference + 0.1)
    assert set(elsewhere.values()) == {0.0}


def test_a_single_point_covers_itself():
    """Equal vectors leave distances without a scale."""
    assert neighbour_metrics(np.zeros((10, 3)), np.zeros((10, 3)))["coverage"] == 1.0
