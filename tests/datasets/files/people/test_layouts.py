"""Layouts of datasets and robot tools are read, beside those in test_programs.py."""

import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posed_motions import walking
from program_files import Z_UP, parameters, save_phc

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people.dictionaries import CHARACTERS
from selfcorrect.datasets.files.skeletons.reading import Reading


def test_shift_is_kept_and_copies_noted(tmp_path: Path) -> None:
    save_phc(tmp_path / "a.pkl", walking())
    file = open_motion(tmp_path / "a.pkl")
    file.write(tmp_path / "b.pkl", replace(file.motion, root_m=file.motion.root_m + np.array([0.1, 0.2, 0.3])))
    before, after = (pickle.loads((tmp_path / name).read_bytes())["0-walk"] for name in ("a.pkl", "b.pkl"))
    moves = after["root_trans_offset"] - before["root_trans_offset"]
    np.testing.assert_allclose(moves, after["trans_orig"] - before["trans_orig"], atol=1e-6)
    assert any("pose_quat_global" in note for note in file.notes)


def test_frames_of_people_are_split(tmp_path: Path) -> None:
    vectors, trans = parameters(walking(), 24)
    frames = []
    for row, place in zip(vectors, trans, strict=True):
        people = [{"pose": row.ravel(), "trans": place + np.array([shift, 0.0, 0.0])} for shift in (0.0, 2.0)]
        frames.append(people)
    (tmp_path / "frames.pkl").write_bytes(pickle.dumps(frames))
    people = {number: {"pose": vectors.reshape(len(trans), -1), "trans": trans} for number in range(2)}
    (tmp_path / "people.pkl").write_bytes(pickle.dumps(people))
    for name in ("frames.pkl", "people.pkl"):
        motions = open_motion(tmp_path / name, Reading(fps=30.0)).motions
        assert [len(motion) for motion in motions] == [len(trans)] * 2


@pytest.mark.parametrize("program", CHARACTERS)
def test_robots_and_characters_are_named(tmp_path: Path, program: str) -> None:
    arrays: dict[str, Any] = {key: np.zeros((9, 7)) for key in CHARACTERS[program]}
    if program == "MimicKit":
        arrays = {"loop_mode": 1, "fps": 30, "frames": np.zeros((9, 34)).tolist()}
    path = tmp_path / "robot.pkl"
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(InputError, match=re.escape(program)):
        open_motion(path)


OTHER_KINDS = ("c3d", "trc", "vmd", "mvn", "motion", "csv", "anim", "smd", "cast", "hkx", "dae")


@pytest.mark.parametrize("suffix", OTHER_KINDS)
def test_other_kinds_get_advice(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match=r"BVH|FBX|glTF|retargeting"):
        open_motion(path)


def test_object_arrays_are_copied_unread(tmp_path: Path) -> None:
    vectors, trans = parameters(walking(), 52, Z_UP)
    labels = np.array([{"LANK": [0.0, 1.0]}, None], dtype=object)
    fields = {"poses": vectors.reshape(len(trans), -1), "trans": trans, "mocap_framerate": 30.0}
    np.savez(tmp_path / "a.npz", markers_latent_vids=labels, **fields)
    file = open_motion(tmp_path / "a.npz")
    file.write(tmp_path / "b.npz", file.motion)
    with np.load(tmp_path / "b.npz", allow_pickle=True) as archive:
        assert archive["markers_latent_vids"].tolist() == labels.tolist()
    file.write(tmp_path / "c.npz", file.motion.frames(0, 20))
    with np.load(tmp_path / "c.npz", allow_pickle=True) as archive:
        assert "markers_latent_vids" not in archive.files, "they may be per frame, and frames changed"
