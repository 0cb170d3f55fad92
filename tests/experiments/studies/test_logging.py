"""Comparisons report while they run: to a function of users, to W&B, on their page."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from two_modes import halve, own_task

import selfcorrect as sc

LOOP = sc.Arm(sc.Augment(0.5), 2)
ARMS = [replace(LOOP, policy=sc.RealOnly()), LOOP, replace(LOOP, correction=sc.Correction(halve, 1.0))]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_generations_are_observed_once(tmp_path: Path, workers: int) -> None:
    rows: list[Mapping[str, Any]] = []
    comparison = sc.compare(own_task, ARMS, seeds=1, workers=workers, out=tmp_path, observe=rows.append)
    observed = {(row["arm"], row["generation"]): row["spread"] for row in rows}
    assert len(rows) == len(observed) == 3 * 3, "generation 0 of each arm, too"
    frame = comparison.to_frame()
    tabulated = {(row.arm, row.generation): row.spread for row in frame.itertuples()}
    assert observed == pytest.approx(tabulated)
    assert {row["task"] for row in rows} == {"task"}


def test_failing_observer_warns_once() -> None:
    with pytest.warns(UserWarning, match=r"observe failed.*ZeroDivisionError") as caught:
        comparison = sc.compare(own_task, ARMS[:1], seeds=1, workers=1, observe=lambda row: 1 / 0)
    assert sum("observe failed" in str(warning.message) for warning in caught) == 1
    assert not comparison.gaps


def test_unnamed_arms_are_described() -> None:
    assert [str(arm) for arm in ARMS] == ["real+none", "augment-0.5+none", "augment-0.5+halve+strength-1"]
    with pytest.raises(sc.SettingError, match=r"augment-0\.5\+none"):
        sc.compare(own_task, [LOOP, replace(LOOP, steps=1)])


@pytest.mark.slow
def test_wandb_run_per_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[str, Any]] = []
    import wandb

    init = wandb.init
    monkeypatch.setattr("wandb.init", lambda **options: begun.append(options) or init(**options))
    monkeypatch.setenv("WANDB_RUN_GROUP", "our group")
    for _ in range(2):
        sc.compare(own_task, ARMS[:2], seeds=1, workers=1, out=tmp_path, wandb="offline", better={"spread": "higher"})
    arms = [options for options in begun if options["job_type"] == "arm"]
    assert [options["name"] for options in arms] == 2 * ["task real+none seed 0", "task augment-0.5+none seed 0"]
    assert len({options["group"] for options in begun}) == 1
    assert "our group" not in {options["group"] for options in begun}, "the run folder names the group"
    config = arms[1]["config"]
    assert {name: config[name] for name in ("policy", "synthetic_ratio", "corrector", "seed")} == {
        "policy": "augment", "synthetic_ratio": 0.5, "corrector": "none", "seed": 0
    }  # fmt: skip
    json.dumps([options["config"] for options in begun], allow_nan=False)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 2 + 1
