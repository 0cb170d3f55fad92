"""The published experiment runs end to end, tiny.

Files are made here in the published layouts.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluator_files import write_evaluator
from humanml3d_files import write_clip, write_humanml3d
from mdm_files import write_mdm
from mdm_generator import judge
from mdm_generator.experiment import load_parts
from mdm_generator.padding import measure_lengths
from mdm_generator.protocol import Multimodality

from selfcorrect.commands import cli
from selfcorrect.commands.motion import MotionCommand
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.task import Sharing
from selfcorrect.experiments.studies.summary import read_summary
from selfcorrect.loop.run import Candidate
from selfcorrect.loop.store.run_folder import FEASIBILITY_FILE
from selfcorrect.motion.measures.metrics import FIELD

FIELD_KEYS = {metric.key for metric in FIELD}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_humanml3d(folder / "HumanML3D", {"train": 20, "val": 34, "test": 36})
    write_evaluator(folder / "t2m")
    write_mdm(folder / "mdm", layers=1, diffusion_steps=3, batch_size=8)
    write_clip(folder / "clip")
    return folder


def options(files: Path) -> list[str]:
    checkpoint = files / "mdm" / "model000475000.pt"
    return [
        *("motion", "--preset", "paper-2794", "--data", str(files / "HumanML3D")),
        *("--generator", "mdm", f"checkpoint={checkpoint}", f"evaluator={files / 't2m'}", f"clip={files / 'clip'}"),
        "repetitions=2",
    ]


SMALL = [
    *("--synthetic-ratio", "0.5", "--corrector", "kinematic", "--generations", "1", "--seeds", "1"),
    *("--real-count", "16", "--evaluated-count", "32", "--steps", "2", "--initial-steps", "0"),
    *("--workers", "1", "--runner", "here", "--wandb", "off", "--device", "cpu"),
]


@pytest.fixture(scope="module", autouse=True)
def few_samples() -> Iterator[None]:
    """Measure few samples at the end of an arm, with jobs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "MULTIMODAL", Multimodality(captions=3, motions=4, pairs=2))
        patch.setitem(PRESETS, "paper-2794", replace(PRESETS["paper-2794"], feasibility_count=4))
        yield


@pytest.fixture(scope="module")
def finished_run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    assert cli.main([*options(files), *SMALL, "--out", str(out)]) == 0
    return out


@pytest.mark.nightly  # other tests here make its samples, its plan and its parts
def test_experiment_runs_to_report(finished_run: Path) -> None:
    frame = read_summary(finished_run).to_frame()
    assert sorted(frame["generation"].unique()) == [0, 1]
    assert len(frame["arm"].unique()) == 3
    assert frame["field_fid"].notna().all()
    assert (frame["field_precision_3"] >= frame["field_precision_1"]).all()
    last = frame[frame["generation"] == 1]
    assert last[sorted(FIELD_KEYS)].notna().all().all()
    assert frame[frame["generation"] == 0]["field_multimodality"].isna().all()
    report = (finished_run / "report.html").read_text()
    assert "real, the test set itself" in report
    assert "Guo et al. 2022" in report
    columns, *rows = [line.split(",") for line in (finished_run / "tables" / "arms.csv").read_text().splitlines()]
    (real,) = [row for row in rows if row[1].strip('"').startswith("real, the test") or "test set itself" in str(row)]
    assert any("Multimodality" in column for column in columns)
    assert len([cell for cell in real if cell not in ("", "–")]) > 7, "the field's evaluator scores the test set"


@pytest.mark.nightly  # `test_experiment.py` of the motion experiment kills a run
def test_deleted_arm_repeats(files: Path, finished_run: Path, tmp_path: Path) -> None:
    copied = tmp_path / "again"
    shutil.copytree(finished_run, copied)
    (arm,) = [path for path in (copied / "mdm" / "seed-0").iterdir() if "kinematic" in path.name]
    expected = (arm / FEASIBILITY_FILE).read_bytes()
    shutil.rmtree(arm / "generation-0001")
    (arm / FEASIBILITY_FILE).unlink()
    assert cli.main([*options(files), *SMALL, "--out", str(copied)]) == 0
    assert (arm / FEASIBILITY_FILE).read_bytes() == expected


@pytest.mark.slow
def test_synthetic_keep_captions_and_lengths(files: Path) -> None:
    command = cli._parse_command(
        [*options(files), "--real-count", "16", "--evaluated-count", "32", "--initial-steps", "0"]
    )
    assert isinstance(command, MotionCommand)
    parts = load_parts(command.complete(), streams(0))
    task = parts.make_task("mdm", Sharing())
    model = task.model.fit(task.real, 0, streams(0))
    real = task.real
    assert torch.equal(measure_lengths(model.sample(real.labels, streams(1))), measure_lengths(real.values))
    assert parts.prompts.labels == 48, "fresh motions have prompts, too"
    assert not np.isin(task.data.fresh.clips, task.data.training.clips).any()
    assert not np.isin(task.data.reference.clips, task.data.training.clips).any()
    assert [int(count) for count in parts.prompts.first[1:] - parts.prompts.first[:-1]].count(2) > 20
    scores = task.evaluate(Candidate(0, model, None, real, streams(2)))
    assert {"field_fid", "fid_kinematic", "recall", "penetration_mm"} <= scores.keys()
    assert scores == task.evaluate(Candidate(0, model, None, real, streams(2)))
    (real_scores,) = task.score_real(streams(3)).values()
    assert real_scores["field_fid"] < scores["field_fid"], "real motions are nearer to real ones than noise is"


@pytest.mark.slow
def test_dry_runs_print_the_plan(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*options(files), "--real-count", "64", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "generations 50, seeds 3, n = 64" in output


def test_dry_run_cost_grows(capsys: pytest.CaptureFixture[str]) -> None:
    costs = []
    for changes in ([], ["--seeds", "10", "--generations", "8"]):
        assert cli.main(["motion", "--preset", "quick", *changes, "--dry-run"]) == 0
        costs.append(capsys.readouterr().out.splitlines()[-1].partition(" × ")[0])
    assert costs[0].startswith("the preset quick takes "), "unchanged settings train as much as the preset"
    assert costs[1] == "20"
