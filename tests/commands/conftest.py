"""Fixture: a folder of motion files to correct."""

from pathlib import Path

import numpy as np
import pytest

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion


@pytest.fixture
def folder(stepping: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a new folder whose `clips` has files of several formats, some in a subfolder."""
    monkeypatch.chdir(tmp_path)
    for name, kind in (("steps.bvh", "bvh"), ("deep/steps.npz", "amass"), ("rows.npy", "humanml3d"),
                       ("deep/joints.npy", "joints")):  # fmt: skip
        save_motion(tmp_path / "clips" / name, stepping, kind)
    np.save(tmp_path / "clips" / "Mean.npy", np.zeros(263))
    return tmp_path
