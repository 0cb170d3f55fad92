"""Comparisons by γ and n have an arm or task for each value, and nested data for the sizes n."""

from dataclasses import replace
from pathlib import Path

import pytest
from two_modes import halve, own_task

import selfcorrect as sc
from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.experiments.studies.comparison.inputs import TaskEntry
from selfcorrect.experiments.studies.comparison.sweeps import expand_tasks

LOOP = sc.Arm(sc.Augment(0.5), 1)
ARMS = {
    "real": replace(LOOP, policy=sc.RealOnly()),
    "plain": LOOP,
    "halved": replace(LOOP, correction=sc.Correction(halve)),
    "made": lambda task, stream: replace(LOOP, correction=sc.Correction(halve)),
}


def test_gamma_and_n_are_axes(tmp_path: Path) -> None:
    comparison = sc.compare(
        own_task, ARMS, seeds=2, workers=1, out=tmp_path, gammas=[0, 1], real_counts=[10, 40], reference="plain"
    )
    frame = comparison.to_frame()
    assert set(frame.group) == {"n = 10", "n = 40"}
    assert (frame.real_count == frame.group.str.removeprefix("n = ").astype(int)).all()
    frame.arm = [arm.removeprefix(f"{group}, ") for group, arm in zip(frame.group, frame.arm, strict=True)]
    strengths = frame.groupby("arm").gamma.first()
    assert strengths["halved, γ = 1"] == strengths["made, γ = 1"] == 1
    assert strengths["halved, γ = 0"] == 0
    spread = frame[frame.generation == 1].set_index(["group", "arm", "seed"]).spread
    assert (spread["n = 10"]["halved, γ = 0"] == spread["n = 10"]["plain"]).all()
    assert spread["n = 40"]["halved, γ = 1"].mean() < spread["n = 40"]["plain"].mean()
    compared = {row["arm"] for row in comparison.differences}
    assert "n = 10, real" in compared
    assert "n = 10, plain" not in compared


def test_sizes_are_nested() -> None:
    few = TaskEntry(own_task, "task", 10).make(sc.streams(1)).real.values
    many = TaskEntry(own_task, "task", 30).make(sc.streams(1)).real.values
    assert len(few) == 10
    assert all((many == value).all(1).any() for value in few)
    with pytest.raises(SettingError, match=r"'task'.*40.*50.*real_counts"):
        TaskEntry(own_task, "task", 50).make(sc.streams(1))


def test_sizes_per_task_are_named() -> None:
    tasks = {name: TaskEntry(own_task, name) for name in ("a", "b")}
    assert list(expand_tasks(tasks, (5,))) == ["a, n = 5", "b, n = 5"]


def test_copying_loop_drifts_neutrally(tmp_path: Path) -> None:
    """Copies of 40 samples have at most 80 different numbers, fewer in each generation; models invent new ones."""

    def count(candidate: sc.Candidate) -> dict[str, float]:
        values = candidate.samples(200).values
        return {"values": float(len(values.unique()))}

    def task(stream: Stream) -> sc.Task:
        return replace(own_task(stream), evaluate=count)

    arms = {"real": replace(LOOP, policy=sc.RealOnly(), generations=3), "plain": sc.Arm(sc.Replace(), 3)}
    how = {"seeds": 2, "workers": 1, "out": tmp_path, "copying": True}
    comparison = sc.compare(task, arms, **how)
    frame = comparison.to_frame()
    last = frame[frame.generation == 3].set_index(["arm", "seed"])
    first = frame[frame.generation == 1].set_index(["arm", "seed"])
    assert (last.loc["copying", "values"] < first.loc["copying", "values"]).all()
    assert (last.loc["copying", "values"] <= 80).all()
    assert (last.loc["plain", "values"] == 400).all()
    assert {row["arm"] for row in comparison.differences} == {"plain", "copying"}
    assert sc.compare(task, arms, **how).to_frame().equals(frame)


@pytest.mark.parametrize(
    ("arms", "problem"),
    [({"mixed": LOOP}, "there is none"), ({"copying": sc.Arm(sc.Replace(), 1)}, "an arm has the name 'copying'")],
)
def test_copying_needs_fitting_loop(arms: dict[str, sc.Arm], problem: str) -> None:
    with pytest.raises(SettingError, match=f"copying=True adds the arm 'copying' to an uncorrected arm .*{problem}"):
        sc.compare(own_task, arms, copying=True)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"reference": "plian"}, "reference names 'plian', which is not an arm; the arms are real, plain"),
        ({"reference": {"plain": "none"}}, "reference names 'none', which is not an arm"),
        ({"gammas": [-1]}, "gammas must be strengths γ of at least 0, got \\[-1\\]"),
        ({"real_counts": [0]}, "real_counts must be at least 1, got 0"),
    ],
)
def test_wrong_sweeps_are_refused(how: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        sc.compare(own_task, ARMS, seeds=1, workers=1, **how)  # type: ignore[arg-type]
