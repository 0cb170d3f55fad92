"""Users' comparisons report, resume byte for byte and refuse errors."""

import csv
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import selfcorrect as sc
from selfcorrect.core.errors import CorrectorError, RunFolderError, SettingError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.experiments.studies.arm_curves import HELD_OUT, MEMORISER
from selfcorrect.experiments.studies.claims import expect_above, expect_below, final_difference
from selfcorrect.loop.trial import try_correction

GENERATIONS = 8
DRAWING = ("test_comparison_writes_all_results", "test_held_out_and_memoriser_are_shown")
"""Tests of what is drawn."""


@pytest.fixture(autouse=True)
def _drawing(request: pytest.FixtureRequest) -> None:
    if request.node.originalname not in DRAWING:
        request.getfixturevalue("without_figures")


def own_task(stream: Stream) -> sc.Task:
    real = sc.Samples.real(torch.randn((40, 2), generator=stream.child("data").generator(), dtype=torch.float64))
    return sc.Task(sc.Gaussian.standard(2), real, measure_spread)


def measure_spread(candidate: sc.Candidate) -> dict[str, torch.Tensor]:
    values = candidate.samples(200).values
    return {"spread": values.std(0).mean(), "error": (values.std(0) - 1).abs().mean()}


def whiten(samples: sc.Samples) -> sc.Samples:
    values = samples.values
    return samples.with_values((values - values.mean(0)) / values.std(0))


def make_arms(generations: int = GENERATIONS) -> dict[str, sc.Arm]:
    loop = sc.Arm(sc.Replace(), generations)
    return {
        "real only": replace(loop, policy=sc.RealOnly()),
        "synthetic": loop,
        "corrected": replace(loop, correction=sc.Correction(whiten)),
    }


def files(folder: Path) -> dict[str, bytes]:
    """Map files to bytes, without times and lists of digests that have times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in ("timings.json", "digests.json", "SHA256SUMS", "summary.json", ".selfcorrect.lock")
    }


@pytest.mark.slow
def test_report_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_out_of_space(*arguments: object, **settings: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("selfcorrect.experiments.studies.run.write_report", run_out_of_space)
        with pytest.raises(OSError, match="no space left"):
            sc.compare(own_task, make_arms(1), seeds=1, workers=1, out=tmp_path)
    assert "report is written" not in capsys.readouterr().err
    sc.compare(own_task, make_arms(1), seeds=1, workers=1, out=tmp_path)
    assert "report is written" in capsys.readouterr().err


@pytest.mark.slow
def test_comparison_writes_all_results(tmp_path: Path) -> None:
    helps = expect_below("correction keeps the spread", final_difference("corrected", "synthetic", "error"))
    harms = expect_above("correction loses the spread", final_difference("corrected", "synthetic", "error"))
    comparison = sc.compare(
        own_task, make_arms(30), seeds=5, workers=1, out=tmp_path, better={"error": "lower"}, claims=[helps, harms]
    )
    headline, sampler = comparison.sentences
    assert "variance within labels; offspring variance" in sampler
    assert [row.cells[2].value for row in comparison.tables["claims"].rows] == ["holds", "fails"]
    assert "better in 1 of 2" in headline
    assert "worse in 1 of 2" in headline
    marks = {row.title: row.cells[0].value[-1] for row in comparison.tables["differences"].rows if row.cells}
    assert (marks["synthetic"], marks["corrected"]) == ("↓", "↑")
    assert all(
        row.title in str(comparison) for name in ("claims", "differences") for row in comparison.tables[name].rows
    )
    printed = {line.split("  ")[0]: line for line in str(comparison).splitlines()}
    assert (printed["corrected"][-1], printed["synthetic"][-1]) == ("↑", "↓")
    assert printed["real only"][-1].isdigit()
    frame = comparison.to_frame()
    axes = ["policy", "synthetic_ratio", "synthetic_share", "corrector", "gamma"]
    assert list(frame.columns[:7]) == ["group", "arm", *axes]
    assert frame.groupby(["group", "arm"])[axes].nunique(dropna=False).max().max() == 1
    assert (frame.seed.dtype, frame.generation.dtype) == (int, int)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"answer.svg", "curves.svg"}
    assert all(ElementTree.parse(path).getroot().tag.endswith("svg") for path in (tmp_path / "figures").iterdir())
    assert len(frame) == 3 * 5 * 31
    last = frame[frame.generation == 30].groupby("arm").spread.mean()
    assert last["synthetic"] < 0.9 < last["corrected"]
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [float(row["spread"]) for row in rows] == pytest.approx(list(frame.spread))
    summary = sc.read_summary(tmp_path)
    np.testing.assert_allclose(summary.to_frame().spread, frame.spread, rtol=1e-4)
    page = (tmp_path / "report.html").read_text()
    assert headline in page
    assert "<svg" in page
    assert MEMORISER in page
    assert HELD_OUT not in page, "there are no held-out data, whose level figures would show"
    assert "The tasks have no held-out data" in page
    assert frame.novelty_of_samples.between(0.1, 10).all()
    assert (comparison.summary.floors[MEMORISER]["novelty_of_samples"] < 1e-6).all()
    assert "<h2>Motions" not in page
    names = {"arms", "claims", "differences", "loop"}
    files = {f"{name}.{suffix}" for name in names for suffix in ("csv", "tex")}
    assert {path.name for path in (tmp_path / "tables").iterdir()} == files


def measure_generation(candidate: sc.Candidate) -> dict[str, float]:
    """A judge that needs a trained model."""
    return {"variance": float(candidate.model.covariance.diagonal().mean())}  # type: ignore[attr-defined]


@pytest.mark.slow
def test_numeric_aim_without_real_score(tmp_path: Path) -> None:
    task = partial(with_judge, measure_generation)
    comparison = sc.compare(task, make_arms(12), seeds=5, workers=1, out=tmp_path / "number", better={"variance": 1.0})
    rows = {row.title: row.cells for row in comparison.tables["differences"].rows}
    last = {curves.title: np.abs(curves.last("variance") - 1) for curves in comparison.summary.arms["task"]}
    change = (last["corrected"] - last["synthetic"]).mean()
    assert rows["corrected"][0].value.endswith(" ↑")
    assert rows["corrected"][0].interval.startswith(f"distance to the aim {change:+.2f}")
    assert comparison.summary.settings["better"] == {"variance": 1.0}
    unknown = sc.compare(task, make_arms(1), seeds=5, workers=1, out=tmp_path / "real", better={"variance": "real"})
    assert "no aim in 2 of 2" in unknown.sentences[0]
    assert "has no attribute &#39;covariance&#39;" in (tmp_path / "real" / "report.html").read_text()


def with_judge(judge: Callable[[sc.Candidate], dict[str, float]], stream: Stream) -> sc.Task:
    return replace(own_task(stream), evaluate=judge)


def make_spread_task(level: float) -> Callable[[Stream], sc.Task]:
    """Make a task whose real data vary."""

    def task(stream: Stream) -> sc.Task:
        plain = own_task(stream)
        return replace(plain, real=plain.real.with_values(level * plain.real.values))

    return task


def test_tasks_aim_at_own_data(tmp_path: Path) -> None:
    tasks = {"narrow": make_spread_task(1.0), "wide": make_spread_task(10.0)}
    comparison = sc.compare(tasks, make_arms(2), seeds=3, workers=1, out=tmp_path, better={"spread": "real"})
    titles = [row.title for row in comparison.tables["differences"].rows]
    for task in tasks:
        real = comparison.summary.floors[f"{MEMORISER}, {task}"]["spread"].mean()
        away = {curves.title: np.abs(curves.last("spread") - real).mean() for curves in comparison.summary.arms[task]}
        corrected = comparison.tables["differences"].rows[titles.index("corrected", titles.index(task))]
        change = re.search(r"distance to real data ([+-][\d.]+)", corrected.cells[0].interval)
        assert change is not None
        assert float(change[1]) == pytest.approx(away["corrected"] - away["synthetic"], abs=0.06)


def held_out_task(stream: Stream) -> sc.Task:
    """Make a task with held-out data of ten times the spread, which the judge must see as they are."""
    plain = own_task(stream)
    return replace(plain, held_out=sc.Samples.real(10 * plain.real.values, plain.real.labels))


def test_held_out_and_memoriser_are_shown(tmp_path: Path) -> None:
    comparison = sc.compare(held_out_task, make_arms(1), seeds=2, workers=1, out=tmp_path, better={"spread": "real"})
    assert list(comparison.summary.floors) == [HELD_OUT, MEMORISER]
    floor = comparison.summary.floors[HELD_OUT]["spread"]
    memoriser = comparison.summary.floors[MEMORISER]["spread"]
    assert (floor > 5 * memoriser).all()
    assert [row.title for row in comparison.tables["arms"].rows][:2] == [HELD_OUT, MEMORISER]
    page = (tmp_path / "report.html").read_text()
    assert f"The dotted line is {HELD_OUT}" in page
    figure = (tmp_path / "figures" / "curves.svg").read_text()
    assert figure.count(f">{HELD_OUT}<") == figure.count(f">{MEMORISER}<") == 1
    with pytest.raises(SettingError, match=r"held_out.*Samples,.*Tensor"):
        replace(held_out_task(streams(0)), held_out=torch.zeros(3))


def share_beyond_one(candidate: sc.Candidate) -> dict[str, float]:
    values = candidate.samples(40).values
    return {"spread": float(values.std()), "share": float((values > 1).double().mean())}


@pytest.mark.slow
def test_primary_score_is_own_family(tmp_path: Path) -> None:
    run = partial(
        sc.compare,
        partial(with_judge, share_beyond_one),
        make_arms(2),
        seeds=5,
        workers=1,
        out=tmp_path,
        title="shares",
    )
    together = run()
    primary = run(primary="share", bounds={"share": (0, 1)})
    p_values = {}
    for name, comparison in (("together", together), ("primary", primary)):
        p_values[name] = {(row["arm"], row["quality"]): row["adjusted_p"] for row in comparison.differences}
    assert p_values["together"].keys() == p_values["primary"].keys()
    for place, p_value in p_values["together"].items():
        assert p_values["primary"][place] <= p_value
    assert sum(p_values["primary"].values()) < sum(p_values["together"].values())
    shares = [row for row in primary.differences if row["quality"] == "share"]
    assert next(row["quality"] for row in primary.differences) == "share"
    assert all(row["low"] >= -1 and row["high"] <= 1 for row in shares)
    table = list(csv.DictReader((tmp_path / "tables" / "differences.csv").open()))
    assert all("], p = " in row["share, 95 %"] for row in table if row["Arm"] in ("synthetic", "corrected"))
    assert "The primary score is share" in (tmp_path / "report.html").read_text()
    for bad, message in [
        ({"primary": "sprad"}, "`primary` names 'sprad'"),
        ({"bounds": {"share": (1, 0)}}, "must be the lowest and the highest value"),
        ({"bounds": {"spread": (0, 1e-6)}}, "`bounds` of 'spread' are 0 and 1e-06, and .* was measured"),
    ]:
        with pytest.raises(SettingError, match=message):
            run(**bad)


@pytest.mark.slow
def test_extension_computes_only_new(tmp_path: Path) -> None:
    short = {name: arm for name, arm in make_arms(3).items() if name != "corrected"}
    sc.compare(own_task, short, seeds=1, workers=1, out=tmp_path / "grown")
    before = (tmp_path / "grown" / "task" / "seed-0" / "synthetic" / "generation-0003" / "metrics.json").stat()
    sc.compare(own_task, make_arms(5), seeds=2, workers=1, out=tmp_path / "grown")
    after = (tmp_path / "grown" / "task" / "seed-0" / "synthetic" / "generation-0003" / "metrics.json").stat()
    assert before.st_mtime_ns == after.st_mtime_ns
    sc.compare(own_task, make_arms(5), seeds=2, workers=1, out=tmp_path / "at once")
    grown = files(tmp_path / "grown")
    at_once = files(tmp_path / "at once")
    assert grown == at_once


@pytest.mark.slow
def test_workers_change_no_result(tmp_path: Path) -> None:
    loop = sc.Arm(sc.Replace(), 2, correction=sc.Correction(sc.lift(lambda values: 0.9 * values)))
    arms = {"shrunk": loop, "made": lambda task, stream: replace(loop, correction=sc.Correction(whiten))}
    comparisons = [
        sc.compare({"a": own_task, "b": own_task}, arms, seeds=1, workers=workers, out=tmp_path / str(workers))
        for workers in (1, 2)
    ]
    assert comparisons[0].to_frame().equals(comparisons[1].to_frame())
    assert files(tmp_path / "1") == files(tmp_path / "2")


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_changed_code_needs_acceptance(tmp_path: Path) -> None:
    arms = {"corrected": make_arms()["corrected"]}
    task = own_task(sc.streams(0))
    moved = replace(task, real=task.real.with_values(task.real.values + 1))
    judged = replace(task, evaluate=lambda candidate: {"spread": 1.0, "error": 0.0})
    other_code = {
        "corrected": replace(arms["corrected"], correction=sc.Correction(lambda samples: samples, name="whiten"))
    }

    def go_on(task, arms=arms, **how) -> None:
        sc.compare(task, arms, seeds=1, workers=1, out=tmp_path / "run", **how)

    go_on(task)
    with pytest.raises(RunFolderError, match=r"training data of seed 0.*values"):
        go_on(moved)
    with pytest.raises(RunFolderError, match=r"evaluation of task 'task'.*lambda"):
        go_on(judged)
    with pytest.raises(RunFolderError, match=r"'whiten'.*'corrected'|settings.correction"):
        go_on(task, other_code)
    with pytest.raises(RunFolderError, match=r"settings\.correction\.strength.*\"inf\".*1\.0"):
        go_on(task, {"corrected": replace(arms["corrected"], correction=sc.Correction(whiten, 1.0))})
    go_on(judged, accept_changed=True)
    go_on(judged)
    identities = (tmp_path / "run" / "identities.json").read_text()
    assert "spread" in identities
    assert "lambda candidate" in identities


def test_dropped_arm_needs_acceptance(tmp_path: Path, capsys) -> None:
    run = partial(sc.compare, own_task, seeds=1, workers=1, out=tmp_path / "run")
    run(make_arms(1))
    fewer = {name: arm for name, arm in make_arms(1).items() if name != "synthetic"}
    with pytest.raises(RunFolderError, match="include synthetic"):
        run(fewer)
    found = run(fewer, accept_changed=True)
    assert "include synthetic, which this call leaves out" in capsys.readouterr().err
    assert [curves.title for curves in found.summary.arms["task"]] == ["real only", "corrected"]


@dataclass(frozen=True)
class Noisy(sc.Gaussian):
    """A model that declares its draws from PyTorch's global generator."""

    repeatable = False

    def sample(self, labels: torch.Tensor, stream: Stream) -> torch.Tensor:
        return super().sample(labels, stream) + 0.01 * torch.randn(len(labels), 2)


def test_unrepeatable_model_warns() -> None:
    task = replace(own_task(sc.streams(0)), model=Noisy.standard(2))
    with pytest.warns(UserWarning, match="cannot be repeated"):
        sc.compare(task, {"one": make_arms(1)["real only"]}, seeds=1, workers=1)


class Counting:
    """A corrector with undeclared state: an attribute `place` of any kind."""

    def __init__(self) -> None:
        self.calls = 0
        self.place = torch.zeros(2)

    def __call__(self, samples: sc.Samples) -> sc.Samples:
        self.calls += 1
        return samples.with_values(samples.values / self.calls)


def wrong_shape(samples: sc.Samples) -> sc.Samples:
    return samples.with_values(samples.values[:, :1])


@pytest.mark.parametrize(
    ("corrector", "message"),
    [
        (Counting(), r"corrector 'Counting' \(test_compare.py, line \d+\) gave different answers to the same samples"),
        (
            wrong_shape,
            r"'wrong_shape' \(test_compare.py, line \d+\) failed in a trial .* real .*\(80, 2\), got \(80, 1\)",
        ),
        (lambda samples: 1 / 0, r"corrector '<lambda>' .* ZeroDivisionError: division by zero \(test_compare.py, line"),
    ],
)
def test_correctors_are_tried_first(corrector: Callable[..., object], message: str, tmp_path: Path) -> None:
    loop = sc.Arm(sc.Replace(), 2, correction=sc.Correction(corrector))  # type: ignore[arg-type]
    with pytest.raises(CorrectorError, match=message):
        sc.compare(own_task, {"corrected": loop}, seeds=1, workers=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    task = own_task(sc.streams(0))
    first = sc.MemoryStore()
    sc.train_first_generation(task, first, sc.streams(0))
    with pytest.raises(CorrectorError, match=message) as trial:
        sc.run_loop(task, loop, sc.MemoryStore(), first, sc.streams(0))
    assert "generation 1" not in str(trial.value), "nothing was trained that could stop or be resumed"


@pytest.mark.parametrize(("accepted_row", "is_warned_of"), [(None, True), (3, False)])
def test_rejecting_all_real_warns(accepted_row: int | None, is_warned_of: bool) -> None:
    task = own_task(sc.streams(0))
    accepted = None if accepted_row is None else task.real.values[accepted_row]

    def accept(samples: sc.Samples) -> torch.Tensor:
        if accepted is None:
            return torch.zeros(len(samples), dtype=torch.bool)
        return (samples.values == accepted).all(dim=1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try_correction(sc.Correction(sc.verifier(accept)), task.model, task.real, sc.streams(0))
    assert any("rejects all 40 real samples" in str(warning.message) for warning in caught) == is_warned_of


def silent_when_collapsed(candidate: sc.Candidate) -> dict[str, float]:
    """Judge only first generations without correction; later ones get no number."""
    collapsed = candidate.generation > 1 and candidate.correction is None
    return {"spread": float("nan") if collapsed else float(candidate.samples(50).values.std())}


def test_judge_without_number_leaves_gap(tmp_path: Path) -> None:
    task = replace(own_task(streams(0)), evaluate=silent_when_collapsed)
    comparison = sc.compare(task, make_arms(3), seeds=5, workers=1, out=tmp_path, better={"spread": "higher"})
    assert "synthetic: spread has no value at the end in 5 of 5 seeds" in comparison.gaps
    assert comparison.gaps[0] in (tmp_path / "report.html").read_text()
    assert "not measured" in comparison.sentences[0]
    frame = comparison.to_frame()
    assert frame[(frame.arm == "corrected")].spread.notna().all()


@dataclass(frozen=True)
class Singular:
    """A corrector that fails until a file is there."""

    fixed: str

    def __call__(self, samples: sc.Samples) -> sc.Samples:
        if len(samples) > 4 and not Path(self.fixed).exists():  # not in the trial
            raise ArithmeticError("the matrix is singular")
        return whiten(samples)


@pytest.mark.slow
def test_failing_arm_is_retried(tmp_path: Path) -> None:
    fixed = tmp_path / "fixed"
    three = {**make_arms(2), "corrected": sc.Arm(sc.Replace(), 2, correction=sc.Correction(Singular(str(fixed))))}
    run = partial(sc.compare, own_task, three, seeds=2, workers=1, out=tmp_path / "run")
    comparison = run()
    assert sum("the matrix is singular" in gap for gap in comparison.gaps) == 2
    frame = comparison.to_frame()
    assert len(frame[(frame.arm == "synthetic") & frame.spread.notna()]) == 2 * 3
    fixed.touch()
    assert run().gaps == ()
