"""The pairs that a rater compares: first the pairs that all raters see, then other pairs in random order."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, count

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
        seen = {frozenset(pair) for pair in common}
        others = [pair for pair in self._all_pairs() if frozenset(pair) not in seen]
        order = self.stream.child("rater", rater).numpy().permutation(len(others))
        planned = common + [others[place] for place in order]
        swapped = self.stream.child("side", rater).numpy().random(len(planned)) < 0.5
        return [
            (second, first) if swap else (first, second) for (first, second), swap in zip(planned, swapped, strict=True)
        ]

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
