"""The motion experiment runs small, with nothing replaced, from data to report."""

import io
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import SHORT_WINDOWS, killed_at_sync
from safetensors.torch import load

from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.rigs.bvh import read_bvh
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.rescore import rescore_folder
from selfcorrect.experiments.studies.summary import read_summary

SMALL = (
    *("--preset", "quick", "--generations", "2", "--real-count", "16", "--evaluated-count", "16"),
    *("--steps", "2", "--initial-steps", "8"),
)
COMPARED = (*SMALL, "--corrector", "physics", "my_corrector:lift_up")

LIFT_UP = """
from dataclasses import replace

def lift_up(motion):
    return replace(motion, root_m=motion.root_m + [0.0, 1.0 - motion.root_m[:, 1].min(), 0.0])
"""

IN_A_PROCESS_OF_ITS_OWN = f"""
{SHORT_WINDOWS}
import sys
from selfcorrect.commands.cli import main

sys.exit(main(["motion", *sys.argv[1:]]))
"""


@pytest.fixture(scope="module", autouse=True)
def short_windows() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "quick", PRESETS["quick"])  # as it was, afterwards
        exec(SHORT_WINDOWS)
        yield


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, which imports PyTorch once for all calls."""
    out = io.StringIO()
    err = io.StringIO()
    importable = sys.path[:]
    try:
        with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
            code = main(["motion", *arguments])
    finally:
        sys.path[:] = importable
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motion")
    (folder / "my_corrector.py").write_text(LIFT_UP)
    return folder


@pytest.fixture(scope="module")
def finished_run(workplace: Path) -> Path:
    """Finish a run with a user's corrector and physics."""
    process = run(*COMPARED, "--out", "run", "--workers", "2", cwd=workplace)
    assert process.returncode == 0, process.stderr
    assert "One seed proves nothing" in process.stdout
    return workplace / "run"


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_arms_share_generation_0(finished_run: Path):
    rows = rows_of(finished_run)
    assert {row["arm"] for row in rows} == {
        "real+none",
        "replace+none",
        "replace+none+copying",
        "replace+physics",
        "replace+my_corrector.lift_up",
    }
    starts = [row for row in rows if row["generation"] == 0]
    measured = [{key: row[key] for key in row if key != "arm" and not key.startswith("seconds")} for row in starts]
    assert all(start == measured[0] for start in measured)
    assert [row["arm"] for row in starts if "seconds_train" in row] == ["real+none"]  # so that times may be added up
    assert {(row["arm"], row["generation"]) for row in rows} == {(row["arm"], g) for row in starts for g in (0, 1, 2)}


@pytest.mark.nightly  # `test_compare.py` adds seeds in a small run
@pytest.mark.usefixtures("without_figures")
def test_seed_is_independent(tmp_path: Path):
    plain = (*SMALL, "--policy", "replace", "--corrector", "none", "--generations", "1", "--wandb", "off")
    for name, seeds in (("both", ("--seeds", "2")), ("second", ("--first-seed", "1", "--seeds", "1"))):
        process = run(*plain, *seeds, "--out", name, cwd=tmp_path)
        assert process.returncode == 0, process.stderr
    both = read_summary(tmp_path / "both" / "summary.json")
    second = read_summary(tmp_path / "second" / "summary.json")
    assert second.settings == {**both.settings, "first_seed": 1, "seeds": 1}
    measured = [(both.floors[title], scores) for title, scores in second.floors.items()]
    for arms, arms_alone in zip(both.arms.values(), second.arms.values(), strict=True):
        measured += [(arm.values, alone.values) for arm, alone in zip(arms, arms_alone, strict=True)]
    assert len(measured) == len(second.floors) + 3
    for among_others, alone in measured:
        for key in (key for key in alone if not key.startswith("seconds")):
            np.testing.assert_array_equal(alone[key], among_others[key][1:], key)
    assert (measured[-1][0]["fid_kinematic"][0] != measured[-1][0]["fid_kinematic"][1]).all()


@pytest.mark.nightly
@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("preset", ["short", "repetition", "transformer"])
def test_published_seed_is_made_again(preset: str, tmp_path: Path):
    """One command makes any seed of a published comparison, and what it keeps gives its scores again, here in small."""
    small = ("--generations", "1", *SMALL[4:], "--seeds", "1", "--first-seed", "207", "--wandb", "off")
    process = run("--preset", preset, *small, "--out", "seed", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    summary = read_summary(tmp_path / "seed" / "summary.json")
    (arms,) = summary.arms.values()
    assert [arm.name for arm in arms] == [arm.key for arm in PRESETS[preset].all_arms]
    assert summary.made.keys() >= {"date", "processor", "core_hours", "git_commit", "packages"}
    last = {arm.name: arm.values for arm in arms}
    again = [kept for kept in rescore_folder(tmp_path / "seed") if kept.generation == 1]
    assert {kept.arm for kept in again} == set(last)
    for kept in again:
        for key, value in kept.scores.items():
            rounded = last[kept.arm][key][0, 1]  # summaries have four digits
            assert value == pytest.approx(rounded, rel=1e-3, abs=1e-3, nan_ok=True), (kept.arm, key)


@pytest.mark.slow
def test_rows_have_realised_ratios(finished_run: Path):
    for row in rows_of(finished_run):
        assert {"fid_kinematic", "fid_geometric", "precision", "recall", "coverage", "skate_m_s"} <= row.keys()
        if row["generation"]:
            share = 0.0 if row["arm"] == "real+none" else 1.0
            assert row["synthetic_share"] == share


@pytest.mark.slow
def test_kept_models_score_alike(finished_run: Path):
    """Kept models give the same scores; samples without a model get scores of their own."""
    rows = {(row["arm"], row["generation"]): row for row in rows_of(finished_run)}
    again = [kept for kept in rescore_folder(finished_run) if kept.drawn_again]
    assert {(kept.arm, kept.generation) for kept in again} >= {("", 0), ("replace+physics", 2), ("real+none", 2)}
    for kept in again:
        measured = rows[kept.arm or "real+none", kept.generation]
        assert kept.scores == {key: pytest.approx(measured[key]) for key in kept.scores}
        assert kept.scores.keys() >= {"fid_ground", "slide_m_s", "novelty_of_samples"}


@pytest.mark.slow
def test_folder_without_models_is_scored(finished_run: Path, tmp_path: Path):
    shutil.copytree(finished_run, tmp_path / "run")
    for model in (tmp_path / "run").glob("*/seed-0/replace+physics/generation-0001/model.safetensors"):
        model.unlink()
    (samples,) = [kept for kept in rescore_folder(tmp_path / "run") if not kept.drawn_again]
    assert (samples.arm, samples.generation, samples.count) == ("replace+physics", 1, 16)
    assert np.isfinite(list(samples.scores.values())).all()


@pytest.mark.slow
def test_report_is_self_contained(finished_run: Path):
    page = (finished_run / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "<svg" in page
    for part in ('id="verdict"', 'id="curves"', 'id="arms"', 'id="differences"', 'id="budgets"'):
        assert part in page
    for words in ("lift_up", "real against real", "not known (custom corrector)", "One seed proves nothing"):
        assert words in page
    assert page.count("<option") == 2  # before and after correction, in generation 0 and in the last one
    motions = json.loads(re.search(r'<script id="motions" type="application/json">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert [len(json.loads(scene)["motions"]) for scene in motions["scenes"]] == [4] * 2
    assert [len(json.loads(scene)["motions"]) for scene in motions["side_by_side"]] == [16] * (1 + 5)
    assert motions["page"].count(motions["mark"]) == 1
    assert len(page) < 1_500_000
    assert page.index('id="verdict"') < page.index('id="answer"') < page.index('id="arms"')


@pytest.mark.slow
def test_samples_are_readable_motions(finished_run: Path):
    files = sorted((finished_run / "samples").rglob("*.bvh"))
    assert len(files) == 6 * 4
    motion = read_bvh(files[0]).motion
    assert len(motion) == PRESETS["quick"].frames == 12
    assert np.isfinite(motion.root_m).all()


@pytest.mark.slow
def test_wandb_ran_offline(finished_run: Path):
    folders = list((finished_run / "wandb").glob("offline-run-*"))
    assert len(folders) == 5 + 1  # arms, and the whole
    assert all(list(folder.glob("run-*.wandb")) for folder in folders)


@pytest.mark.slow
def test_other_config_raises(finished_run: Path, workplace: Path):
    repeated = run(*COMPARED, "--steps", "5", "--out", "run", cwd=workplace)
    assert repeated.returncode == 2
    assert "steps.patch-mixer is 2 in the folder and 5 now" in repeated.stderr
    assert "Traceback" not in repeated.stderr


TIMED = ("timings.json", "summary.json", "machines.json")
"""They hold when and where a run took place, and how long it took."""


def results_of(folder: Path) -> dict[str, bytes]:
    """Map result files to their content, without times, W&B's files and pages that hold times."""
    kinds = (".safetensors", ".parquet", ".json", ".bvh")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in kinds and path.name not in TIMED and "wandb" not in path.parts
    }


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_flipped_bit_is_repaired(finished_run: Path, workplace: Path):
    damaged = workplace / "damaged"
    shutil.copytree(finished_run, damaged)
    path = next(damaged.glob("*/seed-0/replace+physics/generation-0002/model.safetensors"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    arguments = (*COMPARED, "--out", "damaged", "--wandb", "off")
    process = run(*arguments, cwd=workplace)
    assert process.returncode == 2
    assert f"{path} is damaged: checksum mismatch; --repair runs everything after generation 1 again" in process.stderr
    process = run(*arguments, "--repair", cwd=workplace)
    assert process.returncode == 0, process.stderr
    assert results_of(damaged) == results_of(finished_run)


@pytest.mark.long
@pytest.mark.usefixtures("without_figures")
def test_killed_run_repeats_bytes(finished_run: Path, workplace: Path, tmp_path: Path):
    """Killed runs that keep only samples repeat bytes, with the running averages of a run that keeps all."""
    arguments = (*COMPARED, "--out", "killed", "--keep", "sampling", "--workers", "1", "--wandb", "off")
    command = [sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN, *arguments]
    killed_at_sync(random.Random(0).randint(1, 30), command, tmp_path, workplace)
    last = run(*arguments, cwd=workplace)
    assert last.returncode == 0, last.stderr
    straight = results_of(finished_run)
    killed = results_of(workplace / "killed")
    samplers = [name for name in killed if name.endswith("/sampler.safetensors")]
    assert len(samplers) == 5
    for name in samplers:
        model = load(straight[name.replace("sampler", "model")])
        recovered = load(killed[name])
        assert recovered.keys() == {key for key in model if not key.startswith("network.")}
        assert all(torch.equal(recovered[key], model[key]) for key in recovered)
    same = {name for name in killed if name not in samplers and not name.endswith("/digests.json")}
    gone = {Path(name).name for name in straight.keys() - same}
    assert gone == {"model.safetensors", "synthetic.safetensors", "provenance.parquet", "digests.json"}
    assert [name for name in same if straight[name] != killed[name]] == []


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_reference_people_and_sampling_axis(cmu: Path, tmp_path: Path):
    people = ("--data", f"{cmu}#subjects=35", "--reference", f"{cmu}#subjects=7", "--corrector", "none")
    small = ("--preset", "quick", "--generations", "1", "--real-count", "12", "--evaluated-count", "12")
    quick = ("--steps", "2", "--initial-steps", "5", "--guidance", "2", "--workers", "1", "--wandb", "off")
    process = run(*people, *small, *quick, "--out", "run", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    nobody = run(
        "--data", f"{cmu}#subjects=35", "--reference", f"{cmu}#subjects=94", *small, "--out", "x", cwd=tmp_path
    )
    assert nobody.returncode == 2
    assert "subjects=94 has no label in common with" in nobody.stderr
    arms = {row["arm"] for row in rows_of(tmp_path / "run")}
    plain = {"real+none", "replace+none"}
    assert arms == plain | {f"{arm}+guidance-2" for arm in plain} | {"replace+none+copying"}
    report = (tmp_path / "run" / "report.html").read_text()
    assert "real windows from other sources" in report
    assert "guidance 2" in report
