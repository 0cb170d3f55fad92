"""Statements of quick forms hold, and not all of them do where arms are exchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import LOOPS, outcomes, run_toy

from selfcorrect.experiments.studies.claims import Curves
from selfcorrect.experiments.toy.study import load_settings
from selfcorrect.experiments.toy.toys import Toy

HOLDING = (
    "gaussian-correct", "gaussian-collapse", "stability", "linear", "weighting", "curation", "pluralistic",
    "cross-curation", "mad", "provenance", "crossfeed", "dilution", "kazdan-density", "kazdan-regression",
    "performative", "reflow",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("biased-corrector", "mixture", "fairness", "lineages")),
)  # fmt: skip
"""Toys whose statements all hold in the quick form."""


@pytest.mark.slow
@pytest.mark.parametrize("name", HOLDING)
def test_every_statement_holds_in_the_quick_form(name: str, tmp_path: Path) -> None:
    run = run_toy(name, load_settings(LOOPS[name], quick=True), tmp_path)
    assert all(check.outcome == "holds" for check in run.result.checks), outcomes(run.result)
    assert_exchanged_arms_are_noticed(run.toy.toy, run.curves)


def assert_exchanged_arms_are_noticed(toy: Toy, curves: Curves) -> None:
    """The negative control: with the curves of other arms some claim does not hold."""
    arms = list(curves)
    exchanged = {arm: {**curves[arm], **curves[arms[at - 1]]} for at, arm in enumerate(arms)}
    assert any(claim.check(exchanged).outcome != "holds" for claim in toy.claims)
