"""Score known losses in fresh real windows, for the tables of docs/results/tables.md.

python docs/tools/known_losses.py
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from tables import fill_marked, make_table

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.task import motion_data
from selfcorrect.loop.ancestry import novelty
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.statistics.frechet import frechet_distance
from selfcorrect.statistics.neighbours import neighbour_metrics
from selfcorrect.statistics.spread import trace_ratio, within_label_ratio

PAGE = Path(__file__).resolve().parents[1] / "results" / "tables.md"
SEEDS = 5
DRAWS = 4
MARGIN = 0.1
"""Change of a score that counts, as a share of what the fresh windows score."""
DIVERSITY = ("coverage", "within_label_ratio", "recall", "equal_recall", "trace_ratio")
REALISM = ("precision", "density")
TITLES = {
    "coverage": "coverage",
    "within_label_ratio": "variance within labels",
    "recall": "recall",
    "equal_recall": "recall, balls of one size",
    "trace_ratio": "total variance",
    "precision": "precision",
    "density": "density",
    "distance": "Fréchet distance",
    "novelty": "novelty",
}


@dataclass(frozen=True, eq=False)
class MadeSet:
    """Changed real windows (N, D) and their losses."""

    name: str
    vectors: np.ndarray
    labels: np.ndarray
    loses_diversity: bool = True
    loses_realism: bool | None = False
    """None if it cannot be decided: an average of motions is not quite a motion."""
    is_copy: bool = False
    """The windows are training windows."""

    @property
    def losses(self) -> str:
        """What the set has lost, in words."""
        words = ["diversity"] * self.loses_diversity + ["realism"] * bool(self.loses_realism)
        return " and ".join(words) or "nothing"


def make_sets(
    fresh: np.ndarray, labels: np.ndarray, training: np.ndarray, training_labels: np.ndarray, draw: np.random.Generator
) -> Iterator[MadeSet]:
    """Yield made sets of as many windows as there are fresh windows (N, D); the first has lost nothing."""
    count = len(fresh)
    mean = fresh.mean(0)
    own_means = np.stack([fresh[labels == label].mean(0) for label in labels])
    noise = draw.standard_normal(fresh.shape) / np.sqrt(fresh.shape[1])
    yield MadeSet("fresh real windows", fresh, labels, loses_diversity=False)
    yield MadeSet("training windows", training, training_labels, loses_diversity=False, is_copy=True)
    rows = draw.integers(len(training), size=count)
    yield MadeSet(
        "the memoriser: training windows drawn with replacement", training[rows], training_labels[rows], is_copy=True
    )
    for share in (0.64, 0.25):
        factor = np.sqrt(share)
        yield MadeSet(f"all variance × {share}", mean + factor * (fresh - mean), labels, loses_realism=None)
        shrunk = own_means + factor * (fresh - own_means)
        yield MadeSet(f"variance within labels × {share}", shrunk, labels, loses_realism=None)
    yield MadeSet("label means only", own_means + 1e-3 * noise, labels, loses_realism=None)
    shown = np.unique(labels)
    half = np.flatnonzero(np.isin(labels, draw.permutation(shown)[: len(shown) // 2]))
    half = draw.choice(half, count, replace=count > len(half))
    yield MadeSet("half of the labels dropped", fresh[half], labels[half])
    again = np.tile(draw.permutation(count)[: count // 4], 4)
    nearest = np.median(np.sort(cdist(fresh, fresh), axis=1)[:, 1])
    yield MadeSet("a quarter, four copies each", fresh[again], labels[again])
    yield MadeSet("a quarter, four near copies each", fresh[again] + 0.3 * nearest * noise, labels[again])
    blurred = own_means + 0.5 * (fresh - own_means)
    lost = 0.75 * np.square(fresh - own_means).sum(1).mean()
    yield MadeSet(
        "variance within labels × 0.25, noise to full variance", blurred + np.sqrt(lost) * noise, labels,
        loses_realism=True,
    )  # fmt: skip
    quarter = 0.25 * fresh.var(0).sum()
    yield MadeSet(
        "noise of 25 % on top", fresh + np.sqrt(quarter) * noise, labels, loses_diversity=False, loses_realism=True
    )


def score_sets(seeds: int = SEEDS, draws: int = DRAWS) -> tuple[list[MadeSet], np.ndarray]:
    """Return the made sets of the last draw, and mean scores (sets, `TITLES`) over all draws."""
    all_scores = []
    made: list[MadeSet] = []
    for seed in range(seeds):
        data = motion_data(PRESETS["short"], streams(seed))
        evaluator = MotionEvaluator.fit(data.reference.batch, data.reference.labels)
        reference = evaluator.reference
        fresh = evaluator.geometric(data.fresh.batch)
        training = evaluator.geometric(data.training.batch)
        for number in range(draws):
            generator = np.random.default_rng([seed, number])
            made = list(make_sets(fresh, data.fresh.labels, training, data.training.labels, generator))
            scores = []
            for candidate in made:
                vectors = candidate.vectors
                row = {
                    **neighbour_metrics(reference.geometric, vectors),
                    "equal_recall": find_equal_recall(reference.geometric, vectors, training),
                    "within_label_ratio": within_label_ratio(
                        reference.geometric, reference.labels, vectors, candidate.labels
                    ),
                    "trace_ratio": trace_ratio(reference.geometric, vectors),
                    "distance": frechet_distance(reference.geometric, vectors),
                    "novelty": novelty(vectors, candidate.labels, training, data.training.labels),
                }
                scores.append([row[key] for key in TITLES])
            all_scores.append(scores)
    return made, np.mean(all_scores, axis=0)


def find_equal_recall(reference: np.ndarray, vectors: np.ndarray, training: np.ndarray, neighbours: int = 5) -> float:
    """Return the share of reference vectors (N, D) that lie in a ball of one size around some vector (M, D).

    The radius is the median distance of a training vector (n, D) to its k-th nearest neighbour, so copies and shrinking
    among the vectors do not change the balls.
    """
    radius = np.median(np.sort(cdist(training, training), axis=1)[:, neighbours])
    return float((cdist(reference, vectors) < radius).any(axis=1).mean())


def find_fooled(made: MadeSet, shares: Mapping[str, float]) -> list[str]:
    """Return the measures that miss what a set has lost, or report what it has not lost.

    Args:
        shares: Each measure's score, over its score of the fresh windows.
    """
    fooled = []
    for keys, is_lost in ((DIVERSITY, made.loses_diversity), (REALISM, made.loses_realism)):
        fooled += [key for key in keys if is_lost is not None and (shares[key] < 1 - MARGIN) != is_lost]
    if (shares["distance"] > 1 + MARGIN) != (made.losses != "nothing"):
        fooled.append("distance")
    if made.is_copy != (shares["novelty"] < MARGIN):
        fooled.append("novelty")
    return fooled


def make_known_table() -> str:
    """Tabulate the sets; fooled measures are bold."""
    made, scores = score_sets()
    rows = []
    for candidate, values in zip(made, scores / scores[0], strict=True):
        shares = dict(zip(TITLES, values, strict=True))
        fooled = find_fooled(candidate, shares)
        cells = [f"**{share:.2f}**" if key in fooled else f"{share:.2f}" for key, share in shares.items()]
        rows.append([candidate.name, candidate.losses, *cells])
    return make_table(["made set", "lost", *TITLES.values()], rows)


def make_cloud_table() -> str:
    """Tabulate coverage and total variance of shrunk Gaussians."""
    rows = [[f"variance × {share}", f"{coverage:.2f}"] for share, coverage in score_clouds().items()]
    return make_table(["samples of a Gaussian", "coverage"], rows)


def score_clouds(count: int = 256, dimensions: int = 24, draws: int = 8) -> dict[float, float]:
    """Score N(0, 1) by N(0, share), and return the mean coverage by share."""
    shares = (1.0, 0.64, 0.25, 0.0)
    coverages = np.zeros((draws, len(shares)))
    for number in range(draws):
        draw = np.random.default_rng(number)
        reference, samples = draw.standard_normal((2, count, dimensions))
        for column, share in enumerate(shares):
            coverages[number, column] = neighbour_metrics(reference, np.sqrt(share) * samples)["coverage"]
    return dict(zip(shares, coverages.mean(0).tolist(), strict=True))


if __name__ == "__main__":
    tables = {"losses": make_known_table(), "clouds": make_cloud_table()}
    PAGE.write_text(fill_marked(PAGE.read_text(), "known", tables))
