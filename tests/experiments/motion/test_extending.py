"""A finished experiment gets more generations, seeds and arms, and nothing that is there is computed again.

Nor is generation 0 in a run folder beside it, as long as nothing changed that generation 0 depends on.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.jobs.identities import IdentityFile
from selfcorrect.experiments.motion import first_generation
from selfcorrect.experiments.motion.first_generation import key_first_generation
from selfcorrect.experiments.motion.settings import KeptModels, MotionSettings, RunOptions, extends
from selfcorrect.experiments.motion.study import data_identities, make_motion_study
from selfcorrect.experiments.studies import study as studies
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.study import jobs_of
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.runs.run_folder import claim_folder

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
    """All files but those that hold times, and the random identities of locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "timings.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.startswith(".")}


def test_a_run_is_not_resumed_with_changed_data_unless_told(tmp_path: Path) -> None:
    samples = Samples.real(torch.arange(12.0).reshape(6, 2))

    def resume(real: Samples, reference: Samples, *, accept: bool = False) -> None:
        data = data_identities(0, real, reference)
        IdentityFile(tmp_path / "identities.json").record(data, accept_changed=accept)

    resume(samples, samples)
    resume(samples, samples)
    moved = samples.with_values(samples.values + 1)
    with pytest.raises(
        RunFolderError, match=r"data of seed 0.*: other values.*; accept_changed=True .--accept-changed. resumes"
    ):
        resume(moved, samples)
    with pytest.raises(RunFolderError, match=r"another version of what seed 0 is compared against: it is 3 samples"):
        resume(samples, samples.take(torch.arange(3)))
    resume(moved, samples, accept=True)
    resume(moved, samples)


@pytest.mark.slow
def test_what_samples_is_kept_and_new_arms_begin_from_generation_0(tmp_path: Path) -> None:
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
    with pytest.raises(RunFolderError, match="was finished with --keep sampling, from which no model is trained on"):
        run_settings(replace(TINY, arms=MORE.arms, generations=2), folder, options)


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "kept"), [("all", {1, 2, 3}), ("samples", {2, 3})])
def test_models_of_all_generations_are_kept_if_all_is_asked_for(
    tmp_path: Path, keep: KeptModels, kept: set[int]
) -> None:
    settings = replace(TINY, arms={"dct-mlp": (BASELINE,)}, generations=3)
    folder = run_settings(settings, tmp_path / "run", RunOptions(keep=keep, device="cpu"))
    paths = [path for path in folder.rglob("model.safetensors") if "first-generation" not in path.parts]
    assert {int(path.parent.name.removeprefix("generation-")) for path in paths} == kept


@pytest.mark.slow
def test_a_loop_that_reads_past_samples_says_that_it_cannot_be_extended_without_them(tmp_path: Path) -> None:
    arms = (BASELINE, ArmSettings("accumulate:1"))
    begun = replace(TINY, arms={"dct-mlp": arms}, generations=2)
    options = RunOptions(keep="needed", device="cpu")
    folder = run_settings(begun, tmp_path / "run", options)
    with pytest.raises(RunFolderError, match="was finished with --keep needed"):
        run_settings(replace(begun, generations=3), folder, options)


class Runs:
    """Generation 0 of run folders beside each other."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.trained = 0
        train = studies.train_first_generation

        def count(*arguments: object) -> None:
            self.trained += 1
            train(*arguments)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(studies, "train_first_generation", count)

    def make(self, name: str, settings: MotionSettings = TINY, *, repair: bool = False) -> Path:
        """Make generation 0 and return its folder."""
        study = make_motion_study(settings, options=RunOptions(device="cpu", repair=repair))
        run = study.runs(self.root / name)[0]
        studies.run_first_generation(study, run, False, silent)
        return run.first_folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(tmp_path / "runs", monkeypatch)


def test_a_kept_generation_0_has_the_bytes_of_one_that_is_trained_again(runs: Runs, tmp_path: Path) -> None:
    first = content_of(runs.make("first") / "generation-0000")
    later = replace(TINY, engine="mujoco", generations=3, steps={"dct-mlp": 5})
    assert content_of(runs.make("second", later) / "generation-0000") == first
    assert runs.trained == 1
    runs.root = tmp_path / "elsewhere"
    assert content_of(runs.make("second", later) / "generation-0000") == first
    assert runs.trained == 2


def test_generation_0_is_taken_only_from_own_folders_without_links(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = runs.make("first")
    runs.make("second")
    assert f"is taken from {first}" in capsys.readouterr().err
    assert runs.trained == 1
    shutil.rmtree(runs.root / "second")
    (runs.root / "first").rename(runs.root.parent / "elsewhere")
    (runs.root / "first").symlink_to(runs.root.parent / "elsewhere")
    runs.make("third")
    assert runs.trained == 2
    shutil.rmtree(runs.root / "third")
    (runs.root / "first").unlink()
    (runs.root.parent / "elsewhere").rename(runs.root / "first")
    model = next((runs.root / "first").rglob("model.safetensors"))
    model.rename(runs.root.parent / "model.safetensors")
    model.symlink_to(runs.root.parent / "model.safetensors")
    runs.make("fourth")
    assert runs.trained == 3
    user = os.getuid()
    with monkeypatch.context() as patch:
        patch.setattr(studies.os, "getuid", lambda: user + 1, raising=False)
        runs.make("fifth")
    assert runs.trained == 4
    assert "is taken from" not in capsys.readouterr().err


def test_generation_0_is_trained_again_if_its_code_changed_or_its_files_are_damaged(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runs.make("first")
    with monkeypatch.context() as patch:
        patch.setattr(first_generation, "digest_software", lambda folders: "other code")
        runs.make("other code")
        assert runs.trained == 2
    model = next(first.rglob("model.safetensors"))
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = runs.make("second")
    assert runs.trained == 3
    assert next(again.rglob("model.safetensors")).read_bytes() == content


def test_a_key_never_outlives_the_generation_that_it_describes(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    next(runs.make("first").rglob("model.safetensors")).write_bytes(b"damaged")

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first_generation, "digest_software", lambda folders: "other code")
        patch.setattr(studies, "write_with_digest", stop)
        with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="is done again"):
            runs.make("first", repair=True)
    assert runs.trained == 2
    runs.make("second")
    assert runs.trained == 3


def test_the_key_changes_with_each_setting_and_number_of_the_data(tmp_path: Path) -> None:
    options = RunOptions(device="cpu")
    study = make_motion_study(TINY, options=options)
    run = study.runs(tmp_path)[0]
    task = study.tasks[run.task].make_task(run, silent)

    def key(settings: MotionSettings = TINY, seed: int = 0, **parts: object) -> str:
        changed = replace(task, data=replace(task.data, **parts))
        return key_first_generation(settings, options, replace(run, seed=seed), changed)

    windows = task.data.reference
    root_m = windows.batch.root_m.copy()
    root_m[0, 0, 1] = np.nextafter(root_m[0, 0, 1], 9.0)
    offsets_m = 2 * windows.batch.skeleton.offsets_m
    larger = replace(windows.batch.skeleton, offsets_m=offsets_m)
    keys = [
        key(),
        key(seed=1),
        key(replace(TINY, real_count=13)),
        key(replace(TINY, evaluated_count=13)),
        key(replace(TINY, initial_steps={"dct-mlp": 3})),
        key(reference=replace(windows, batch=replace(windows.batch, root_m=root_m))),
        key(training=replace(task.data.training, batch=replace(task.data.training.batch, skeleton=larger))),
        key(training=replace(task.data.training, labels=task.data.training.labels[::-1].copy())),
    ]
    assert len(set(keys)) == len(keys)
    assert key(replace(TINY, engine="mujoco", steps={"dct-mlp": 7})) == key()
