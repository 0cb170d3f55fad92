"""`sc.compare` refuses wrong arguments in one sentence before anything runs.

Gaps of an evaluation cost no report.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from two_modes import own_task

import selfcorrect as sc
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.experiments.studies.claims import Quantity, expect_above, final_value, value_at

ARM = sc.Arm(sc.Replace(), 1)


def raising(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("division by zero")


def make_judged_task(scores: Any) -> sc.Task:
    return replace(own_task(sc.streams(0)), evaluate=lambda candidate: scores)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({"wandb": wandb}, "wandb must be one of auto, off") for wandb in (None, True, 3, "Online")),  # type: ignore[arg-type]
        ({"observe": 3}, "observe must be a function"),
        ({"workers": "2"}, "workers must be a whole number"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"seeds": 1.5}, "seeds must be a whole number"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"better": 3}, "better must be a dictionary"),
        ({"better": {"spread": "up"}}, "`better` says 'up'"),
        ({"better": {"spraed": "higher"}}, "names 'spraed', which the evaluation does not measure"),
        ({"out": 3}, "out must be the path"),
        ({"title": 3}, "title must be a string"),
        ({"wandb_project": 3}, "wandb_project must be a string, got 3"),
        ({"gammas": ["x"]}, "gammas must be strengths"),
        ({"bounds": 3}, "bounds must be a dictionary"),
        ({"where": 3}, "where must be a Where"),
        *(({"claims": claims}, "claims must be a list of claims") for claims in (3, ["x"], "x")),
        *(({"arms": arms}, "arms must be a list of arms") for arms in (ARM, None, [3], "arm")),
        ({"arms": {}}, "needs at least one arm"),
        *(({"arms": {name: ARM}}, "names of arms must have letters") for name in ("", "…", 3)),
        ({"arms": {"a b": ARM, "A-b": ARM}}, "names that differ"),
        ({"arms": {"a": ARM, "b": replace(ARM, generations=2)}}, "a has 1, b has 2"),
        ({"arms": {"a": 3}}, "arm 'a': expected Arm or a function"),
        ({"arms": {"a": raising}}, r"arm 'a' failed: ZeroDivisionError: .*\(test_arguments.py, line"),
        ({"tasks": {}}, "at least one task"),
        ({"tasks": {"": own_task}}, "names of tasks must have letters"),
        ({"tasks": raising}, r"task 'task' failed: ZeroDivisionError: .*\(test_arguments.py, line"),
        *(
            ({"tasks": make_judged_task({name: 1.0})}, f"names a quality {name!r}")
            for name in ("seed", "generation", "", 3)
        ),
        ({"tasks": make_judged_task({})}, "measures nothing"),
        ({"tasks": make_judged_task(3)}, "must return numbers by name, got 3"),
    ],
)
def test_invalid_arguments_raise_early(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("selfcorrect.experiments.studies.comparison.compare.run_study", raising)
    usual: dict[str, Any] = {"tasks": own_task, "arms": {"a": ARM}, "seeds": 1, "workers": 1, "out": tmp_path / "run"}
    with pytest.raises(SettingError, match=message):
        sc.compare(**(usual | changes))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"'task'.*Task, got int"):
        sc.compare(**(usual | {"tasks": lambda stream: 1}))
    with pytest.raises(ZeroDivisionError):  # what is right gets further
        sc.compare(**usual)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinite_judge_leaves_report(value: float, tmp_path: Path) -> None:
    comparison = sc.compare(make_judged_task({"spread": value}), {"a": ARM}, seeds=2, workers=1, out=tmp_path)
    assert "a: spread has no value at the end in 2 of 2 seeds" in comparison.gaps
    assert f"spread of real data is {value}" in (tmp_path / "report.html").read_text()


def test_uncheckable_claim_is_undecided(tmp_path: Path) -> None:
    measures: list[Callable[..., Any]] = [lambda curves: curves["no such arm"], raising]
    claims = [expect_above(f"statement {number}", Quantity(measure)) for number, measure in enumerate(measures)]
    claims.append(expect_above("the last generation", value_at("a", "spread", 9)))
    claims.append(expect_above("what was measured", final_value("a", "spread")))
    comparison = sc.compare(own_task, {"a": ARM}, seeds=5, workers=1, out=tmp_path, claims=claims)
    outcomes = [row.cells[2].value for row in comparison.tables["claims"].rows]
    assert outcomes == ["undecided", "undecided", "undecided", "holds"]
    page = (tmp_path / "report.html").read_text()
    assert page.count("could not be checked") == 3
    assert "no arm &#39;no such arm&#39;" in page
