"""What holds of every toy: it declares what it measures, each claim can hold and fail, and a small run shows it all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import LOOPS, run_toy

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.studies.claims import Claim, Curves, Statement
from selfcorrect.experiments.studies.figures import draw
from selfcorrect.experiments.toy.files import load_toy_module
from selfcorrect.experiments.toy.outcome import group_arms
from selfcorrect.experiments.toy.report import to_json_row
from selfcorrect.experiments.toy.study import is_toy_finished, load_settings
from selfcorrect.experiments.toy.toys import START, Toy

WordChain = load_toy_module(LOOPS["language"]).WordChain
SHORT = {"generations": 1, "seeds": 2}
NETWORK = {**SHORT, "initial_steps": 3, "steps": 2}
CIRCLE = {**NETWORK, "real_count": 24, "judged": 12}
TINY = {
    "gaussian-correct": {"seeds": 3, "generations": 20},
    "gillman-program": {"seeds": 2, "generations": 20},
    "gaussian-collapse": {"seeds": 3, "generations": 12},
    "stability": {"seeds": 3, "ratios": (0.5, 1.0)},
    "linear": {"seeds": 3},
    "weighting": {"seeds": 3, "generations": 12},
    "biased-corrector": {"seeds": 2, "generations": 4},
    "curation": {"seeds": 3, "generations": 4},
    "pluralistic": {"seeds": 3, "generations": 2},
    "cross-curation": {"seeds": 3, "generations": 2},
    "imperfect-verifier": {**NETWORK, "initial_steps": 60, "judged": 50},
    "density-ratio": {**SHORT, "steps": 3, "judged": 40, "real_count": 40},
    "mad": {"seeds": 3, "generations": 6},
    "mixture": {"seeds": 2, "generations": 2},
    "provenance": {"seeds": 3, "generations": 6},
    "performative": {"seeds": 3, "generations": 5},
    "reflow": {"seeds": 3, "generations": 2, "judged": 40, "real_count": 60, "features": 40},
    "shapes": {**NETWORK, "judged": 30, "real_count": 40},
    "fairness": {"seeds": 2, "generations": 2},
    "language": {**NETWORK, "word_seeds": 3, "chain": WordChain(seeds=2, generations=4), "word_generations": 4,
                 "windows": 20, "held_out_windows": 10, "window": 8},
    "digits": {**NETWORK, "judged": 40, "real_count": 200},
    "unet-digits": {**NETWORK, "judged": 30},
    "small-gpt": {**NETWORK, "initial_steps": 120},  # with fewer, nothing is accepted
    "lineages": {"seeds": 2, "generations": 3, "bandwidths": (0.05, 0.2)},
    "remedies": {**CIRCLE, "remedies": ("none", "matched", "lineages", "more-steps")},
    "mechanisms": {**CIRCLE, "ways": ("fully synthetic", "λ = 1")},
    "text-mechanisms": {**NETWORK, "windows": 12, "held_out": 10},
    "dilution": {"seeds": 3, "generations": 4},
    "counting": {"seeds": 3, "generations": 24},
    "crossfeed": {"seeds": 3, "generations": 8},
    "kazdan": {"seeds": 3, "generations": 8, "sizes": (10,)},
    "kazdan-density": {"seeds": 3, "generations": 4, "sizes": (10,)},
    "kazdan-regression": {"seeds": 3, "generations": 4, "sizes": (20,)},
    "digits-as-published": {**SHORT, "real_count": 200, "judged": 30, "initial_epochs": 1},
    "molecules": {**NETWORK, "drugs": 2, "conformers": 4, "initial_steps": 120, "relaxation": (5, 9)},
}  # fmt: skip
"""Settings with which a run takes a second or so."""
SLOW = ("language", "small-gpt", "molecules", "unet-digits")
NAMES = [*LOOPS]
EACH = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES]
DRAWS = 200


def small(name: str) -> Any:
    if name == "molecules":
        pytest.importorskip("rdkit", reason="needs the extra `molecules`: pip install 'selfcorrect[molecules]'")
    return replace(load_settings(LOOPS[name], quick=True), **TINY[name])


@cache
def tiny(name: str) -> Toy:
    return load_toy_module(LOOPS[name]).toy(small(name))


@dataclass(frozen=True)
class MadeUp:
    """A table of any quantity, or curves of any arm: each lies around its own level."""

    made: Callable[[str], object]

    def __getitem__(self, key: str) -> object:
        return self.made(key)


def make_curves(seed: int) -> Curves:
    """Positive curves (6, 64) that grow or shrink; the seed and the names decide how."""

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


@pytest.mark.parametrize("name", EACH)
def test_every_claim_can_fail_and_every_direction_can_hold(name: str) -> None:
    claims = tiny(name).claims
    assert len({claim.statement for claim in claims}) == len(claims)
    for claim in claims:
        directed = isinstance(claim, Claim) and claim.kind != "agrees"
        expected = {"holds", "fails"} if directed else {"fails"}
        for seed in range(DRAWS):
            expected -= {outcome(claim, seed)}
            if not expected:
                break
        assert not expected, claim.statement


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_small_run_has_all_that_is_declared(name: str, tmp_path: Path) -> None:
    run = run_toy(name, small(name), tmp_path)
    toy = run.toy.toy
    curves = run.curves
    result = run.result
    assert is_toy_finished(run.study, run.toy, tmp_path)
    for task in run.study.tasks:
        names = [arm.key for arm in run.study.arms(task)]
        assert len({*names}) == len(names)
    for column in toy.columns:
        assert any(column.key in table for table in curves.values()), column.title
    rows = toy.rows.values() if isinstance(toy.rows, dict) else toy.rows or ()
    grouped = [arm for arms in group_arms(toy, curves).values() for arm in arms.values()]
    assert toy.groups is None or all(group_arms(toy, curves).values())
    assert {*rows, *grouped} - {START} <= curves.keys()
    assert len(result.checks) == len(toy.claims)
    assert result.ends
    assert all(len(cells) == len(result.ends.columns) for cells in result.ends.rows.values())
    assert f"of {len(toy.claims)} statements hold." in result.reading
    assert all("<svg" in draw(figure) for figure in result.figures)
    json.dumps(to_json_row(run.toy, result))


@pytest.mark.parametrize("name", EACH)
def test_every_toy_has_a_quick_form_of_its_own_settings_with_a_seed(name: str) -> None:
    assert small(name)
    quick = load_settings(LOOPS[name], quick=True)
    full = load_settings(LOOPS[name])
    assert type(quick) is type(full)
    assert quick != full
    assert "seed" in {field.name for field in fields(full)}
