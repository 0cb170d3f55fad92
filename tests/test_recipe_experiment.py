"""The experiment on what keeps realism and diversity: made-up seeds are judged by docs/results/registration.md."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfcorrect.experiments.motion.presets import PRESETS
from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary

TOOLS = Path(__file__).resolve().parents[1] / "docs" / "tools"


@pytest.fixture(autouse=True)
def _tools_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))


def tool(name: str) -> Any:
    """A script of docs/tools as a module."""
    return importlib.import_module(name)


def recipe_summary(seed: int, effects: dict[str, float], *, noise: float = 0.01, stage: int = 0) -> Summary:
    """A seed of a stage in which every measure of every arm is 1 but for effects by arm, with noise shared by arms."""
    recipe = tool("recipe")
    chosen = recipe.STAGES[stage]
    draw = np.random.default_rng(seed).standard_normal
    shared = 0.05 * draw((1, 1))
    arms = []
    for arm in sorted(chosen.arms, key=lambda arm: arm.policy):  # summaries have the arms of a policy together
        level = 1 + effects.get(arm.name, 0.0)
        values = {key: level + shared + noise * draw((1, 6)) for key in (*recipe.END_POINTS, "novelty_of_samples")}
        values["training_loss"] = np.full((1, 6), 0.1)
        values["corrector_calls"] = np.full((1, 6), 0.0 if arm.corrector == "none" else 256.0)
        arms.append(ArmCurves(arm.name, arm.group, arm.title, values))
    settings = PRESETS[chosen.preset].config() | {
        "seeds": 1, "first_seed": seed,
    }  # fmt: skip
    floors = {"real against real": {key: np.array([0.9]) for key in recipe.END_POINTS}}
    facts = {"git_commit": "0" * 40, "core_hours": 0.5, "packages": {"selfcorrect": "0.3.0"}}
    return Summary("selfcorrect motion", facts, settings, {chosen.denoiser: tuple(arms)}, floors)


def recipe_summaries(effects: dict[str, float], count: int = 8, **options) -> list[Summary]:
    return [recipe_summary(seed, effects, **options) for seed in tool("recipe").SEEDS[:count]]


def recipe_verdicts(summaries: list[Summary], stage: int = 0) -> dict[str, str]:
    recipe = tool("recipe")
    reading = recipe.read_stage(recipe.STAGES[stage], summaries)
    return {name: judgement.verdict for name, judgement in reading.judgements.items()}


HOLDS = {
    "augment-1+physics": -0.02, "augment-1+physics+matched": -0.03, "augment_once-1+none+matched": -0.3,
}  # fmt: skip
"""Effects by which all three sentences of the claim hold."""


def test_the_recipe_is_confirmed_where_it_holds() -> None:
    recipe = tool("recipe")
    summaries = recipe_summaries(HOLDS, noise=0.004)
    verdicts = recipe_verdicts(summaries)
    assert [verdicts[f"T{number}"] for number in (1, 2, 3, 4, 5, 6, 7, 8)] == ["confirmed"] * 8
    claim = recipe.judge_claim(recipe.read_stage(recipe.STAGES[0], summaries))
    assert [(verdict.sentence, verdict.verdict) for verdict in claim] == [(n, "confirmed") for n in (1, 2, 3)]


def test_forms_of_lineages_are_refuted_where_they_lose_diversity() -> None:
    lossy = {"augment-1+none+lineages": -0.5}
    verdicts = recipe_verdicts(recipe_summaries(lossy, stage=3), stage=3)
    assert verdicts["T9"] == verdicts["T10"] == "refuted"  # recall and coverage, without corrector
    assert verdicts["T11"] == verdicts["T20"] == "confirmed"


def test_no_effect_and_much_noise_confirm_nothing() -> None:
    assert set(recipe_verdicts(recipe_summaries({}, noise=3.0)).values()) <= {"undecided", "refuted"}
    none = recipe_verdicts(recipe_summaries({}))
    assert {none[name] for name in ("T2", "T7", "T8", "T21", "T22")} <= {"undecided", "refuted"}
    assert {none[name] for name in ("T1", "T3", "T4", "T5", "T6")} == {"confirmed"}


def test_a_sign_that_one_choice_of_subjects_lacks_confirms_nothing() -> None:
    recipe = tool("recipe")
    helps = {"augment-1+physics": -0.3}
    harms = {"augment-1+physics": 0.02}
    both = [recipe_summary(seed, helps if recipe.SPLITS[seed] == "A" else harms) for seed in recipe.SEEDS]
    assert recipe_verdicts(recipe_summaries(helps))["T2"] == "confirmed"
    assert recipe_verdicts(both)["T2"] == "undecided"


def test_physics_that_lowers_diversity_does_not_refute_that_it_cures_no_collapse() -> None:
    recipe = tool("recipe")
    for effect, verdict in ((-0.5, "undecided"), (0.5, "refuted")):
        reading = recipe.read_stage(recipe.STAGES[0], recipe_summaries({"augment-1+physics": effect}))
        assert reading.judgements["T3"].verdict == "refuted"
        assert recipe.judge_claim(reading)[1].verdict == verdict


def test_a_stage_is_read_after_four_and_after_eight_seeds_only() -> None:
    recipe = tool("recipe")
    stage = recipe.STAGES[0]
    summaries = recipe_summaries(HOLDS)
    assert recipe.read_stage(stage, summaries[:3]) is None
    assert recipe.read_stage(stage, [*summaries[:3], *summaries[4:]]) is None  # the fourth in order is missing
    assert recipe.read_stage(stage, summaries[:7]).seeds == list(recipe.SEEDS[:4])
    assert recipe.read_stage(stage, summaries[::-1]).seeds == list(recipe.SEEDS)
