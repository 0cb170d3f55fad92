"""Stores in memory and on disk agree."""

import errno
import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bytes_of

from selfcorrect.core.errors import DamagedError, RunFolderError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected
from selfcorrect.loop.correctors.loop_correction import CorrectedBatch, Correction, apply_corrector
from selfcorrect.loop.store.folder_store import FolderReader, FolderStore, find_damage
from selfcorrect.loop.store.memory import MemoryStore
from selfcorrect.loop.store.protocol import Generation, Store

STREAM = streams(9)


def corrected_batch(number: int, count: int = 12) -> CorrectedBatch:
    def draw(labels, stream):
        values = torch.randn((len(labels), 4, 3), generator=stream.generator())
        return Samples.synthetic(values, labels, number - 1)

    def halve_upper(samples: Samples) -> Corrected:
        height = samples.values[:, 0, 0]
        reason = np.where(height.numpy() > 0, "", "fell")
        return Corrected(
            samples.with_values(samples.values / 2), height > 0, {"height": height.numpy(), "reason": reason}
        )

    raw = draw(torch.arange(count) % 3, STREAM.child(number))
    correction = Correction(halve_upper, name="halve")
    return apply_corrector(
        raw, correction, STREAM.child("correct", number), lambda slots, stream: draw(raw.labels[slots], stream)
    )


def generation(number: int, **metrics) -> Generation:
    state = {"mean": torch.full((3,), float(number)), "steps": torch.tensor(number)}
    batch = corrected_batch(number) if number else None
    return Generation(number, state, batch, metrics or {"fid": 1.5 * number}, {"train": 0.25})


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        yield MemoryStore()
        return
    with FolderStore(tmp_path / "run", {"steps": 1}) as folder_store:
        yield folder_store


def test_commit_round_trips(store: Store):
    assert store.latest == -1
    for number in range(3):
        store.commit(generation(number))
    assert store.latest == 2
    assert torch.equal(store.state(2)["mean"], torch.full((3,), 2.0))
    assert store.state(2)["steps"].dtype == torch.int64
    assert store.metrics(1) == {"fid": 1.5}
    assert store.timings(1) == {"train": 0.25}


def test_batches_keep_provenance(store: Store):
    store.commit(generation(0))
    store.commit(generation(1))
    loaded = store.batch(1)
    expected = corrected_batch(1)
    samples = (loaded.samples, store.samples(1), loaded.drawn)  # the second is for training
    for mine, theirs in zip(samples, (expected.samples, expected.samples, expected.drawn), strict=True):
        for name in ("values", "labels", "weights"):
            assert torch.equal(getattr(mine, name), getattr(theirs, name))
        for name, column in theirs.provenance.columns().items():
            np.testing.assert_array_equal(mine.provenance.columns()[name], column)
            assert mine.provenance.columns()[name].dtype == column.dtype
    assert loaded.rejected == expected.rejected > 0
    np.testing.assert_array_equal(loaded.info["height"], expected.info["height"])
    np.testing.assert_array_equal(loaded.info["reason"].astype(str), expected.info["reason"])
    with pytest.raises(RunFolderError):
        store.samples(0)


def test_uncorrected_samples_are_stored_once(store: Store):
    raw = Samples.synthetic(torch.randn(5, 2), torch.arange(5), 0)
    store.commit(Generation(1, {}, CorrectedBatch(raw, raw), {}, {}))
    loaded = store.batch(1)
    assert loaded.drawn is loaded.samples
    assert torch.equal(loaded.samples.values, raw.values)


def test_an_empty_batch_survives(store: Store):
    nothing = Samples.real(torch.randn(5, 2)).take(torch.arange(0))
    store.commit(Generation(1, {}, CorrectedBatch(nothing, nothing), {}, {}))
    assert len(store.batch(1).samples) == 0


def test_generations_follow_one_another(store: Store):
    store.commit(generation(1))
    for number in (1, 3, 0):
        with pytest.raises(RunFolderError, match=f"generation {number} cannot follow generation 1"):
            store.commit(generation(number))


def test_non_finite_metrics_are_strict_json(tmp_path: Path):
    with FolderStore(tmp_path / "run", {}) as store:
        store.commit(generation(0, ratio=math.inf, seeds=[1.0, math.nan]))
        metrics = FolderReader(tmp_path / "run").metrics(0)  # while the folder is locked

    def refuse_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (tmp_path / "run/generation-0000/metrics.json").read_text()
    assert json.loads(text, parse_constant=refuse_constant) == {"ratio": None, "seeds": [1.0, None]}
    assert math.isnan(metrics["ratio"])
    assert metrics["seeds"][0] == 1.0
    assert math.isnan(metrics["seeds"][1])


@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.mkdir"])
def test_full_disk_leaves_no_part(tmp_path, monkeypatch, call: str):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with FolderStore(tmp_path / "run", {}) as store:
        store.commit(generation(0))
        before = sorted(path.name for path in store.folder.iterdir())
        with monkeypatch.context() as patch:
            patch.setattr(call, full)
            with pytest.raises(RunFolderError, match="No space left"):
                store.commit(generation(1))
        assert sorted(path.name for path in store.folder.iterdir()) == before
        assert store.latest == 0
        store.commit(generation(1))
        assert store.latest == 1


def test_last_two_models_are_kept(tmp_path: Path):
    run = commit_generations(tmp_path / "run", 3)
    kept_models = sorted(path.parent.name for path in run.glob("*/model.safetensors"))
    assert kept_models == ["generation-0001", "generation-0002"]


def test_a_damaged_file_is_named(tmp_path: Path):
    with FolderStore(tmp_path / "run", {}) as store:
        store.commit(generation(1))
        path = store.folder / "generation-0001/synthetic.safetensors"
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(DamagedError, match=r"generation-0001/synthetic.safetensors"):
            store.batch(1)


def commit_generations(folder: Path, generations: int = 4, *, keep_models: bool = False) -> Path:
    """A run folder with some generations."""
    with FolderStore(folder, {}, keep_models=keep_models) as store:
        for number in range(generations):
            store.commit(generation(number))
    return folder


@pytest.mark.parametrize("name", ["metrics.json", "synthetic.safetensors", "provenance.parquet", "digests.json"])
def test_missing_file_is_detected(tmp_path: Path, name: str) -> None:
    run = commit_generations(tmp_path / "run")
    (run / "generation-0002" / name).unlink()
    with pytest.raises(DamagedError, match=rf"generation-0002/{name} (is missing|is not what)"):
        FolderStore(run, {})


def test_missing_generation_is_detected(tmp_path: Path) -> None:
    run = commit_generations(tmp_path / "run")
    (run / "generation-0003" / "model.safetensors").unlink()
    with pytest.raises(DamagedError, match=r"generation-0003/model\.safetensors is missing"):
        FolderStore(run, {})
    shutil.rmtree(run / "generation-0001")
    with pytest.raises(DamagedError, match="generation-0001 is missing"):
        FolderStore(run, {})


@pytest.mark.parametrize(
    ("damaged", "keep_models", "remaining"), [(3, False, 2), (3, True, 2), (1, False, -1), (1, True, 0)]
)
def test_repair_returns_to_resumable(tmp_path: Path, damaged: int, keep_models: bool, remaining: int) -> None:
    run = commit_generations(tmp_path / "run", keep_models=keep_models)
    before_repair = bytes_of(run)
    path = run / f"generation-{damaged:04d}" / "metrics.json"
    path.write_bytes(path.read_bytes() + b" ")
    after = "the start" if remaining < 0 else f"generation {remaining}"
    with pytest.raises(DamagedError, match=f"--repair runs everything after {after} again"):
        FolderStore(run, {}, keep_models=keep_models)
    with pytest.warns(UserWarning, match=f"everything after {after} is run again"):
        store = FolderStore(run, {}, keep_models=keep_models, repair=True)
    with store:
        assert store.latest == remaining
        for number in range(remaining + 1, 4):
            store.commit(generation(number))
    assert bytes_of(run) == before_repair


def test_repair_keeps_sound_folder(tmp_path: Path) -> None:
    run = commit_generations(tmp_path / "run")
    before_repair = bytes_of(run)
    FolderStore(run, {}, keep_models=False, repair=True).close()
    assert bytes_of(run) == before_repair


def test_old_samples_are_dropped(tmp_path: Path):
    with FolderStore(tmp_path / "run", {}, keep_models=False, keep_samples=False) as store:
        for number in range(6):
            store.commit(generation(number))
        assert len(store.samples(4)) > 0
        with pytest.raises(DamagedError, match=r"generation-0003/synthetic\.safetensors"):
            store.samples(3)
        assert store.metrics(1) == {"fid": 1.5}
    assert not find_damage(tmp_path / "run")
    names = {path.name for path in (tmp_path / "run" / "generation-0002").iterdir()}
    assert names == {"metrics.json", "timings.json", "origin.json", "digests.json"}
    (tmp_path / "run" / "generation-0004" / "synthetic.safetensors").unlink()
    assert list(find_damage(tmp_path / "run")) == [4]


def test_full_folder_continues_without(tmp_path: Path):
    kept_all = commit_generations(tmp_path / "run", keep_models=True)
    size_of_all = sum(path.stat().st_size for path in kept_all.rglob("*.safetensors"))
    FolderStore(kept_all, {}, keep_models=False, keep_samples=False).close()
    assert not find_damage(kept_all)
    assert sum(path.stat().st_size for path in kept_all.rglob("*.safetensors")) < 0.7 * size_of_all


def sample_bytes(folder: Path) -> dict[str, bytes]:
    """Map files to bytes where only samplers remain."""
    with FolderStore(folder, {}, keep_models=False) as store:
        store.finish({"mean": torch.full((1,), 7.0)})
        assert torch.equal(store.state(3)["mean"], torch.full((1,), 7.0))
        assert not store.has_whole_model(3)
        assert [store.metrics(number)["fid"] for number in range(4)] == [0.0, 1.5, 3.0, 4.5]
    assert not find_damage(folder)
    return bytes_of(folder)


def test_sampler_run_has_no_model(tmp_path: Path):
    run = commit_generations(tmp_path / "run")
    files = sample_bytes(run)
    assert [name for name in files if name.endswith(".safetensors")] == ["generation-0003/sampler.safetensors"]
    assert sample_bytes(run) == files
    (run / "generation-0003" / "sampler.safetensors").unlink()
    assert list(find_damage(run)) == [3]


def test_lost_folder_commits_nothing(tmp_path: Path):
    """A lost lock commits nothing.

    A shared file system dropped the lock of a machine that it lost sight of.
    """
    with FolderStore(tmp_path, {"steps": 1}) as believed_dead:
        believed_dead.commit(generation(0))
        believed_dead._lock.release()
        with FolderStore(tmp_path, {"steps": 1}) as successor:
            with pytest.raises(RunFolderError, match=r"process \d+"):
                believed_dead.commit(generation(1))
            assert not list(tmp_path.glob(".generation*"))
            successor.commit(generation(1))
    assert FolderReader(tmp_path).latest == 1
    assert find_damage(tmp_path) == {}
