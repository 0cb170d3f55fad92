"""The table of remedies against mode loss, and the table of a corrector's places in the loop.

Each remedy is listed with what it knows, what it costs, who proposed it, and what was claimed.
"""

from dataclasses import dataclass

from ...runtime.registry import Registry, Row

_FUNCTIONS = "selfcorrect.loop.remedies.remedies"
OWN = "this project"


@dataclass(frozen=True)
class RemedyRow(Row):
    """A remedy against the loss of modes."""

    knows: str = "not known"
    """Information that it uses beyond the current model."""
    cost: str = "not known"
    """Sampling and training per generation, relative to a plain loop."""
    source: str = OWN
    """Publication that proposed the remedy."""
    claim: str = ""
    """Claim of that source, as a clause."""
    control: bool = False
    """True for an arm that shows what a remedy must beat, or what a loss consists of."""


PLACES = Registry(
    "place of a corrector",
    [
        Row("data", f"{_FUNCTIONS}:in_data", "Corrected samples train the next generation."),
        Row("sampler", f"{_FUNCTIONS}:in_sampler", "Predictions are corrected while samples are drawn (PhysDiff)."),
        Row("filter", f"{_FUNCTIONS}:in_filter", "Samples that the corrector rejects are dropped; none is changed."),
        Row(
            "preference",
            f"{_FUNCTIONS}:in_preference",
            "Samples train uncorrected, and a preference loss moves the model from them to their corrections.",
        ),
        Row(
            "shuffled-preference",
            f"{_FUNCTIONS}:in_shuffled_preference",
            "Control: the same pairs, with the sides of a random half swapped.",
        ),
    ],
)
"""Places by name. Each row refers to a function (task, arm) → (task, arm), see `remedies.with_place`."""

REMEDIES = Registry(
    "remedy",
    [
        RemedyRow("none", f"{_FUNCTIONS}:no_remedy", "No remedy.", knows="nothing", cost="1"),
        RemedyRow(
            "matched",
            f"{_FUNCTIONS}:matching",
            "Each training sample has one child, so no line dies by chance.",
            knows="the parent set",
            cost="up to 8 × samples",
        ),
        RemedyRow(
            "extrapolated",
            f"{_FUNCTIONS}:extrapolation",
            "Moves each model away from what training on its own samples would make of it.",
            knows="nothing",
            cost="2 × samples, 2 × training",
            source="Alemohammad et al. 2025 (Neon, arXiv 2510.03597)",
            claim="own samples as a negative improve a model beyond its training",
        ),
        RemedyRow(
            "lineages",
            f"{_FUNCTIONS}:lineages",
            "Matching against drift and extrapolation against bias.",
            knows="the parent set",
            cost="up to 9 × samples, 2 × training",
        ),
        RemedyRow(
            "lineages-reworked",
            f"{_FUNCTIONS}:lineages_reworked",
            "The same with half a step, and with the model's own samples corrected, for loops with a corrector.",
            knows="the parent set",
            cost="up to 9 × samples, 2 × training, 2 × correction",
        ),
        RemedyRow(
            "more-steps",
            f"{_FUNCTIONS}:more_steps",
            "Control: twice the optimiser steps.",
            knows="nothing",
            cost="2 × training",
            source=OWN,
            claim="matched compute",
            control=True,
        ),
        RemedyRow(
            "copying",
            f"{_FUNCTIONS}:copying",
            "Control: no model; training samples of the right label are drawn at random and copied.",
            knows="the training set",
            cost="0",
            claim="what is lost by neutral drift",
            control=True,
        ),
    ],
    group="selfcorrect.remedies",
    row_type=RemedyRow,
    also="fifteen of examples/plugins/published_remedies",
)
"""Remedies by name. Each row refers to a function (task, arm, inputs) → (task, arm), see `remedies.with_remedy`."""
