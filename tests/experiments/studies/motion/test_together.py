"""Denoisers, policies, correctors and remedies combine, and a missing one ends nothing else."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from helpers import SHORT_WINDOWS

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import TrainingDivergedError
from selfcorrect.experiments.jobs.where import Where
from selfcorrect.experiments.studies.arm_words import describe_arm
from selfcorrect.experiments.studies.motion import study as motion_study
from selfcorrect.experiments.studies.motion.axes import Axes
from selfcorrect.experiments.studies.motion.correctors.table import CORRECTORS
from selfcorrect.experiments.studies.motion.motion_page import make_motion_page
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.settings import MotionSettings
from selfcorrect.experiments.studies.motion.study import make_motion_study
from selfcorrect.experiments.studies.run import run_study
from selfcorrect.experiments.studies.study import jobs_of
from selfcorrect.experiments.studies.study_rows import group_of
from selfcorrect.experiments.studies.summary import read_summary
from selfcorrect.experiments.studies.wandb_runs import arm_run
from selfcorrect.loop.models.diffusion.presets import preset_names
from selfcorrect.loop.policy_table import POLICIES
from selfcorrect.loop.remedies.table import REMEDIES
from selfcorrect.loop.store.run_folder import claim_folder

NUMBERS = {
    "LAST": "2",
    "DRAWN": "1",
    "SIZE": "16",
    "SHARE": "0.5",
    "RATIO": "1",
    "BUDGET": "16",
    "COUNT": "4",
    "FRACTION": "0.5",
}


def list_forms(form: str) -> list[str]:
    """A policy as it may be written, with numbers; the shortest form first."""
    return [":".join(NUMBERS.get(word, word) for word in text.split(":")) for text in form.split(" or ")]


FORMS = [list_forms(row.form) for row in POLICIES if row.name != "fresh"]
POLICY_FORMS = [forms[0] for forms in FORMS]
"""All but the one that needs a source of fresh data, which options of a motion experiment do not give."""
QUICK = PRESETS["quick"]
ROWS: dict[str, tuple[list[str], Callable[..., MotionSettings]]] = {
    "denoiser": (preset_names(), lambda *names: Axes(denoiser=names, policy=("replace",)).refine(QUICK)),
    "policy": (POLICY_FORMS, lambda *names: Axes(policy=names).refine(QUICK)),
    "corrector": (CORRECTORS.names, lambda *names: Axes(corrector=names).refine(replace(QUICK, engine="mujoco"))),
    "remedy": (REMEDIES.names, lambda *names: Axes(remedy=names).refine(QUICK)),
}
"""Names of the rows that may stand together, and a function that asks for some of them."""


def assert_unique(names: list[str], what: str) -> None:
    assert len(set(names)) == len(names), (what, sorted(names))


@pytest.mark.parametrize("kind", ROWS)
def test_rows_have_unique_keys(kind: str, tmp_path: Path) -> None:
    names, refine = ROWS[kind]
    neighbours = [*pairwise([*names, names[0]])]
    with claim_folder(tmp_path / "run", {}):
        for together in (*neighbours, names):
            settings = refine(*together)
            study = make_motion_study(settings, "quick")
            arms = [(run, arm) for run in study.runs(tmp_path / "run") for arm in study.arms(run.task)]
            asked = {run.task for run, _ in arms} if kind == "denoiser" else {getattr(arm, kind) for _, arm in arms}
            assert {name.partition(":")[0] for name in together} <= {
                name.partition(":")[0] for name in asked | {"none"}
            }
            assert_unique([job.name for job in jobs_of(study, tmp_path / "run")], "jobs")
            assert_unique([str(run.arm_folder(arm)) for run, arm in arms], "folders")
            assert_unique([arm_run(study, run, arm).name for run, arm in arms], "runs of W&B")
            first_seed = [(run, arm) for run, arm in arms if run.seed == settings.first_seed]
            assert_unique(
                [f"{group_of(study, run.task, arm)}, {describe_arm(arm)}" for run, arm in first_seed], "curves"
            )
            assert_unique([task.title for task in study.tasks.values()], "titles")


def test_all_forms_of_policies_have_unique_names(tmp_path: Path) -> None:
    """Sizes of one policy can be compared in a run, with one job and one folder each."""
    texts = dict.fromkeys(form for forms in FORMS for form in forms)
    settings = Axes(arms=(*texts, "replace:4", "union:3,physics", "replace,physics")).refine(QUICK)
    study = make_motion_study(settings, "quick")
    assert_unique([job.name for job in jobs_of(study, tmp_path)], "jobs")
    assert_unique([arm.key for arm in settings.all_arms], "keys")
    sizes = [arm for arm in settings.all_arms if arm.kind in ("replace", "freeze", "union")]
    assert_unique([describe_arm(arm) for arm in sizes], "titles")


def test_failed_start_keeps_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ArithmeticError("job names must be unique")

    monkeypatch.setattr("selfcorrect.experiments.studies.run.jobs_of", fail)
    with pytest.raises(ArithmeticError, match="unique"):
        run_study(make_motion_study(QUICK, "quick"), make_motion_page(QUICK, "quick"), tmp_path / "run", Where())
    assert not (tmp_path / "run").exists()


# --- in runs ---------------------------------------------------------------------------------------------------------

SMALL = (
    *("motion", "--preset", "quick", "--generations", "1", "--seeds", "1", "--real-count", "16", "--evaluated-count"),
    *("16", "--steps", "2", "--initial-steps", "5", "--wandb", "off", "--workers", "1"),
)
PLAIN = ("--policy", "replace", "--corrector", "none")
CPU_DENOISERS = [name for name in preset_names() if name != "paper"]
"""The published network is for a GPU; test_published runs its preset with a small one."""


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch, without_figures: None) -> None:
    monkeypatch.setitem(PRESETS, "quick", PRESETS["quick"])  # as it was, afterwards
    exec(SHORT_WINDOWS)


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--denoiser", *CPU_DENOISERS, *PLAIN), marks=pytest.mark.nightly),
        pytest.param(("--policy", *POLICY_FORMS[1:], "--corrector", "none"), marks=pytest.mark.nightly),
        pytest.param(("--corrector", *CORRECTORS.names, "--engine", "mujoco"), marks=pytest.mark.nightly),
        ("--remedy", *(row.name for row in REMEDIES), *PLAIN),
    ],
    ids=lambda words: f"{words[0]} of {len(words)} words",
)
def test_all_rows_run_together(words: tuple[str, ...], tmp_path: Path) -> None:
    assert main([*SMALL, *words, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_missing_rows_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = motion_study.make_motion_task

    def diverging(settings, denoiser, *others, **options):  # type: ignore[no-untyped-def]
        if denoiser == "dct-mlp":
            raise TrainingDivergedError("the loss of step 3 is not finite")
        return work(settings, denoiser, *others, **options)

    words = [*SMALL, *PLAIN, "--denoiser", "temporal-conv", "dct-mlp", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(motion_study, "make_motion_task", diverging)
        assert main(words) == 1
    reason = r"smooth \(dct-mlp\) seed 0 generation 0 stopped: the loss of step 3 is not finite.*; without it "
    assert re.search(reason, capsys.readouterr().out)
    assert [*read_summary(tmp_path).arms] == ["temporal-conv"]
    assert "dct-mlp is left out" in (tmp_path / "report.html").read_text()
    assert main(words) == 0
    summary = read_summary(tmp_path)
    assert {task: len(arms) for task, arms in summary.arms.items()} == {"dct-mlp": 3, "temporal-conv": 3}
    assert_unique([arm.label for arms in summary.arms.values() for arm in arms], "labels")
    page = (tmp_path / "report.html").read_text()
    for name in ("dct-mlp", "temporal-conv"):  # of the same character
        assert f"smooth ({name}), fully synthetic" in page
