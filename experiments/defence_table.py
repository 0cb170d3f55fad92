"""Defences against the loss of modes by name: what each knows, what it costs, who proposed it and what was claimed."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect.registry import Registry, Row

_BUILT = "selfcorrect.experiments.defences"
_OWN = "this project"


@dataclass(frozen=True)
class DefenceRow(Row):
    """A defence; knows: its information beyond the current model; cost: sampling and training per generation, in units
    of an undefended one; source: where it was published; claim: what was claimed there, one clause.
    """

    knows: str = "not known"
    cost: str = "not known"
    source: str = _OWN
    claim: str = ""


DEFENCES = Registry(
    "defence",
    [
        DefenceRow("none", f"{_BUILT}:none", "No defence.", knows="nothing", cost="1"),
        DefenceRow(
            "matched",
            f"{_BUILT}:matched",
            "Each parent has one child: lines do not die by chance.",
            knows="the parent set",
            cost="up to 8 × samples",
        ),
        DefenceRow(
            "extrapolated",
            f"{_BUILT}:extrapolation",
            "Each model is moved away from what training on its own samples makes of it.",
            knows="nothing",
            cost="2 × samples, 2 × training",
            source="Alemohammad et al. 2025 (Neon, arXiv 2510.03597)",
            claim="own samples as a negative improve a model beyond its training",
        ),
        DefenceRow(
            "lineages",
            f"{_BUILT}:lineages",
            "Matching against drift and extrapolation against bias.",
            knows="the parent set",
            cost="up to 9 × samples, 2 × training",
        ),
    ],
)
"""Each leads to a function (plan, inputs) → plan, as `defences.defended` describes it."""
