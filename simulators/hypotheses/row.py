"""A row of the table of special cases."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from selfcorrect.runtime.registry import Row

HypothesisPlace: TypeAlias = Literal["view", "world", "step"]
"""Where a hypothesis acts."""


@dataclass(frozen=True)
class Hypothesis(Row):
    """A row of the table. Its summary says what is believed."""

    place: HypothesisPlace = "view"
    evidence: str = ""
    """What shows that such motions exist."""
    is_gain: bool = False
    """Whether a correction that believes it is kept even if no figure is clearly better."""
