"""The pairs that a rater compares: first the pairs that all raters see, then other pairs in random order."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from ..core.randomness import Stream

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

    def plan_pairs(self, rater: str) -> list[tuple[str, str]]:
        """Return all pairs in the order in which a rater sees them, (left, right): first the common pairs.

        There are more than `pairs`, because samples that the rater rejects are not shown again.
        """
        common = self.common_pairs()
        seen = set(common)
        others = [pair for pair in self._all_pairs() if pair not in seen]
        order = self.stream.child("rater", rater).numpy().permutation(len(others))
        planned = common + [others[place] for place in order]
        swapped = self.stream.child("side", rater).numpy().random(len(planned)) < 0.5
        return [
            (second, first) if swap else (first, second) for (first, second), swap in zip(planned, swapped, strict=True)
        ]

    def common_pairs(self) -> list[tuple[str, str]]:
        """Return the pairs that all raters see first, at random."""
        pairs = self._all_pairs()
        order = self.stream.child("common").numpy().permutation(len(pairs))
        goal = max(FEWEST_COMMON, round(COMMON_SHARE * self.pairs))
        return [pairs[place] for place in order[: min(self.pairs, goal)]]

    def _all_pairs(self) -> list[tuple[str, str]]:
        return [pair for pair in combinations(sorted(self.groups), 2) if self.groups[pair[0]] == self.groups[pair[1]]]
