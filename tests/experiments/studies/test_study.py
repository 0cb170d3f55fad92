"""A study is a value: methods make tasks, arms and measures, and rows say what is measured beside the loop."""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from helpers import LOOPS

import selfcorrect as sc
from selfcorrect.core.errors import DamagedError
from selfcorrect.experiments.jobs.run import run_jobs
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.loop_arms import make_loop_arm
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.study import make_motion_study
from selfcorrect.experiments.studies.study import KeepLevel, Measure, SeedRun, Study, StudyTask, jobs_of, seed_runs
from selfcorrect.experiments.studies.study_rows import make_rows
from selfcorrect.experiments.studies.toy.study import load_settings, load_toys, make_toy_study
from selfcorrect.runtime.progress import Progress

REAL, LOOP = ArmSettings("real"), ArmSettings("replace")
CALLS: list[str] = []


class GaussianTask(StudyTask[sc.Task]):
    def make_task(self, run: SeedRun, progress: Progress) -> sc.Task:
        values = torch.randn((20, 2), generator=run.stream.child("data").generator(), dtype=torch.float64)
        real = sc.Samples.real(values)
        return sc.Task(sc.Gaussian.standard(2), real, lambda candidate: {"spread": candidate.samples(50).values.std()})

    def make_arm(self, arm: ArmSettings, task: sc.Task, run: SeedRun, progress: Progress) -> tuple[sc.Task, sc.Arm]:
        flat = replace(task, evaluate=lambda candidate: {"spread": 0.0})
        return (flat if arm == LOOP else task), make_loop_arm(arm, 2, 0)

    def describe(
        self, run: SeedRun, arm: ArmSettings | None, task: sc.Task, loop_arm: sc.Arm | None
    ) -> Mapping[str, object]:
        return {"seed": run.seed}


class CountReal(Measure[sc.Task]):
    def measure(self, run: SeedRun, arm: ArmSettings | None, task: sc.Task, progress: Progress) -> Mapping[str, object]:
        where = "data" if arm is None else arm.key
        CALLS.append(f"{self.when} {run.task} {run.seed} {where}")
        return {"count": len(task.real)}


class Failing(Measure[sc.Task]):
    def measure(self, *arguments: Any) -> Mapping[str, object]:
        raise ArithmeticError("no figure")


class Drawing(Measure[sc.Task]):
    def measure(self, run: SeedRun, arm: ArmSettings | None, task: sc.Task, progress: Progress) -> Mapping[str, object]:
        drawn = task.model.sample(torch.zeros(3, dtype=torch.long), run.stream)
        return {"drawn": len(drawn)} if run.seed == 4 else {}


def make_study(keep: KeepLevel = "all", **changes: Any) -> Study:
    task = GaussianTask(arms=[REAL, LOOP], generations=2)
    tasks = {"one": task, "two": task}
    usual = Study(name="study", tasks=tasks, seeds=seed_runs([*tasks], 4, 2), config={"study": 1}, keep=keep)
    return replace(usual, **changes)


def run_here(study: Study, folder: Path) -> None:
    run_jobs(jobs_of(study, folder), Where(), "study", folder=folder)


@pytest.mark.parametrize("keep", ["all", "measured"])
def test_measures_run_once(keep: KeepLevel, tmp_path: Path) -> None:
    expected = {
        *("first one 4 data", "first two 4 data", "seed one 4 data"),
        *(f"arm {task} 4 {arm.key}" for task in ("one", "two") for arm in (REAL, LOOP)),
    }
    whens: tuple[Literal["first", "seed", "arm"], ...] = ("first", "seed", "arm")
    rows = [CountReal("count", when, f"{when}.json") for when in whens]
    study = make_study(keep, measures=rows, seeds=seed_runs(["one", "two"], 4, 1))
    CALLS.clear()
    run_here(study, tmp_path)
    assert sorted(CALLS) == sorted(expected)
    run_here(study, tmp_path)
    assert len(CALLS) == len(expected), "the second call has nothing to do"
    run_here(replace(study, repair=True), tmp_path)
    assert len(CALLS) > len(expected)


def test_arm_figures_in_last_row(tmp_path: Path) -> None:
    study = make_study(measures=[CountReal("count", "arm", "count.json")])
    run_here(study, tmp_path)
    run = study.runs(tmp_path)[0]
    assert [row.get("count") for row in make_rows(study, run, LOOP)] == [None, None, 20]
    assert make_rows(study, run, LOOP)[1]["spread"] == 0.0, "an arm may change its task"
    assert make_rows(study, run, REAL)[1]["spread"] != 0.0


def test_failing_measure_is_isolated(tmp_path: Path) -> None:
    failing = make_study(measures=[Failing("count", "arm", "count.json")])
    with pytest.warns(UserWarning, match=r"seed \d.*no figure"):
        run_here(failing, tmp_path / "arm")
    assert len(make_rows(failing, failing.runs(tmp_path / "arm")[0], LOOP)) == 3
    with pytest.raises(ArithmeticError, match="no figure"):
        run_here(make_study(measures=[Failing("count", "first", "count.json")]), tmp_path / "first")


def test_a_damaged_measure_is_named(tmp_path: Path) -> None:
    measure = CountReal("count", "first", "count.json")
    study = make_study(measures=[measure])
    run_here(study, tmp_path)
    path = measure.path(study.runs(tmp_path)[0])
    path.write_bytes(path.read_bytes().replace(b"20", b"21"))
    with pytest.raises(DamagedError, match=r"count\.json"):
        run_here(study, tmp_path)
    run_here(replace(study, repair=True), tmp_path)
    assert measure.read(study.runs(tmp_path)[0]) == {"count": 20}


def test_drawings_per_generation(tmp_path: Path) -> None:
    measure = Drawing("drawing", "generation", "drawings.json")
    study = make_study("measured", measures=[measure])
    run_here(study, tmp_path)
    for run in study.runs(tmp_path):
        path = measure.path(run, LOOP)
        assert path.exists() == (run.seed == 4)
        assert run.seed != 4 or measure.read(run, LOOP) == {"generations": [{"drawn": 3}, {"drawn": 3}]}


def test_studies_can_be_pickled() -> None:
    motion = make_motion_study(PRESETS["quick"], "quick")
    toys = make_toy_study(
        load_toys([(LOOPS["gaussian-correct"], load_settings(LOOPS["gaussian-correct"], quick=True))])
    )
    for study in (motion, toys):
        copy = pickle.loads(pickle.dumps(study))
        assert copy.seeds == study.seeds
        assert {name: [*task.arms] for name, task in copy.tasks.items()} == {
            name: [*task.arms] for name, task in study.tasks.items()
        }
