"""Few frames that are not finite are filled from those around, and named."""

from pathlib import Path

import numpy as np
import pytest
from made_rigs import base_walk
from program_files import Z_UP, parameters

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.people.damaged_frames import fill_damaged_frames
from selfcorrect.motion.motion import Motion

LOST = [20, 21, 40]


def write_joints(path: Path, walk: Motion, lost: list[int]) -> None:
    save_motion(path, walk, "joints", overwrite=True)
    joints = np.load(path)
    joints[lost, 3] = np.nan
    np.save(path, joints)


def write_rows(path: Path, walk: Motion, lost: list[int]) -> None:
    save_motion(path, walk, "humanml3d", overwrite=True)
    rows = np.load(path)
    rows[lost] = np.inf
    np.save(path, rows)


def write_parameters(path: Path, walk: Motion, lost: list[int]) -> None:
    poses, trans = parameters(walk, 24, Z_UP)
    poses = poses.reshape(len(poses), -1)
    poses[lost], trans[lost] = np.nan, np.nan
    np.savez(path, poses=poses, trans=trans, mocap_frame_rate=walk.fps)


WRITERS = {"joints.npy": write_joints, "rows.npy": write_rows, "poses.npz": write_parameters}


@pytest.mark.parametrize("name", WRITERS)
def test_lost_frames_are_filled(tmp_path: Path, name: str) -> None:
    walk = base_walk(2)
    WRITERS[name](tmp_path / name, walk, [])
    expected = open_motion(tmp_path / name)
    WRITERS[name](tmp_path / name, walk, LOST)
    filled = open_motion(tmp_path / name)
    assert not expected.damage
    assert len(filled.damage) == 1
    assert "20, 21, 40" in filled.damage[0]
    apart_m = sc.joint_positions(filled.motion) - sc.joint_positions(expected.motion)
    assert np.abs(apart_m).max() < 0.06  # a walking foot travels further in a frame
    filled.write(tmp_path / f"written-{name}", filled.motion)
    written_m = sc.joint_positions(open_motion(tmp_path / f"written-{name}").motion)
    np.testing.assert_allclose(written_m, sc.joint_positions(filled.motion), atol=3e-3)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("lost", [[0], list(range(20, 32))], ids=["first", "many"])
def test_other_damage_raises(tmp_path: Path, name: str, lost: list[int]) -> None:
    WRITERS[name](tmp_path / name, base_walk(2), lost)
    with pytest.raises(sc.InputError, match=f"not finite in frame {lost[0]}"):
        open_motion(tmp_path / name)


def test_turns_take_the_short_way(tmp_path: Path) -> None:
    """Rotation vectors of a body that turns around jump from half a turn to minus half a turn."""
    poses, trans = parameters(base_walk(2), 24, Z_UP)
    poses = poses.reshape(len(poses), -1)
    angles_rad = np.linspace(0, 2 * np.pi, len(poses))
    poses[:, :3] = np.outer((angles_rad + np.pi) % (2 * np.pi) - np.pi, [0.0, 0.0, 1.0])
    lost = int(np.abs(np.diff(poses[:, 2])).argmax())
    poses[lost] = np.nan
    np.savez(tmp_path / "poses.npz", poses=poses, trans=trans, mocap_frame_rate=30.0)
    steps_m = np.diff(sc.joint_positions(open_motion(tmp_path / "poses.npz").motion), axis=0)
    assert np.linalg.norm(steps_m, axis=-1).max() < 0.3


def test_empty_arrays_are_left_to_their_reader() -> None:
    filled, notes = fill_damaged_frames({"positions": np.zeros((0, 22, 3))})
    assert filled["positions"].shape == (0, 22, 3)
    assert notes == ()
