"""Choices of people between two samples that were shown side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from ..core.errors import InputError

Answer: TypeAlias = Literal["left", "right", "tie", "reject left", "reject right", "reject both"]
"""The better sample, or the useless sample."""
ANSWERS: tuple[Answer, ...] = get_args(Answer)

_OUTCOMES = {"left": 1, "reject right": 1, "right": -1, "reject left": -1, "tie": 0}
"""1 if the left sample won, −1 if the right sample did, 0 for a tie. Rejecting both compares nothing."""


@dataclass(frozen=True)
class Choice:
    """A rater's answer about two samples, by the ids of these."""

    rater: str
    left: str
    right: str
    answer: Answer

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise InputError(f"an answer must be one of {', '.join(ANSWERS)}, got {self.answer!r}")

    @property
    def pair(self) -> frozenset[str]:
        """Both samples, on whichever side they were."""
        return frozenset((self.left, self.right))

    @property
    def outcome(self) -> int | None:
        """1 if the left sample won, −1 if the right sample did, 0 for a tie, None if both were rejected."""
        return _OUTCOMES.get(self.answer)

    @property
    def rejected(self) -> tuple[str, ...]:
        """The samples that the rater called useless."""
        both = (("reject left", self.left), ("reject right", self.right))
        return tuple(sample for answer, sample in both if self.answer in (answer, "reject both"))


def drop_rejections(choices: Iterable[Choice]) -> list[Choice]:
    """Return the choices that compare their samples: all but the choices that reject both."""
    return [choice for choice in choices if choice.outcome is not None]


def differences(choices: Sequence[Choice], samples: Sequence[str]) -> np.ndarray:
    """Return (M, N), 1 for the left sample of each choice, −1 for the right sample."""
    rows = {sample: row for row, sample in enumerate(samples)}
    table = np.zeros((len(choices), len(samples)))
    for number, choice in enumerate(choices):
        table[number, rows[choice.left]] += 1
        table[number, rows[choice.right]] -= 1
    return table


def outcomes(choices: Iterable[Choice]) -> np.ndarray:
    """Return the outcomes (M,) of choices that compare their samples."""
    return np.array([choice.outcome for choice in choices], dtype=int)
