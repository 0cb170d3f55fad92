"""Motions in files, to be corrected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion


@pytest.fixture
def stepping() -> Motion:
    """A body that steps in place for a second and a half, sunk into the floor by 6 cm."""
    frames = np.linspace(0, 3 * np.pi, 45)
    rotations = np.tile([0.0, 0, 0, 1], (45, 22, 1))
    for side, phase in ((1, 0), (2, np.pi)):
        swing = np.maximum(np.sin(frames + phase), 0)[:, None]
        rotations[:, side] = Rotation.from_euler("x", -0.4 * swing).as_quat()
        rotations[:, side + 3] = Rotation.from_euler("x", 0.8 * swing).as_quat()
    skeleton = SMPL_BODY.average()
    height_m = 0.025 - skeleton.offsets_m[[1, 4, 7, 10], 1].sum() - 0.06
    return Motion(skeleton, np.tile([0.0, height_m, 0.0], (45, 1)), rotations, 30.0)


@pytest.fixture
def folder(stepping: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `clips` in it: one file of each format, one of them below another folder."""
    monkeypatch.chdir(tmp_path)
    for name, kind in (("steps.bvh", "bvh"), ("deep/steps.npz", "amass"), ("rows.npy", "humanml3d"),
                       ("deep/joints.npy", "joints")):  # fmt: skip
        save_motion(tmp_path / "clips" / name, stepping, kind)
    np.save(tmp_path / "clips" / "Mean.npy", np.zeros(263))
    return tmp_path
