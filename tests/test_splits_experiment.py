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
    scores = dict.fromkeys(force, dict.fromkeys(tools.SCORES, 1.0))
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


def test_nearer_counts_and_not_lower(tools: Any) -> None:
    numbers = range(1, 9)
    nearer = [made_result(tools, number, 1.0, 0.9, 1.5) for number in numbers]
    overshoot = [made_result(tools, number, 1.0, 0.3, 1.5) for number in numbers]
    mixed = [made_result(tools, number, 1.0, 1.5, 1.4 if number % 2 else 1.6) for number in numbers]
    assert "Physics brings the root force nearer" in tools.state_verdict(nearer)
    assert "The low-pass filter brings the root force nearer" in tools.state_verdict(overshoot)
    assert "Undecided" in tools.state_verdict(mixed)
    assert "p =" not in tools.state_verdict(nearer[:7])
