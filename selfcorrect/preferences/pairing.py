"""Choice of the next two samples to show: first pairs that all raters see, then the most informative ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count

import numpy as np

from ..core.randomness import Stream
from .bradley_terry import information, strengths
from .choices import Choice

COMMON_SHARE = 0.25
"""Share of the pairs of each rater that all raters see, so that their agreement is measured."""
FEWEST_COMMON = 10
"""Smallest number of such pairs."""


@dataclass(frozen=True)
class Design:
    """Design of a rating: the samples that are compared, and the number of comparisons."""

    groups: Mapping[str, str]
    """Sample → group. Only samples of a group are compared."""
    pairs: int
    """Most pairs that each rater is shown."""
    stream: Stream

    @property
    def possible(self) -> int:
        """Number of pairs that there are."""
        return len(self._all_pairs())

    def next_pair(self, rater: str, choices: Sequence[Choice]) -> tuple[str, str] | None:
        """Return the samples to show left and right; None if the rater has seen enough.

        choices: those that stand, of all raters; those about other samples do not count. The sides are drawn anew for
        each pair. Samples that the rater rejected are not shown again.
        """
        choices = [choice for choice in choices if choice.pair <= self.groups.keys()]
        answered = [choice for choice in choices if choice.rater == rater]
        if len(answered) >= self.pairs:
            return None
        seen = {choice.pair for choice in answered}
        rejected = {sample for choice in answered for sample in choice.rejected}
        open_pairs = [pair for pair in self._all_pairs() if frozenset(pair) not in seen and rejected.isdisjoint(pair)]
        if not open_pairs:
            return None
        possible = {frozenset(pair) for pair in open_pairs}
        common = (pair for pair in self.common_pairs() if frozenset(pair) in possible)
        first, second = next(common, None) or self._most_informative(open_pairs, choices)
        generator = self.stream.child("side", rater, len(answered)).numpy()
        is_swapped = generator.random() < 0.5
        return (second, first) if is_swapped else (first, second)

    def common_pairs(self) -> list[tuple[str, str]]:
        """Return the pairs that all raters see first: neighbours on random rings through each group."""
        goal = max(FEWEST_COMMON, round(COMMON_SHARE * self.pairs))
        most = min(self.pairs, goal, len(self._all_pairs()))
        chosen: dict[frozenset[str], tuple[str, str]] = {}
        for turn in count():
            for pair in self._rings(turn):
                chosen.setdefault(frozenset(pair), pair)
                if len(chosen) >= most:
                    return list(chosen.values())
        raise AssertionError("rings end only when enough pairs were found")

    def _rings(self, turn: int) -> Iterator[tuple[str, str]]:
        """Yield neighbours on a random ring through each group, group by group in turn."""
        rings: list[list[tuple[str, str]]] = []
        for group, members in self._members().items():
            generator = self.stream.child("ring", group, turn).numpy()
            order = [members[row] for row in generator.permutation(len(members))]
            ring = list(zip(order, order[1:] + order[:1], strict=True)) if len(order) > 1 else []
            shuffled = self.stream.child("order", group, turn).numpy().permutation(len(ring))
            rings.append([ring[place] for place in shuffled])  # or a sample would stand in two pairs in a row
        for place in range(max(map(len, rings))):
            yield from (ring[place] for ring in rings if place < len(ring))

    def _members(self) -> dict[str, list[str]]:
        members: dict[str, list[str]] = defaultdict(list)
        for sample in sorted(self.groups):
            members[self.groups[sample]].append(sample)
        return members

    def _all_pairs(self) -> list[tuple[str, str]]:
        return [pair for members in self._members().values() for pair in combinations(members, 2)]

    def _most_informative(self, pairs: Sequence[tuple[str, str]], choices: Sequence[Choice]) -> tuple[str, str]:
        """Return the pair with the most information on its difference in strength: near in strength, and uncertain."""
        samples = sorted(self.groups)
        rows = {sample: row for row, sample in enumerate(samples)}
        fit = strengths(choices, samples).fit
        contrasts = np.zeros((len(pairs), len(rows)))
        for number, (first, second) in enumerate(pairs):
            contrasts[number, rows[first]] = 1
            contrasts[number, rows[second]] = -1
        gains = information(fit, contrasts)
        generator = self.stream.child("ties", len(choices)).numpy()
        ties = generator.random(len(pairs))
        order = np.lexsort((ties, gains.round(9)))
        return pairs[order[-1]]
