"""Select candidates by rules.

The model whose samples they are may train the next model. A rule chooses a number of rows among the candidates of one
label; `select_candidates` makes a sampling bias of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.core.samples import Samples
from selfcorrect.loop.bias import Bias, Sampler, sample_independently
from selfcorrect.loop.models.protocol import GenerativeModel

from .density_ratio import Discrimination, log_density_ratio


@dataclass(frozen=True)
class Pool:
    """Candidates of one label, with their model.

    Its training samples of that label come along, which a rule may look at.
    """

    model: GenerativeModel
    parents: Tensor
    values: Tensor
    label: int
    stream: Stream

    @property
    def labels(self) -> Tensor:
        return torch.full((len(self.values),), self.label)


Rule: TypeAlias = Callable[[Pool, int], Tensor]  # (pool, count) → rows (count,) of the pool


def select_candidates(draws: int, rule: Rule) -> Bias:
    """Return a bias that selects among candidates.

    The bias draws `draws` candidates per sample, and a rule chooses among them, label by label.
    """
    if draws < 1:
        raise SettingError(f"selection needs at least 1 draw per sample, got {draws}")

    def bias(model: GenerativeModel, parents: Samples) -> Sampler:
        def draw(labels: Tensor, stream: Stream) -> Tensor:
            candidate_labels = labels.repeat(draws)
            values = model.sample(candidate_labels, stream.child("draws"))
            chosen = torch.empty_like(labels)
            for label in labels.unique():
                slots = (labels == label).nonzero().flatten()
                rows = (candidate_labels == label).nonzero().flatten()
                label_parents = parents.values[parents.labels == label]
                pool = Pool(model, label_parents, values[rows], int(label), stream.child("rule", int(label)))
                chosen[slots] = rows[rule(pool, len(slots))]
            return values[chosen]

        return sample_independently(draw)

    return bias


def at_random(pool: Pool, count: int) -> Tensor:
    """Choose candidates at random: the control of every rule."""
    return torch.randperm(len(pool.values), generator=pool.stream.generator())[:count]


def by_density_ratio(real: Samples, settings: Discrimination | None = None) -> Rule:
    """Select without replacement, in proportion to the density ratio real / synthetic.

    A discriminator that is trained on the pool estimates the logarithm of the ratio (arXiv 2606.19162). With Gumbel
    noise on it, its largest values are such a draw (Efraimidis and Spirakis 2006).
    """
    settings = settings or Discrimination()

    def rule(pool: Pool, count: int) -> Tensor:
        ratio = log_density_ratio(real.values[real.labels == pool.label], pool.values, settings, pool.stream)
        noise = torch.rand(len(pool.values), generator=pool.stream.child("choice").generator(), dtype=torch.float64)
        keys = ratio(pool.values).double() - torch.log(-torch.log(noise.clamp(1e-12, 1 - 1e-12)))
        return keys.argsort(descending=True)[:count]

    return rule
