"""Every toy declares, claims and shows what it measures, and each claim can hold and fail.

Quick forms refute no statement, and most statements hold, but not if arms are exchanged.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import LOOPS, assert_all_is_declared, outcomes, run_toy

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.studies.claims import Claim, Curves, Statement
from selfcorrect.experiments.studies.toy.files import load_toy_module
from selfcorrect.experiments.studies.toy.study import load_settings
from selfcorrect.experiments.studies.toy.toys import Toy

SHORT = {"generations": 1, "seeds": 2}
NETWORK = {**SHORT, "initial_steps": 3, "steps": 2}
CIRCLE = {**NETWORK, "real_count": 24, "judged": 12}


@dataclass(frozen=True)
class ToyRow:
    """Changes of a toy's quick form for tests."""

    tiny: dict[str, Any] | None = None
    """Changes with which a run takes a second or so, None for a toy whose quick form is run."""
    decisive: dict[str, Any] | None = None
    """Changes with which most statements hold and none fails, None for a toy without enough seeds."""
    is_costly: bool = False
    """Whether the decisive run is nightly; `test_causes.py` runs some statements of these toys."""
    is_slow: bool = False


ROWS = {
    "biased-corrector": ToyRow({"seeds": 2, "generations": 4}, {}, is_costly=True),
    "counting": ToyRow({"seeds": 3, "generations": 24}),
    "cross-curation": ToyRow(decisive={}),
    "crossfeed": ToyRow(decisive={}),
    "curation": ToyRow(decisive={}),
    "density-ratio": ToyRow({**SHORT, "steps": 3, "judged": 40, "real_count": 40}),
    "digits-as-published": ToyRow({**SHORT, "real_count": 200, "judged": 30, "initial_epochs": 1}),
    "dilution": ToyRow(decisive={}),
    "fairness": ToyRow(decisive={"seeds": 8}),
    "gaussian-collapse": ToyRow(decisive={}),
    "gaussian-correct": ToyRow(decisive={"seeds": 100, "generations": 40}),
    "gillman-program": ToyRow({"seeds": 2, "generations": 4}),
    "imperfect-verifier": ToyRow({**NETWORK, "initial_steps": 60, "judged": 50}),
    "kazdan": ToyRow({"seeds": 3, "generations": 8, "sizes": (10,)}),
    "kazdan-density": ToyRow(decisive={}),
    "kazdan-regression": ToyRow(decisive={}),
    "language": ToyRow(
        {**NETWORK, "word_seeds": 3, "word_generations": 4, "windows": 20, "held_out_windows": 10, "window": 8},
        is_slow=True,
    ),
    "lineages": ToyRow(
        {"seeds": 2, "generations": 3, "bandwidths": (0.05, 0.2), "label_sizes": (3, 9, 13)}, {}, is_costly=True
    ),
    "linear": ToyRow(decisive={}),
    "mad": ToyRow(decisive={}),
    "mechanisms": ToyRow({**CIRCLE, "ways": ("fully synthetic", "λ = 1")}),
    "mixture": ToyRow({"seeds": 2, "generations": 2}, {}, is_costly=True),
    "performative": ToyRow(decisive={}),
    "pluralistic": ToyRow(decisive={"seeds": 8}),
    "provenance": ToyRow(decisive={}),
    "reflow": ToyRow(decisive={"generations": 3}),
    "remedies": ToyRow({**CIRCLE, "remedies": ("none", "matched", "lineages", "more-steps")}),
    "stability": ToyRow(decisive={"ratios": (0.5, 3.0), "seeds": 100}),
    "weighting": ToyRow(decisive={}),
}  # fmt: skip
"""Row of each published loop, by the name of its file."""
TINY = [name for name, row in ROWS.items() if row.tiny is not None]
DECISIVE = [
    pytest.param(name, marks=pytest.mark.nightly if row.is_costly else ())
    for name, row in ROWS.items()
    if row.decisive is not None
]
EACH = [pytest.param(name, marks=pytest.mark.slow if row.is_slow else ()) for name, row in ROWS.items()]
DRAWS = 200


def small(name: str) -> Any:
    return replace(load_settings(LOOPS[name], quick=True), **(ROWS[name].tiny or {}))


@cache
def tiny(name: str) -> Toy:
    return load_toy_module(LOOPS[name]).toy(small(name))


@dataclass(frozen=True)
class MadeUp:
    """A made-up table of any quantity, with curves of any arm around levels of their own."""

    made: Callable[[str], object]

    def __getitem__(self, key: str) -> object:
        return self.made(key)


def make_curves(seed: int) -> Curves:
    """Make positive curves (6, 64) that grow or shrink, decided by seed and names."""

    def table(arm: str) -> MadeUp:
        def curve(key: str) -> np.ndarray:
            generator = np.random.default_rng([seed, *f"{arm} {key}".encode()])
            level, growth = generator.normal([-1, 0], [1.5, 0.1])
            return np.exp(level + growth * np.arange(64) + 0.01 * generator.normal(size=(6, 64)))

        return MadeUp(curve)

    return MadeUp(table)  # type: ignore[return-value]


def outcome(claim: Statement, seed: int) -> str:
    """Of a claim about made-up curves."""
    try:
        return claim.check(make_curves(seed)).outcome
    except InputError:  # what is claimed cannot be computed of these curves
        return "undecided"


def test_loops_have_file_and_row() -> None:
    assert ROWS.keys() == LOOPS.keys()


@pytest.mark.parametrize("name", EACH)
def test_claims_can_fail(name: str) -> None:
    claims = tiny(name).claims
    assert len({claim.statement for claim in claims}) == len(claims)
    for claim in claims:
        directed = isinstance(claim, Claim) and math.isinf(claim.high - claim.low)
        expected = {"holds", "fails"} if directed else {"fails"}
        for seed in range(DRAWS):
            expected -= {outcome(claim, seed)}
            if not expected:
                break
        assert not expected, claim.statement


@pytest.mark.long
@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("name", TINY)
def test_small_run_is_complete(name: str, tmp_path: Path) -> None:
    assert_all_is_declared(run_toy(name, small(name), tmp_path))


@pytest.mark.long
@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("name", DECISIVE)
def test_quick_form_holds(name: str, tmp_path: Path) -> None:
    run = run_toy(name, replace(load_settings(LOOPS[name], quick=True), **ROWS[name].decisive), tmp_path)
    assert_all_is_declared(run)
    verdicts = outcomes(run.result)
    assert "fails" not in verdicts.values(), verdicts
    assert 2 * [*verdicts.values()].count("holds") > len(verdicts), verdicts
    assert_exchanged_arms_are_noticed(run.toy.toy, run.curves)


def assert_exchanged_arms_are_noticed(toy: Toy, curves: Curves) -> None:
    """Assert the negative control: with curves of other arms, some claim that held fails."""
    arms = list(curves)
    exchanged = {arm: {**curves[arm], **curves[arms[at - 1]]} for at, arm in enumerate(arms)}
    holding = [claim for claim in toy.claims if claim.check(curves).outcome == "holds"]
    assert any(claim.check(exchanged).outcome != "holds" for claim in holding)


@pytest.mark.parametrize("name", EACH)
def test_toys_have_quick_settings(name: str) -> None:
    assert small(name)
    quick = load_settings(LOOPS[name], quick=True)
    full = load_settings(LOOPS[name])
    assert type(quick) is type(full)
    assert quick != full
    assert "seed" in {field.name for field in fields(full)}
