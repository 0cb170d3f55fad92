"""W&B gets an arm's results, and the command line takes a sweep's file as it stands."""

import math
from pathlib import Path

import pytest
import tyro
import yaml

from selfcorrect.commands.motion import MotionCommand
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.study import make_motion_study
from selfcorrect.experiments.studies.study import SeedRun
from selfcorrect.experiments.studies.wandb_runs import arm_run
from selfcorrect.loop.store.run_folder import claim_folder
from selfcorrect.motion.measures.metrics import find_metric

SWEEP = Path(__file__).resolve().parents[3] / "examples" / "sweep.yaml"
STUDY = make_motion_study(PRESETS["demo"], "demo")


def test_config_has_axes_as_fields(tmp_path: Path) -> None:
    arm = ArmSettings("augment:0.5", "my:fix", 2.0, remedy="lineages")
    rows = [{"generation": 1, "synthetic_ratio": 0.4, "recall": 0.9}]
    with claim_folder(tmp_path / "run", {}):
        tracked = arm_run(STUDY, SeedRun("patch-mixer", 2, tmp_path / "run"), arm, rows)
    expected = {
        "denoiser": "patch-mixer",
        "policy": "augment",
        "synthetic_ratio": 0.5,
        "synthetic_share": pytest.approx(1 / 3),
        "corrector": "my:fix",
        "gamma": 2.0,
        "remedy": "lineages",
        "seed": 2,
        "data": "deepmimic",
        "generations": 7,
    }
    assert {name: tracked.config[name] for name in expected} == expected
    assert tracked.config["version"]
    assert {"patch-mixer", "augment:0.5", "my:fix", "lineages"} == {*tracked.tags}
    assert tracked.job_type == "arm"
    assert tracked.group.startswith("run-")
    assert [*tracked.rows] == [{"generation": 1, "realised_synthetic_ratio": 0.4, "recall": 0.9}]


@pytest.mark.slow
def test_sweep_is_valid_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args  # takes seconds

    sweep = yaml.safe_load(SWEEP.read_text())
    chosen = {name: {"value": parameter["values"][-1]} for name, parameter in sweep["parameters"].items()}
    command_args = create_sweep_command_args({"args": chosen})["args"]
    words = [
        word
        for part in create_sweep_command(sweep["command"])
        for word in (command_args if part == "${args}" else [part])
    ]
    assert words[:3] == ["${env}", "selfcorrect", "motion"]
    command = tyro.cli(MotionCommand, args=words[3:])
    settings = command.complete()
    arms = settings.all_arms
    assert {arm.policy for arm in arms} == {"real", f"augment:{sweep['parameters']['synthetic-ratio']['values'][-1]:g}"}
    assert {arm.corrector for arm in arms} == {"none", sweep["parameters"]["corrector"]["values"][-1]}
    assert math.isinf(arms[-1].strength)
    assert command.log.wandb == "online"
    assert (
        find_metric(sweep["metric"]["name"]).better
        == {"maximize": "higher", "minimize": "lower"}[sweep["metric"]["goal"]]
    )
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    monkeypatch.setenv("WANDB_RUN_ID", "t")
    assert command._default_folder() == Path("runs/sweep-s/t")
