"""Damaged files of every format give a sentence that names the file, whatever the damage."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion

NAMES = ("a.bvh", "a.npz", "rows.npy")


@cache
def whole(name: str) -> bytes:
    """A motion file that is sound."""
    motion = Motion(SMPL_BODY.average(), np.zeros((4, 3)), np.tile([0.0, 0, 0, 1], (4, 22, 1)), 20.0)
    with tempfile.TemporaryDirectory() as folder:
        save_motion(Path(folder) / name, motion)
        return (Path(folder) / name).read_bytes()


def complaint_of(path: Path) -> str:
    """What is said of a file, "" where it can be read."""
    try:
        motion = open_motion(path).motion
    except InputError as error:
        return str(error)
    assert np.isfinite(motion.rotations).all()
    return ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_told_of(name: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(whole(name))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert complaint_of(path) == "" or str(path) in complaint_of(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_file_is_not_complained_about(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(whole(name))
    assert complaint_of(tmp_path / name) == ""
