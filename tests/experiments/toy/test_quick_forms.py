"""Quick forms refute no statement, and most statements hold, but not where arms are exchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import LOOPS, outcomes, run_toy

from selfcorrect.experiments.studies.claims import Curves
from selfcorrect.experiments.toy.study import load_settings
from selfcorrect.experiments.toy.toys import Toy

pytestmark = pytest.mark.long

HOLDING = (
    "gaussian-correct", "gaussian-collapse", "stability", "linear", "weighting", "curation", "pluralistic",
    "cross-curation", "mad", "provenance", "crossfeed", "dilution", "kazdan-density", "kazdan-regression",
    "performative", "reflow", "biased-corrector", "mixture", "fairness", "lineages",
)  # fmt: skip
"""Toys whose quick form has enough seeds for a verdict on most statements."""


@pytest.mark.parametrize("name", HOLDING)
def test_no_statement_fails_and_most_hold_in_the_quick_form(name: str, tmp_path: Path) -> None:
    run = run_toy(name, load_settings(LOOPS[name], quick=True), tmp_path)
    verdicts = [check.outcome for check in run.result.checks]
    assert "fails" not in verdicts, outcomes(run.result)
    assert 2 * verdicts.count("holds") > len(verdicts), outcomes(run.result)
    assert_exchanged_arms_are_noticed(run.toy.toy, run.curves)


def assert_exchanged_arms_are_noticed(toy: Toy, curves: Curves) -> None:
    """The negative control: with the curves of other arms some claim that holds does not."""
    arms = list(curves)
    exchanged = {arm: {**curves[arm], **curves[arms[at - 1]]} for at, arm in enumerate(arms)}
    holding = [claim for claim in toy.claims if claim.check(curves).outcome == "holds"]
    assert any(claim.check(exchanged).outcome != "holds" for claim in holding)
