"""The experiment on eight splits of the subjects: who is held out, and what made-up splits let its page say."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[1] / "docs" / "tools"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("mujoco")
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("splits_page")


def made_result(tools: Any, number: int, real: float, physics: float, low_pass: float) -> dict[str, Any]:
    force = {tools.BASELINE.name: 2.0, tools.PHYSICS.name: physics, tools.LOW_PASS.name: low_pass}
    scores = dict.fromkeys(force, dict.fromkeys(tools.FORCE_SCORES, 1.0))
    return {
        "split": number,
        "held_out": f"subjects={number}",
        "real": real,
        "real_of_training_subjects": real,
        "force": force,
        "scores": scores,
    }


@pytest.mark.parametrize("name", ["splits", "place_splits"])
def test_the_registration_is_the_file_whose_digest_the_runs_check(tools: Any, name: str) -> None:
    splits = importlib.import_module(name)
    assert hashlib.sha256(splits.REGISTRATION.read_bytes()).hexdigest() == splits.REGISTERED_SHA256


def test_every_subject_is_held_out_once_and_partners_together(tools: Any, tmp_path: Path) -> None:
    splits = importlib.import_module("splits")
    subjects = [*range(1, 15), 60, 61]
    rows = [f"{subject},{100 * subject}" for subject in subjects]
    (tmp_path / "index.csv").write_text("\n".join(["subject,frames", *rows]))
    groups = splits.deal_subjects(tmp_path / "index.csv")
    assert sorted(subject for group in groups for subject in group) == subjects
    assert next(group for group in groups if 60 in group).count(61) == 1
    for number, group in enumerate(groups, start=1):
        settings = splits.choose_settings(number, tmp_path)
        trained = {int(word) for word in settings.data[0].partition("=")[2].split(",")}
        assert trained.isdisjoint(group)
        assert trained | set(group) == set(subjects)


def test_the_exact_test_counts_signs(tools: Any) -> None:
    same_sign = np.arange(1.0, 9.0)
    assert tools.sign_flip_p(same_sign) == 2 / 256
    assert tools.sign_flip_p(-3 * same_sign) == 2 / 256
    assert tools.sign_flip_p(np.array([1.0, -1.0] * 4)) == 1.0
    mixed = np.array([3.0, 2.0, -1.0])  # of 8 assignments, those with |sum| of at least 4: ±(6, 4)
    assert tools.sign_flip_p(mixed) == 4 / 8


def test_the_pages_are_those_of_the_kept_splits(tools: Any) -> None:
    for path, fill in ((tools.FORCE_PAGE, tools.fill_force_page), (tools.PLACE_PAGE, tools.fill_place_page)):
        page = path.read_text(encoding="utf-8")
        assert fill(page) == page, "python docs/tools/splits_page.py"


def test_more_recall_decides_where_physics_goes(tools: Any) -> None:
    def made(number: int, preferred: float) -> dict[str, Any]:
        recalls = {tools.BASELINE.name: 0.5, tools.DATA: 0.4, tools.PREFERENCE: preferred}
        return {"split": number, "scores": {arm: {"recall": recall} for arm, recall in recalls.items()}}

    numbers = range(1, 9)
    assert tools.recall_difference(made(1, 0.3)) == pytest.approx(-0.2)
    verdict = tools.state_place_verdict
    assert "physics preferred keeps more recall" in verdict([made(number, 0.45) for number in numbers])
    assert "physics as data keeps more recall" in verdict([made(number, 0.35) for number in numbers])
    assert "Undecided" in verdict([made(number, 0.4 + 0.1 * (-1) ** number) for number in numbers])
    assert "p =" not in verdict([made(number, 0.45) for number in numbers[:7]])


def test_nearer_counts_and_not_lower(tools: Any) -> None:
    numbers = range(1, 9)
    nearer = [made_result(tools, number, 1.0, 0.9, 1.5) for number in numbers]
    overshoot = [made_result(tools, number, 1.0, 0.3, 1.5) for number in numbers]
    mixed = [made_result(tools, number, 1.0, 1.5, 1.4 if number % 2 else 1.6) for number in numbers]
    assert "Physics brings the root force nearer" in tools.state_force_verdict(nearer)
    assert "The low-pass filter brings the root force nearer" in tools.state_force_verdict(overshoot)
    assert "Undecided" in tools.state_force_verdict(mixed)
    assert "p =" not in tools.state_force_verdict(nearer[:7])
