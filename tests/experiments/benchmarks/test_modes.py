"""The figure of the modes, from run folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.experiments.benchmarks.modes import TOLD, draw, read_curves, row


def write_run(folder: Path, seed: int, **ends: float) -> Path:
    """A run of one seed: each arm goes in a straight line from 1 to its end, in every quantity."""
    folder.mkdir()
    rows = [
        {"arm": arm.replace("_", "+"), "seed": seed, "generation": step, **dict.fromkeys(TOLD, value)}
        for arm, end in ends.items()
        for step, value in enumerate(np.linspace(1, end, 5).tolist())
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_seeds_of_several_folders_are_one_experiment(tmp_path: Path):
    folders = [write_run(tmp_path / str(seed), seed, real_none=1.0, replace_none=0.1 + seed / 10) for seed in range(3)]
    curves = read_curves(folders)
    assert curves["replace+none"].last("recall") == pytest.approx([0.1, 0.2, 0.3])
    told = row(curves["replace+none"], curves["real+none"])
    assert told.startswith("uncorrected: coverage 0.2 [-0.0484, 0.448] (0.20 × real only)")
    picture = draw(curves)
    assert picture.startswith("<svg")
    assert all(word in picture for word in ("uncorrected", "real only", "generation"))
