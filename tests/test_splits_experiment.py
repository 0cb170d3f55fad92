"""What made-up splits let the pages of the registered experiments say, and which results these pages accept."""

import importlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selfcorrect.core.errors import InputError

TOOLS = Path(__file__).resolve().parents[1] / "docs" / "tools"


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("splits_page")


def made_result(tools: Any, number: int, real: float, physics: float, low_pass: float) -> dict[str, Any]:
    force = {tools.BASELINE: 2.0, tools.PHYSICS: physics, tools.LOW_PASS: low_pass}
    scores = dict.fromkeys(force, dict.fromkeys(tools.FORCE_SCORES, 1.0))
    return {
        "split": number,
        "held_out": f"subjects={number}",
        "real": real,
        "real_of_training_subjects": real,
        "force": force,
        "scores": scores,
    }


@pytest.mark.parametrize("name", ["FORCES", "PLACES"])
def test_results_of_another_registration_are_refused(tools: Any, tmp_path: Path, name: str) -> None:
    kept = getattr(tools, name)
    assert len(tools.read_results(kept)) == tools.SPLITS
    copy = shutil.copytree(kept, tmp_path / "kept")
    with (copy / "registration.txt").open("a") as file:
        file.write("And one test more.\n")
    with pytest.raises(InputError, match="another registration"):
        tools.read_results(copy)


def test_the_exact_test_counts_signs(tools: Any) -> None:
    same_sign = np.arange(1.0, 9.0)
    assert tools.sign_flip_p(same_sign) == 2 / 256
    assert tools.sign_flip_p(-3 * same_sign) == 2 / 256
    assert tools.sign_flip_p(np.array([1.0, -1.0] * 4)) == 1.0
    mixed = np.array([3.0, 2.0, -1.0])  # of 8 assignments, those with |sum| of at least 4: ±(6, 4)
    assert tools.sign_flip_p(mixed) == 4 / 8


def test_the_pages_are_those_of_the_kept_splits(tools: Any) -> None:
    for path in (tools.FORCE_PAGE, tools.PLACE_PAGE):
        page = path.read_text(encoding="utf-8")
        assert tools.fill_splits(page) == page, "make results"
        on_site = tools.fill_splits(page, is_site=True)
        assert tools.fill_splits(on_site) == page, "the site has the same page with its long table"
        assert on_site.count("\n| ") > page.count("\n| ") + 5


def test_more_recall_decides_where_physics_goes(tools: Any) -> None:
    def made(number: int, preferred: float) -> dict[str, Any]:
        recalls = {tools.BASELINE: 0.5, tools.PHYSICS: 0.4, tools.PREFERENCE: preferred}
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
