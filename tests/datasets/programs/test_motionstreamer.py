"""Positions of MotionStreamer's rows agree with a plain reading, also written back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from posed_motions import walking
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.views import TurnedWorld


def turning() -> sc.Motion:
    """Somebody who walks in a curve."""
    motion = walking()
    turn = Rotation.from_euler("y", np.linspace(0, 2, len(motion))[:, None])
    return replace(TurnedWorld(turn.as_quat()).view(motion), root_m=motion.root_m)


def places_m(rows: np.ndarray) -> np.ndarray:
    """Integrate rows into joints (T, 22, 3), frame by frame.

    Each is turned back by all turns so far and moved on by all steps so far.
    """
    heading = np.eye(3)
    root_m = np.zeros(3)
    frames = []
    for row in rows.astype(float):
        root_m = root_m + heading.T @ [row[0], 0.0, row[1]]
        x = row[2:5]
        y = row[5:8]
        heading = np.stack([x, y, np.cross(x, y)]) @ heading
        frames.append(row[8:74].reshape(22, 3) @ heading + root_m)
    return np.array(frames)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_motion(tmp_path / "a.npy", turning(), "motionstreamer")
    return tmp_path / "a.npy"


def test_joints_match_rows(path: Path) -> None:
    motion = open_motion(path).motion
    expected_m = places_m(np.load(path))
    np.testing.assert_allclose(sc.joint_positions(motion), expected_m, atol=1e-5)
    assert motion.fps == 30.0


def test_inconsistent_rows_are_kept(path: Path) -> None:
    rows = np.load(path)
    np.save(path, (rows + np.random.default_rng(0).normal(0, 0.003, rows.shape)).astype(np.float32))
    file = open_motion(path)
    file.write(path.with_name("b.npy"), file.motion)
    np.testing.assert_array_equal(np.load(path.with_name("b.npy")), np.load(path))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [(3, np.nan, "not finite in frame 2"), (slice(140, 272), 0.0, "rotation in frame 2"), (0, 1e9, "beyond")],
)
def test_other_numbers_raise(path: Path, column: object, value: float, message: str) -> None:
    rows = np.load(path)
    rows[2, column] = value
    np.save(path, rows)
    with pytest.raises(sc.InputError, match=rf"a\.npy: .*{message}"):
        open_motion(path)
    np.save(path, np.load(path)[:0])
    with pytest.raises(sc.InputError, match="rows of 272"):
        open_motion(path)
