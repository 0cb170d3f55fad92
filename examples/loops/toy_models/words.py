"""Learn word frequencies, whose collapse is known exactly.

The module has this statistical language model, tasks and laws. Laws take the true `probabilities` (categories,), n real
words, and t `generations` after generation 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import expit
from torch import Tensor

import selfcorrect as sc
from selfcorrect.loop.models.protocol import TensorModel


@dataclass(frozen=True)
class Categorical(TensorModel):
    """Independent draws from V categories.

    There are R ≥ 1 replicates of it (Seddik et al. 2024, a single context of their model).

    An event has the shape (*replicates,) and holds the category's number as a float.
    """

    probabilities: Tensor
    """(*replicates, V), summing to 1 over the categories."""

    @classmethod
    def uniform(cls, *shape: int) -> Self:
        """Equal probabilities of shape (*replicates, V)."""
        return cls(torch.full(shape, 1 / shape[-1], dtype=torch.float64))

    @classmethod
    def from_probabilities(cls, probabilities: Sequence[float] | Tensor, *replicates: int) -> Self:
        """The same probabilities (V,) in each replicate."""
        return cls(torch.as_tensor(probabilities, dtype=torch.float64).expand(*replicates, -1).contiguous())

    def fit(self, samples: sc.Samples, steps: int, stream: sc.Stream) -> Self:
        """Fit weighted relative frequencies.

        `steps` and `stream` are not used.
        """
        rows = samples.values.long().flatten(1).T
        weights = samples.weights.to(self.probabilities) / samples.weights.sum()
        counts = torch.zeros_like(self.probabilities).reshape(-1, self.probabilities.shape[-1])
        counts.scatter_add_(1, rows, weights.expand(rows.shape))
        return replace(self, probabilities=counts.reshape(self.probabilities.shape))

    def sample(self, labels: Tensor, stream: sc.Stream) -> Tensor:
        """One category (*replicates,) per entry of `labels`, float32."""
        table = self.probabilities.reshape(-1, self.probabilities.shape[-1])
        draws = torch.multinomial(table, len(labels), replacement=True, generator=stream.generator())
        return draws.T.reshape(len(labels), *self.probabilities.shape[:-1]).float()


def word_task(
    probabilities: Sequence[float] | Tensor,
    count: int,
    measure: Callable[[Tensor], Mapping[str, Tensor]],
    stream: sc.Stream,
    *replicates: int,
) -> sc.Task:
    """Make the task of learning word frequencies in independent replicates.

    Args:
        probabilities: (V,) of the truth.
        count: Number of real words.
        measure: Probabilities (*replicates, V) of a trained model → quantities.
    """
    truth = Categorical.from_probabilities(probabilities, *replicates)
    real = sc.Samples.real(truth.sample(torch.zeros(count), stream.child("real")))

    def scores(candidate: sc.Candidate) -> Mapping[str, Tensor]:
        assert isinstance(candidate.model, Categorical)
        return measure(candidate.model.probabilities)

    return sc.Task(Categorical.uniform(*replicates, len(probabilities)), real, scores)


def make_rater(rewards: Sequence[float] | np.ndarray) -> Callable[[Tensor], Tensor]:
    """Return a score of categories by their rewards (V,)."""
    table = torch.tensor(np.asarray(rewards), dtype=torch.float64)
    return lambda values: table[values.long()]


def entropy(probabilities: Tensor) -> Tensor:
    """Return the entropy of distributions (…, V), in nats.

    Its exponential is the effective number of categories.
    """
    return torch.special.entr(probabilities).sum(-1)


def expected_simpson(probabilities: ArrayLike, n: int, generations: int) -> np.ndarray:
    """Return a categorical loop's Σ p², (t + 1,).

    This is the expected value of a fully synthetic loop, 1 − (1 − 1/n)^t (1 − Σ p₀²): Seddik et al. 2024, Theorem 1 (a
    single context of their next-token model). The true distribution is at t = 0, and a model estimated from n real
    words is a step further. The result is exact; 1 is total collapse onto a word.
    """
    start = float(np.square(probabilities).sum())
    return 1 - (1 - 1 / n) ** np.arange(generations + 1) * (1 - start)


def expected_vocabulary(probabilities: ArrayLike, n: int, generations: int) -> np.ndarray:
    """Return the expected number (t + 1,) of words left in a fully synthetic loop.

    The model is categorical. A word's count is the Wright–Fisher chain X ← Binomial(n, X/n) whatever happens to other
    words. So its chance of extinction follows from a power of an (n + 1)² matrix. t = 0 is the true distribution, t = 1
    the words in n real draws. Exact.
    """
    probabilities = np.asarray(probabilities, dtype=float)
    counts = np.arange(n + 1)
    chain = stats.binom.pmf(counts[None, :], n, counts[:, None] / n)
    distribution = stats.binom.pmf(counts[None, :], n, probabilities[:, None])
    alive = [float((probabilities > 0).sum())]
    for _ in range(generations):
        alive.append(float((1 - distribution[:, 0]).sum()))
        distribution = distribution @ chain
    return np.array(alive)


def curated_categories(probabilities: ArrayLike, rewards: ArrayLike, real_share: float, generations: int) -> np.ndarray:
    """Return probabilities (t + 1, categories) under curation by pairs.

    Ferbach et al. 2024: people keep either of two samples with the Bradley–Terry probability of its reward. So p ← p ·
    H with H(x) = 2 Σ_y p(y) e^r(x) / (e^r(x) + e^r(y)). Then `real_share` of the true distribution is mixed in.
    Infinitely many samples. rewards: (categories,), or (raters, categories) for heterogeneous raters, chosen evenly.

    Args:
        rewards: (categories,), or (raters, categories) for raters chosen evenly.
    """
    real = np.asarray(probabilities, dtype=float)
    raters = np.atleast_2d(np.asarray(rewards, dtype=float))
    wins = expit(raters[:, :, None] - raters[:, None, :]).mean(0)
    history = [real]
    for _ in range(generations):
        curated = history[-1] * (wins @ history[-1])
        history.append(real_share * real + (1 - real_share) * curated / curated.sum())
    return np.array(history)
