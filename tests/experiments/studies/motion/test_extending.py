"""Finished experiments get more generations, seeds and arms without computing anything again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.jobs.identities import IdentityFile
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.settings import KeptModels, MotionSettings, RunOptions, extends
from selfcorrect.experiments.studies.motion.study import data_identities, make_motion_study
from selfcorrect.experiments.studies.study import jobs_of
from selfcorrect.loop.store.run_folder import claim_folder
from selfcorrect.runtime.progress import silent

TINY = MotionSettings(
    {"dct-mlp": (BASELINE, ArmSettings("replace"))},
    generations=1,
    seeds=1,
    real_count=12,
    evaluated_count=12,
    frames=10,
    steps={"dct-mlp": 1},
    initial_steps={"dct-mlp": 2},
    feasibility_count=2,
)
MORE = replace(TINY, arms={"dct-mlp": (*TINY.all_arms, ArmSettings("replace", "kinematic"))}, generations=2, seeds=2)


def run_settings(settings: MotionSettings, folder: Path, options: RunOptions) -> Path:
    """All jobs of an experiment, one after the other."""
    with claim_folder(folder, settings.config(), extends):
        for job in jobs_of(make_motion_study(settings, options=options), folder):
            job.function(*job.arguments, silent)
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    """Map files to content, except times and lock identities."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.startswith(".")}


def test_changed_data_stop_resume(tmp_path: Path) -> None:
    samples = Samples.real(torch.arange(12.0).reshape(6, 2))

    def resume(real: Samples, reference: Samples, *, accept: bool = False) -> None:
        data = data_identities(0, real, reference)
        IdentityFile(tmp_path / "identities.json").record(data, accept_changed=accept)

    resume(samples, samples)
    resume(samples, samples)
    moved = samples.with_values(samples.values + 1)
    with pytest.raises(RunFolderError, match=r"seed 0.*accept_changed=True.*--accept-changed"):
        resume(moved, samples)
    with pytest.raises(RunFolderError, match=r"what seed 0.*3"):
        resume(samples, samples.take(torch.arange(3)))
    resume(moved, samples, accept=True)
    resume(moved, samples)


@pytest.mark.slow
def test_new_arms_start_at_generation_0(tmp_path: Path) -> None:
    options = RunOptions(keep="sampling", device="cpu")
    folder = run_settings(TINY, tmp_path / "run", options)
    at_once = run_settings(TINY, tmp_path / "whole", RunOptions(keep="all", device="cpu"))
    sampled = {path.parent.parent.name for path in folder.rglob("sampler.safetensors")}
    assert sampled == {arm.key for arm in TINY.all_arms}
    for path in folder.rglob("sampler.safetensors"):
        model = load_file(at_once / path.relative_to(folder).with_name("model.safetensors"))
        saved = load_file(path)
        assert saved.keys() == {name for name in model if not name.startswith("network.")}
        assert all(torch.equal(saved[name], model[name]) for name in saved)
    assert [path.parent.parent.name for path in folder.rglob("model.safetensors")] == ["first-generation"]
    assert not list(folder.rglob("synthetic.safetensors"))
    before = content_of(folder)
    assert content_of(run_settings(TINY, folder, options)) == before
    run_settings(replace(TINY, arms=MORE.arms), folder, options)
    with pytest.raises(RunFolderError, match="--keep sampling"):
        run_settings(replace(TINY, arms=MORE.arms, generations=2), folder, options)


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "kept"), [("all", {1, 2, 3}), ("samples", {2, 3})])
def test_all_models_are_kept(tmp_path: Path, keep: KeptModels, kept: set[int]) -> None:
    settings = replace(TINY, arms={"dct-mlp": (BASELINE,)}, generations=3)
    folder = run_settings(settings, tmp_path / "run", RunOptions(keep=keep, device="cpu"))
    paths = [path for path in folder.rglob("model.safetensors") if "first-generation" not in path.parts]
    assert {int(path.parent.name.removeprefix("generation-")) for path in paths} == kept


@pytest.mark.slow
def test_past_reading_loop_needs_samples(tmp_path: Path) -> None:
    arms = (BASELINE, ArmSettings("accumulate:1"))
    begun = replace(TINY, arms={"dct-mlp": arms}, generations=2)
    options = RunOptions(keep="sampling", device="cpu")
    folder = run_settings(begun, tmp_path / "run", options)
    with pytest.raises(RunFolderError, match="past samples"):
        run_settings(replace(begun, generations=3), folder, options)
