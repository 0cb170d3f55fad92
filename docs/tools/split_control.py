"""Control the split of docs/results/index.md with a faultless learner.

The real data are Gaussian, and the learner fits mean and covariance, so it errs only because samples are finite.
"""

from collections.abc import Callable, Mapping

import numpy as np
from tables import make_table

from selfcorrect.experiments.studies.motion.split import format_factor
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.statistics import Interval, jackknife_ratio
from selfcorrect.statistics.neighbours import neighbour_metrics
from selfcorrect.statistics.spread import trace_ratio

DIMENSIONS = 8
COUNT = 128
SEEDS = 8
GENERATIONS = (5, 10, 30)

Model = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Training vectors (n, D) and random numbers → as many samples (n, D)."""


def copy_vectors(training: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw training vectors with replacement."""
    return training[rng.integers(len(training), size=len(training))]


def draw_fitted(training: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw from the Gaussian that fits the training vectors."""
    covariance = np.cov(training, rowvar=False)
    return rng.multivariate_normal(training.mean(0), covariance, size=len(training), method="cholesky")


def run_loops(model: Model, seeds: int = SEEDS) -> tuple[np.ndarray, np.ndarray]:
    """Run a loop and its baseline.

    Returns coverage and variance (2, generations + 1, seeds); the loop is fully synthetic.
    """
    looped = np.zeros((2, max(GENERATIONS) + 1, seeds))
    baseline = np.zeros_like(looped)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        real, reference = rng.standard_normal((2, COUNT, DIMENSIONS))
        training = real
        for generation in range(looped.shape[1]):
            samples = model(training, rng)
            looped[:, generation, seed] = _score(reference, samples)
            baseline[:, generation, seed] = _score(reference, model(real, rng))
            training = samples
    return looped, baseline


def _score(reference: np.ndarray, samples: np.ndarray) -> tuple[float, float]:
    return neighbour_metrics(reference, samples)["coverage"], trace_ratio(reference, samples)


def split_control(generation: int, seeds: int = SEEDS) -> list[tuple[Interval, Interval, Interval]]:
    """Split the loss in coverage and variance: what the loop keeps of its baseline, copying, and the model against
    copies.
    """
    learned, learned_base = run_loops(draw_fitted, seeds)
    copied, copied_base = run_loops(copy_vectors, seeds)
    parts = []
    for measure in range(2):
        model, base, copies, copies_base = (
            scores[measure, generation] for scores in (learned, learned_base, copied, copied_base)
        )
        kept = jackknife_ratio([model], [base])
        copying = jackknife_ratio([copies], [copies_base])
        parts.append((kept, copying, jackknife_ratio([model, copies_base], [base, copies])))
    return parts


def control_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate the control; it needs no run."""
    rows = []
    for generation in GENERATIONS:
        for name, parts in zip(("Coverage", "Variance, of real"), split_control(generation), strict=True):
            rows.append([f"generation {generation}", name, *map(format_factor, parts)])
    return make_table(["exact Gaussian learner", "share kept of", "kept", "= copying", "× model against copies"], rows)
