"""Points of a shape in the plane: the task that several kinds of models and correctors share."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.toy.draws import SHAPES
from selfcorrect.loop.run import Candidate, Task
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.protocol import GenerativeModel


def planar_task(
    model: GenerativeModel, shape: str, real_count: int, judged: int, stream: Stream, first_steps: int = 0
) -> Task:
    """Points to train on, and as many others to judge by as samples are drawn."""
    real = Samples.real(SHAPES[shape](real_count, stream.child("real"))[0])
    reference = SHAPES[shape](judged, stream.child("reference"))[0].numpy()

    def scores(candidate: Candidate) -> dict[str, float]:
        drawn = candidate.samples(judged).values.double().numpy()
        return {
            **neighbour_metrics(reference, drawn),
            "distance": wasserstein(reference, drawn),
            "variance": float(drawn.var(0).sum() / reference.var(0).sum()),
        }

    return Task(model, real, scores, first_steps)


def wasserstein(reference: np.ndarray, candidate: np.ndarray) -> float:
    """Exact 2-Wasserstein distance between equally many points, (N, 2) each."""
    costs = cdist(reference, candidate, "sqeuclidean")
    rows, columns = linear_sum_assignment(costs)
    return float(np.sqrt(costs[rows, columns].mean()))
