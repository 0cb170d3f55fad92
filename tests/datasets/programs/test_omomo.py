"""OMOMO's rows are read and written back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import smpl_joints_m
from made_rigs import base_walk
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people.joint_sets import JOINT_SETS
from selfcorrect.datasets.programs.omomo import reader
from selfcorrect.motion.body.smpl import SMPL_H, body_joints, to_smpl
from selfcorrect.motion.views import Z_UP, to_y_up


def test_omomo_rows_round_trip(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    motion = to_smpl(base_walk(), SMPL_H)
    z_up = to_y_up(Z_UP).restore(motion)
    places_m = dict(zip(SMPL_H.names, np.moveaxis(sc.joint_positions(z_up), 1, 0), strict=True))
    joints = next(joints for joints in JOINT_SETS if joints.name == "the simulators' 52")
    places = np.stack([places_m[name] for name, _ in joints.joints], axis=1)
    turns = reader._find_orientations(places)
    rows = np.zeros((len(places), 591), np.float32)
    rows[:, :3] = places[:, 0]
    rows[:, 3:7] = turns[:, 0]
    rows[:, 9:162] = reader._find_local_rotations(turns).as_rotvec().reshape(len(rows), -1)
    rows[:, 162:318] = places.reshape(len(rows), -1)
    rows[:, 318:321] = 0.5
    rows[:, 383:] = turns.reshape(len(rows), -1)
    torch.save(torch.tensor(rows), tmp_path / "a.pt")
    file = open_motion(tmp_path / "a.pt")
    np.testing.assert_allclose(smpl_joints_m(file.motion)[..., 1], body_joints(motion)[..., 1], atol=5e-3)
    bent = turn_joint(file.motion, "left_knee", Rotation.from_euler("x", 20, degrees=True))
    file.write(tmp_path / "b.pt", replace(bent, root_m=bent.root_m + np.array([0.0, 0.1, 0.0])))
    written = torch.load(tmp_path / "b.pt").numpy()
    moved = written - rows
    np.testing.assert_allclose(moved[:, :3], np.tile([0, 0, 0.1], (len(rows), 1)), atol=5e-3)
    np.testing.assert_array_equal(moved[:, 318:383], 0)
    index = [name for name, _ in joints.joints].index("left_knee")
    before = Rotation.from_quat(rows[:, 383:].reshape(len(rows), 52, 4)[:, index])
    after = Rotation.from_quat(written[:, 383:].reshape(len(rows), 52, 4)[:, index])
    assert np.degrees((after * before.inv()).magnitude()) == pytest.approx(20, abs=2)
    vectors = [array[:, 9:162].reshape(len(rows), 51, 3) for array in (rows, written)]
    turned_deg = np.degrees(np.linalg.norm(vectors[1] - vectors[0], axis=2))
    assert turned_deg[:, index - 1].min() > 10
