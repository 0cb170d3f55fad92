"""What raters are shown: files, what models of a run make; and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import lifting_off, run_in_memory

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.curation.features import MOTION_FEATURES, reward_features
from selfcorrect.experiments.curation.items import Item, collect_items
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.storage.runs.folder_store import FolderStore

STREAM = streams(0)


def read(*paths: Path) -> list[Item]:
    return collect_items(paths, Reading())


def test_motions_of_files_have_ids_by_content_and_features_by_name(clips: Path, items: list[Item]) -> None:
    assert [item.rated.name for item in items] == [f"sunk-{depth:02d}-cm" for depth in (0, 4, 8, 12, 16, 20)]
    assert all(isinstance(item.shown, Motion) for item in items)
    assert len({item.rated.id for item in items}) == 6
    assert {item.rated.source for item in items} == {clips.name}
    assert [item.rated.id for item in read(*sorted(clips.iterdir()))] == [item.rated.id for item in items]
    sunk = [item.rated.features[MOTION_FEATURES.index("penetration_m")] for item in items]
    assert sunk == sorted(sunk)
    np.testing.assert_allclose(np.exp(sunk[-1]), 0.15 + 1e-3, atol=0.05)  # of 20 cm, in the three quarters that stand


def test_files_of_the_same_motion_are_one_sample(clips: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.bvh"
    copy.write_bytes((clips / "sunk-00-cm.bvh").read_bytes())
    with pytest.raises(ValueError, match="two different samples are needed to compare, got 1"):
        read(clips / "sunk-00-cm.bvh", copy)


def test_a_file_that_cannot_be_read_does_not_hide_the_others(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.bvh").write_text("HIERARCHY")
    assert len(read(tmp_path / "bad.bvh", clips)) == 6
    assert "bad.bvh, line 1: " in capsys.readouterr().err


def test_features_do_not_depend_on_the_batch_and_hardly_on_the_frame_rate() -> None:
    motion = lifting_off()
    lowered = replace(motion, root_m=motion.root_m - [0.0, 0.1, 0.0])
    both = reward_features(MotionBatch.stack([motion, lowered]))
    alone = reward_features(MotionBatch.stack([lowered]))
    assert both.shape == (2, len(MOTION_FEATURES))
    np.testing.assert_allclose(both[1], alone[0])
    np.testing.assert_allclose(reward_features(MotionBatch.stack([resample(lowered, 60.0)])), alone, atol=0.2)


def run_of(folder: Path, shape: tuple[int, ...]) -> Path:
    """A run of a general loop whose samples have a shape."""
    real = Samples.real(torch.rand((12, *shape), generator=STREAM.generator()).double(), torch.arange(12) % 2)
    task = Task(Gaussian.standard(*shape), real, lambda candidate: {})
    with FolderStore(folder / "arm", {}) as store:
        run_in_memory(task, Arm(Replace(), 2), STREAM, store)
    return folder


def test_runs_that_cannot_be_shown_are_refused(tmp_path: Path, clips: Path) -> None:
    run = run_of(tmp_path / "run", (4, 5))
    with pytest.raises(ValueError, match="no run of `selfcorrect motion`"):
        read(run)
    with pytest.raises(ValueError, match="curate a single run"):
        read(run, clips)


def test_a_folder_without_motions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="two different samples are needed"):
        read(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfcorrect.experiments.curation.items.MOST_ITEMS", 1)
    for height_m in (0.0, 0.1):
        motion = lifting_off()
        save_motion(tmp_path / f"{height_m}.bvh", replace(motion, root_m=motion.root_m - [0.0, height_m, 0.0]))
    with pytest.raises(ValueError, match="at most 1 samples are compared, got 2"):
        read(tmp_path)
